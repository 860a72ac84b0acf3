//! The text of the file in which a meter's counters outlive a restart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{
    meter::{
        candidate::CandidateSnapshot,
        counter::CounterSnapshot,
        explained::ExplainedSnapshot,
        power::PowerSnapshot,
        record::{CounterRecord, MeterRecord, Restored},
    },
    text::{excerpt, printable},
};

/// Raised only for changes that an older program must not ignore; it may ignore new fields.
pub(super) const VERSION: u32 = 2;

/// More energy than any household meter can show, in Wh.
pub(super) const MAX_ENERGY_WH: f64 = 1e13;

/// More than a meter with all its items, and those that it once had, needs.
const MAX_COUNTERS: usize = 256;

/// The counters of one meter, and when they were saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterFile {
    version: u32,
    /// Whose counters they are.
    pub serial_number: String,
    /// When they were saved, in seconds since 1970.
    pub saved: u64,
    /// The counters.
    #[serde(flatten)]
    pub record: MeterRecord,
}

impl CounterFile {
    /// What is to be written at `clock`.
    #[must_use]
    pub fn new(serial_number: String, record: MeterRecord, clock: SystemTime) -> Self {
        let saved = clock.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { version: VERSION, serial_number, saved, record }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Returns an error that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self =
            serde_json::from_str(text).map_err(|error| printable(&error.to_string()))?;
        if file.version != VERSION {
            return Err(format!("version {}, expected {VERSION}", file.version));
        }
        let counters = &file.record.counters;
        if counters.len() > MAX_COUNTERS {
            return Err(format!("{} counters, expected at most {MAX_COUNTERS}", counters.len()));
        }
        match counters.iter().find(|counter| !is_sound(counter)) {
            None => Ok(file),
            Some(unsound) => Err(format!(
                "{} of item {}: a number is out of its range",
                unsound.key.key(),
                excerpt(&unsound.item)
            )),
        }
    }

    /// What a meter goes on from.
    #[must_use]
    pub fn restored(self) -> Restored {
        Restored { saved: self.saved(), record: Some(self.record), is_legacy: false }
    }

    /// When it was saved.
    #[must_use]
    pub fn saved(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.saved)).unwrap_or(UNIX_EPOCH)
    }
}

/// Whether every number is one that the program can have written.
fn is_sound(record: &CounterRecord) -> bool {
    let CounterRecord { served_wh, counter, power, .. } = record;
    let CounterSnapshot { reached_wh, offset_wh, free_wh, explained, candidate } = counter;
    let ExplainedSnapshot { known_wh, lived_s, away_s, gaps_wh } = explained;
    let PowerSnapshot { last_w, highest_w, .. } = power;
    let positive =
        [served_wh, reached_wh, free_wh, known_wh, lived_s, away_s, gaps_wh, last_w, highest_w];
    let shown = candidate.map_or([0.0; 3], |candidate| {
        let CandidateSnapshot { first_wh, last_wh, life_s, .. } = candidate;
        [first_wh, last_wh, life_s]
    });
    let range = 0.0..=MAX_ENERGY_WH;
    positive.into_iter().chain(&shown).all(|number| range.contains(number))
        && (-MAX_ENERGY_WH..=MAX_ENERGY_WH).contains(offset_wh)
}

#[cfg(test)]
mod tests;
