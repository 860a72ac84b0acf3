//! The source, and the service around it, in this process.

use std::{fmt::Display, sync::Arc, time::Duration};

use fronius_smartmeter::{
    config::Config,
    daemon::Daemon,
    meter::{
        Condition, Image,
        reading::{Measurand, Phase, Point, Reading},
    },
    source::{SetupError, Source, Watched},
    system::{liveness::Liveness, systemd::InheritedSockets},
};
use tokio::{sync::watch, time::Instant};

use super::{task::Task, wait_for};

pub(crate) const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };
pub(crate) const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };

/// Polls that are soon seen, and room for a sign of life every second.
pub(crate) const QUICK: &str = "poll_interval: 100ms\nstale_after: 3s";
/// The latter of the two.
pub(crate) const QUICKLY_STALE: Duration = Duration::from_secs(3);

/// So rare that nothing a test sees comes from a poll.
pub(crate) const NO_POLLS: &str = "poll_interval: 600s\nstale_after: 1200s";

/// A configuration with the items `E` (energy) and `P` (power) of the openHAB at `host`.
pub(crate) fn config(host: impl Display, more: &str) -> Config {
    let text = format!(
        "openhab_host: {host}\nenergy_counter_out: E\ncurrent_power: P\n\
         modbus_listen: 127.0.0.1:0\n{more}"
    );
    Config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A source that has not been started.
pub(crate) fn source(config: &Config) -> Result<Source, SetupError> {
    config.sources[0].clone().build(config.freshness)
}

/// Reads the energy once, and says why that fails: on the way, or for this item.
pub(crate) async fn failure(config: &Config) -> String {
    let probes = match source(config).unwrap().probe(&[&config.meters[0].bindings[0]]).await {
        Ok(probes) => probes,
        Err(error) => return error.to_string(),
    };
    probes[0].value.clone().expect_err("it does not fail").to_string()
}

/// A running source, without a meter.
#[derive(Debug)]
pub(crate) struct RunningSource {
    readings: watch::Receiver<Reading>,
    _task: Task,
}

impl RunningSource {
    pub(crate) fn start(config: &Config) -> Self {
        let source = source(config).unwrap();
        let (sender, readings) = watch::channel(Reading::default());
        let watched = Watched {
            bindings: config.meters[0].bindings.clone(),
            readings: sender,
            span: tracing::Span::none(),
        };
        let task =
            Task::spawn(async move { source.watch(vec![watched]).run(&Liveness::default()).await });
        Self { readings, _task: task }
    }

    /// All that is known at the moment.
    pub(crate) fn reading(&self) -> Reading {
        self.readings.borrow().clone()
    }

    /// The last good value of a point.
    pub(crate) fn value(&self, point: Point) -> Option<f64> {
        value(&self.readings.borrow(), point)
    }

    /// When that was last confirmed.
    pub(crate) fn confirmed(&self, point: Point) -> Instant {
        confirmed(&self.readings.borrow(), point)
    }

    /// Waits for a reading that meets a condition.
    #[track_caller]
    pub(crate) fn shows(
        &mut self,
        condition: impl FnMut(&Reading) -> bool,
    ) -> impl Future<Output = ()> {
        wait_for(&mut self.readings, condition)
    }

    /// Waits for a power in W.
    #[track_caller]
    pub(crate) fn power(&mut self, watts: f64) -> impl Future<Output = ()> {
        self.shows(move |reading| value(reading, POWER).is_some_and(|value| same(value, watts)))
    }

    /// Waits for an energy in Wh.
    #[track_caller]
    pub(crate) fn energy(&mut self, watt_hours: f64) -> impl Future<Output = ()> {
        self.shows(move |reading| {
            value(reading, ENERGY).is_some_and(|value| same(value, watt_hours))
        })
    }
}

/// The last good value of a point.
pub(crate) fn value(reading: &Reading, point: Point) -> Option<f64> {
    reading.get(point).map(|sample| sample.value)
}

/// When a point was last confirmed.
pub(crate) fn confirmed(reading: &Reading, point: Point) -> Instant {
    Instant::from_std(reading.get(point).unwrap().confirmed)
}

/// Equal but for rounding.
pub(crate) fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// A running source and its meter.
#[derive(Debug)]
pub(crate) struct RunningMeter {
    images: watch::Receiver<Arc<Image>>,
    _daemon: Daemon,
}

impl RunningMeter {
    pub(crate) async fn start(config: Config) -> Self {
        let daemon = Daemon::start(config, InheritedSockets::default()).await.unwrap();
        Self { images: daemon.images().unwrap(), _daemon: daemon }
    }

    pub(crate) fn image(&self) -> Arc<Image> {
        self.images.borrow().clone()
    }

    /// Waits for an image that meets a condition.
    #[track_caller]
    pub(crate) fn shows(
        &mut self,
        mut condition: impl FnMut(&Image) -> bool,
    ) -> impl Future<Output = ()> {
        wait_for(&mut self.images, move |image| condition(image))
    }

    #[track_caller]
    pub(crate) fn is_live(&mut self) -> impl Future<Output = ()> {
        self.shows(|image| image.condition == Condition::Live)
    }

    /// Waits for live data with this power in W.
    #[track_caller]
    pub(crate) fn is_live_at(&mut self, watts: f64) -> impl Future<Output = ()> {
        self.shows(move |image| image.condition == Condition::Live && same(power(image), watts))
    }

    #[track_caller]
    pub(crate) fn is_stale(&mut self) -> impl Future<Output = ()> {
        self.shows(|image| image.condition == Condition::Stale)
    }
}

/// The total power that is served, in W.
pub(crate) fn power(image: &Image) -> f64 {
    image.measurements.expect("nothing is served yet").power.total
}

/// The total energy that is served, in Wh.
pub(crate) fn exported(image: &Image) -> f64 {
    image.measurements.expect("nothing is served yet").exported.total
}
