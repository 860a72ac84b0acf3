//! What there is to remember of a meter beyond a restart.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{
    counter::CounterSnapshot,
    power::PowerSnapshot,
    reading::{Measurand, Phase, Point},
};

/// The counters of one meter: those of its items, and those of items that it once had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterRecord {
    /// In no particular order; a measurand and an item come once.
    pub counters: Vec<CounterRecord>,
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// What it counts.
    pub key: Measurand,
    /// Where it is served.
    pub phase: Phase,
    /// The item it was read from; empty for a share of no item: set by hand, or put together from
    /// shares of former items.
    pub item: String,
    /// The ceiling: nothing higher was served, in Wh.
    pub served_wh: f64,
    /// The state of its guard.
    #[serde(flatten)]
    pub counter: CounterSnapshot,
    /// The power it is judged by.
    #[serde(default)]
    pub power: PowerSnapshot,
}

impl CounterRecord {
    /// What it counts, and where it is served.
    #[must_use]
    pub fn point(&self) -> Point {
        Point { measurand: self.key, phase: self.phase }
    }

    /// The item, or `(no item)`.
    #[must_use]
    pub fn item_or_share(&self) -> &str {
        if self.item.is_empty() { "(no item)" } else { &self.item }
    }
}

/// What a meter is to go on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What is remembered, if anything.
    pub record: Option<MeterRecord>,
    /// When that was saved.
    pub saved: SystemTime,
    /// Version 0.1 saved it: only counters of the present items, on their phases, were served.
    pub is_legacy: bool,
}

impl Restored {
    /// Nothing is remembered.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { record: None, saved: UNIX_EPOCH, is_legacy: false }
    }
}
