//! The meter: from a reading to what a Modbus client gets.
//!
//! Pure: the clock is passed in.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::meter::reading::{Measurand, Phase, Point, Reading, Sample};

pub mod counter;
pub mod measurements;
pub mod reading;
pub mod sunspec;
pub mod units;

use counter::{Counter, CounterOutcome, CounterSnapshot};
use measurements::{Measurements, ThreePhase};
use sunspec::{Identity, Registers};

/// What the meter measures, and so the sign of its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A generator: its power is served negative, its energy as exported.
    Producer,
    /// The grid connection: import is positive.
    Grid,
}

/// What reads of measured values get once the data is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStale {
    /// Power, current, apparent and reactive power 0, nominal voltage and frequency, energy kept.
    Zero,
    /// Exception 0x0B, gateway target device failed to respond.
    Exception,
    /// The last values.
    Hold,
    /// Nothing: connections are closed and new ones refused.
    Disconnect,
}

/// What there is to know of a meter before its first value.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterConfig {
    /// Sign of the power, and which counter is which.
    pub role: Role,
    /// The common model.
    pub identity: Identity,
    /// Older data is not live.
    pub stale_after: Duration,
    /// A value that the source did not update for so long is not fresh either, even if the source
    /// lives: whoever should update it may not.
    pub item_max_age: Option<Duration>,
    /// What is served then.
    pub on_stale: OnStale,
    /// In Wh; see [`Counter`].
    pub min_energy_wh: f64,
    /// The points that the source has items for.
    pub points: Vec<Point>,
}

/// How far the data can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A counter has had no valid value yet, so there is nothing to serve.
    Waiting,
    /// Every required value is younger than `stale_after`.
    Live,
    /// At least one is not.
    Stale,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Stale => "stale",
        })
    }
}

/// What reads of measured values get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The registers.
    Registers,
    /// Exception 0x0B.
    Exception,
    /// A closed connection.
    Disconnect,
}

/// What every request is answered from: one instant of the meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The map, from [`sunspec::BASE`] on.
    pub registers: Registers,
    /// Whether the measured part of it may be read.
    pub availability: Availability,
    /// Why.
    pub condition: Condition,
    /// When the oldest required value was confirmed.
    pub confirmed: Option<Instant>,
    /// What keeps the data from being live.
    pub overdue: Vec<Point>,
    /// The values in the registers, for the log.
    pub measurements: Option<Measurements>,
}

/// An outcome on a counter that differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterEvent {
    /// Which counter.
    pub point: Point,
    /// What it showed, in Wh.
    pub value: f64,
    /// What became of that.
    pub outcome: CounterOutcome,
}

#[derive(Clone, Debug)]
struct Guarded {
    point: Point,
    counter: Counter,
    /// On the value offered last.
    outcome: CounterOutcome,
    /// When that was updated.
    updated: Option<Instant>,
}

/// One emulated meter.
#[derive(Clone, Debug)]
pub struct Meter {
    config: MeterConfig,
    /// One guard per configured counter.
    counters: Vec<Guarded>,
    /// The counters go on from before the start.
    remembers: bool,
    /// The last values served live, for [`OnStale::Hold`].
    last: Option<Measurements>,
}

impl Meter {
    /// A meter that has no values yet.
    #[must_use]
    pub fn new(config: MeterConfig) -> Self {
        let counters = config
            .points
            .iter()
            .filter(|point| point.measurand.is_counter())
            .map(|point| Guarded {
                point: *point,
                counter: Counter::new(config.min_energy_wh),
                outcome: CounterOutcome::Taken,
                updated: None,
            })
            .collect();
        Self { config, counters, remembers: false, last: None }
    }

    /// Lets the counters go on from what was served before, `age` ago. One that is higher already
    /// goes on from where it is.
    pub fn restore(&mut self, snapshots: &[(Point, CounterSnapshot)], age: Duration, now: Instant) {
        self.remembers = !snapshots.is_empty();
        for Guarded { point, counter, updated, .. } in &mut self.counters {
            let Some((_, snapshot)) = snapshots.iter().find(|(known, _)| known == point) else {
                continue;
            };
            if counter.snapshot().is_none_or(|known| known.served < snapshot.served) {
                *counter = Counter::restored(self.config.min_energy_wh, *snapshot, age, now);
                // What the source shows now was not offered to this one.
                *updated = None;
            }
        }
    }

    /// What there is to remember of the counters.
    #[must_use]
    pub fn snapshots(&self) -> Vec<(Point, CounterSnapshot)> {
        let snapshot = |guarded: &Guarded| Some((guarded.point, guarded.counter.snapshot()?));
        self.counters.iter().filter_map(snapshot).collect()
    }

    /// Offers the counters of a reading to their guards, each update only once. Gives the outcomes
    /// that are news.
    pub fn count(&mut self, reading: &Reading) -> Vec<CounterEvent> {
        let offer = |guarded: &mut Guarded| {
            let sample = reading.get(guarded.point)?;
            if guarded.updated.replace(sample.updated) == Some(sample.updated) {
                return None;
            }
            let outcome = guarded.counter.offer(sample.value, sample.updated);
            let before = std::mem::replace(&mut guarded.outcome, outcome);
            (outcome != before).then_some(CounterEvent {
                point: guarded.point,
                value: sample.value,
                outcome,
            })
        };
        self.counters.iter_mut().filter_map(offer).collect()
    }

    /// What is to be served of `reading` at `now`.
    pub fn image(&mut self, reading: &Reading, now: Instant) -> Image {
        let confirmed = self.oldest(reading, |sample| Some(sample.confirmed));
        let expiry = self.expiry(reading);
        let condition = if self.counters.iter().any(|counted| counted.counter.served().is_none()) {
            Condition::Waiting
        } else if expiry.is_some_and(|at| now < at) {
            Condition::Live
        } else if confirmed.is_some() || self.remembers {
            // Counters that are remembered are there before any value is.
            Condition::Stale
        } else {
            Condition::Waiting
        };
        let (availability, measurements) = match condition {
            Condition::Waiting => (Availability::Exception, None),
            Condition::Live => {
                self.last = Some(self.measure(reading, now));
                (Availability::Registers, self.last)
            }
            Condition::Stale => self.stale(),
        };
        Image {
            registers: sunspec::encode(&self.config.identity, measurements.as_ref()),
            availability,
            condition,
            confirmed,
            overdue: self.overdue(reading, now),
            measurements,
        }
    }

    /// When the values of `reading` become stale, unless they are confirmed before.
    #[must_use]
    pub fn expiry(&self, reading: &Reading) -> Option<Instant> {
        self.oldest(reading, |sample| self.deadline(sample))
    }

    /// Until when a value is fresh: it must be confirmed, and where that is asked for, updated.
    fn deadline(&self, sample: Sample) -> Option<Instant> {
        let confirmed = sample.confirmed.checked_add(self.config.stale_after)?;
        match self.config.item_max_age {
            Some(max_age) => Some(confirmed.min(sample.updated.checked_add(max_age)?)),
            None => Some(confirmed),
        }
    }

    fn fresh(&self, reading: &Reading, point: Point, now: Instant) -> Option<f64> {
        let sample = reading.get(point)?;
        (now < self.deadline(sample)?).then_some(sample.value)
    }

    /// The earliest of a time of all required values; none while one is missing.
    fn oldest(
        &self,
        reading: &Reading,
        time: impl Fn(Sample) -> Option<Instant>,
    ) -> Option<Instant> {
        let mut oldest = None;
        for point in &self.config.points {
            if point.measurand.is_required() {
                let at = time(reading.get(*point)?)?;
                oldest = Some(oldest.map_or(at, |oldest: Instant| oldest.min(at)));
            }
        }
        oldest
    }

    /// The required points without a fresh value, and the counters without a believable one.
    fn overdue(&self, reading: &Reading, now: Instant) -> Vec<Point> {
        let unserved =
            |point| self.counter(point).is_some_and(|counter| counter.served().is_none());
        let overdue = |point: &&Point| {
            let old = self.fresh(reading, **point, now).is_none();
            point.measurand.is_required() && old || unserved(**point)
        };
        self.config.points.iter().filter(overdue).copied().collect()
    }

    fn counter(&self, point: Point) -> Option<&Counter> {
        let mut counters = self.counters.iter();
        counters.find(|guarded| guarded.point == point).map(|guarded| &guarded.counter)
    }

    fn stale(&self) -> (Availability, Option<Measurements>) {
        match self.config.on_stale {
            OnStale::Zero => (Availability::Registers, Some(self.idle())),
            OnStale::Hold if self.last.is_some() => (Availability::Registers, self.last),
            // Without last values there is nothing to hold.
            OnStale::Exception | OnStale::Hold => (Availability::Exception, None),
            OnStale::Disconnect => (Availability::Disconnect, None),
        }
    }

    /// A generator at rest: the grid is there, nothing flows, the counters stand.
    fn idle(&self) -> Measurements {
        let [exported, imported] = self.energies();
        let nothing = [None; 3];
        Measurements {
            exported,
            imported,
            ..Measurements::from_lines([0.0; 3], nothing, nothing, nothing)
        }
    }

    fn measure(&self, reading: &Reading, now: Instant) -> Measurements {
        // A value past its age is as good as none: its fallback takes over.
        let fresh = |measurand| {
            Phase::ALL.map(|phase| self.fresh(reading, Point { measurand, phase }, now))
        };
        let sign = match self.config.role {
            Role::Producer => -1.0,
            Role::Grid => 1.0,
        };
        let [exported, imported] = self.energies();
        Measurements {
            exported,
            imported,
            ..Measurements::from_lines(
                fresh(Measurand::Power).map(|power| sign * power.unwrap_or_default()),
                fresh(Measurand::Voltage),
                fresh(Measurand::Current),
                fresh(Measurand::Frequency),
            )
        }
    }

    /// Exported and imported energy, as the guards let them through.
    fn energies(&self) -> [ThreePhase; 2] {
        [Measurand::EnergyOut, Measurand::EnergyIn].map(|measurand| {
            ThreePhase::sum(Phase::ALL.map(|phase| {
                let counter = self.counter(Point { measurand, phase });
                counter.and_then(Counter::served).unwrap_or_default()
            }))
        })
    }
}

#[cfg(test)]
mod tests;
