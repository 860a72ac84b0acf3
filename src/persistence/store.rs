//! The store of a meter's counters. It works on a thread of its own, since a disk may take seconds
//! and nobody should wait for it. What fails is logged, and costs the memory alone.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::{mpsc as events, oneshot};

use super::{
    directory::{self, StateDirectory},
    format::{CounterFile, CounterFileError, CounterRecord, MeterRecord},
};
use crate::meter::{binding::Binding, counter::CounterSnapshot, reading::Point};

/// What fails is tried again this often.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// What is remembered of the counters of a meter.
pub type Snapshots = Vec<(Point, CounterSnapshot)>;

/// What a meter is to go on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    /// Its counters.
    pub snapshots: Snapshots,
    /// How long ago they were saved.
    pub age: Duration,
}

/// The directory for the state: the configured one, or the one that systemd made.
#[must_use]
pub fn directory(configured: Option<&Path>) -> Option<PathBuf> {
    match configured {
        Some(path) => Some(path.to_owned()),
        // Where a unit has several, they are separated by colons.
        None => env::split_paths(&env::var_os("STATE_DIRECTORY")?).next(),
    }
}

enum Command {
    Save(Snapshots),
    /// Nothing is served after this. Answered once all is on disk.
    Finish(Snapshots, oneshot::Sender<()>),
}

enum Event {
    /// The directory is open, or cannot be for now: this is what was in it.
    Restored(Restored),
    Saved,
}

/// The store of one meter's counters.
#[derive(Debug)]
pub struct CounterStore {
    /// None where there is no directory.
    commands: Option<mpsc::Sender<Command>>,
    events: events::UnboundedReceiver<Event>,
    /// A save is under way. There is never more than one, so that none can pile up.
    is_saving: bool,
}

impl CounterStore {
    /// Opens the store of the meter with this serial number, whose values come from these items.
    /// What is in it comes by [`CounterStore::restored`].
    #[must_use]
    pub fn open(directory: Option<PathBuf>, serial_number: String, bindings: Vec<Binding>) -> Self {
        let (sender, events) = events::unbounded_channel();
        let mut store = Self { commands: None, events, is_saving: false };
        let nothing = Event::Restored(Restored::default());
        let Some(directory) = directory else {
            tracing::info!("no state_dir: counters will not survive a restart");
            let _ = sender.send(nothing);
            return store;
        };
        let (commands, receiver) = mpsc::channel();
        let events = sender.clone();
        let worker = Worker {
            directory,
            serial_number,
            bindings,
            opened: None,
            file: CounterFile::default(),
            events,
            last: Snapshots::new(),
            is_failing: false,
        };
        let thread = thread::Builder::new().name("store".to_owned());
        match thread.spawn(move || worker.run(&receiver)) {
            Ok(_) => store.commands = Some(commands),
            Err(error) => {
                tracing::warn!("counters will not survive a restart: {error}");
                let _ = sender.send(nothing);
            }
        }
        store
    }

    /// What the meter is to go on from. Comes once the store is open, and again where that had
    /// failed and does not any more; waits otherwise. Safe to drop at any time.
    pub async fn restored(&mut self) -> Restored {
        loop {
            match self.events.recv().await {
                Some(Event::Restored(restored)) => return restored,
                Some(Event::Saved) => self.is_saving = false,
                None => std::future::pending().await,
            }
        }
    }

    /// Starts to save, unless a save is still under way. Never waits.
    pub fn save(&mut self, snapshots: &Snapshots) {
        if let Some(commands) = &self.commands
            && !self.is_saving
        {
            self.is_saving = commands.send(Command::Save(snapshots.clone())).is_ok();
        }
    }

    /// Whether a save is under way.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        self.is_saving
    }

    /// Saves a last time, and waits until that is done.
    pub async fn finish(self, snapshots: Snapshots) {
        let (done, finished) = oneshot::channel();
        if let Some(commands) = self.commands
            && commands.send(Command::Finish(snapshots, done)).is_ok()
        {
            // An error means that the thread is gone; it has logged why.
            let _ = finished.await;
        }
    }
}

/// The thread's side of it.
struct Worker {
    directory: PathBuf,
    serial_number: String,
    bindings: Vec<Binding>,
    opened: Option<StateDirectory>,
    /// What is in the directory, as far as it could be read.
    file: CounterFile,
    events: events::UnboundedSender<Event>,
    /// What was saved last, or was to be.
    last: Snapshots,
    /// The last attempt to open the directory or to save failed, and was logged.
    is_failing: bool,
}

impl Worker {
    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        self.open();
        loop {
            match commands.recv_timeout(RETRY_INTERVAL) {
                Ok(Command::Save(snapshots)) => {
                    self.save_or_open(snapshots);
                    self.send(Event::Saved);
                }
                Ok(Command::Finish(snapshots, done)) => {
                    self.save(&snapshots, true);
                    self.opened = None;
                    let _ = done.send(());
                    return;
                }
                // Also when nothing changes, as at night, the disk may be back.
                Err(mpsc::RecvTimeoutError::Timeout) => self.retry(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whoever waits for it may be gone.
    fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn open(&mut self) {
        let opened = match take(&self.directory) {
            Ok((opened, file)) => {
                self.file = file;
                Ok(opened)
            }
            Err(error) => {
                // Whoever else has the directory may serve more meanwhile.
                self.file = directory::load(&self.directory).unwrap_or_default();
                self.file.doubt();
                Err(error)
            }
        };
        match opened {
            Ok(opened) => self.opened = Some(opened),
            Err(error) => self.fail(&error),
        }
        self.send(Event::Restored(self.restored(Instant::now())));
    }

    /// Tries again what failed at the start.
    fn reopen(&mut self) {
        if let Ok((opened, file)) = take(&self.directory) {
            self.opened = Some(opened);
            self.file = file;
            self.send(Event::Restored(self.restored(Instant::now())));
        }
    }

    fn restored(&self, now: Instant) -> Restored {
        let Some(record) = self.file.meters.get(&self.serial_number) else {
            return Restored::default();
        };
        for counter in &record.counters {
            let CounterRecord { key, phase, item, served_wh, .. } = counter;
            if counter.point_among(&self.bindings).is_some() {
                tracing::info!("{key} {phase}: {served_wh:.0} Wh are remembered");
            } else {
                tracing::warn!("{key} {phase}: remembered of item {item}, which is not configured");
            }
        }
        Restored {
            snapshots: record.snapshots(&self.bindings, now),
            age: record.age(SystemTime::now()),
        }
    }

    /// What the directory holds must reach the meter before anything is saved over it.
    fn save_or_open(&mut self, snapshots: Snapshots) {
        if self.opened.is_some() {
            self.save(&snapshots, false);
            self.last = snapshots;
        } else {
            self.reopen();
        }
    }

    fn retry(&mut self) {
        if self.is_failing {
            self.save_or_open(self.last.clone());
        }
    }

    fn save(&mut self, snapshots: &Snapshots, ended: bool) {
        let Some(opened) = &self.opened else { return };
        let mut record =
            MeterRecord::new(snapshots, &self.bindings, SystemTime::now(), Instant::now());
        if let Some(before) = self.file.meters.remove(&self.serial_number) {
            record.keep(before);
        }
        self.file.insert(&self.serial_number, record);
        let mut saved = opened.save(&self.file);
        if saved.is_ok() && ended {
            saved = opened.set_ended();
        }
        match saved {
            Ok(()) if self.is_failing => {
                tracing::info!("the counters are saved again");
                self.is_failing = false;
            }
            Ok(()) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Logs once what is tried again.
    fn fail(&mut self, error: &dyn fmt::Display) {
        if !self.is_failing {
            tracing::warn!("{error}; trying again every minute");
        }
        self.is_failing = true;
    }
}

fn take(path: &Path) -> Result<(StateDirectory, CounterFile), CounterFileError> {
    let directory = StateDirectory::open(path)?;
    let ended = directory.take_ended();
    let mut file = match directory.load() {
        // What can be neither read nor set aside is not overwritten. What cannot be read now may be
        // good.
        Err(error @ CounterFileError::Damaged { .. }) => {
            let aside = directory.set_aside()?;
            tracing::warn!("{error}; set aside as {}", aside.display());
            CounterFile::default()
        }
        loaded => loaded?,
    };
    if !ended {
        file.doubt();
    }
    Ok((directory, file))
}

#[cfg(test)]
mod tests;
