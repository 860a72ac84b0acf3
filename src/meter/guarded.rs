//! One counter of a meter with all that belongs to it, and the power that it is judged by.

use std::time::Instant;

use super::{
    ceiling::Ceiling,
    counter::Counter,
    news::Standing,
    power::{KnownPower, PowerHistory},
    reading::{Freshness, Point, Reading},
};

/// A counter, and what is known and said of it.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) point: Point,
    pub(super) item: String,
    /// The power it is judged by.
    pub(super) group: usize,
    pub(super) counter: Option<Counter>,
    pub(super) ceiling: Ceiling,
    /// The last value offered, in Wh, and when that was updated.
    pub(super) shown: Option<(f64, Instant)>,
    pub(super) standing: Standing,
}

/// The power of one phase, or of several together.
#[derive(Clone, Debug)]
pub(super) struct PowerGroup {
    pub(super) points: Vec<Point>,
    pub(super) history: PowerHistory,
}

impl PowerGroup {
    /// What is known of it now. More than `max_power_w` is none.
    pub(super) fn known(
        &self,
        reading: &Reading,
        freshness: Freshness,
        max_power_w: f64,
    ) -> KnownPower {
        let mut known = KnownPower {
            watts: Some(0.0),
            updated: None,
            fresh_until: None,
            alive_until: reading.alive().and_then(|at| at.checked_add(freshness.stale_after)),
        };
        for point in &self.points {
            let sample = reading.get(*point);
            known.watts = known.watts.zip(sample).map(|(sum, sample)| sum + sample.value.abs());
            let expiry = sample.and_then(|sample| freshness.expiry(sample));
            known.fresh_until = match known.fresh_until {
                None => expiry,
                until => until.min(expiry),
            };
            known.updated = known.updated.max(sample.map(|sample| sample.updated));
        }
        known.watts = known.watts.filter(|watts| *watts <= max_power_w);
        known
    }
}
