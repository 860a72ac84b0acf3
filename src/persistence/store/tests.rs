use std::fs;

use tempfile::TempDir;

use super::*;
use crate::meter::{
    counter::CounterSnapshot,
    explained::ExplainedSnapshot,
    power::PowerSnapshot,
    reading::{Measurand, Phase},
    record::CounterRecord,
};

fn record(served_wh: f64) -> MeterRecord {
    let counter = CounterSnapshot {
        reached_wh: served_wh,
        offset_wh: 0.0,
        free_wh: 1000.0,
        explained: ExplainedSnapshot::default(),
        candidate: None,
    };
    let power = PowerSnapshot::default();
    let (key, phase) = (Measurand::EnergyOut, Phase::L1);
    let counter = CounterRecord { key, phase, item: "E".to_owned(), served_wh, counter, power };
    MeterRecord { counters: vec![counter] }
}

fn opened(directory: &Path) -> CounterStore {
    CounterStore::open(Some(directory.to_owned()), "SN".to_owned())
}

async fn restored(store: &mut CounterStore) -> (Option<f64>, bool) {
    match store.event().await {
        StoreEvent::Opened { restored, has_disk } => {
            let served = restored.record.map(|record| record.counters[0].served_wh);
            (served, has_disk)
        }
        other => panic!("{other:?}"),
    }
}

/// A directory in which this was served.
async fn directory(served_wh: f64) -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut store = opened(directory.path());
    assert_eq!(restored(&mut store).await, (None, true));
    store.finish(Some(record(served_wh))).await;
    directory
}

#[tokio::test]
async fn what_is_saved_is_restored() {
    let directory = directory(5000.0).await;
    let mut store = opened(directory.path());
    assert_eq!(restored(&mut store).await, (Some(5000.0), true));
    assert!(store.save(record(6000.0)));
    assert!(matches!(store.event().await, StoreEvent::Saved(saved) if saved == record(6000.0)));
    drop(store);
    // The thread ends with the store, and lets the file go.
    loop {
        let mut store = opened(directory.path());
        match store.event().await {
            StoreEvent::InUse(_) => {}
            StoreEvent::Opened { restored, .. } => {
                assert_eq!(restored.record, Some(record(6000.0)));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Two processes with one serial number would each undo what the other saves.
#[tokio::test]
async fn a_second_process_with_the_same_serial_number_is_refused() {
    let directory = directory(5000.0).await;
    let _first = MeterDirectory::open(directory.path(), "SN").unwrap();
    let mut second = opened(directory.path());
    let StoreEvent::InUse(error) = second.event().await else { panic!() };
    assert!(error.to_string().ends_with(&format!("process {}", std::process::id())), "{error}");
    assert!(!second.save(record(1.0)) || matches!(second.event().await, StoreEvent::InUse(_)));
    let mut other = CounterStore::open(Some(directory.path().to_owned()), "other".to_owned());
    assert_eq!(restored(&mut other).await, (None, true));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let directory = directory(5000.0).await;
    let file = directory.path().join("meter-SN.json");
    fs::write(&file, "{").unwrap();
    let mut store = opened(directory.path());
    assert_eq!(restored(&mut store).await, (None, true));
    assert_eq!(fs::read_to_string(directory.path().join("meter-SN.json.damaged")).unwrap(), "{");
}

#[tokio::test]
async fn a_newer_file_is_neither_used_nor_overwritten() {
    let directory = directory(5000.0).await;
    let file = directory.path().join("meter-SN.json");
    fs::write(&file, "{\"version\":3}").unwrap();
    let mut store = opened(directory.path());
    assert!(matches!(store.event().await, StoreEvent::Failed), "nothing to go on from");
    assert!(store.save(record(1.0)));
    assert!(matches!(store.event().await, StoreEvent::Failed));
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"version\":3}");
}

#[tokio::test]
async fn the_file_of_another_meter_is_not_believed() {
    let directory = directory(5000.0).await;
    let copy = directory.path().join("meter-other.json");
    fs::copy(directory.path().join("meter-SN.json"), &copy).unwrap();
    let mut store = CounterStore::open(Some(directory.path().to_owned()), "other".to_owned());
    assert!(matches!(store.event().await, StoreEvent::Failed), "nothing to go on from");
    assert!(copy.exists());
}

/// What the directory holds must reach the meter before anything is saved over it.
#[tokio::test]
async fn a_directory_that_cannot_be_used_at_first_is_tried_again() {
    let directory = directory(5000.0).await;
    let (file, away) = (directory.path().join("meter-SN.json"), directory.path().join("away"));
    fs::rename(&file, &away).unwrap();
    // To read a directory fails, for root too.
    fs::create_dir(&file).unwrap();
    let mut store = opened(directory.path());
    assert!(matches!(store.event().await, StoreEvent::Failed), "nothing to go on from");
    assert!(store.save(record(10.0)));
    assert!(matches!(store.event().await, StoreEvent::Failed));
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    assert!(store.save(record(10.0)));
    assert_eq!(restored(&mut store).await, (Some(5000.0), true), "and not saved over it");
}

#[tokio::test]
async fn a_directory_that_takes_no_writes_at_first_is_read_and_used_later() {
    let directory = directory(5000.0).await;
    let lock = directory.path().join("meter-SN.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let mut store = opened(directory.path());
    assert_eq!(restored(&mut store).await, (Some(5000.0), false));
    assert!(store.save(record(5001.0)));
    assert!(matches!(store.event().await, StoreEvent::Failed));
    fs::remove_dir(&lock).unwrap();
    assert!(store.save(record(5001.0)));
    assert_eq!(restored(&mut store).await, (Some(5000.0), true));
    assert!(store.save(record(5001.0)));
    assert!(matches!(store.event().await, StoreEvent::Saved(saved) if saved == record(5001.0)));
}

#[tokio::test]
async fn without_a_directory_nothing_is_saved_and_nothing_waits() {
    let mut store = CounterStore::open(None, "SN".to_owned());
    assert_eq!(restored(&mut store).await, (None, false));
    assert!(!store.save(record(1.0)));
    store.finish(Some(record(1.0))).await;
}
