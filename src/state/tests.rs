use super::*;
use crate::units::Quantity;
use proptest::prelude::*;

const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L2 };

fn item(name: &str) -> Item {
    Item { name: name.to_owned(), point: ENERGY, unit: Quantity::Energy.default_unit() }
}

fn memory(served: f64) -> Memory {
    let former = Some(FormerCounter { offset: 0.25, shown: 4000.0 });
    Memory { served, offset: 2000.5, former, certain: true }
}

fn state(served: f64) -> State {
    let meter = MeterState::new(&[(ENERGY, memory(served))], &[item("E")], UNIX_EPOCH);
    State { meters: [("serial".to_owned(), meter)].into(), ..State::default() }
}

#[test]
fn what_is_saved_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way");
    let store = Store::open(&path).unwrap();
    assert_eq!(store.load().unwrap(), State::default());
    for served in [12_345_678.123_456_78, 1e13, 0.1 + 0.2] {
        store.save(&state(served)).unwrap();
        assert_eq!(store.load().unwrap(), state(served));
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), 2, "the file and the lock");
}

#[test]
fn a_counter_belongs_to_its_item() {
    let meter = &state(5000.0).meters["serial"];
    assert_eq!(meter.memories(&[item("E")], true), [(ENERGY, memory(5000.0))]);
    assert_eq!(meter.memories(&[item("F")], true), []);
    let elsewhere = Item { point: Point { phase: Phase::L1, ..ENERGY }, ..item("E") };
    assert_eq!(meter.memories(&[elsewhere], true), []);
}

#[test]
fn a_counter_whose_item_is_not_configured_is_kept() {
    let before = state(5000.0).meters["serial"].clone();
    let mut now = MeterState::new(&[(ENERGY, memory(10.0))], &[item("F")], UNIX_EPOCH);
    now.keep_others(before, &[item("F")]);
    assert_eq!(now.memories(&[item("F")], true), [(ENERGY, memory(10.0))]);
    assert_eq!(now.memories(&[item("E")], true), [(ENERGY, memory(5000.0))]);
}

#[test]
fn a_clock_set_back_makes_no_age() {
    let meter = MeterState { saved: 1000, counters: Vec::new() };
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(meter.age(at(1060)), Duration::from_secs(60));
    assert_eq!(meter.age(at(900)), Duration::ZERO);
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let second = Store::open(directory.path());
    assert!(matches!(second, Err(StateError::InUse { .. })));
    drop(store);
    assert!(Store::open(directory.path()).is_ok());
}

#[test]
fn a_damaged_file_is_told_and_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let whole = serde_json::to_string(&state(5000.0)).unwrap();
    for text in [
        "",
        "{}",
        &whole[..whole.len() / 2],
        &whole.replace("\"version\":1", "\"version\":2"),
        &whole.replace("5000.0", "-1"),
        &whole.replace("5000.0", "1e300"),
        &whole.replace("5000.0", "null"),
        &whole.replace("2000.5", "-1e14"),
        &" ".repeat(100_000),
        "\u{0}\u{0}\u{0}",
    ] {
        fs::write(directory.path().join(FILE), text).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, StateError::Damaged { .. }), "{text}: {error}");
        let aside = store.set_aside().unwrap();
        assert_eq!(fs::read_to_string(aside).unwrap(), text);
        assert_eq!(store.load().unwrap(), State::default());
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.save(&state(5000.0)).unwrap();
    // Root may write anywhere; not over a directory, though.
    fs::create_dir(directory.path().join("counters.json.new")).unwrap();
    assert!(matches!(store.save(&state(6000.0)), Err(StateError::Unwritable { .. })));
    assert_eq!(store.load().unwrap(), state(5000.0));
}

proptest! {
    #[test]
    fn any_text_is_refused_or_sound(text in "\\PC*") {
        if let Ok(state) = State::parse(&text) {
            prop_assert_eq!(state.version, VERSION);
        }
    }
}
