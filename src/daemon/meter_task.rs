//! The task of one meter: makes images of readings, and has its counters saved.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use super::status::list;
use crate::{
    meter::{
        Condition, CounterEvent, Image, Meter,
        counter::CounterOutcome,
        reading::{Point, Reading},
    },
    persistence::store::{CounterStore, Restored, Snapshots},
};

/// Between two times that the counters are saved: flash memory wears out.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// One meter, its readings, and where its images go.
#[derive(Debug)]
pub(super) struct MeterTask {
    meter: Meter,
    store: CounterStore,
    readings: watch::Receiver<Reading>,
    images: watch::Sender<Arc<Image>>,
    /// What was saved last, or is being saved.
    saved: Snapshots,
    /// Not before this is saved again.
    next_save: Instant,
}

impl MeterTask {
    pub(super) fn new(
        mut meter: Meter,
        store: CounterStore,
        readings: watch::Receiver<Reading>,
    ) -> Self {
        let (image, _) = meter.observe(&Reading::default(), Instant::now().into_std());
        Self {
            saved: meter.snapshots(),
            meter,
            store,
            readings,
            images: watch::Sender::new(Arc::new(image)),
            next_save: Instant::now(),
        }
    }

    /// What is served.
    pub(super) fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.subscribe()
    }

    /// Runs until `stop` comes, or there is no source any more, and saves a last time.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let image = self.observe();
            self.save();
            tokio::select! {
                () = until(image.expiry) => {}
                () = until(self.save_due()) => {}
                restored = self.store.restored() => restore(&mut self.meter, &restored),
                changed = self.readings.changed() => if changed.is_err() { break },
                _ = &mut stop => break,
            }
        }
        self.store.finish(self.meter.snapshots()).await;
    }

    /// Makes an image of the latest reading.
    fn observe(&mut self) -> Arc<Image> {
        let reading = self.readings.borrow_and_update().clone();
        let (image, events) = self.meter.observe(&reading, Instant::now().into_std());
        events.iter().for_each(log_event);
        if self.images.borrow().condition != image.condition {
            log_transition(&image);
        }
        let image = Arc::new(image);
        self.images.send_replace(Arc::clone(&image));
        image
    }

    /// When the counters are to be saved, if they have changed.
    fn save_due(&self) -> Option<std::time::Instant> {
        let changed = self.meter.snapshots() != self.saved;
        (changed && !self.store.is_saving()).then(|| self.next_save.into_std())
    }

    fn save(&mut self) {
        let now = Instant::now();
        if self.save_due().is_some_and(|due| due <= now.into_std()) {
            self.saved = self.meter.snapshots();
            self.store.save(&self.saved);
            self.next_save = now.checked_add(SAVE_INTERVAL).unwrap_or(now);
        }
    }
}

/// Lets a meter go on from what was remembered.
pub(super) fn restore(meter: &mut Meter, Restored { snapshots, age }: &Restored) {
    meter.restore(snapshots, *age, Instant::now().into_std());
}

async fn until(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(Instant::from_std(time)).await,
        None => std::future::pending().await,
    }
}

fn log_event(CounterEvent { point, value, outcome }: &CounterEvent) {
    let Point { measurand, phase } = point;
    let key = measurand.key();
    match outcome {
        CounterOutcome::Taken => tracing::info!(key, %phase, "{point}: {value} Wh is {outcome}"),
        _ => tracing::warn!(key, %phase, "{point}: {value} Wh is {outcome}"),
    }
}

fn log_transition(image: &Image) {
    let overdue = list(&image.overdue);
    match image.condition {
        Condition::Live => tracing::info!("data is live"),
        Condition::Stale => {
            tracing::warn!("data is stale: {overdue} not confirmed for too long; on_stale applies");
        }
        Condition::Waiting => tracing::warn!("no valid data: waiting for {overdue}"),
    }
}
