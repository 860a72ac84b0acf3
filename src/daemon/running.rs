//! One of the meters while it is served.

use std::sync::Arc;

use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

use super::{
    DaemonError,
    meter_task::MeterTask,
    status::{MeterStatus, Status},
};
use crate::{
    config::ConfiguredMeter,
    meter::{Image, Meter, binding, reading::Freshness, reading::Reading, sunspec::Identity},
    modbus::{Device, connections::Usage},
    persistence::{
        error::CounterFileError,
        store::{CounterStore, StoreEvent},
    },
    source::Watched,
};

/// A meter, its task, and what that makes.
#[derive(Debug)]
pub(super) struct RunningMeter {
    name: Option<String>,
    identity: Identity,
    task: JoinHandle<Result<(), CounterFileError>>,
    /// Makes the task save its counters and end.
    stop: Option<oneshot::Sender<()>>,
    images: watch::Receiver<Arc<Image>>,
    status: watch::Receiver<MeterStatus>,
}

impl RunningMeter {
    /// Starts a meter with its counters, which are waited for until `deadline`, and says what it
    /// needs of the source.
    ///
    /// # Errors
    /// Returns an error if another process serves it.
    pub(super) async fn start(
        meter: ConfiguredMeter,
        freshness: Freshness,
        store: CounterStore,
        deadline: Instant,
    ) -> Result<(Self, Watched), DaemonError> {
        let ConfiguredMeter { name, config, bindings, .. } = meter;
        if let Some(warning) = binding::warning(&bindings) {
            tracing::warn!(meter = name, "{}{warning}", Prefix(name.as_deref()));
        }
        let identity = config.identity.clone();
        let now = Instant::now().into_std();
        let meter = Meter::new(config, freshness, &bindings, now);
        let (meter, store) = restored(meter, store, deadline).await?;
        let (sender, readings) = watch::channel(Reading::default());
        let task = MeterTask::new(name.clone(), meter, store, readings);
        let (images, status) = (task.images(), task.status());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(task.run(stopped));
        let running = Self { name, identity, task, stop: Some(stop), images, status };
        Ok((running, Watched { bindings, readings: sender }))
    }

    pub(super) fn device(&self) -> Device {
        Device { identity: self.identity.clone(), images: self.images.clone() }
    }

    pub(super) fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.clone()
    }

    /// How it is, in one line.
    pub(super) fn status(&self, usage: Usage) -> String {
        let status = Status { image: &self.images.borrow(), meter: &self.status.borrow(), usage };
        format!("{}{status}", Prefix(self.name.as_deref()))
    }

    /// Waits for the end of its task, which should not come.
    pub(super) async fn ended(&mut self) -> Result<Result<(), CounterFileError>, JoinError> {
        (&mut self.task).await
    }

    /// Has the task save its counters and end.
    pub(super) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the task is ending already.
            let _ = stop.send(());
        }
    }

    /// Waits until that is done. Returns whether it was in time.
    pub(super) async fn stopped(self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.task.is_finished() || timeout(left, self.task).await.is_ok()
    }
}

/// The name of a meter before what is said of it, where there may be several.
pub(crate) struct Prefix<'a>(pub(crate) Option<&'a str>);

impl std::fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, "{name}: "))
    }
}

/// The meter with its counters restored from their store. A disk that does not answer delays only
/// the counters.
///
/// # Errors
/// Returns an error if another process serves this meter.
async fn restored(
    mut meter: Meter,
    mut store: CounterStore,
    deadline: Instant,
) -> Result<(Meter, CounterStore), DaemonError> {
    match timeout_at(deadline, store.event()).await {
        Ok(StoreEvent::Opened { restored, has_disk }) => {
            meter.restore(restored, has_disk, Instant::now().into_std());
        }
        Ok(StoreEvent::InUse(error)) => return Err(DaemonError::InUse(error)),
        // Nothing was to be saved yet.
        Ok(StoreEvent::Saved(_) | StoreEvent::Failed) => {}
        Err(_) => {
            tracing::warn!("state_dir does not answer; no counter is served until it does");
        }
    }
    Ok((meter, store))
}
