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

struct Opened {
    worker: Worker,
    events: events::UnboundedReceiver<Event>,
}

impl Opened {
    fn new(directory: &Path) -> Self {
        let unit = Quantity::Energy.default_unit();
        let bindings = vec![Binding { point: ENERGY, item: "E".to_owned(), unit }];
        let (sender, events) = events::unbounded_channel();
        let mut worker = Worker {
            directory: directory.to_owned(),
            serial_number: "SN".to_owned(),
            bindings,
            opened: None,
            file: CounterFile::default(),
            events: sender,
            last: Snapshots::new(),
            is_failing: false,
        };
        worker.open();
        Self { worker, events }
    }

    /// What the meter has just been told to go on from.
    fn restored(&mut self) -> Option<Snapshots> {
        match self.events.try_recv() {
            Ok(Event::Restored(restored)) => Some(restored.snapshots),
            _ => None,
        }
    }

    fn snapshot(mut self) -> Option<CounterSnapshot> {
        self.restored().unwrap().first().map(|(_, snapshot)| *snapshot)
    }
}

/// A directory in which this was served, and a run that ended in order.
fn directory(served: f64) -> TempDir {
    let directory = TempDir::new().unwrap();
    let mut opened = Opened::new(directory.path());
    assert_eq!(opened.restored(), Some(vec![]));
    opened.worker.save(&vec![(ENERGY, snapshot(served))], true);
    directory
}

#[test]
fn what_was_saved_is_certain_until_a_run_does_not_end() {
    let directory = directory(5000.0);
    for certain in [true, false, false] {
        let opened = Opened::new(directory.path());
        assert_eq!(opened.snapshot(), Some(CounterSnapshot { certain, ..snapshot(5000.0) }));
    }
}

/// One that was a lower bound at the start, and was never confirmed, is one still.
#[test]
fn a_clean_end_confirms_no_counter() {
    let directory = directory(5000.0);
    drop(Opened::new(directory.path()));
    let mut opened = Opened::new(directory.path());
    let snapshots = opened.restored().unwrap();
    opened.worker.bindings.clear();
    opened.worker.save(&vec![], true);
    drop(opened);
    let mut opened = Opened::new(directory.path());
    let certain = opened.restored().unwrap()[0].1.certain;
    assert!(!certain, "not even where its item was not configured");
    opened.worker.save(&snapshots, true);
    drop(opened);
    assert!(!Opened::new(directory.path()).snapshot().unwrap().certain);
}

#[test]
fn a_directory_in_use_is_read_and_tried_again_and_nothing_in_it_falls() {
    let directory = directory(5000.0);
    let other = StateDirectory::open(directory.path()).unwrap();
    let mut opened = Opened::new(directory.path());
    let bound = CounterSnapshot { certain: false, ..snapshot(5000.0) };
    let restored = opened.restored();
    assert_eq!(restored, Some(vec![(ENERGY, bound)]), "others may serve more meanwhile");
    opened.worker.retry();
    assert_eq!(opened.restored(), None);
    let file = fs::read_to_string(directory.path().join("counters.json")).unwrap();
    opened.worker.save(&vec![(ENERGY, snapshot(6000.0))], false);
    assert_eq!(fs::read_to_string(directory.path().join("counters.json")).unwrap(), file);
    drop(other);

    opened.worker.retry();
    assert_eq!(opened.restored(), Some(vec![(ENERGY, snapshot(5000.0))]));
    // The meter may not have heard of it yet.
    opened.worker.save(&vec![(ENERGY, snapshot(10.0))], false);
    drop(opened);
    assert_eq!(Opened::new(directory.path()).snapshot(), Some(bound));
}

#[test]
fn a_file_that_cannot_be_read_is_neither_set_aside_nor_overwritten() {
    let directory = directory(5000.0);
    let (file, away) = (directory.path().join("counters.json"), directory.path().join("away"));
    fs::rename(&file, &away).unwrap();
    // To read a directory fails, for root too.
    fs::create_dir(&file).unwrap();
    let mut opened = Opened::new(directory.path());
    assert!(opened.worker.is_failing);
    assert_eq!(opened.restored(), Some(vec![]));
    opened.worker.retry();
    assert_eq!(opened.restored(), None);
    opened.worker.save(&vec![(ENERGY, snapshot(10.0))], false);
    assert!(file.is_dir());
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    opened.worker.retry();
    let bound = CounterSnapshot { certain: false, ..snapshot(5000.0) };
    assert_eq!(opened.restored(), Some(vec![(ENERGY, bound)]));
}

/// What the meter sees of it: the thread answers, and there is never more than one save at once.
#[tokio::test]
async fn the_thread_restores_saves_and_ends() {
    let directory = directory(5000.0);
    let unit = Quantity::Energy.default_unit();
    let open = || {
        let bindings = vec![Binding { point: ENERGY, item: "E".to_owned(), unit: unit.clone() }];
        CounterStore::open(Some(directory.path().to_owned()), "SN".to_owned(), bindings)
    };
    let mut store = open();
    assert_eq!(store.restored().await.snapshots, [(ENERGY, snapshot(5000.0))]);
    store.save(&vec![(ENERGY, snapshot(6000.0))]);
    assert!(store.is_saving());
    store.save(&vec![(ENERGY, snapshot(1.0))]);
    store.finish(vec![(ENERGY, snapshot(7000.0))]).await;
    assert_eq!(open().restored().await.snapshots, [(ENERGY, snapshot(7000.0))]);
}
