use super::*;
use crate::meter::{
    reading::{Measurand, Phase},
    units::Quantity,
};
use std::fs;
use tempfile::TempDir;

const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };

fn snapshot(served: f64) -> CounterSnapshot {
    CounterSnapshot { served, offset: 0.0, former: None, lower: None, certain: true }
}

fn opened(directory: &Path) -> CounterStore {
    let unit = Quantity::Energy.default_unit();
    let items = vec![Item { name: "E".to_owned(), point: ENERGY, unit }];
    CounterStore::open(Some(directory.to_owned()), "SN".to_owned(), items)
}

/// A directory in which this was served, and a run that ended in order.
fn directory(served: f64) -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut keeper = opened(directory.path());
    assert_eq!(keeper.recall(Instant::now()).0, []);
    keeper.save(&[(ENERGY, snapshot(served))], true);
    directory
}

fn recalled(keeper: &CounterStore) -> Option<CounterSnapshot> {
    keeper.recall(Instant::now()).0.first().map(|(_, snapshot)| *snapshot)
}

#[test]
fn what_was_saved_is_certain_until_a_run_does_not_end() {
    let directory = directory(5000.0);
    for certain in [true, false, false] {
        let keeper = opened(directory.path());
        assert_eq!(recalled(&keeper), Some(CounterSnapshot { certain, ..snapshot(5000.0) }));
    }
}

/// One that was a lower bound at the start, and was never confirmed, is one still.
#[test]
fn a_clean_end_confirms_no_counter() {
    let directory = directory(5000.0);
    drop(opened(directory.path()));
    let mut keeper = opened(directory.path());
    let snapshots = keeper.recall(Instant::now()).0;
    keeper.items.clear();
    keeper.save(&[], true);
    drop(keeper);
    let mut keeper = opened(directory.path());
    assert!(!recalled(&keeper).unwrap().certain, "not even where its item was not configured");
    keeper.save(&snapshots, true);
    drop(keeper);
    assert!(!recalled(&opened(directory.path())).unwrap().certain);
}

#[test]
fn a_directory_in_use_is_read_and_tried_again_and_nothing_in_it_falls() {
    let directory = directory(5000.0);
    let other = StateDirectory::open(directory.path()).unwrap();
    let mut keeper = opened(directory.path());
    let bound = CounterSnapshot { certain: false, ..snapshot(5000.0) };
    assert_eq!(recalled(&keeper), Some(bound), "others may serve more meanwhile");
    assert_eq!(keeper.open_again(), None);
    let file = fs::read_to_string(directory.path().join("counters.json")).unwrap();
    keeper.save(&[(ENERGY, snapshot(6000.0))], false);
    assert_eq!(fs::read_to_string(directory.path().join("counters.json")).unwrap(), file);
    drop(other);

    let (snapshots, _) = keeper.open_again().unwrap();
    assert_eq!(snapshots, [(ENERGY, snapshot(5000.0))]);
    // The meter may not have heard of it yet.
    keeper.save(&[(ENERGY, snapshot(10.0))], false);
    drop(keeper);
    assert_eq!(recalled(&opened(directory.path())), Some(bound));
}

#[test]
fn a_file_that_cannot_be_read_is_neither_set_aside_nor_overwritten() {
    let directory = directory(5000.0);
    let (file, away) = (directory.path().join("counters.json"), directory.path().join("away"));
    fs::rename(&file, &away).unwrap();
    // To read a directory fails, for root too.
    fs::create_dir(&file).unwrap();
    let mut keeper = opened(directory.path());
    assert!(keeper.failing);
    assert_eq!(keeper.open_again(), None);
    keeper.save(&[(ENERGY, snapshot(10.0))], false);
    assert!(file.is_dir());
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    let (snapshots, _) = keeper.open_again().unwrap();
    assert_eq!(snapshots, [(ENERGY, CounterSnapshot { certain: false, ..snapshot(5000.0) })]);
}
