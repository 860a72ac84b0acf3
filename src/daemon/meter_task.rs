//! The task of one meter: makes images of readings, and saves the counters before more of them is
//! served.

use std::sync::{Arc, Mutex};

use chrono::Utc;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    hour::{self, Hour},
    log,
};
use crate::{
    meter::{Image, Meter, reading::Reading},
    persistence::{
        error::CounterFileError,
        saving::Saving,
        store::{CounterStore, StoreEvent},
    },
    status::meter_view::MeterStatus,
};

/// One meter, its readings, and where its images go.
#[derive(Debug)]
pub(super) struct MeterTask {
    meter: Meter,
    store: CounterStore,
    saving: Saving,
    readings: watch::Receiver<Reading>,
    images: watch::Sender<Arc<Image>>,
    hour: Arc<Mutex<Hour>>,
    status: watch::Sender<MeterStatus>,
}

impl MeterTask {
    pub(super) fn new(
        mut meter: Meter,
        store: CounterStore,
        readings: watch::Receiver<Reading>,
        hour: Arc<Mutex<Hour>>,
    ) -> Self {
        let now = Instant::now().into_std();
        let (image, _) = meter.observe(&Reading::default(), now, Utc::now().into());
        Self {
            meter,
            store,
            saving: Saving::default(),
            readings,
            images: watch::Sender::new(Arc::new(image)),
            hour,
            status: watch::Sender::default(),
        }
    }

    /// What is served.
    pub(super) fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.subscribe()
    }

    /// Its status besides the image.
    pub(super) fn status(&self) -> watch::Receiver<MeterStatus> {
        self.status.subscribe()
    }

    /// Runs until `stop` comes, or there is no source any more, and saves a last time.
    ///
    /// # Errors
    /// Returns an error if another process serves this meter.
    pub(super) async fn run(
        mut self,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<(), CounterFileError> {
        loop {
            let next = self.observe();
            self.save();
            tokio::select! {
                () = until(next) => {}
                () = until(self.saving.ends().map(Instant::from_std)) => self.saving_ends(),
                event = self.store.event() => self.take(event)?,
                changed = self.readings.changed() => if changed.is_err() { break },
                _ = &mut stop => break,
            }
        }
        let now = Instant::now().into_std();
        self.store.finish(self.meter.last_record(now, Utc::now().into())).await;
        Ok(())
    }

    /// Makes an image of the latest reading, and says when the next is due without another.
    fn observe(&mut self) -> Option<Instant> {
        let reading = self.readings.borrow_and_update().clone();
        let now = Instant::now().into_std();
        let (image, events) = self.meter.observe(&reading, now, Utc::now().into());
        for event in &events {
            log::counter(event);
        }
        self.status.send_if_modified(|status| {
            let stands = self.meter.stands();
            let changed = status.stands != stands;
            status.stands = stands;
            changed
        });
        let old = Arc::clone(&self.images.borrow());
        if old.condition != image.condition {
            log::condition(&image, old.condition);
        }
        if old.saturated.is_empty() != image.saturated.is_empty() {
            log::saturation(&image);
        }
        hour::lock(&self.hour).take(&old, &image, now);
        let next = image.next_expiry.map(Instant::from_std);
        self.images.send_replace(Arc::new(image));
        next
    }

    /// Starts saving what must be on disk before more is served, unless a save is under way.
    fn save(&mut self) {
        let now = Instant::now().into_std();
        if self.saving.may_begin(now)
            && let Some(record) = self.meter.unsaved(now, Utc::now().into())
            && self.store.save(record)
        {
            self.saving = Saving::begun(now);
        }
    }

    /// The disk takes too long, or is to be tried again.
    fn saving_ends(&mut self) {
        self.saving = match self.saving {
            Saving::Busy(_) => {
                tracing::warn!("state_dir does not answer; a crash may forget what is served now");
                self.set_disk(false);
                Saving::Late
            }
            Saving::Failed(_) => Saving::Idle,
            other => other,
        };
    }

    fn take(&mut self, event: StoreEvent) -> Result<(), CounterFileError> {
        let now = Instant::now().into_std();
        self.saving = match event {
            StoreEvent::Opened { restored, has_disk } => {
                self.meter.restore(restored, has_disk, now);
                self.set_disk(has_disk);
                Saving::Idle
            }
            StoreEvent::InUse(error) => return Err(error),
            StoreEvent::Saved(record) => {
                if self.saving == Saving::Late {
                    tracing::warn!("state_dir answers again");
                }
                self.meter.saved(&record, now);
                self.set_disk(true);
                Saving::Idle
            }
            StoreEvent::Failed => {
                self.set_disk(false);
                Saving::failed(now)
            }
        };
        Ok(())
    }

    fn set_disk(&mut self, has_disk: bool) {
        self.meter.set_disk(has_disk);
        self.status.send_if_modified(|status| {
            std::mem::replace(&mut status.has_disk, has_disk) != has_disk
        });
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
