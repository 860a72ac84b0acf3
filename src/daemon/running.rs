//! One of the meters while it is served.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
};

use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle},
    time::{Instant, timeout_at},
};
use tracing::{Instrument, Span};

use super::{
    DaemonError,
    hour::{self, Hour},
    meter_task::MeterTask,
    served::Served,
    status::{Now, Status, Summary},
};
use crate::{
    config::ConfiguredMeter,
    meter::{
        Image, Meter, Role,
        binding::{self, Binding},
        reading::{Freshness, Reading},
        sunspec::Identity,
    },
    modbus::{Device, connections::Usage, tally::Tally},
    persistence::{
        error::CounterFileError,
        store::{self, CounterStore, StoreEvent},
    },
    source::{SourceKind, Watched},
    status::meter_view::{MeterStatus, MeterView},
};

/// A meter, its task, and what that makes.
#[derive(Debug)]
pub(super) struct RunningMeter {
    name: Option<String>,
    span: Span,
    identity: Identity,
    role: Role,
    source: SourceKind,
    bindings: Vec<Binding>,
    readings: watch::Receiver<Reading>,
    task: JoinHandle<Result<(), CounterFileError>>,
    /// Makes the task save its counters and end.
    stop: Option<oneshot::Sender<()>>,
    images: watch::Receiver<Arc<Image>>,
    status: watch::Receiver<MeterStatus>,
    tally: Arc<Tally>,
    hour: Arc<Mutex<Hour>>,
}

impl RunningMeter {
    /// Starts a meter in the current span, and says what it needs of the source. Its counters are
    /// waited for until `deadline`.
    ///
    /// # Errors
    /// Returns an error if another process serves it.
    pub(super) async fn start(
        meter: ConfiguredMeter,
        freshness: Freshness,
        state_dir: Option<&Path>,
        deadline: Instant,
    ) -> Result<(Self, Watched), DaemonError> {
        let ConfiguredMeter { name, config, source, bindings, .. } = meter;
        if let Some(warning) = binding::warning(&bindings) {
            tracing::warn!("{warning}");
        }
        let (identity, role) = (config.identity.clone(), config.role);
        let now = Instant::now().into_std();
        let meter = Meter::new(config, freshness, &bindings, now);
        let store = CounterStore::open(store::directory(state_dir), identity.serial_number.clone());
        let (meter, store) = restored(meter, store, deadline).await?;
        let (sender, readings) = watch::channel(Reading::default());
        let hour = Arc::new(Mutex::new(Hour::begin(0)));
        let task = MeterTask::new(meter, store, readings.clone(), Arc::clone(&hour));
        let (images, status) = (task.images(), task.status());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(task.run(stopped).in_current_span());
        let span = Span::current();
        let watched = Watched { bindings: bindings.clone(), readings: sender, span: span.clone() };
        let running = Self {
            name,
            span,
            identity,
            role,
            source,
            bindings,
            readings,
            task,
            stop: Some(stop),
            images,
            status,
            tally: Arc::default(),
            hour,
        };
        Ok((running, watched))
    }

    pub(super) fn device(&self) -> Device {
        Device {
            identity: self.identity.clone(),
            model: self.images.borrow().model,
            images: self.images.clone(),
            tally: Arc::clone(&self.tally),
        }
    }

    /// A look at it, and at how it is served.
    pub(super) fn view(&self, freshness: Freshness, served: &Served) -> MeterView {
        MeterView {
            name: self.name.clone(),
            role: self.role,
            source: self.source,
            identity: self.identity.clone(),
            listens: served.addresses.iter().map(SocketAddr::to_string).collect(),
            bindings: self.bindings.clone(),
            freshness,
            readings: self.readings.clone(),
            images: self.images.clone(),
            status: self.status.clone(),
            tally: Arc::clone(&self.tally),
            connections: served.server.connections().clone(),
        }
    }

    /// Which source it has.
    pub(super) fn source(&self) -> SourceKind {
        self.source
    }

    pub(super) fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.clone()
    }

    /// Its name, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Logs how it is and what happened since the last time, in one line. These clients poll now.
    pub(super) fn summarize(&self, clients: &[IpAddr]) {
        let (image, meter) = (&self.images.borrow(), &self.status.borrow());
        let hour =
            &hour::lock(&self.hour).end(image, self.tally.polls(), Instant::now().into_std());
        let status = Status { role: self.role, image, meter };
        tracing::info!(parent: &self.span, "{}", Summary { status, hour, clients });
    }

    /// How it is, in one line that names it.
    pub(super) fn status(&self, usage: Usage) -> String {
        let (image, meter) = (&self.images.borrow(), &self.status.borrow());
        let last_poll = self.tally.last().map(|poll| poll.at);
        let status = Status { role: self.role, image, meter };
        format!("{}{}", Prefix(self.name()), Now { status, usage, last_poll })
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

    /// Waits until that is done, or `deadline` is over.
    pub(super) async fn stopped(mut self, deadline: Instant) {
        if !self.task.is_finished() && timeout_at(deadline, &mut self.task).await.is_err() {
            tracing::warn!(parent: &self.span, "the counters could not be saved in time");
        }
    }
}

/// The name of a meter before what is said of it, where there may be several.
struct Prefix<'a>(Option<&'a str>);

impl std::fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, "{name}: "))
    }
}

/// The meter with its counters restored, and their store. A disk that does not answer until `deadline`
/// delays only the counters.
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
