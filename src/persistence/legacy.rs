//! The file of version 0.1, which had the counters of all meters.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::format::MAX_ENERGY_WH;
use crate::{
    meter::{
        counter::{CounterSnapshot, FREE_WH},
        explained::ExplainedSnapshot,
        power::PowerSnapshot,
        reading::{Measurand, Phase},
        record::{CounterRecord, MeterRecord, Restored},
    },
    text::printable,
};

/// It was written once a minute. After a crash it is not certain what was served since: a counter
/// in whole kWh may have been served one higher.
const UNSAVED_WH: f64 = 1000.0;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LegacyFile {
    version: u32,
    /// By serial number.
    pub(super) meters: BTreeMap<String, LegacyMeter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LegacyMeter {
    saved: u64,
    counters: Vec<LegacyCounter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LegacyCounter {
    key: Measurand,
    phase: Phase,
    item: String,
    served_wh: f64,
    offset_wh: f64,
    /// Nothing higher was served, if the last run ended in order.
    #[serde(default)]
    certain: bool,
}

impl LegacyFile {
    /// Reads the text of a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Self =
            serde_json::from_str(text).map_err(|error| printable(&error.to_string()))?;
        if file.version != 1 {
            return Err(format!("version {}, expected 1", file.version));
        }
        let counters = || file.meters.values().flat_map(|meter| &meter.counters);
        let is_sound = |counter: &LegacyCounter| {
            (0.0..=MAX_ENERGY_WH).contains(&counter.served_wh)
                && (-MAX_ENERGY_WH..=MAX_ENERGY_WH).contains(&counter.offset_wh)
        };
        if counters().all(is_sound) { Ok(file) } else { Err("a number is out of its range".into()) }
    }
}

impl LegacyMeter {
    /// What the meter goes on from. `ended` is whether the last run ended cleanly.
    pub(super) fn restored(&self, ended: bool) -> Restored {
        let counter = |legacy: &LegacyCounter| {
            let LegacyCounter { key, phase, item, served_wh, offset_wh, certain } = legacy.clone();
            let unsaved_wh = if certain && ended { 0.0 } else { UNSAVED_WH };
            CounterRecord {
                key,
                phase,
                item,
                served_wh: served_wh + unsaved_wh,
                counter: CounterSnapshot {
                    reached_wh: served_wh,
                    offset_wh,
                    free_wh: FREE_WH,
                    explained: ExplainedSnapshot::default(),
                    candidate: None,
                },
                power: PowerSnapshot::default(),
            }
        };
        Restored {
            record: Some(MeterRecord { counters: self.counters.iter().map(counter).collect() }),
            saved: UNIX_EPOCH.checked_add(Duration::from_secs(self.saved)).unwrap_or(UNIX_EPOCH),
            is_legacy: true,
        }
    }
}
