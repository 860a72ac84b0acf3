//! The service: its tasks, how they are wired, and how they end.
//!
//! `source → watch<Reading> → meter → watch<Arc<Image>> → Modbus`

use std::{
    future::poll_fn, io, net::SocketAddr, path::Path, sync::Arc, task::Poll, time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tracing::Instrument;

use crate::{
    config::{Config, ConfiguredMeter},
    meter::{Image, reading::Freshness},
    modbus::connections::Usage,
    persistence::error::CounterFileError,
    source::{SetupError, Watched},
    status::{
        board::Board,
        listener::{self, StatusListenError},
        server as status_server,
    },
    system::{logging, notifier::Notifier, signals::ShutdownSignals, systemd::InheritedSockets},
};

mod hour;
pub(crate) mod log;
mod meter_task;
mod ports;
mod running;
mod served;
mod sources;
mod status;
mod status_page;

pub use ports::PortError;
use running::RunningMeter;
use served::{Served, limited, serve};
use status_page::StatusPage;

/// Time between two summaries in the log.
const SUMMARY_INTERVAL: Duration = Duration::from_hours(1);

/// Between two looks for clients that have stopped polling.
const SILENCE_INTERVAL: Duration = Duration::from_mins(1);

/// Time between two updates of the status that `systemctl status` shows.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

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
    /// An address of the status page cannot be listened on.
    #[error(transparent)]
    StatusListen(#[from] StatusListenError),
    /// The system gives no thread for the status page.
    #[error("no thread for the status page: {0}")]
    StatusThread(io::Error),
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
    /// Of each meter.
    served: Vec<Served>,
    signals: ShutdownSignals,
    notifier: Arc<Notifier>,
    status_page: Option<StatusPage>,
}

impl Daemon {
    /// Starts reading and serving. `inherited` are the sockets passed by systemd; a meter without one
    /// listens where it is configured to.
    ///
    /// # Errors
    /// Returns an error if the source cannot be set up, or a socket cannot be opened.
    pub async fn start(config: Config, inherited: InheritedSockets) -> Result<Self, DaemonError> {
        let signals = ShutdownSignals::install().map_err(DaemonError::Signals)?;
        let notifier = Arc::new(Notifier::start().map_err(DaemonError::Notifier)?);
        let sources = sources::build(config.sources, config.freshness)?;
        let ports = ports::open(&config.meters, inherited.modbus)?;
        let status_listeners = listener::open(&config.status.listen, inherited.status)?;
        let state_dir = config.state_dir.as_deref();
        let (meters, watched) = start_meters(config.meters, config.freshness, state_dir).await?;
        let mut tasks = JoinSet::new();
        let kinds = meters.iter().map(RunningMeter::source);
        let sources = sources::start(&mut tasks, sources, kinds.zip(watched), &notifier);
        let has_page = !status_listeners.is_empty();
        let others = if has_page { status_server::MAX_CONNECTIONS } else { 0 };
        let server_config = limited(config.modbus, ports.len(), others);
        let served = serve(&mut tasks, ports, &meters, server_config);
        let mut status_page = None;
        if has_page {
            let views = meters.iter().zip(&served);
            let board = Board::new(
                sources,
                config.shown.to_string(),
                views.map(|(meter, served)| meter.view(config.freshness, served)).collect(),
            );
            let page = StatusPage::start(&mut tasks, status_listeners, config.status.hosts, board);
            status_page = Some(page.map_err(DaemonError::StatusThread)?);
        }
        Ok(Self { tasks, meters, served, signals, notifier, status_page })
    }

    /// The images that the first meter serves.
    #[must_use]
    pub fn images(&self) -> Option<watch::Receiver<Arc<Image>>> {
        self.meters.first().map(RunningMeter::images)
    }

    /// Where the first meter is polled.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.served.first()?.addresses.first().copied()
    }

    /// Where the status page is, if it has an address.
    #[must_use]
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status_page.as_ref()?.address()
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
                _ = summary.tick() => {
                    for (meter, served) in self.meters.iter().zip(&self.served) {
                        meter.summarize(&served.server.connections().polling());
                    }
                }
                _ = silence.tick() => {
                    let servers = self.served.iter().map(|served| &served.server);
                    servers.for_each(|server| server.connections().notice_silence());
                }
                _ = status.tick() => {
                    let all = self.used().map(|(meter, usage)| meter.status(usage));
                    self.notifier.status(all.collect::<Vec<_>>().join(" | "));
                }
            }
        };
        self.notifier.stopping();
        self.tasks.shutdown().await;
        self.meters.iter_mut().for_each(RunningMeter::stop);
        let deadline = in_future(FINISH_LIMIT);
        for meter in self.meters {
            meter.stopped(deadline).await;
        }
        ended.map(|signal| tracing::info!("stopped by {signal}"))
    }

    /// Each meter, and how much it is used.
    fn used(&self) -> impl Iterator<Item = (&RunningMeter, Usage)> {
        let usages = self.served.iter().map(|served| served.server.connections().usage());
        self.meters.iter().zip(usages)
    }
}

/// Starts the meters, and says what each needs of the source.
async fn start_meters(
    all: Vec<ConfiguredMeter>,
    freshness: Freshness,
    state_dir: Option<&Path>,
) -> Result<(Vec<RunningMeter>, Vec<Watched>), DaemonError> {
    let (mut meters, mut watched) = (Vec::new(), Vec::new());
    let opened_by = in_future(OPEN_LIMIT);
    for meter in all {
        let span = logging::about(meter.name.as_deref());
        let start = RunningMeter::start(meter, freshness, state_dir, opened_by);
        let (running, items) = start.instrument(span).await?;
        meters.push(running);
        watched.push(items);
    }
    Ok((meters, watched))
}

fn in_future(time: Duration) -> Instant {
    Instant::now().checked_add(time).unwrap_or_else(Instant::now)
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
