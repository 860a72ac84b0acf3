//! The service: its tasks, how they are wired, and how they end.
//!
//! `source → watch<Reading> → meter → watch<Arc<Image>> → Modbus`

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use crate::{
    config::{Config, ConfiguredMeter},
    meter::Image,
    modbus::{Server, ServerConfig},
    persistence::{
        error::CounterFileError,
        store::{self, CounterStore},
    },
    source::{SetupError, Source, Watched},
    system::{
        liveness::Liveness,
        notifier::Notifier,
        signals::ShutdownSignals,
        sockets,
        systemd::{self, Inherited},
    },
};

pub(crate) mod log;
mod meter_task;
mod ports;
mod running;
mod status;

use ports::Port;
pub use ports::PortError;
pub(crate) use running::Prefix;
use running::RunningMeter;

/// Time between two summaries in the log.
const SUMMARY_INTERVAL: Duration = Duration::from_hours(1);

/// Between two looks for clients that have stopped polling.
const SILENCE_INTERVAL: Duration = Duration::from_mins(1);

/// Time between two updates of the status that `systemctl status` shows.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// A source that rests for longer than this, in a request or elsewhere, is stuck. Its requests have
/// much shorter limits.
const SOURCE_LIMIT: Duration = Duration::from_mins(1);

/// Time limit for opening the counters' stores at the start.
const OPEN_LIMIT: Duration = Duration::from_secs(2);

/// Time limit for saving the counters at the end: the whole shutdown takes less than a second.
const FINISH_LIMIT: Duration = Duration::from_millis(500);

/// Why the service cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The source cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A socket cannot be opened, or is for no meter.
    #[error(transparent)]
    Port(#[from] PortError),
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

/// The running service.
#[derive(Debug)]
pub struct Daemon {
    tasks: JoinSet<&'static str>,
    meters: Vec<RunningMeter>,
    /// Of each meter, the server it is served by.
    servers: Vec<Server>,
    signals: ShutdownSignals,
    notifier: Arc<Notifier>,
    addresses: Vec<SocketAddr>,
}

impl Daemon {
    /// Starts reading and serving. `inherited` are the sockets passed by systemd; a meter without one
    /// listens where it is configured to.
    ///
    /// # Errors
    /// Returns an error if the source cannot be set up, or a socket cannot be opened.
    pub async fn start(config: Config, inherited: Vec<Inherited>) -> Result<Self, DaemonError> {
        let signals = ShutdownSignals::install().map_err(DaemonError::Signals)?;
        let notifier = Arc::new(Notifier::start().map_err(DaemonError::Notifier)?);
        let source = config.source.build(config.freshness)?;
        let ports = ports::open(&config.meters, inherited)?;
        // All at once: a disk that does not answer is waited for once.
        let directory = store::directory(config.state_dir.as_deref());
        let open = |meter: &ConfiguredMeter| {
            CounterStore::open(directory.clone(), meter.config.identity.serial_number.clone())
        };
        let stores: Vec<_> = config.meters.iter().map(open).collect();
        let deadline = deadline(OPEN_LIMIT);
        let (mut meters, mut watched) = (Vec::new(), Vec::new());
        for (meter, store) in config.meters.into_iter().zip(stores) {
            let (running, items) =
                RunningMeter::start(meter, config.freshness, store, deadline).await?;
            meters.push(running);
            watched.push(items);
        }
        let mut tasks = JoinSet::new();
        spawn_source(&mut tasks, source, watched, &notifier);
        let server_config = limited(config.modbus, ports.len());
        let mut addresses = Vec::new();
        let mut served_by = Vec::new();
        for Port { listeners, meters: places } in ports {
            let devices = places.iter().filter_map(|place| meters.get(*place));
            let devices = devices.map(RunningMeter::device).collect();
            let server = Server::new(&server_config, devices);
            addresses.extend(spawn_server(&mut tasks, &server, listeners));
            served_by.extend(places.into_iter().map(|place| (place, server.clone())));
        }
        served_by.sort_by_key(|(place, _)| *place);
        let servers = served_by.into_iter().map(|(_, server)| server).collect();
        Ok(Self { tasks, meters, servers, signals, notifier, addresses })
    }

    /// The images that the first meter serves.
    #[must_use]
    pub fn images(&self) -> Option<watch::Receiver<Arc<Image>>> {
        self.meters.first().map(RunningMeter::images)
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
                ended = first_ended(&mut self.meters) => break Err(match ended {
                    Ok(Err(error)) => DaemonError::InUse(error),
                    ended => ended_task(ended.map(|_| "meter")),
                }),
                Some(ended) = self.tasks.join_next() => break Err(ended_task(ended)),
                _ = summary.tick() => self.status().for_each(|status| tracing::info!("{status}")),
                _ = silence.tick() => {
                    self.servers.iter().for_each(|server| server.connections().notice_silence());
                }
                _ = status.tick() => {
                    self.notifier.status(self.status().collect::<Vec<_>>().join(" | "));
                }
            }
        };
        self.notifier.stopping();
        self.tasks.shutdown().await;
        self.meters.iter_mut().for_each(RunningMeter::stop);
        let deadline = deadline(FINISH_LIMIT);
        for meter in self.meters {
            if !meter.stopped(deadline).await {
                tracing::warn!("the counters could not be saved in time");
            }
        }
        ended.map(|signal| tracing::info!("stopped by {signal}"))
    }

    /// How each meter is.
    fn status(&self) -> impl Iterator<Item = String> {
        let servers = self.servers.iter().map(|server| server.connections().usage());
        self.meters.iter().zip(servers).map(|(meter, usage)| meter.status(usage))
    }
}

/// The end of a limit that begins now.
fn deadline(limit: Duration) -> Instant {
    Instant::now().checked_add(limit).unwrap_or_else(Instant::now)
}

/// Waits for the first task of a meter that ends, which none should.
async fn first_ended(
    meters: &mut [RunningMeter],
) -> Result<Result<(), CounterFileError>, JoinError> {
    let mut ends: Vec<_> = meters.iter_mut().map(|meter| Box::pin(meter.ended())).collect();
    poll_fn(|cx| {
        let ended = ends.iter_mut().find_map(|end| match end.as_mut().poll(cx) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        });
        ended.map_or(Poll::Pending, Poll::Ready)
    })
    .await
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

/// Starts the source, and the watchdog if systemd expects one.
fn spawn_source(
    tasks: &mut JoinSet<&'static str>,
    source: Source,
    watched: Vec<Watched>,
    notifier: &Arc<Notifier>,
) {
    let watchdog = systemd::watchdog();
    let liveness = Liveness::new(SOURCE_LIMIT);
    let pulses = liveness.clone();
    tasks.spawn(async move {
        source.run(watched, &pulses).await;
        "source"
    });
    if let Some(limit) = watchdog {
        let notifier = Arc::clone(notifier);
        tasks.spawn(async move {
            watch_liveness(&liveness, limit, &notifier).await;
            "watchdog"
        });
    }
}

/// Limits the connections of each port to what the limit of open files allows: if accepting one fails,
/// tokio-modbus drops every client.
fn limited(config: ServerConfig, ports: usize) -> ServerConfig {
    let wanted = config.max_connections.saturating_mul(ports);
    let room = sockets::raise_fd_limit(wanted).checked_div(ports).unwrap_or_default().max(1);
    ServerConfig { max_connections: config.max_connections.min(room), ..config }
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
