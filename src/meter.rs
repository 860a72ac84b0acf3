//! The meter: from a reading to what a Modbus client gets.
//!
//! Pure: the clock is passed in.

use std::time::{Instant, SystemTime};

pub mod binding;
pub mod candidate;
mod ceiling;
mod config;
pub mod counter;
mod energies;
pub mod explained;
mod former;
mod guarded;
mod image;
pub mod measurements;
pub mod news;
pub mod power;
pub mod reading;
pub mod record;
pub mod sunspec;
pub mod units;

use binding::Binding;
pub use config::{MeterConfig, OnStale, Role};
use energies::Energies;
pub use image::{Availability, Condition, Image};
use measurements::{Measurements, ThreePhase};
use news::{CounterEvent, News};
use reading::{Freshness, Measurand, Phase, Point, Reading, Sample};
use record::{MeterRecord, Restored};

/// One emulated meter.
#[derive(Clone, Debug)]
pub struct Meter {
    config: MeterConfig,
    freshness: Freshness,
    /// The points that the source has items for.
    points: Vec<Point>,
    energies: Energies,
    /// The power was fresh once, so that its absence is news.
    was_live: bool,
    /// The last values served live, for [`OnStale::Hold`].
    last: Option<Measurements>,
}

impl Meter {
    /// A meter that has no values yet, and serves none before [`Meter::restore`] was called.
    #[must_use]
    pub fn new(
        config: MeterConfig,
        freshness: Freshness,
        bindings: &[Binding],
        now: Instant,
    ) -> Self {
        Self {
            energies: Energies::new(&config, bindings, now),
            points: bindings.iter().map(|binding| binding.point).collect(),
            config,
            freshness,
            was_live: false,
            last: None,
        }
    }

    /// Lets the counters go on from what was remembered. To be called even if that is nothing.
    /// `has_disk` is whether what is served can be saved before.
    pub fn restore(&mut self, restored: Restored, has_disk: bool, now: Instant) {
        self.energies.restore(restored, has_disk, now);
    }

    /// Whether the disk takes writes. Where it does not, what is served does not wait for it.
    pub fn set_disk(&mut self, has_disk: bool) {
        self.energies.set_disk(has_disk);
    }

    /// What has to be on disk before more can be served, or soon will.
    #[must_use]
    pub fn unsaved(&self, now: Instant, clock: SystemTime) -> Option<MeterRecord> {
        self.energies.unsaved(now, clock)
    }

    /// A record that [`Meter::unsaved`] gave is on disk now.
    pub fn saved(&mut self, record: &MeterRecord, now: Instant) {
        self.energies.saved(record, now);
    }

    /// What has to be on disk when nothing more will be served.
    #[must_use]
    pub fn last_record(&self, now: Instant, clock: SystemTime) -> Option<MeterRecord> {
        self.energies.last(now, clock)
    }

    /// The image of `reading`, and any news of the counters.
    pub fn observe(
        &mut self,
        reading: &Reading,
        now: Instant,
        clock: SystemTime,
    ) -> (Image, Vec<CounterEvent>) {
        let events = self.judge(reading, now, clock);
        (self.image(reading, now), events)
    }

    /// Lets the counters follow `reading`, without an image of it. Gives what is news.
    pub fn judge(
        &mut self,
        reading: &Reading,
        now: Instant,
        clock: SystemTime,
    ) -> Vec<CounterEvent> {
        let Self { config, energies, freshness, .. } = self;
        let mut events = Vec::new();
        energies.judge(reading, *freshness, now, clock, |point, item, news| {
            events.push(event(config, point, item, news));
        });
        if self.config.on_stale == OnStale::Hold && self.condition(reading, now) == Condition::Live
        {
            self.last = Some(self.measure(reading, now));
        }
        events
    }

    /// The total of a measurand that is served, in Wh, once there is one.
    #[must_use]
    pub fn energy_wh(&self, measurand: Measurand) -> Option<f64> {
        self.energies.is_ready().then(|| self.energies.served(measurand).total)
    }

    /// The counters that stand, and how.
    #[must_use]
    pub fn stands(&self) -> Vec<CounterEvent> {
        let stands = self.energies.stands();
        stands.map(|(point, item, news)| event(&self.config, point, item, news)).collect()
    }

    /// What is served of `reading` at `now`.
    pub fn image(&mut self, reading: &Reading, now: Instant) -> Image {
        let condition = self.condition(reading, now);
        self.was_live |= condition == Condition::Live;
        let (availability, measurements) = if !self.energies.is_ready() {
            (Availability::Exception, None)
        } else if condition == Condition::Live {
            self.last = Some(self.measure(reading, now));
            (Availability::Registers, self.last)
        } else {
            self.stale()
        };
        Image {
            registers: sunspec::encode(&self.config.identity, measurements.as_ref()),
            availability,
            condition,
            confirmed: self.oldest_power(reading, |sample| Some(sample.confirmed)),
            next_expiry: self.next_expiry(reading, now),
            overdue: self.overdue(reading, now),
            measurements,
        }
    }

    /// How far the data can be trusted.
    #[must_use]
    pub fn condition(&self, reading: &Reading, now: Instant) -> Condition {
        let expiry = self.oldest_power(reading, |sample| self.freshness.expiry(sample));
        let is_fresh = expiry.is_some_and(|at| now < at) && self.is_plausible(reading);
        match (self.energies.is_ready(), is_fresh) {
            (true, true) => Condition::Live,
            (true, false) if self.was_live || expiry.is_some() => Condition::Stale,
            _ => Condition::Waiting,
        }
    }

    /// Whether the phases together have no more power than the meter can have.
    fn is_plausible(&self, reading: &Reading) -> bool {
        let power = |phase| reading.get(Point { measurand: Measurand::Power, phase });
        let watts: f64 = Phase::ALL.iter().filter_map(|p| power(*p)).map(|p| p.value.abs()).sum();
        watts <= self.config.max_power_w
    }

    fn fresh(&self, reading: &Reading, point: Point, now: Instant) -> Option<f64> {
        let sample = reading.get(point)?;
        (now < self.freshness.expiry(sample)?).then_some(sample.value)
    }

    /// The next time at which a value stops being fresh.
    #[must_use]
    pub fn next_expiry(&self, reading: &Reading, now: Instant) -> Option<Instant> {
        let expiry = |point: &Point| self.freshness.expiry(reading.get(*point)?);
        self.points.iter().filter_map(expiry).filter(|at| *at > now).min()
    }

    /// The earliest such time over all powers; none if one is missing.
    fn oldest_power(
        &self,
        reading: &Reading,
        time: impl Fn(Sample) -> Option<Instant>,
    ) -> Option<Instant> {
        let powers = self.points.iter().filter(|point| point.measurand == Measurand::Power);
        let mut oldest = None;
        for point in powers {
            let at = time(reading.get(*point)?)?;
            oldest = Some(oldest.map_or(at, |oldest: Instant| oldest.min(at)));
        }
        oldest
    }

    /// What keeps the data from being live: powers without a fresh value, and counters that never
    /// had a value.
    fn overdue(&self, reading: &Reading, now: Instant) -> Vec<Point> {
        let is_old = |point: &&Point| {
            point.measurand == Measurand::Power && self.fresh(reading, **point, now).is_none()
        };
        let powers = self.points.iter().filter(is_old).copied();
        self.energies.missing().chain(powers).collect()
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
        let measured = Measurements::from_lines(
            fresh(Measurand::Power).map(|power| sign * power.unwrap_or_default()),
            fresh(Measurand::Voltage),
            fresh(Measurand::Current),
            fresh(Measurand::Frequency),
        );
        let [exported, imported] = self.energies();
        match self.config.role {
            Role::Producer => Measurements { exported, imported, ..measured },
            Role::Grid => Measurements { exported, imported, ..measured.with_signed_current() },
        }
    }

    /// Exported and imported energy, as the guards let them through.
    fn energies(&self) -> [ThreePhase; 2] {
        [Measurand::EnergyOut, Measurand::EnergyIn].map(|measurand| self.energies.served(measurand))
    }
}

fn event(config: &MeterConfig, point: Point, item: &str, news: News) -> CounterEvent {
    let meter = config.identity.serial_number.clone();
    CounterEvent { point, item: item.to_owned(), meter, news }
}

#[cfg(test)]
mod tests;
