//! The meter: from a reading to what a Modbus client gets.
//!
//! Pure: the clock is passed in.

use std::time::{Instant, SystemTime};

pub mod binding;
pub mod candidate;
mod ceiling;
mod config;
pub mod consumption;
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
use consumption::Consumption;
use energies::Energies;
pub use image::{Availability, Condition, Image};
use measurements::{Measurements, ThreePhase};
use news::{CounterEvent, News};
use reading::{Channel, Freshness, Measurand, Phase, Point, Reading};
use record::{MeterRecord, Restored};

/// One emulated meter.
#[derive(Clone, Debug)]
pub struct Meter {
    config: MeterConfig,
    freshness: Freshness,
    /// What the source has items for.
    channels: Vec<Channel>,
    /// The powers of a producer, and their items.
    produced: Vec<(Channel, String, Consumption)>,
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
            channels: bindings.iter().map(Binding::channel).collect(),
            produced: produced(config.role, bindings),
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
        events.extend(self.consumed(reading, now));
        if self.config.on_stale == OnStale::Hold && self.condition(reading, now) == Condition::Live
        {
            self.last = Some(self.measure(reading, now));
        }
        events
    }

    /// What is news of the signs of a producer's powers.
    fn consumed(&mut self, reading: &Reading, now: Instant) -> Vec<CounterEvent> {
        let Self { config, freshness, produced, .. } = self;
        let consumed = produced.iter_mut().filter_map(|(channel, item, consumption)| {
            let sample = reading.get(*channel);
            let fresh =
                sample.filter(|sample| freshness.expiry(*sample).is_some_and(|at| now < at));
            let watts = fresh.map(|sample| sample.value);
            let is_news = consumption.watch(watts, now);
            let news = News::Consumes { watts: watts.filter(|_| is_news)? };
            Some(event(config, channel.point, item, news))
        });
        consumed.collect()
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
        let MeterConfig { identity, model, max_power_w, .. } = &self.config;
        let (registers, saturated) =
            sunspec::encode(identity, *model, *max_power_w, measurements.as_ref());
        Image {
            registers,
            model: *model,
            saturated,
            availability,
            condition,
            confirmed: self.confirmed(reading, now),
            next_expiry: self.next_expiry(reading, now),
            overdue: self.overdue(reading, now),
            measurements,
        }
    }

    /// How far the data can be trusted.
    #[must_use]
    pub fn condition(&self, reading: &Reading, now: Instant) -> Condition {
        let expiry = self.power_expiry(reading);
        let is_fresh = expiry.is_some_and(|at| now < at) && self.is_plausible(reading, now);
        match (self.energies.is_ready(), is_fresh) {
            (true, true) => Condition::Live,
            (true, false) if self.was_live || expiry.is_some() => Condition::Stale,
            _ => Condition::Waiting,
        }
    }

    /// Whether all phases together have no more power than the meter can have.
    fn is_plausible(&self, reading: &Reading, now: Instant) -> bool {
        let powers = self.powers().filter_map(|power| self.fresh(reading, power, now));
        powers.map(f64::abs).sum::<f64>() <= self.config.max_power_w
    }

    fn powers(&self) -> impl Iterator<Item = Channel> {
        self.channels.iter().copied().filter(|channel| channel.point.measurand == Measurand::Power)
    }

    fn fresh(&self, reading: &Reading, channel: Channel, now: Instant) -> Option<f64> {
        let sample = reading.get(channel)?;
        (now < self.freshness.expiry(sample)?).then_some(sample.value)
    }

    /// What is known of a point.
    fn parts(&self, reading: &Reading, point: Point, now: Instant) -> Parts {
        let mut parts = Parts::default();
        for channel in self.channels.iter().filter(|channel| channel.point == point) {
            parts.add(self.fresh(reading, *channel, now));
        }
        parts
    }

    /// When the last value of a channel stops being fresh.
    fn expiry(&self, reading: &Reading, channel: Channel) -> Option<Instant> {
        self.freshness.expiry(reading.get(channel)?)
    }

    /// The next time at which a value stops being fresh.
    #[must_use]
    pub fn next_expiry(&self, reading: &Reading, now: Instant) -> Option<Instant> {
        let expiries = self.channels.iter().filter_map(|channel| self.expiry(reading, *channel));
        expiries.filter(|at| *at > now).min()
    }

    /// When the power as a whole stops being fresh: when that of the first phase does. A part of a
    /// producer's list that is silent sleeps while another is awake; of the grid, every part counts.
    fn power_expiry(&self, reading: &Reading) -> Option<Instant> {
        let of_phase = |phase| {
            let parts = self.powers().filter(move |power| power.point.phase == phase);
            let parts = parts.map(|power| self.expiry(reading, power));
            // No value at all is older than any.
            match self.config.role {
                Role::Producer => parts.max(),
                Role::Grid => parts.min(),
            }
        };
        Phase::ALL.into_iter().filter_map(of_phase).min().flatten()
    }

    /// When the oldest power that counts was confirmed.
    fn confirmed(&self, reading: &Reading, now: Instant) -> Option<Instant> {
        let counts = |power: &Channel| {
            self.config.role == Role::Grid || self.fresh(reading, *power, now).is_some()
        };
        let confirmed = |power| reading.get(power).map(|sample| sample.confirmed);
        let oldest = self.powers().filter(counts).filter_map(confirmed).min();
        oldest.or_else(|| self.powers().filter_map(confirmed).max())
    }

    /// What keeps the data from being live: powers without a fresh value, and counters that never
    /// had a value.
    fn overdue(&self, reading: &Reading, now: Instant) -> Vec<String> {
        let is_old = |power: &Channel| self.fresh(reading, *power, now).is_none();
        let is_awake = |point: &Point| {
            self.config.role == Role::Producer && self.parts(reading, *point, now).fresh > 0
        };
        let powers = self.powers().filter(is_old).map(|power| power.point);
        let mut powers: Vec<_> = powers.filter(|point| !is_awake(point)).collect();
        powers.dedup();
        self.energies.missing().chain(powers.iter().map(Point::to_string)).collect()
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
        let parts = |measurand| {
            Phase::ALL.map(|phase| self.parts(reading, Point { measurand, phase }, now))
        };
        let sign = self.config.role.power_sign();
        let measured = Measurements::from_lines(
            parts(Measurand::Power).map(|parts| sign * parts.sum),
            parts(Measurand::Voltage).map(Parts::mean),
            parts(Measurand::Current).map(Parts::whole),
            parts(Measurand::Frequency).map(Parts::mean),
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

/// The powers that should not be negative.
fn produced(role: Role, bindings: &[Binding]) -> Vec<(Channel, String, Consumption)> {
    let powers = bindings.iter().filter(|binding| binding.point.measurand == Measurand::Power);
    let produced = powers.filter(|_| role == Role::Producer);
    produced.map(|power| (power.channel(), power.item.clone(), Consumption::default())).collect()
}

/// What is known of the items of a point.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// Of those that are fresh.
    sum: f64,
    fresh: u32,
    all: u32,
}

impl Parts {
    fn add(&mut self, value: Option<f64>) {
        self.all = self.all.saturating_add(1);
        if let Some(value) = value {
            self.fresh = self.fresh.saturating_add(1);
            self.sum += value;
        }
    }

    /// The mean of those that are fresh.
    fn mean(self) -> Option<f64> {
        (self.fresh > 0).then(|| self.sum / f64::from(self.fresh))
    }

    /// The sum, if all are fresh: a part of a current would not fit to the power, and that and the
    /// voltage make a better one.
    fn whole(self) -> Option<f64> {
        (self.fresh > 0 && self.fresh == self.all).then_some(self.sum)
    }
}

fn event(config: &MeterConfig, point: Point, item: &str, news: News) -> CounterEvent {
    let meter = config.identity.serial_number.clone();
    CounterEvent { point, item: item.to_owned(), meter, news }
}

#[cfg(test)]
mod tests;
