//! One counter of a meter with all that belongs to it, and the power that it is judged by.

use std::time::Instant;

use super::{
    Role,
    binding::{Binding, phases},
    ceiling::Ceiling,
    counter::Counter,
    news::Standing,
    power::{KnownPower, PowerHistory},
    reading::{Freshness, Measurand, Point, Reading},
    record::CounterRecord,
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

impl Guarded {
    /// Whether this was remembered of it. The phase may have changed since.
    pub(super) fn is_that_of(&self, record: &CounterRecord) -> bool {
        self.point.measurand == record.key && self.item == record.item
    }
}

/// The counters of these items, and the powers by which they are judged.
pub(super) fn guarded(
    role: Role,
    bindings: &[Binding],
    now: Instant,
) -> (Vec<Guarded>, Vec<PowerGroup>) {
    let mut groups: Vec<PowerGroup> = Vec::new();
    let mut counters = Vec::new();
    for Binding { point, item, .. } in bindings.iter().filter(|b| b.point.measurand.is_counter()) {
        let powers = powers(bindings, *point);
        let known = groups.iter().position(|group| group.points == powers);
        let group = known.unwrap_or(groups.len());
        if known.is_none() {
            groups.push(PowerGroup { points: powers, history: PowerHistory::new(now) });
        }
        // With two directions, the power belongs to one counter or the other.
        let must_move = role == Role::Producer && point.measurand == Measurand::EnergyOut;
        counters.push(Guarded {
            point: *point,
            item: item.clone(),
            group,
            counter: None,
            ceiling: Ceiling::default(),
            shown: None,
            standing: Standing::new(must_move),
        });
    }
    (counters, groups)
}

/// The powers by which a counter is judged: if both are given for the same phases, that of its own
/// phase, else all.
fn powers(bindings: &[Binding], counter: Point) -> Vec<Point> {
    let own = phases(bindings, counter.measurand) == phases(bindings, Measurand::Power);
    let powers = bindings.iter().map(|binding| binding.point).filter(|power| {
        power.measurand == Measurand::Power && (!own || power.phase == counter.phase)
    });
    powers.collect()
}

/// The power of one phase, or of several together.
#[derive(Clone, Debug)]
pub(super) struct PowerGroup {
    pub(super) points: Vec<Point>,
    pub(super) history: PowerHistory,
}

impl PowerGroup {
    /// What is known of it now. A power above `max_power_w` counts as unknown.
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
