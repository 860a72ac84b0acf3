//! Keeps the counters of a meter beyond a restart. What fails is told, and costs the memory alone.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    meter::{
        Meter,
        energy::{Memory, Recollection},
    },
    reading::Point,
    source::openhab::Item,
    state::{MeterState, State, StateError, Store},
};

/// Between two times that the counters are saved: flash memory wears out.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

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
    /// Opens the memory of the meter with this serial number, whose values come from these items.
    #[must_use]
    pub fn open(directory: Option<&Path>, serial_number: String, items: Vec<Item>) -> Self {
        let (store, state) = match directory {
            Some(directory) => open(directory),
            None => {
                tracing::info!("no state_dir: a restart will not know the counters of before");
                (None, State::default())
            }
        };
        Self { store, state, serial_number, items, failing: false }
    }

    /// Lets a meter go on from what is remembered.
    pub fn recall(&mut self, meter: &mut Meter, now: Instant) {
        let Some(kept) = self.state.meters.get_mut(&self.serial_number) else { return };
        let memories = kept.memories(&self.items);
        let age = kept.age(SystemTime::now());
        for (point, Memory { served, .. }) in &memories {
            tracing::info!("{point}: {served:.0} Wh are remembered");
        }
        // From here on more may be served than is saved, and the file must say so first.
        let ended = std::mem::replace(&mut kept.ended, false);
        let certain = self.write() && ended;
        meter.remember(&memories, Recollection { age, certain }, now);
    }

    /// Saves what is to be remembered; `ended` if nothing will be served after it.
    fn save(&mut self, memories: &[(Point, Memory)], ended: bool) {
        let kept = MeterState::new(memories, &self.items, SystemTime::now(), ended);
        self.state.meters.insert(self.serial_number.clone(), kept);
        self.write();
    }

    /// Writes the file, and says whether it is on the disk.
    fn write(&mut self) -> bool {
        let Some(store) = &self.store else { return false };
        let saved = store.save(&self.state);
        match &saved {
            Ok(()) if self.failing => tracing::info!("the counters are saved again"),
            Err(error) if !self.failing => tracing::warn!("{error}; trying again every minute"),
            _ => {}
        }
        self.failing = saved.is_err();
        !self.failing
    }
}

fn open(directory: &Path) -> (Option<Store>, State) {
    let store = match Store::open(directory) {
        Ok(store) => store,
        Err(error) => {
            tracing::warn!("{error}; a restart will not know the counters of before");
            return (None, State::default());
        }
    };
    let state = match store.load() {
        Ok(state) => state,
        Err(error @ StateError::Damaged { .. }) => {
            match store.set_aside() {
                Ok(path) => tracing::warn!("{error}; set aside as {}", path.display()),
                Err(second) => tracing::warn!("{error}; {second}"),
            }
            State::default()
        }
        Err(error) => {
            tracing::warn!("{error}");
            State::default()
        }
    };
    (Some(store), state)
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
        while self.memories.changed().await.is_ok() {
            self.memories.mark_unchanged();
            self.save(false).await;
            sleep(SAVE_INTERVAL).await;
        }
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
