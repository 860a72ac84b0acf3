use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::meter::reading::Measurand;

/// Written by version 0.1, but for the numbers.
const LEGACY: &str = r#"{
  "version": 1,
  "meters": {
    "SN": {"saved": 1800000000, "counters": [
      {"key": "energy_counter_out", "phase": "L2", "item": "E", "served_wh": 5000000.5,
       "offset_wh": 20.0, "certain": true,
       "former": {"offset_wh": 1.0, "shown_wh": 2.0, "ago": 3}}]},
    "other": {"saved": 1800000000, "counters": []}
  }
}"#;

fn served(restored: Restored) -> Option<f64> {
    Some(restored.record?.counters.first()?.served_wh)
}

#[test]
fn the_counters_of_version_0_1_are_taken_over_once() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("counters.json"), LEGACY).unwrap();
    let meter = MeterDirectory::open(path, "SN").unwrap();
    assert_eq!(served(meter.load().unwrap()), Some(5_001_000.5), "killed: perhaps 1 kWh more");
    fs::write(path.join("ended"), "").unwrap();
    let restored = meter.load().unwrap();
    let record = restored.record.clone().unwrap();
    let counter = &record.counters[0];
    assert_eq!((counter.key, counter.item.as_str()), (Measurand::EnergyOut, "E"));
    assert_eq!((counter.served_wh, counter.counter.offset_wh), (5_000_000.5, 20.0));

    meter.save(&record).unwrap();
    fs::write(path.join("counters.json"), "{").unwrap();
    assert_eq!(served(meter.load().unwrap()), Some(5_000_000.5), "its own file goes first");
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("counters.json"), LEGACY).unwrap();
    let meter = MeterDirectory::open(path, "SN").unwrap();
    meter.save(&MeterRecord::default()).unwrap();
    assert!(meter.forget().unwrap());
    assert_eq!(meter.load().unwrap().record, None);
    assert!(!meter.forget().unwrap());
    drop(meter);
    let other = MeterDirectory::open(path, "other").unwrap();
    assert!(other.load().unwrap().record.is_some(), "another meter's stay");
    assert!(other.forget().unwrap());
    assert!(!path.join("counters.json").exists());
}

/// Root changes counters in a directory that belongs to the service, and must not be led elsewhere.
#[test]
fn links_are_not_followed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let victim = path.join("victim");
    fs::write(&victim, "untouched").unwrap();
    symlink(&victim, path.join("meter-SN.json.new")).unwrap();
    let meter = MeterDirectory::open(path, "SN").unwrap();
    meter.save(&MeterRecord::default()).unwrap();
    assert!(!path.join("meter-SN.json").is_symlink());
    symlink(&victim, path.join("meter-other.lock")).unwrap();
    assert!(MeterDirectory::open(path, "other").is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn all_meters_are_found() {
    let directory = TempDir::new().unwrap();
    for serial_number in ["b", "../a", "c d"] {
        let meter = MeterDirectory::open(directory.path(), serial_number).unwrap();
        meter.save(&MeterRecord::default()).unwrap();
    }
    let files = load_all(directory.path()).unwrap();
    let found: Vec<_> = files.iter().map(|file| file.serial_number.as_str()).collect();
    assert_eq!(found, ["../a", "b", "c d"]);
}

#[test]
fn the_file_of_another_program_is_left_alone() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("meter-SN.json"), [0xFF; 10]).unwrap();
    let error = load(directory.path(), "SN").unwrap_err();
    assert!(error.to_string().ends_with("damaged: not UTF-8"), "{error}");
    fs::write(directory.path().join("meter-SN.json"), vec![b' '; 300_000]).unwrap();
    assert!(load(directory.path(), "SN").unwrap_err().to_string().contains("larger than"));
}

#[test]
fn what_root_writes_belongs_to_the_service() {
    use std::os::unix::fs::chown;
    let directory = TempDir::new().unwrap();
    if chown(directory.path(), Some(12_345), Some(12_345)).is_err() {
        eprintln!("NOT CHECKED: only root can give a directory away");
        return;
    }
    let meter = MeterDirectory::open(directory.path(), "SN").unwrap();
    meter.save(&MeterRecord::default()).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), 12_345, "{:?}", entry.file_name());
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let directory = TempDir::new().unwrap();
    let meter = MeterDirectory::open(directory.path(), "SN").unwrap();
    meter.save(&MeterRecord::default()).unwrap();
    let before = fs::read(directory.path().join("meter-SN.json")).unwrap();
    fs::create_dir(directory.path().join("meter-SN.json.new")).unwrap();
    assert!(matches!(
        meter.save(&MeterRecord::default()),
        Err(CounterFileError::Unwritable { .. })
    ));
    assert_eq!(fs::read(directory.path().join("meter-SN.json")).unwrap(), before);
}

proptest! {
    /// The serial number is the user's text.
    #[test]
    fn a_name_leads_nowhere_else_and_is_one_meters_alone(one in "[ -~]{1,32}", other in "[ -~]{1,32}") {
        let name = file_name(&one, "json");
        prop_assert!(name.len() < 255 && !name.contains('/') && name.starts_with(PREFIX));
        prop_assert_eq!(name == file_name(&other, "json"), one == other);
    }
}
