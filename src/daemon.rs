//! The service: its tasks, how they are wired, and how they end.
//!
//! `source → watch<Reading> → meter → watch<Arc<Image>> → Modbus`

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    config::Config,
    meter::{
        Condition, CounterEvent, Image, Meter,
        counter::CounterOutcome,
        reading::{Point, Reading},
    },
    modbus::Server,
    persistence::task::{self, CounterStore, Restored, Snapshots, StoreTask},
    source::{
        Source,
        openhab::{OpenHab, SetupError},
    },
    system::{
        listeners::{self, ListenError},
        liveness::{Liveness, Pulse},
        signals::ShutdownSignals,
        sockets,
        systemd::{self, Inherited},
    },
};

/// Between two lines in the log that say how things are.
const SUMMARY_INTERVAL: Duration = Duration::from_mins(1);

/// Between two such lines for `systemctl status`.
const STATUS: Duration = Duration::from_secs(10);

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The source cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Nobody can reach us.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refuses what every system has.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// A task that runs for ever has ended.
    #[error("the {0} task has ended unexpectedly")]
    TaskEnded(&'static str),
    /// A task has panicked.
    #[error("a task has failed: {0}")]
    TaskFailed(tokio::task::JoinError),
}

/// The tasks of one meter.
#[derive(Debug)]
pub struct Daemon {
    tasks: JoinSet<&'static str>,
    images: watch::Receiver<Arc<Image>>,
    server: Server,
    store: StoreTask,
    signals: ShutdownSignals,
    addresses: Vec<SocketAddr>,
}

impl Daemon {
    /// Starts to read and to serve, on the runtime it is called from. `inherited` are the sockets of
    /// systemd; where there are none, the configured ones are opened.
    ///
    /// # Errors
    /// Where the source cannot be set up, or no socket opened.
    pub fn start(config: Config, inherited: Vec<Inherited>) -> Result<Self, DaemonError> {
        let signals = ShutdownSignals::install().map_err(DaemonError::Signals)?;
        let items = config.openhab.items.clone();
        let source = Source::OpenHab(OpenHab::new(config.openhab)?);
        let listeners = if inherited.is_empty() {
            listeners::open(&config.modbus.listen)?
        } else {
            let adopt = |Inherited { name, listener }| {
                tracing::debug!(name, "systemd passes a socket on as {name:?}");
                listeners::adopt(listener)
            };
            inherited.into_iter().map(adopt).collect::<Result<_, _>>()?
        };

        let state_dir = task::directory(config.state_dir.as_deref());
        let serial_number = config.meter.identity.serial_number.clone();
        let keeper = CounterStore::open(state_dir, serial_number, items);

        let mut tasks = JoinSet::new();
        let watchdog = systemd::watchdog();
        let liveness = watchdog.map(Liveness::new).unwrap_or_default();
        let (reading, readings) = watch::channel(Reading::default());
        let watched = liveness.clone();
        tasks.spawn(async move {
            source.run(reading, &watched).await;
            "source"
        });

        let now = Instant::now().into_std();
        let mut meter = Meter::new(config.meter);
        let (snapshots, age) = keeper.recall(now);
        meter.restore(&snapshots, age, now);
        let first = meter.image(&Reading::default(), now);
        let (image, images) = watch::channel(Arc::new(first));
        let (snapshot, snapshots) = watch::channel(meter.snapshots());
        // Until it is known what was served before, nothing lower may be.
        let waits = keeper.is_opening();
        let (recalled, recalls) = mpsc::channel(1);
        let pulse = liveness.of("meter");
        tasks.spawn(async move {
            measure(meter, readings, (waits, recalls), image, snapshot, pulse).await;
            "meter"
        });

        let store = StoreTask::new(keeper, snapshots, recalled);
        let kept = store.clone();
        tasks.spawn(async move {
            kept.run().await;
            "keeper"
        });

        if let Some(limit) = watchdog {
            let watched = liveness.clone();
            tasks.spawn(async move {
                watch(watched, limit).await;
                "watchdog"
            });
        }

        let mut modbus = config.modbus;
        modbus.max_connections = sockets::raise_fd_limit(modbus.max_connections);
        let server = Server::new(modbus, images.clone());
        let mut addresses = Vec::new();
        for listener in listeners {
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, "listening on {address}");
                addresses.push(address);
            }
            let server = server.clone();
            let pulse = liveness.of("accept");
            tasks.spawn(async move { match server.serve(listener, pulse).await {} });
        }
        let closer = server.clone();
        tasks.spawn(async move {
            closer.close_unwanted().await;
            "closing"
        });
        Ok(Self { tasks, images, server, store, signals, addresses })
    }

    /// What is served.
    #[must_use]
    pub fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.images.clone()
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs until SIGTERM, SIGINT or SIGHUP. Connections are closed then.
    ///
    /// # Errors
    /// Where a task ends, which none should.
    pub async fn run(mut self) -> Result<(), DaemonError> {
        systemd::ready();
        let mut summary = interval(SUMMARY_INTERVAL);
        summary.set_missed_tick_behavior(MissedTickBehavior::Delay);
        summary.tick().await;
        let mut status = interval(STATUS);
        status.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                signal = self.signals.requested() => break Ok(signal),
                Some(ended) = self.tasks.join_next() => break match ended {
                    Ok(task) => Err(DaemonError::TaskEnded(task)),
                    Err(error) => Err(DaemonError::TaskFailed(error)),
                },
                _ = summary.tick() => {
                    self.server.connections().notice_silence();
                    tracing::info!("{}", self.describe());
                }
                _ = status.tick() => systemd::status(&self.describe()),
            }
        };
        systemd::stopping();
        self.tasks.shutdown().await;
        self.store.finish().await;
        ended.map(|signal| tracing::info!("stopped by {signal}"))
    }

    /// Says how things are: what is served, how old it is, and whether anybody asks for it.
    fn describe(&self) -> String {
        let usage = self.server.connections().usage();
        let image = self.images.borrow().clone();
        let seconds = |age: Duration| format!("{:.1} s", age.as_secs_f64());
        let data = match image.confirmed {
            Some(at) => format!("data {} old", seconds(at.elapsed())),
            None => format!("waiting for {}", list(&image.overdue)),
        };
        let values = image.measurements.map_or_else(String::new, |values| {
            let (exported, imported) = (values.exported.total, values.imported.total);
            let watts = values.power.total;
            format!(", {watts:.1} W, {exported:.0} Wh exported, {imported:.0} Wh imported")
        });
        let polled = match usage.idle {
            Some(idle) => format!("last polled {} ago", seconds(idle)),
            None => "never polled".to_owned(),
        };
        format!(
            "{}, {data}{values}; clients {}, requests {}, {polled}",
            image.condition, usage.connections, usage.requests
        )
    }
}

/// Tells systemd that all tasks move, for as long as they do. openHAB being away stops none.
async fn watch(liveness: Liveness, limit: Duration) {
    let mut interval = interval(limit.mul_f64(0.25).max(Duration::from_millis(1)));
    loop {
        interval.tick().await;
        match liveness.stuck() {
            None => systemd::notify_watchdog(),
            Some(task) => tracing::error!(task, "the {task} task is stuck; to be started anew"),
        }
    }
}

/// Makes images of readings: of each new one, and when one has become too old.
async fn measure(
    mut meter: Meter,
    mut readings: watch::Receiver<Reading>,
    (mut waits, mut recalls): (bool, mpsc::Receiver<Restored>),
    images: watch::Sender<Arc<Image>>,
    snapshots: watch::Sender<Snapshots>,
    pulse: Pulse,
) {
    loop {
        let reading = readings.borrow_and_update().clone();
        let events = if waits { Vec::new() } else { meter.count(&reading) };
        for CounterEvent { point, value, outcome } in events {
            let Point { measurand, phase } = point;
            let key = measurand.key();
            match outcome {
                CounterOutcome::Taken => {
                    tracing::info!(key, %phase, "{point}: {value} Wh is {outcome}")
                }
                _ => tracing::warn!(key, %phase, "{point}: {value} Wh is {outcome}"),
            }
        }
        snapshots.send_if_modified(|known| {
            let now = meter.snapshots();
            let changed = *known != now;
            *known = now;
            changed
        });

        let now = Instant::now();
        let image = meter.image(&reading, now.into_std());
        let condition = image.condition;
        if images.borrow().condition != condition {
            log_transition(&image);
        }
        images.send_replace(Arc::new(image));

        // Stale already, only a new reading can change that.
        let expiry = match condition {
            Condition::Live => meter.expiry(&reading).map(Instant::from_std),
            Condition::Waiting | Condition::Stale => None,
        };
        let too_old = async {
            match expiry {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let news = async {
            tokio::select! {
                () = too_old => Ok(()),
                Some((snapshots, age)) = recalls.recv() => {
                    meter.restore(&snapshots, age, Instant::now().into_std());
                    waits = false;
                    Ok(())
                }
                changed = readings.changed() => changed,
            }
        };
        if pulse.during(news).await.is_err() {
            return;
        }
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

fn list(points: &[Point]) -> String {
    points.iter().map(Point::to_string).collect::<Vec<_>>().join(", ")
}
