//! The meter: from a reading to what a Modbus client gets.
//!
//! Pure: the clock is passed in.

use std::time::{Duration, Instant};

pub mod binding;
mod config;
pub mod counter;
mod image;
pub mod measurements;
pub mod reading;
pub mod sunspec;
pub mod units;

use binding::Binding;
pub use config::{MeterConfig, OnStale, Role};
use counter::{Counter, CounterOutcome, CounterSnapshot};
pub use image::{Availability, Condition, Image};
use measurements::{Measurements, ThreePhase};
use reading::{Freshness, Measurand, Phase, Point, Reading, Sample};

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
    freshness: Freshness,
    /// The points that the source has items for.
    points: Vec<Point>,
    /// One guard per configured counter.
    counters: Vec<Guarded>,
    /// What was served before the start is known; nothing is counted until then.
    restored: bool,
    /// The counters go on from before the start.
    remembers: bool,
    /// The last values served live, for [`OnStale::Hold`].
    last: Option<Measurements>,
}

impl Meter {
    /// A meter that has no values yet, and serves none before [`Meter::restore`] was called.
    #[must_use]
    pub fn new(config: MeterConfig, freshness: Freshness, bindings: &[Binding]) -> Self {
        let points: Vec<_> = bindings.iter().map(|binding| binding.point).collect();
        let counters = points
            .iter()
            .filter(|point| point.measurand.is_counter())
            .map(|point| Guarded {
                point: *point,
                counter: Counter::new(config.min_energy_wh),
                outcome: CounterOutcome::Taken,
                updated: None,
            })
            .collect();
        Self { config, freshness, points, counters, restored: false, remembers: false, last: None }
    }

    /// Lets the counters go on from what was served before, `age` ago. One that is higher already
    /// goes on from where it is. To be called also where nothing is remembered.
    pub fn restore(&mut self, snapshots: &[(Point, CounterSnapshot)], age: Duration, now: Instant) {
        self.restored = true;
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

    /// What is to be served of `reading` at `now`, and what is news of the counters.
    pub fn observe(&mut self, reading: &Reading, now: Instant) -> (Image, Vec<CounterEvent>) {
        let events = if self.restored { self.count(reading) } else { Vec::new() };
        (self.image(reading, now), events)
    }

    /// Offers the counters of a reading to their guards, each update only once. Gives the outcomes
    /// that are news.
    fn count(&mut self, reading: &Reading) -> Vec<CounterEvent> {
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

    fn image(&mut self, reading: &Reading, now: Instant) -> Image {
        let confirmed = self.oldest(reading, |sample| Some(sample.confirmed));
        let expiry = self.oldest(reading, |sample| self.freshness.expiry(sample));
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
            expiry: expiry.filter(|_| condition == Condition::Live),
            overdue: self.overdue(reading, now),
            measurements,
        }
    }

    fn fresh(&self, reading: &Reading, point: Point, now: Instant) -> Option<f64> {
        let sample = reading.get(point)?;
        (now < self.freshness.expiry(sample)?).then_some(sample.value)
    }

    /// The earliest of a time of all required values; none while one is missing.
    fn oldest(
        &self,
        reading: &Reading,
        time: impl Fn(Sample) -> Option<Instant>,
    ) -> Option<Instant> {
        let mut oldest = None;
        for point in &self.points {
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
        self.points.iter().filter(overdue).copied().collect()
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
