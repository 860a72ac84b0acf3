//! Keeps the counters of a meter beyond a restart. What fails is told, and costs the memory alone.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{mpsc::Sender, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    meter::{counter::CounterSnapshot, reading::Point},
    persistence::{
        format::{CounterFile, CounterFileError, CounterRecord, MeterRecord},
        store::{self, StateDirectory},
    },
    source::openhab::Item,
};

/// Between two times that the counters are saved: flash memory wears out.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// For opening the memory at the start.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// For saving them at the end, when all must be over within a second.
const LAST_SAVE: Duration = Duration::from_millis(700);

/// What of the counters of a meter is to be remembered.
pub type Snapshots = Vec<(Point, CounterSnapshot)>;

/// The directory for the state: the configured one, or the one that systemd made.
#[must_use]
pub fn directory(configured: Option<&Path>) -> Option<PathBuf> {
    match configured {
        Some(path) => Some(path.to_owned()),
        // Where a unit has several, they are separated by colons.
        None => env::split_paths(&env::var_os("STATE_DIRECTORY")?).next(),
    }
}

/// What was remembered of the counters of a meter, and how long ago.
pub type Restored = (Snapshots, Duration);

/// The directory, and what is in it. That may be known even where it cannot be kept up to date.
type Opened = (Result<StateDirectory, CounterFileError>, CounterFile);

/// The memory of one meter.
#[derive(Debug)]
pub struct CounterStore {
    directory: Option<PathBuf>,
    store: Option<StateDirectory>,
    state: CounterFile,
    serial_number: String,
    items: Vec<Item>,
    /// The memory is being opened, by a disk that takes its time.
    opening: Option<mpsc::Receiver<Opened>>,
    /// The last attempt to open the memory or to save failed, and was told.
    failing: bool,
}

impl CounterStore {
    /// Opens the memory of the meter with this serial number, whose values come from these items. A
    /// disk that does not answer holds up the counters alone (see [`CounterStore::is_opening`]); one that
    /// fails is tried again with each save.
    #[must_use]
    pub fn open(directory: Option<PathBuf>, serial_number: String, items: Vec<Item>) -> Self {
        let state = CounterFile::default();
        let mut keeper = Self {
            directory,
            store: None,
            state,
            serial_number,
            items,
            opening: None,
            failing: false,
        };
        let Some(directory) = keeper.directory.clone() else {
            tracing::info!("no state_dir: a restart will not know the counters of before");
            return keeper;
        };
        let (sender, receiver) = mpsc::sync_channel(1);
        let opening = move || {
            // If this fails, nobody waits for it any more.
            let _ = sender.send(open(&directory));
        };
        if let Err(error) = thread::Builder::new().name("state".to_owned()).spawn(opening) {
            keeper.fail(&error);
            return keeper;
        }
        match receiver.recv_timeout(OPEN_LIMIT) {
            Ok(opened) => keeper.take(opened),
            Err(_) => {
                tracing::warn!("state_dir does not answer; no counter is served before it does");
                keeper.opening = Some(receiver);
            }
        }
        keeper
    }

    /// Whether it is not known yet what is remembered. A lower counter than that must not be served.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    fn take(&mut self, (store, state): Opened) {
        self.state = state;
        match store {
            Ok(store) => self.store = Some(store),
            Err(error) => self.fail(&error),
        }
    }

    /// What the meter is to go on from.
    #[must_use]
    pub fn recall(&self, now: Instant) -> Restored {
        let Some(kept) = self.state.meters.get(&self.serial_number) else {
            return Restored::default();
        };
        for counter in &kept.counters {
            let CounterRecord { key, phase, item, served_wh, .. } = counter;
            if counter.point_among(&self.items).is_some() {
                tracing::info!("{key} {phase}: {served_wh:.0} Wh are remembered");
            } else {
                tracing::warn!("{key} {phase}: remembered of item {item}, which is not configured");
            }
        }
        (kept.snapshots(&self.items, now), kept.age(SystemTime::now()))
    }

    /// Tries again what failed at the start. Gives what the meter has to know before anything is
    /// saved.
    fn open_again(&mut self) -> Option<Restored> {
        let (store, state) = open(self.directory.as_deref()?);
        self.store = Some(store.ok()?);
        self.state = state;
        Some(self.recall(Instant::now()))
    }

    /// Saves what is to be remembered; `ended` if nothing will be served after it.
    fn save(&mut self, snapshots: &[(Point, CounterSnapshot)], ended: bool) {
        let Some(store) = &self.store else { return };
        let mut kept = MeterRecord::new(snapshots, &self.items, SystemTime::now(), Instant::now());
        if let Some(before) = self.state.meters.remove(&self.serial_number) {
            kept.keep(before);
        }
        self.state.insert(&self.serial_number, kept);
        let mut saved = store.save(&self.state);
        if saved.is_ok() && ended {
            saved = store.set_ended();
        }
        match saved {
            Ok(()) if self.failing => {
                tracing::info!("the counters are saved again");
                self.failing = false;
            }
            Ok(()) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Tells once what is tried again.
    fn fail(&mut self, error: &dyn fmt::Display) {
        if !self.failing {
            tracing::warn!("{error}; trying again every minute");
        }
        self.failing = true;
    }
}

fn open(directory: &Path) -> Opened {
    match take(directory) {
        Ok((store, state)) => (Ok(store), state),
        Err(error) => {
            let mut state = store::load(directory).unwrap_or_default();
            state.doubt();
            (Err(error), state)
        }
    }
}

fn take(directory: &Path) -> Result<(StateDirectory, CounterFile), CounterFileError> {
    let store = StateDirectory::open(directory)?;
    let ended = store.take_ended();
    let mut state = match store.load() {
        // What can be neither read nor set aside is not overwritten. What cannot be read now may be
        // good.
        Err(error @ CounterFileError::Damaged { .. }) => {
            let aside = store.set_aside()?;
            tracing::warn!("{error}; set aside as {}", aside.display());
            CounterFile::default()
        }
        loaded => loaded?,
    };
    if !ended {
        state.doubt();
    }
    Ok((store, state))
}

/// Saves the snapshots of a running meter. Clones share the keeper.
#[derive(Clone, Debug)]
pub struct StoreTask {
    keeper: Arc<Mutex<CounterStore>>,
    snapshots: watch::Receiver<Snapshots>,
    /// To the meter, if the memory could not be opened before it started.
    recalled: Sender<Restored>,
}

impl StoreTask {
    /// Nothing is saved yet.
    #[must_use]
    pub fn new(
        keeper: CounterStore,
        snapshots: watch::Receiver<Snapshots>,
        recalled: Sender<Restored>,
    ) -> Self {
        Self { keeper: Arc::new(Mutex::new(keeper)), snapshots, recalled }
    }

    /// Saves them when they have changed, at most once a minute, for as long as there is a meter.
    pub async fn run(mut self) {
        self.open_late().await;
        loop {
            let changed = if self.is_failing() {
                // Also when nothing changes, as at night, the disk may be back.
                timeout(SAVE_INTERVAL, self.snapshots.changed()).await.unwrap_or(Ok(()))
            } else {
                self.snapshots.changed().await
            };
            if changed.is_err() {
                return;
            }
            self.snapshots.mark_unchanged();
            self.save(false).await;
            sleep(SAVE_INTERVAL).await;
        }
    }

    /// Waits for a slow disk, for as long as it takes, and tells the meter.
    async fn open_late(&self) {
        let Some(opening) = self.keeper().opening.take() else { return };
        match spawn_blocking(move || opening.recv()).await {
            Ok(Ok(opened)) => self.keeper().take(opened),
            Ok(Err(error)) => self.keeper().fail(&error),
            Err(error) => self.keeper().fail(&error),
        }
        // Nothing was sent before, and there is room for one.
        let _ = self.recalled.try_send(self.keeper().recall(Instant::now()));
    }

    fn keeper(&self) -> MutexGuard<'_, CounterStore> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_failing(&self) -> bool {
        self.keeper().failing
    }

    /// Saves them a last time. A disk that takes too long for that costs what came since the last
    /// minute.
    pub async fn finish(&self) {
        if timeout(LAST_SAVE, self.save(true)).await.is_err() {
            tracing::warn!("the counters could not be saved in time");
        }
    }

    /// On a thread of its own, since a disk may take seconds, and no client should wait for that.
    async fn save(&self, ended: bool) {
        let keeper = Arc::clone(&self.keeper);
        let snapshots = self.snapshots.borrow().clone();
        let recalled = self.recalled.clone();
        let saved = spawn_blocking(move || {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            if keeper.store.is_some() {
                keeper.save(&snapshots, ended);
            } else if !ended && let Some(known) = keeper.open_again() {
                // It succeeds once, and there is room for one.
                let _ = recalled.try_send(known);
            }
        });
        if let Err(error) = saved.await {
            tracing::error!("saving the counters has failed: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
