use proptest::prelude::*;

use super::*;
use crate::meter::{candidate::CandidateSnapshot, reading::Measurand, reading::Phase};

fn counter(served_wh: f64) -> CounterRecord {
    CounterRecord {
        key: Measurand::EnergyOut,
        phase: Phase::L2,
        item: "E".to_owned(),
        served_wh,
        counter: CounterSnapshot {
            reached_wh: served_wh - 0.1,
            offset_wh: -0.3,
            free_wh: 999.9,
            explained: ExplainedSnapshot { known_wh: 0.1, lived_s: 0.2, away_s: 3.0, gaps_wh: 0.7 },
            candidate: Some(CandidateSnapshot {
                first_wh: 1.5,
                last_wh: 700.25,
                life_s: 540.0,
                confirmations: 1,
            }),
        },
        power: PowerSnapshot { last_w: 800.1, highest_w: 5000.3, was_positive: true },
    }
}

fn file(served_wh: f64) -> CounterFile {
    let record = MeterRecord { counters: vec![counter(served_wh)] };
    let saved = UNIX_EPOCH.checked_add(Duration::from_secs(1_800_000_000)).unwrap();
    CounterFile::new("SN".to_owned(), record, saved)
}

fn text(file: &CounterFile) -> String {
    serde_json::to_string(file).unwrap()
}

#[test]
fn what_is_written_is_read_to_the_last_bit() {
    for served in [12_345_678.123_456_78, 1e13, 0.1 + 0.2] {
        let file = file(served);
        assert_eq!(CounterFile::parse(&text(&file)).unwrap(), file);
    }
    assert_eq!(
        file(1.0).restored().saved,
        UNIX_EPOCH.checked_add(Duration::from_secs(1_800_000_000)).unwrap()
    );
}

/// Written down: a later program must read it.
#[test]
fn the_text_stays_as_it_is() {
    let text = r#"{"version":2,"serial_number":"SN","saved":1800000000,"counters":[
        {"key":"energy_counter_out","phase":"L1","item":"E","served_wh":5200.0,
         "reached_wh":5000.0,"offset_wh":0.0,"free_wh":1000.0}]}"#;
    let file = CounterFile::parse(text).unwrap();
    let counter = &file.record.counters[0];
    assert_eq!((counter.key, counter.phase), (Measurand::EnergyOut, Phase::L1));
    assert_eq!(counter.counter.candidate, None, "fields of later versions have defaults");
}

#[test]
fn what_is_no_file_of_ours_is_refused() {
    for (from, to, expected) in [
        ("\"version\":2", "\"version\":3", "version 3, expected 2"),
        ("5000.0", "-5000.0", "energy_counter_out of item E"),
        ("5000.0", "1e300", "energy_counter_out of item E"),
        ("-0.3", "1e14", "energy_counter_out of item E"),
        ("energy_counter_out", "energy_counter_up", "unknown variant"),
    ] {
        let text = text(&file(5000.0)).replacen(from, to, 1);
        let error = CounterFile::parse(&text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let cut_off = text(&file(1.0));
    assert!(CounterFile::parse(&cut_off[..cut_off.len() - 1]).unwrap_err().contains("EOF"));
    let mut many = file(1.0);
    many.record.counters = vec![counter(1.0); MAX_COUNTERS + 1];
    assert!(CounterFile::parse(&text(&many)).unwrap_err().contains("at most 256"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A file in which a number, a word or a sign is another one.
    #[test]
    fn what_is_nearly_a_file_is_refused_or_sound(
        place in any::<prop::sample::Index>(),
        odd in prop::sample::select(vec!["", "-", "9e99", "null", "\"", "{", "NaN", "-1", "1e13", ","]),
    ) {
        let mut text = text(&file(5000.0));
        let places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
        let place = places[place.index(places.len())];
        text.replace_range(place..=place, odd);
        if let Ok(file) = CounterFile::parse(&text) {
            prop_assert!(file.record.counters.iter().all(is_sound), "{}", text);
            let saved = serde_json::to_string(&file).unwrap();
            prop_assert_eq!(CounterFile::parse(&saved).unwrap(), file);
        }
    }

    #[test]
    fn any_text_is_refused_or_sound(text in "\\PC*") {
        if let Ok(file) = CounterFile::parse(&text) {
            prop_assert!(file.record.counters.iter().all(is_sound));
        }
    }
}
