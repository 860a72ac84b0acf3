//! What there is to remember of a meter beyond a restart.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    counter::CounterSnapshot,
    power::PowerSnapshot,
    reading::{Measurand, Phase},
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
    /// The item it was read from; empty for a share that was set by hand.
    pub item: String,
    /// Nothing higher was served, in Wh.
    pub served_wh: f64,
    /// The state of its guard.
    #[serde(flatten)]
    pub counter: CounterSnapshot,
    /// The power it is judged by.
    #[serde(default)]
    pub power: PowerSnapshot,
}

/// What a meter is to go on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What is remembered, if anything.
    pub record: Option<MeterRecord>,
    /// When that was saved.
    pub saved: SystemTime,
}
