//! The store of a meter's counters. It works on a thread of its own, since a disk may take seconds
//! and nobody should wait for it. Failures are logged; at worst the counters are not saved.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use tokio::sync::{mpsc as events, oneshot};
use tracing::Span;

use super::{
    directory::{self, MeterDirectory},
    error::CounterFileError,
    saving::RETRY_INTERVAL,
};
use crate::{
    meter::record::{MeterRecord, Restored},
    text::Kwh,
};

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
    Save(MeterRecord),
    /// Nothing is served after this. Answered once all is on disk.
    Finish(Option<MeterRecord>, oneshot::Sender<()>),
}

/// What the store has to say.
#[derive(Debug)]
pub enum StoreEvent {
    /// What the meter goes on from. Comes at the start, and again where the directory could not be
    /// used then and can be now.
    Opened {
        /// What is remembered.
        restored: Restored,
        /// Whether the directory can be used.
        has_disk: bool,
    },
    /// Another process serves this meter.
    InUse(CounterFileError),
    /// This is on disk.
    Saved(MeterRecord),
    /// The disk takes no writes, or does not give what is on it; that is logged.
    Failed,
}

/// The store of one meter's counters.
#[derive(Debug)]
pub struct CounterStore {
    /// None where there is no directory.
    commands: Option<mpsc::Sender<Command>>,
    events: events::UnboundedReceiver<StoreEvent>,
}

impl CounterStore {
    /// Opens the store of the meter with this serial number. What is in it comes as an event.
    #[must_use]
    pub fn open(directory: Option<PathBuf>, serial_number: String) -> Self {
        let (sender, events) = events::unbounded_channel();
        let nothing = || StoreEvent::Opened { restored: Restored::nothing(), has_disk: false };
        let Some(directory) = directory else {
            let _ = sender.send(nothing());
            return Self { commands: None, events };
        };
        let (commands, receiver) = mpsc::channel();
        let worker = Worker {
            directory,
            serial_number,
            opened: None,
            is_read: false,
            events: sender.clone(),
            is_failing: false,
        };
        let thread = thread::Builder::new().name("store".to_owned());
        let span = Span::current();
        match thread.spawn(move || span.in_scope(|| worker.run(&receiver))) {
            Ok(_) => Self { commands: Some(commands), events },
            Err(error) => {
                tracing::warn!("counters will not survive a restart: {error}");
                let _ = sender.send(nothing());
                Self { commands: None, events }
            }
        }
    }

    /// The next event; waits until there is one. Safe to drop at any time.
    pub async fn event(&mut self) -> StoreEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Starts to save, and says whether there is anything to save to. Never waits. The next save
    /// must wait for the event that ends this one, so that none can pile up.
    #[must_use]
    pub fn save(&self, record: MeterRecord) -> bool {
        let commands = self.commands.as_ref();
        commands.is_some_and(|commands| commands.send(Command::Save(record)).is_ok())
    }

    /// Saves a last time, and waits until that is done.
    pub async fn finish(self, record: Option<MeterRecord>) {
        let (done, finished) = oneshot::channel();
        if let Some(commands) = self.commands
            && commands.send(Command::Finish(record, done)).is_ok()
        {
            // An error means that the thread is gone; it has logged why.
            let _ = finished.await;
        }
    }
}

/// What runs on the thread.
struct Worker {
    directory: PathBuf,
    serial_number: String,
    opened: Option<MeterDirectory>,
    /// What is remembered was read, and sent.
    is_read: bool,
    events: events::UnboundedSender<StoreEvent>,
    /// The last attempt to open the directory or to save failed, and was logged.
    is_failing: bool,
}

impl Worker {
    fn run(mut self, commands: &mpsc::Receiver<Command>) {
        self.open();
        loop {
            match commands.recv_timeout(RETRY_INTERVAL) {
                Ok(Command::Save(record)) => self.save(record),
                Ok(Command::Finish(record, done)) => {
                    if let Some(record) = record {
                        self.save(record);
                    }
                    self.opened = None;
                    let _ = done.send(());
                    return;
                }
                Err(mpsc::RecvTimeoutError::Timeout) if self.opened.is_none() => self.open(),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The receiver may be gone, which is fine.
    fn send(&self, event: StoreEvent) {
        let _ = self.events.send(event);
    }

    fn open(&mut self) {
        match self.take() {
            Ok(restored) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::warn!("state_dir can be used again");
                }
                self.opened(restored, true);
            }
            Err(error @ CounterFileError::InUse { .. }) => self.send(StoreEvent::InUse(error)),
            Err(_) if self.is_read => {}
            // What cannot be written can perhaps be read.
            Err(error) => match directory::load(&self.directory, &self.serial_number) {
                Ok(restored) => {
                    self.fail(&error);
                    self.opened(restored, false);
                }
                Err(error) => {
                    self.fail(&format!("{error}; no counter is served until it can be read"));
                    self.send(StoreEvent::Failed);
                }
            },
        }
    }

    fn opened(&mut self, restored: Restored, has_disk: bool) {
        log_restored(&restored);
        self.is_read = true;
        self.send(StoreEvent::Opened { restored, has_disk });
    }

    fn take(&mut self) -> Result<Restored, CounterFileError> {
        let opened = MeterDirectory::open(&self.directory, &self.serial_number)?;
        let restored = match opened.load() {
            // A damaged file that cannot be set aside is not overwritten; one that cannot be read now
            // may still be good.
            Err(error @ CounterFileError::Damaged { .. }) => {
                let CounterFileError::Damaged { path, .. } = &error else { return Err(error) };
                let aside = opened.set_aside(path)?;
                tracing::warn!(
                    "{error}; set aside as {}; the counters begin with what the source shows",
                    aside.display()
                );
                Restored::nothing()
            }
            loaded => loaded?,
        };
        self.opened = Some(opened);
        Ok(restored)
    }

    /// What the directory holds must reach the meter before anything is saved over it.
    fn save(&mut self, record: MeterRecord) {
        let Some(opened) = &self.opened else {
            self.open();
            if self.opened.is_none() && self.is_read {
                self.send(StoreEvent::Failed);
            }
            return;
        };
        match opened.save(&record) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::warn!("the counters are saved again");
                }
                self.send(StoreEvent::Saved(record));
            }
            Err(error) => {
                self.fail(&error);
                self.send(StoreEvent::Failed);
            }
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

/// Logs what the counters go on from.
pub(crate) fn log_restored(restored: &Restored) {
    for counter in restored.record.iter().flat_map(|record| &record.counters) {
        let (key, phase, item) = (counter.key.key(), counter.phase, counter.item_or_share());
        tracing::info!("{key} {phase}: {item} goes on from {}", Kwh(counter.served_wh));
    }
}

#[cfg(test)]
mod tests;
