use std::fs;

use super::{
    super::directory::{FILE, StateDirectory},
    *,
};
use crate::meter::{counter::Counter, units::Quantity};
use proptest::prelude::*;

const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L2 };

fn item(name: &str) -> Binding {
    Binding { point: ENERGY, item: name.to_owned(), unit: Quantity::Energy.default_unit() }
}

fn snapshot(served: f64, now: Instant) -> CounterSnapshot {
    let since = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    let former = Some(FormerCounter { offset: 0.25, shown: 4000.0, since: since(90_000) });
    let lower = Some(Lower { first: 1.5, last: 700.25, since: since(540) });
    CounterSnapshot { served, offset: 2000.5, former, lower, certain: true }
}

fn meter(served: f64, item_name: &str, now: Instant) -> MeterRecord {
    MeterRecord::new(&[(ENERGY, snapshot(served, now))], &[item(item_name)], UNIX_EPOCH, now)
}

fn state(served: f64) -> CounterFile {
    let meter = meter(served, "E", Instant::now());
    CounterFile { meters: [("serial".to_owned(), meter)].into(), ..CounterFile::default() }
}

#[test]
fn what_is_saved_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way");
    let store = StateDirectory::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), CounterFile::default());
    for served in [12_345_678.123_456_78, 1e13, 0.1 + 0.2] {
        store.save(&state(served)).unwrap();
        assert_eq!(store.load().unwrap(), state(served));
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 2, "the file and the lock");
}

#[test]
fn a_counter_belongs_to_its_item() {
    let now = Instant::now();
    let meter = meter(5000.0, "E", now);
    assert_eq!(meter.snapshots(&[item("E")], now), [(ENERGY, snapshot(5000.0, now))]);
    assert_eq!(meter.snapshots(&[item("F")], now), []);
    let elsewhere = Binding { point: Point { phase: Phase::L1, ..ENERGY }, ..item("E") };
    assert_eq!(meter.snapshots(&[elsewhere], now), []);
}

#[test]
fn no_counter_is_lost_and_none_falls() {
    let now = Instant::now();
    let mut kept = meter(10.0, "F", now);
    kept.keep(meter(5000.0, "E", now));
    let remembered = |kept: &MeterRecord, name| kept.snapshots(&[item(name)], now);
    assert_eq!(remembered(&kept, "F"), [(ENERGY, snapshot(10.0, now))]);
    assert_eq!(remembered(&kept, "E"), [(ENERGY, snapshot(5000.0, now))], "not configured now");
    for (served, then) in [(4999.0, 5000.0), (5001.0, 5001.0)] {
        let mut kept = meter(served, "E", now);
        kept.keep(meter(5000.0, "E", now));
        assert_eq!(remembered(&kept, "E"), [(ENERGY, snapshot(then, now))]);
    }
}

#[test]
fn after_a_crash_every_counter_is_a_lower_bound() {
    let now = Instant::now();
    let mut state = state(5000.0);
    state.doubt();
    let [(_, snapshot)] = state.meters["serial"].snapshots(&[item("E")], now)[..] else { panic!() };
    assert!(!snapshot.certain);
}

/// A time that no clock can show makes no panic.
#[test]
fn what_was_ages_ago_is_remembered() {
    let now = Instant::now();
    let mut meter = meter(5000.0, "E", now);
    for ago in [u64::MAX, i64::MAX as u64, 1 << 60, 0] {
        meter.counters[0].lower.as_mut().unwrap().ago = ago;
        meter.counters[0].former.as_mut().unwrap().ago = ago;
        let snapshots = meter.snapshots(&[item("E")], now);
        let (_, snapshot) = snapshots[0];
        let mut counter = Counter::restored(100.0, snapshot, Duration::from_secs(60), now);
        counter.offer(701.0, now);
        counter.offer(90_000.0, now);
        let saved = MeterRecord::new(&snapshots, &[item("E")], UNIX_EPOCH, now);
        assert_eq!(saved.counters.len(), 1);
    }
}

/// However often the serial number and the items change, what is written is read again.
#[test]
fn a_file_does_not_grow_beyond_what_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateDirectory::open(directory.path()).unwrap();
    let now = Instant::now();
    let mut state = CounterFile::default();
    for change in 0..100_u32 {
        let names = (0..30).map(|place| format!("a_long_name_of_an_item_number_{change}_{place}"));
        let mut kept = MeterRecord::default();
        for name in names {
            kept.keep(meter(123_456_789.123_456, &name, now));
        }
        kept.saved = u64::from(change);
        state.insert(&format!("{}", change * 7919 % 100), kept);
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), state);
    }
    let saved = state.meters.values().map(|meter| meter.saved);
    assert_eq!(saved.min(), Some(100 - MAX_METERS as u64), "the oldest are forgotten");
}

#[test]
fn a_clock_set_back_makes_no_age() {
    let meter = MeterRecord { saved: 1000, counters: Vec::new() };
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(meter.age(at(1060)), Duration::from_secs(60));
    assert_eq!(meter.age(at(900)), Duration::ZERO);
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateDirectory::open(directory.path()).unwrap();
    let second = StateDirectory::open(directory.path());
    assert!(matches!(second, Err(CounterFileError::InUse { .. })));
    drop(store);
    assert!(StateDirectory::open(directory.path()).is_ok());
}

#[test]
fn a_damaged_file_is_told_and_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateDirectory::open(directory.path()).unwrap();
    let whole = serde_json::to_string(&state(5000.0)).unwrap();
    for text in [
        "",
        "{}",
        &whole[..whole.len() / 2],
        &whole.replace("\"version\":1", "\"version\":0"),
        &whole.replace("5000.0", "-1"),
        &whole.replace("5000.0", "1e300"),
        &whole.replace("5000.0", "null"),
        &whole.replace("2000.5", "-1e14"),
        &" ".repeat(300_000),
        "\u{0}\u{0}\u{0}",
    ] {
        fs::write(directory.path().join(FILE), text).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, CounterFileError::Damaged { .. }), "{text}: {error}");
        let aside = store.set_aside().unwrap();
        assert_eq!(fs::read_to_string(aside).unwrap(), text);
        assert_eq!(store.load().unwrap(), CounterFile::default());
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateDirectory::open(directory.path()).unwrap();
    store.save(&state(5000.0)).unwrap();
    // Root may write anywhere; not over a directory, though.
    fs::create_dir(directory.path().join("counters.json.new")).unwrap();
    assert!(matches!(store.save(&state(6000.0)), Err(CounterFileError::Unwritable { .. })));
    assert_eq!(store.load().unwrap(), state(5000.0));
}

#[test]
fn a_file_that_ends_too_soon_is_refused() {
    let whole = serde_json::to_string(&state(5000.0)).unwrap();
    assert!(CounterFile::parse(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(CounterFile::parse(&whole[..end]).is_err(), "{}", &whole[..end]);
    }
}

/// What may stand in the place of a value.
const ODD: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1",
    "1e13",
    "1.0000001e13",
    "-1e300",
    "1e999",
    "18446744073709551616",
    "\"NaN\"",
    "NaN",
    "-Infinity",
    "[]",
    "{\"first_wh\":1}",
];

/// A field as it should be, and now and then odd, missing, twice there, or of another name.
fn field(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    (0..60_usize, value, proptest::sample::select(&ODD[..])).prop_map(move |(kind, value, odd)| {
        match kind {
            0 => String::new(),
            1 => format!("\"{name}\":{value},\"{name}\":{value}"),
            2 => format!("\"{name}_\":{value}"),
            3..=8 => format!("\"{name}\":{odd}"),
            _ => format!("\"{name}\":{value}"),
        }
    })
}

fn sound(name: &'static str, value: &'static str) -> BoxedStrategy<String> {
    field(name, Just(value.to_owned())).boxed()
}

fn object(fields: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = String> {
    fields.prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().filter(|field| !field.is_empty()).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// A file that is nearly one of ours.
fn document() -> impl Strategy<Value = String> {
    let former = [("offset_wh", "-0.25"), ("shown_wh", "4000.5"), ("ago", "90")];
    let former = former.map(|(name, value)| sound(name, value)).to_vec();
    let lower = [("first_wh", "1.5"), ("last_wh", "700.25"), ("ago", "540")];
    let lower = lower.map(|(name, value)| sound(name, value)).to_vec();
    let counter = vec![
        sound("key", "\"energy_counter_out\""),
        sound("phase", "\"L2\""),
        sound("item", "\"E\""),
        sound("served_wh", "5000.5"),
        sound("offset_wh", "2000.5"),
        sound("certain", "true"),
        field("former", object(former)).boxed(),
        field("lower", object(lower)).boxed(),
    ];
    let counters = object(counter).prop_map(|counter| format!("[{counter},{counter}]"));
    let meter = vec![sound("saved", "1700000000"), field("counters", counters).boxed()];
    let meters = object(vec![field("serial", object(meter)).boxed()]);
    object(vec![sound("version", "1"), field("meters", meters).boxed()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_nearly_a_file_is_refused_or_sound(text in document()) {
        let Ok(state) = CounterFile::parse(&text) else { return Ok(()) };
        prop_assert_eq!(state.version, VERSION);
        let now = Instant::now();
        for meter in state.meters.values() {
            for counter in &meter.counters {
                prop_assert!((0.0..=1e13).contains(&counter.served_wh), "{}", text);
            }
            for (_, snapshot) in meter.snapshots(&[item("E")], now) {
                let CounterSnapshot { offset, former, lower, .. } = snapshot;
                let former = former.map_or([0.0; 2], |former| [former.offset, former.shown]);
                let lower = lower.map_or([0.0; 2], |lower| [lower.first, lower.last]);
                for wh in [[offset; 2], former, lower].concat() {
                    prop_assert!(wh.abs() <= 1e13, "{}", text);
                }
                let mut counter = Counter::restored(100.0, snapshot, meter.age(UNIX_EPOCH), now);
                counter.offer(1000.0, now);
                prop_assert!(counter.snapshot().unwrap().served >= snapshot.served);
            }
        }
        let saved = serde_json::to_string_pretty(&state).unwrap();
        prop_assert_eq!(CounterFile::parse(&saved).unwrap(), state);
    }
}

#[test]
fn what_root_writes_belongs_to_the_service() {
    use std::os::unix::fs::{MetadataExt, chown};
    let directory = tempfile::tempdir().unwrap();
    if chown(directory.path(), Some(12_345), Some(12_345)).is_err() {
        eprintln!("NOT CHECKED: only root can give a directory away");
        return;
    }
    let store = StateDirectory::open(directory.path()).unwrap();
    store.save(&state(1.0)).unwrap();
    store.set_ended().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 12_345, "{:?}", entry.file_name());
    }
}

#[test]
fn further_fields_are_passed_over_and_a_newer_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateDirectory::open(directory.path()).unwrap();
    store.save(&state(5000.0)).unwrap();
    let path = directory.path().join(FILE);
    let text = fs::read_to_string(&path).unwrap();
    let further = text.replace("\"key\"", "\"further\": {}, \"key\"");
    assert_ne!(further, text);
    fs::write(&path, further).unwrap();
    assert_eq!(store.load().unwrap(), state(5000.0));

    fs::write(&path, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(matches!(store.load(), Err(CounterFileError::Newer { version: 2, .. })));
}
