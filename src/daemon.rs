//! The service: its tasks, how they are wired, and how they end.
//!
//! `source → watch<Reading> → meter → watch<Arc<Image>> → Modbus`

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout},
};

use crate::{
    config::Config,
    meter::{Image, Meter, binding, reading::Reading},
    modbus::{Server, ServerConfig},
    persistence::{
        error::CounterFileError,
        store::{self, CounterStore, StoreEvent},
    },
    source::{SetupError, Source},
    system::{
        listeners::{self, ListenError},
        liveness::Liveness,
        notifier::Notifier,
        signals::ShutdownSignals,
        sockets,
        systemd::{self, Inherited},
    },
};

pub(crate) mod log;
mod meter_task;
mod status;

use meter_task::MeterTask;
use status::{MeterStatus, Status};

/// Time between two summaries in the log.
const SUMMARY_INTERVAL: Duration = Duration::from_hours(1);

/// Between two looks for clients that have stopped polling.
const SILENCE_INTERVAL: Duration = Duration::from_mins(1);

/// Time between two updates of the status that `systemctl status` shows.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// A source that rests for longer than this, in a request or elsewhere, is stuck. Its requests have
/// much shorter limits.
const SOURCE_LIMIT: Duration = Duration::from_mins(1);

/// Time limit for opening the counters' store at the start.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// Time limit for saving the counters at the end: the whole shutdown takes less than a second.
const FINISH_LIMIT: Duration = Duration::from_millis(500);

/// Why the service cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The source cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Another process serves this meter.
    #[error(transparent)]
    InUse(CounterFileError),
    /// Signal handlers cannot be installed.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// The system gives no thread for what is reported to systemd.
    #[error("no thread for reports to systemd: {0}")]
    Notifier(io::Error),
    /// A task has ended that should run as long as the service.
    #[error("the {0} task has ended unexpectedly")]
    TaskEnded(&'static str),
    /// A task has panicked.
    #[error("a task has failed: {0}")]
    TaskFailed(JoinError),
}

/// The running service: the tasks of one meter.
#[derive(Debug)]
pub struct Daemon {
    tasks: JoinSet<&'static str>,
    meter: JoinHandle<Result<(), CounterFileError>>,
    status: watch::Receiver<MeterStatus>,
    /// Makes the meter's task save its counters and end.
    stop_meter: oneshot::Sender<()>,
    images: watch::Receiver<Arc<Image>>,
    server: Server,
    signals: ShutdownSignals,
    notifier: Arc<Notifier>,
    addresses: Vec<SocketAddr>,
}

impl Daemon {
    /// Starts reading and serving. `inherited` are the sockets passed by systemd; if there are
    /// none, the configured addresses are opened.
    ///
    /// # Errors
    /// Returns an error if the source cannot be set up, or a socket cannot be opened.
    pub async fn start(config: Config, inherited: Vec<Inherited>) -> Result<Self, DaemonError> {
        let signals = ShutdownSignals::install().map_err(DaemonError::Signals)?;
        let notifier = Arc::new(Notifier::start().map_err(DaemonError::Notifier)?);
        let bindings = config.source.bindings().to_vec();
        if let Some(warning) = binding::warning(&bindings) {
            tracing::warn!("{warning}");
        }
        let source = config.source.build(config.freshness)?;
        let listeners = open_listeners(&config.modbus.listen, inherited)?;
        let identity = config.meter.identity.clone();
        let now = Instant::now().into_std();
        let meter = Meter::new(config.meter, config.freshness, &bindings, now);
        let serial_number = identity.serial_number.clone();
        let (meter, store) = restored(meter, config.state_dir.as_deref(), serial_number).await?;

        let mut tasks = JoinSet::new();
        let readings = spawn_source(&mut tasks, source, &notifier);
        let meter = MeterTask::new(meter, store, readings);
        let (images, status) = (meter.images(), meter.status());
        let (stop_meter, stop) = oneshot::channel();
        let meter = tokio::spawn(meter.run(stop));
        let server = Server::new(&limited(config.modbus), identity, images.clone());
        let addresses = spawn_server(&mut tasks, &server, listeners);
        Ok(Self { tasks, meter, status, stop_meter, images, server, signals, notifier, addresses })
    }

    /// The images that are served.
    #[must_use]
    pub fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.clone()
    }

    /// The addresses it listens on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs until SIGTERM, SIGINT or SIGHUP. Then it closes all connections and saves the counters.
    ///
    /// # Errors
    /// Returns an error if a task ends by itself or panics.
    pub async fn run(mut self) -> Result<(), DaemonError> {
        self.notifier.ready();
        let mut summary = ticks(SUMMARY_INTERVAL);
        summary.tick().await;
        let mut silence = ticks(SILENCE_INTERVAL);
        let mut status = ticks(STATUS_INTERVAL);
        let ended = loop {
            tokio::select! {
                signal = self.signals.requested() => break Ok(signal),
                ended = &mut self.meter => break Err(match ended {
                    Ok(Err(error)) => DaemonError::InUse(error),
                    ended => ended_task(ended.map(|_| "meter")),
                }),
                Some(ended) = self.tasks.join_next() => break Err(ended_task(ended)),
                _ = summary.tick() => tracing::info!("{}", self.status()),
                _ = silence.tick() => self.server.connections().notice_silence(),
                _ = status.tick() => self.notifier.status(self.status()),
            }
        };
        self.notifier.stopping();
        self.tasks.shutdown().await;
        if !self.meter.is_finished() {
            // An error means that the task is ending already.
            let _ = self.stop_meter.send(());
            if timeout(FINISH_LIMIT, self.meter).await.is_err() {
                tracing::warn!("the counters could not be saved in time");
            }
        }
        ended.map(|signal| tracing::info!("stopped by {signal}"))
    }

    fn status(&self) -> String {
        let usage = self.server.connections().usage();
        Status { image: &self.images.borrow(), meter: &self.status.borrow(), usage }.to_string()
    }
}

/// Ticks that do not come in a crowd after the machine was busy.
fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn ended_task(ended: Result<&'static str, JoinError>) -> DaemonError {
    match ended {
        Ok(task) => DaemonError::TaskEnded(task),
        Err(error) => DaemonError::TaskFailed(error),
    }
}

/// The sockets passed by systemd or, if there are none, those of the configured addresses.
fn open_listeners(
    addresses: &[SocketAddr],
    inherited: Vec<Inherited>,
) -> Result<Vec<TcpListener>, ListenError> {
    if inherited.is_empty() {
        return listeners::open(addresses);
    }
    let adopt = |Inherited { name, listener }| {
        tracing::debug!(name, "systemd has passed a socket named {name:?}");
        listeners::adopt(listener)
    };
    inherited.into_iter().map(adopt).collect()
}

/// The meter with its counters restored, and their store. A disk that does not answer delays only
/// the counters.
///
/// # Errors
/// Returns an error if another process serves this meter.
async fn restored(
    mut meter: Meter,
    state_dir: Option<&Path>,
    serial_number: String,
) -> Result<(Meter, CounterStore), DaemonError> {
    let mut store = CounterStore::open(store::directory(state_dir), serial_number);
    match timeout(OPEN_LIMIT, store.event()).await {
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

/// Starts the source, and the watchdog if systemd expects one.
fn spawn_source(
    tasks: &mut JoinSet<&'static str>,
    source: Source,
    notifier: &Arc<Notifier>,
) -> watch::Receiver<Reading> {
    let watchdog = systemd::watchdog();
    let liveness = Liveness::new(SOURCE_LIMIT);
    let (sender, readings) = watch::channel(Reading::default());
    let watched = liveness.clone();
    tasks.spawn(async move {
        source.run(sender, &watched).await;
        "source"
    });
    if let Some(limit) = watchdog {
        let notifier = Arc::clone(notifier);
        tasks.spawn(async move {
            watch_liveness(&liveness, limit, &notifier).await;
            "watchdog"
        });
    }
    readings
}

/// Limits the connections to what the limit of open files allows: if accepting one fails,
/// tokio-modbus drops every client.
fn limited(config: ServerConfig) -> ServerConfig {
    let max_connections = sockets::raise_fd_limit(config.max_connections);
    ServerConfig { max_connections, ..config }
}

/// Starts serving on these sockets, and returns their addresses.
fn spawn_server(
    tasks: &mut JoinSet<&'static str>,
    server: &Server,
    listeners: Vec<TcpListener>,
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening on {address}");
            addresses.push(address);
        }
        let server = server.clone();
        tasks.spawn(async move { match server.serve(listener).await {} });
    }
    let closer = server.clone();
    tasks.spawn(async move {
        closer.close_unwanted().await;
        "closing"
    });
    addresses
}

/// Feeds systemd's watchdog while all tasks make progress. A source that is away does not stop any of
/// them.
async fn watch_liveness(liveness: &Liveness, limit: Duration, notifier: &Notifier) {
    let mut interval = interval(limit.mul_f64(0.25).max(Duration::from_millis(1)));
    loop {
        interval.tick().await;
        match liveness.stuck() {
            None => notifier.watchdog(),
            Some(task) => tracing::error!(
                task,
                "the {task} task is stuck; waiting for systemd to restart the service"
            ),
        }
    }
}
