//! One counter of a meter with all that belongs to it, and the power that it is judged by.

use std::time::{Duration, Instant};

use super::{
    Role,
    binding::{Binding, phases},
    ceiling::Ceiling,
    counter::Counter,
    news::Standing,
    power::{KnownPower, PowerHistory},
    reading::{Channel, Freshness, Measurand, Reading},
    record::CounterRecord,
};

/// A counter, and what is known and said of it.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) channel: Channel,
    pub(super) item: String,
    /// How many count for the same point, itself included.
    pub(super) members: u32,
    /// How long others of its list have had a value, and it has none.
    pub(super) waited: Duration,
    /// It has no value yet, and what the others count is served without it.
    pub(super) is_left_out: bool,
    /// The power it is judged by.
    pub(super) group: usize,
    pub(super) counter: Option<Counter>,
    pub(super) ceiling: Ceiling,
    /// The last value offered, in Wh, and when that was updated.
    pub(super) shown: Option<(f64, Instant)>,
    pub(super) standing: Standing,
}

impl Guarded {
    /// Whether it keeps the meter from having something to serve.
    pub(super) fn is_missing(&self) -> bool {
        self.counter.is_none() && !self.is_left_out
    }

    /// Whether others count for the same point.
    pub(super) fn is_member(&self) -> bool {
        self.members > 1
    }

    /// The point, and the item if there are others for it.
    pub(super) fn name(&self) -> String {
        let Self { channel, item, .. } = self;
        if self.is_member() {
            format!("{} ({item})", channel.point)
        } else {
            channel.point.to_string()
        }
    }

    /// Whether this was remembered of it. The phase may have changed since.
    pub(super) fn is_that_of(&self, record: &CounterRecord) -> bool {
        self.channel.point.measurand == record.key && self.item == record.item
    }
}

/// The counters of these items, and the powers by which they are judged.
pub(super) fn guarded(
    role: Role,
    bindings: &[Binding],
    now: Instant,
) -> (Vec<Guarded>, Vec<PowerGroup>) {
    let (counted, groups) = grouped(bindings, now);
    let counters = counted.iter().map(|(binding, group)| {
        let point = binding.point;
        let members = counted.iter().filter(|(other, _)| other.point == point);
        let by_same_power = counted
            .iter()
            .filter(|(other, of)| of == group && other.point.measurand == point.measurand);
        // With two directions, the power belongs to one counter or the other; with several counters
        // it may be that of another.
        let must_move = role == Role::Producer
            && point.measurand == Measurand::EnergyOut
            && by_same_power.count() == 1;
        Guarded {
            channel: binding.channel(),
            item: binding.item.clone(),
            members: members.map(|_| 1).sum(),
            waited: Duration::ZERO,
            is_left_out: false,
            group: *group,
            counter: None,
            ceiling: Ceiling::default(),
            shown: None,
            standing: Standing::new(must_move),
        }
    });
    (counters.collect(), groups)
}

/// The items of counters, each with the place of the power by which it is judged.
fn grouped(bindings: &[Binding], now: Instant) -> (Vec<(&Binding, usize)>, Vec<PowerGroup>) {
    let mut groups: Vec<PowerGroup> = Vec::new();
    let mut counted = Vec::new();
    for binding in bindings.iter().filter(|b| b.point.measurand.is_counter()) {
        let powers = powers(bindings, binding);
        let known = groups.iter().position(|group| group.powers == powers);
        let group = known.unwrap_or(groups.len());
        if known.is_none() {
            groups.push(PowerGroup { powers, history: PowerHistory::new(now) });
        }
        counted.push((binding, group));
    }
    (counted, groups)
}

/// The powers by which a counter is judged: its own if there is one for each counter, in lists of
/// the same length or on the same phases; else those of its phase if both are given for the same
/// phases; else all.
fn powers(bindings: &[Binding], counter: &Binding) -> Vec<Channel> {
    let of = |measurand| {
        let channels = bindings.iter().map(Binding::channel);
        channels.filter(move |channel| channel.point.measurand == measurand)
    };
    let place = |channel: Channel| (channel.point.phase, channel.member);
    let counters = of(counter.point.measurand).map(place);
    let is_paired = counters
        .clone()
        .all(|counter| of(Measurand::Power).map(place).any(|power| power == counter))
        && counters.count() == of(Measurand::Power).count();
    let has_same_phases =
        phases(bindings, counter.point.measurand) == phases(bindings, Measurand::Power);
    of(Measurand::Power)
        .filter(|power| match (is_paired, has_same_phases) {
            (true, _) => place(*power) == place(counter.channel()),
            (false, true) => power.point.phase == counter.point.phase,
            (false, false) => true,
        })
        .collect()
}

/// The power of one device or phase, or of several together.
#[derive(Clone, Debug)]
pub(super) struct PowerGroup {
    pub(super) powers: Vec<Channel>,
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
        for power in &self.powers {
            let sample = reading.get(*power);
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
