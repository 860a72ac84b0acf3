//! A reading of one meter: the last good value of each point, and when it was last confirmed.
//!
//! Pure: the clock is passed in.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::units::Quantity;

/// What a configured item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measurand {
    /// Energy generated (role producer) or exported (role grid).
    #[serde(rename = "energy_counter_out")]
    EnergyOut,
    /// Energy consumed (role producer) or imported (role grid).
    #[serde(rename = "energy_counter_in")]
    EnergyIn,
    /// Active power: of a producer what it generates, of a grid meter what is imported.
    #[serde(rename = "current_power")]
    Power,
    /// Voltage between line and neutral.
    #[serde(rename = "current_voltage")]
    Voltage,
    /// Current.
    #[serde(rename = "current_current")]
    Current,
    /// Grid frequency.
    #[serde(rename = "current_frequency")]
    Frequency,
}

impl Measurand {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::EnergyOut,
        Self::EnergyIn,
        Self::Power,
        Self::Voltage,
        Self::Current,
        Self::Frequency,
    ];

    /// The configuration key that names its item.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::EnergyOut => "energy_counter_out",
            Self::EnergyIn => "energy_counter_in",
            Self::Power => "current_power",
            Self::Voltage => "current_voltage",
            Self::Current => "current_current",
            Self::Frequency => "current_frequency",
        }
    }

    /// What it measures.
    #[must_use]
    pub fn quantity(self) -> Quantity {
        match self {
            Self::EnergyOut | Self::EnergyIn => Quantity::Energy,
            Self::Power => Quantity::Power,
            Self::Voltage => Quantity::Voltage,
            Self::Current => Quantity::Current,
            Self::Frequency => Quantity::Frequency,
        }
    }

    /// Whether it is an energy counter. One that is configured must have a value before the meter
    /// serves anything.
    #[must_use]
    pub fn is_counter(self) -> bool {
        matches!(self, Self::EnergyOut | Self::EnergyIn)
    }

    /// Whether the phases add up, so that an item in two of them would count twice.
    #[must_use]
    pub fn is_summed(self) -> bool {
        !matches!(self, Self::Voltage | Self::Frequency)
    }

    /// Whether it must be configured. The others have a fallback.
    #[must_use]
    pub fn is_required(self) -> bool {
        matches!(self, Self::EnergyOut | Self::Power)
    }
}

/// A phase of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// L1, phase A in SunSpec.
    L1,
    /// L2, phase B.
    L2,
    /// L3, phase C.
    L3,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A text that does not name a phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown phase {0:?}; expected L1, L2 or L3")]
pub struct PhaseError(String);

/// Reads what `Display` writes, and no other spelling: `L1`, not `l1`.
impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(text: &str) -> Result<Self, PhaseError> {
        match text {
            "L1" => Ok(Self::L1),
            "L2" => Ok(Self::L2),
            "L3" => Ok(Self::L3),
            _ => Err(PhaseError(text.to_owned())),
        }
    }
}

/// One of the values of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// What it is.
    pub measurand: Measurand,
    /// On which phase.
    pub phase: Phase,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.measurand.key(), self.phase)
    }
}

/// One of the values that make up a point: where a list of items is given for it, each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// What it is a part of.
    pub point: Point,
    /// Its place in the list, from 0.
    pub member: usize,
}

/// The only one, or the first, of a point.
impl From<Point> for Channel {
    fn from(point: Point) -> Self {
        Self { point, member: 0 }
    }
}

/// Until when a value is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// A value not confirmed for this long is not fresh.
    pub stale_after: Duration,
    /// A value not updated for this long is not fresh either, even if the source
    /// lives: whoever should update it may not.
    pub item_max_age: Option<Duration>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { stale_after: Duration::from_secs(30), item_max_age: None }
    }
}

impl Freshness {
    /// When a sample stops being fresh, unless it is confirmed before.
    #[must_use]
    pub fn expiry(self, sample: Sample) -> Option<Instant> {
        let confirmed = sample.confirmed.checked_add(self.stale_after)?;
        match self.item_max_age {
            Some(max_age) => Some(confirmed.min(sample.updated.checked_add(max_age)?)),
            None => Some(confirmed),
        }
    }
}

/// A value and when the source last said that it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// In the base unit of its quantity.
    pub value: f64,
    /// When the source last gave a sign that it holds. The age runs from here.
    pub confirmed: Instant,
    /// When it was last updated, as far as the source lets us know; the same value again is an
    /// update too.
    pub updated: Instant,
}

/// The last good values of one meter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    slots: Vec<(Channel, Slot)>,
    alive: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    last: Sample,
    /// The source's latest word on this channel was a number. If it was not, signs of life of the
    /// source say nothing about `last`, which then ages.
    holds: bool,
}

impl Reading {
    /// The source gave a value that was updated.
    pub fn update(&mut self, channel: impl Into<Channel>, value: f64, now: Instant) {
        self.sign_of_life(now);
        let sample = Sample { value, confirmed: now, updated: now };
        self.set(channel.into(), Slot { last: sample, holds: true });
    }

    /// The source gave a value once more, without an update since.
    pub fn refresh(&mut self, channel: impl Into<Channel>, value: f64, now: Instant) {
        self.sign_of_life(now);
        let channel = channel.into();
        let updated = self.get(channel).map_or(now, |last| last.updated);
        let sample = Sample { value, confirmed: now, updated };
        self.set(channel, Slot { last: sample, holds: true });
    }

    /// The source gave no usable value for this channel; the last one stays and ages.
    pub fn invalidate(&mut self, channel: impl Into<Channel>) {
        let channel = channel.into();
        if let Some((_, slot)) = self.slots.iter_mut().find(|(known, _)| *known == channel) {
            slot.holds = false;
        }
    }

    /// The source says when a value was last reported to it, be it the same once more.
    pub fn report(&mut self, channel: impl Into<Channel>, at: Instant) {
        let channel = channel.into();
        if let Some((_, slot)) = self.slots.iter_mut().find(|(known, _)| *known == channel) {
            slot.last.updated = slot.last.updated.max(at);
        }
    }

    /// The source is alive and would have said so if a value had changed.
    pub fn confirm_all(&mut self, now: Instant) {
        self.sign_of_life(now);
        for (_, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.holds) {
            slot.last.confirmed = now;
        }
    }

    /// The source is alive, whatever it says of its values.
    pub fn sign_of_life(&mut self, now: Instant) {
        self.alive = self.alive.max(Some(now));
    }

    /// When the source last gave a sign of life.
    #[must_use]
    pub fn alive(&self) -> Option<Instant> {
        self.alive
    }

    /// The last good value of a channel, however old.
    #[must_use]
    pub fn get(&self, channel: impl Into<Channel>) -> Option<Sample> {
        let channel = channel.into();
        self.slots.iter().find(|(known, _)| *known == channel).map(|(_, slot)| slot.last)
    }

    fn set(&mut self, channel: Channel, new: Slot) {
        match self.slots.iter_mut().find(|(known, _)| *known == channel) {
            Some((_, slot)) => *slot = new,
            None => self.slots.push((channel, new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L2 };
    const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };

    #[test]
    fn every_point_has_its_own_place() {
        let now = Instant::now();
        let mut reading = Reading::default();
        let points = || {
            Measurand::ALL
                .into_iter()
                .flat_map(|measurand| Phase::ALL.map(|phase| Point { measurand, phase }))
        };
        for (value, point) in (0_u32..).zip(points()) {
            reading.update(point, value.into(), now);
        }
        for (value, point) in (0_u32..).zip(points()) {
            assert_eq!(reading.get(point).unwrap().value.to_bits(), f64::from(value).to_bits());
        }
    }

    #[test]
    fn a_phase_has_one_spelling() {
        for phase in Phase::ALL {
            assert_eq!(phase.to_string().parse(), Ok(phase));
        }
        for other in ["", "l1", "1", "L4", "L1 "] {
            let error = other.parse::<Phase>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("unknown phase {other:?}; expected L1, L2 or L3")
            );
        }
    }

    #[test]
    fn signs_of_life_confirm_only_what_still_holds() {
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let mut reading = Reading::default();
        reading.update(POWER, 800.0, start);
        reading.update(ENERGY, 5000.0, start);
        reading.invalidate(ENERGY);
        reading.confirm_all(later);
        assert_eq!(
            reading.get(POWER),
            Some(Sample { value: 800.0, confirmed: later, updated: start })
        );
        assert_eq!(
            reading.get(ENERGY),
            Some(Sample { value: 5000.0, confirmed: start, updated: start })
        );
        let voltage = Point { measurand: Measurand::Voltage, phase: Phase::L1 };
        assert_eq!(reading.get(voltage), None, "never read, so nothing to confirm");
    }
}
