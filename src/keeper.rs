//! Keeps the counters of a meter beyond a restart. What fails is told, and costs the memory alone.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    meter::{Meter, energy::Memory},
    reading::Point,
    source::openhab::Item,
    state::{CounterState, MeterState, State, Store},
};

/// Between two times that the counters are saved: flash memory wears out.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// For opening the memory at the start.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// What it means not to have a memory.
const FORGETFUL: &str = "a restart will not know the counters of before";

/// For saving them at the end, when all must be over within a second.
const LAST_SAVE: Duration = Duration::from_millis(700);

/// What of the counters of a meter is to be remembered.
pub type Memories = Vec<(Point, Memory)>;

/// The directory for the state: the configured one, or the one that systemd made.
#[must_use]
pub fn directory(configured: Option<&Path>) -> Option<PathBuf> {
    match configured {
        Some(path) => Some(path.to_owned()),
        // Where a unit has several, they are separated by colons.
        None => env::split_paths(&env::var_os("STATE_DIRECTORY")?).next(),
    }
}

/// The memory of one meter.
#[derive(Debug)]
pub struct Keeper {
    store: Option<Store>,
    state: State,
    serial_number: String,
    items: Vec<Item>,
    /// The last attempt to save failed, and was told.
    failing: bool,
}

impl Keeper {
    /// Opens the memory of the meter with this serial number, whose values come from these items. A
    /// disk that does not answer is given up, and the memory with it.
    #[must_use]
    pub fn open(directory: Option<&Path>, serial_number: String, items: Vec<Item>) -> Self {
        let (sender, receiver) = mpsc::sync_channel(1);
        let directory = directory.map(Path::to_owned);
        let opening = move || {
            // If this fails, nobody waits for it any more.
            let _ = sender.send(open(directory.as_deref()));
        };
        let spawned = thread::Builder::new().name("state".to_owned()).spawn(opening);
        let opened = spawned.ok().and_then(|_| receiver.recv_timeout(OPEN_LIMIT).ok());
        let (store, state) = opened.unwrap_or_else(|| {
            tracing::warn!("state_dir does not answer; {FORGETFUL}");
            (None, State::default())
        });
        Self { store, state, serial_number, items, failing: false }
    }

    /// Lets a meter go on from what is remembered.
    pub fn recall(&self, meter: &mut Meter, now: Instant) {
        let Some(kept) = self.state.meters.get(&self.serial_number) else { return };
        for counter in &kept.counters {
            let CounterState { key, phase, item, served_wh, .. } = counter;
            if counter.point_among(&self.items).is_some() {
                tracing::info!("{key} {phase}: {served_wh:.0} Wh are remembered");
            } else {
                tracing::warn!("{key} {phase}: remembered of item {item}, which is not configured");
            }
        }
        let memories = kept.memories(&self.items, now);
        meter.remember(&memories, kept.age(SystemTime::now()), now);
    }

    /// Saves what is to be remembered; `ended` if nothing will be served after it.
    fn save(&mut self, memories: &[(Point, Memory)], ended: bool) {
        let Some(store) = &self.store else { return };
        let mut kept = MeterState::new(memories, &self.items, SystemTime::now(), Instant::now());
        if let Some(before) = self.state.meters.remove(&self.serial_number) {
            kept.keep(before);
        }
        self.state.insert(&self.serial_number, kept);
        let mut saved = store.save(&self.state);
        if saved.is_ok() && ended {
            saved = store.set_ended();
        }
        match &saved {
            Ok(()) if self.failing => tracing::info!("the counters are saved again"),
            Err(error) if !self.failing => tracing::warn!("{error}; trying again every minute"),
            _ => {}
        }
        self.failing = saved.is_err();
    }
}

/// The directory, and what is in it.
fn open(directory: Option<&Path>) -> (Option<Store>, State) {
    let nothing = (None, State::default());
    let Some(directory) = directory else {
        tracing::info!("no state_dir: {FORGETFUL}");
        return nothing;
    };
    let store = match Store::open(directory) {
        Ok(store) => store,
        Err(error) => {
            tracing::warn!("{error}; {FORGETFUL}");
            return nothing;
        }
    };
    let ended = store.take_ended();
    let error = match store.load() {
        Ok(mut state) => {
            if !ended {
                state.doubt();
            }
            return (Some(store), state);
        }
        Err(error) => error,
    };
    match store.set_aside() {
        Ok(path) => {
            tracing::warn!("{error}; set aside as {}", path.display());
            (Some(store), State::default())
        }
        // What can be neither read nor set aside is not overwritten.
        Err(second) => {
            tracing::warn!("{error}; {second}; {FORGETFUL}");
            nothing
        }
    }
}

/// Saves the memories of a running meter. Clones share the keeper.
#[derive(Clone, Debug)]
pub struct Keeping {
    keeper: Arc<Mutex<Keeper>>,
    memories: watch::Receiver<Memories>,
}

impl Keeping {
    /// Nothing is saved yet.
    #[must_use]
    pub fn new(keeper: Keeper, memories: watch::Receiver<Memories>) -> Self {
        Self { keeper: Arc::new(Mutex::new(keeper)), memories }
    }

    /// Saves them when they have changed, at most once a minute, for as long as there is a meter.
    pub async fn run(mut self) {
        loop {
            let changed = if self.is_failing() {
                // Also when nothing changes, as at night, the disk may be back.
                timeout(SAVE_INTERVAL, self.memories.changed()).await.unwrap_or(Ok(()))
            } else {
                self.memories.changed().await
            };
            if changed.is_err() {
                return;
            }
            self.memories.mark_unchanged();
            self.save(false).await;
            sleep(SAVE_INTERVAL).await;
        }
    }

    fn is_failing(&self) -> bool {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).failing
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
        let memories = self.memories.borrow().clone();
        let saved = spawn_blocking(move || {
            keeper.lock().unwrap_or_else(PoisonError::into_inner).save(&memories, ended);
        });
        if let Err(error) = saved.await {
            tracing::error!("saving the counters has failed: {error}");
        }
    }
}
