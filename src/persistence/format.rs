//! The file in which the counters outlive a restart.
//!
//! A counter belongs to an item and to the meter's serial number: another item, or another meter,
//! is another counter. Whatever is wrong with the file costs the memory, and never a wrong value.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    meter::{
        binding::Binding,
        counter::{CounterSnapshot, FormerCounter, Lower},
        reading::{Measurand, Phase, Point},
    },
    text::{excerpt, printable},
};

/// Counters of items that are not configured now, remembered for when they are again.
const MAX_OTHERS: usize = 24;

/// Meters that are remembered. The serial number changes with the items, and this file must not grow
/// beyond what is read again.
const MAX_METERS: usize = 8;

/// Raised only by what an older program must not pass over; further fields it may.
pub(super) const VERSION: u32 = 1;

/// More energy than any household meter can show, in Wh.
const MAX_ENERGY_WH: f64 = 1e13;

/// Why counters cannot be remembered.
#[derive(Debug, thiserror::Error)]
pub enum CounterFileError {
    /// The directory cannot be used.
    #[error("{}: cannot be used: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{}: in use by another fronius-smartmeter", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was read, and holds no counters.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is that of a newer program, and stays as it is.
    #[error("{}: has version {version}, of a newer fronius-smartmeter; expected {VERSION}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterFile {
    version: u32,
    /// By serial number.
    pub meters: BTreeMap<String, MeterRecord>,
}

/// The counters of one meter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterRecord {
    /// When they were saved, in seconds since 1970.
    pub saved: u64,
    /// Its counters.
    pub counters: Vec<CounterRecord>,
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// The configuration key.
    pub key: String,
    /// `L1`, `L2` or `L3`.
    pub phase: String,
    /// The item it was read from.
    pub item: String,
    /// The value served last, in Wh.
    pub served_wh: f64,
    /// What is added to the item's value, in Wh.
    pub offset_wh: f64,
    /// Whether nothing higher was served, if the last run ended in order.
    #[serde(default)]
    pub certain: bool,
    /// The counter before the last exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<FormerRecord>,
    /// What may be the next exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<LowerRecord>,
}

/// The counter before an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormerRecord {
    /// What was added to the item's value, in Wh.
    pub offset_wh: f64,
    /// What the item showed last, in Wh.
    pub shown_wh: f64,
    /// How long ago that was when it was saved, in seconds. A clock that was set meanwhile, or a
    /// time when the service did not run, adds nothing.
    pub ago: u64,
}

/// What may be a new counter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LowerRecord {
    /// What the item showed first of it, in Wh.
    pub first_wh: f64,
    /// What it showed last, in Wh.
    pub last_wh: f64,
    /// For how long it was shown when it was saved, in seconds, as for [`FormerRecord`].
    pub ago: u64,
}

impl Default for CounterFile {
    fn default() -> Self {
        Self { version: VERSION, meters: BTreeMap::new() }
    }
}

impl CounterFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let state: Self =
            serde_json::from_str(text).map_err(|error| printable(&error.to_string()))?;
        if state.version != VERSION {
            return Err(format!("version {}, expected {VERSION}", state.version));
        }
        for counter in state.meters.values().flat_map(|meter| &meter.counters) {
            let CounterRecord { key, served_wh, offset_wh, .. } = counter;
            let mut others = vec![*offset_wh];
            if let Some(former) = counter.former {
                others.extend([former.offset_wh, former.shown_wh]);
            }
            if let Some(lower) = counter.lower {
                others.extend([lower.first_wh, lower.last_wh]);
            }
            let sound = (0.0..=MAX_ENERGY_WH).contains(served_wh)
                && others.iter().all(|wh| (-MAX_ENERGY_WH..=MAX_ENERGY_WH).contains(wh));
            if !sound {
                let key = excerpt(key);
                return Err(format!("{key}: {served_wh} Wh with offset {offset_wh} Wh"));
            }
        }
        Ok(state)
    }

    /// The last run did not end in order: what is remembered are lower bounds.
    pub fn doubt(&mut self) {
        for counter in self.meters.values_mut().flat_map(|meter| &mut meter.counters) {
            counter.certain = false;
        }
    }

    /// Remembers a meter. Where that makes too many, the one saved longest ago is forgotten.
    pub fn insert(&mut self, serial_number: &str, meter: MeterRecord) {
        self.meters.insert(serial_number.to_owned(), meter);
        while self.meters.len() > MAX_METERS {
            let others = self.meters.iter().filter(|(known, _)| *known != serial_number);
            let oldest =
                others.min_by_key(|(_, meter)| meter.saved).map(|(known, _)| known.clone());
            let Some(oldest) = oldest else { break };
            self.meters.remove(&oldest);
        }
    }
}

impl MeterRecord {
    /// What to remember of these counters, read from these items, at this time.
    #[must_use]
    pub fn new(
        snapshots: &[(Point, CounterSnapshot)],
        bindings: &[Binding],
        clock: SystemTime,
        now: Instant,
    ) -> Self {
        let ago = |since| now.saturating_duration_since(since).as_secs();
        let counter = |(point, snapshot): &(Point, CounterSnapshot)| {
            let binding = bindings.iter().find(|binding| binding.point == *point)?;
            Some(CounterRecord {
                key: point.measurand.key().to_owned(),
                phase: point.phase.to_string(),
                item: binding.item.clone(),
                served_wh: snapshot.served,
                offset_wh: snapshot.offset,
                certain: snapshot.certain,
                former: snapshot.former.map(|FormerCounter { offset, shown, since }| {
                    FormerRecord { offset_wh: offset, shown_wh: shown, ago: ago(since) }
                }),
                lower: snapshot.lower.map(|Lower { first, last, since }| LowerRecord {
                    first_wh: first,
                    last_wh: last,
                    ago: ago(since),
                }),
            })
        };
        let counters = snapshots.iter().filter_map(counter).collect();
        Self { saved: seconds(clock), counters }
    }

    /// The counters that belong to these items, at this time.
    #[must_use]
    pub fn snapshots(&self, bindings: &[Binding], now: Instant) -> Vec<(Point, CounterSnapshot)> {
        let since = |ago| now.checked_sub(Duration::from_secs(ago)).unwrap_or(now);
        let snapshot = |counter: &CounterRecord| {
            let former = counter.former.map(|FormerRecord { offset_wh, shown_wh, ago }| {
                FormerCounter { offset: offset_wh, shown: shown_wh, since: since(ago) }
            });
            let lower = counter.lower.map(|LowerRecord { first_wh, last_wh, ago }| Lower {
                first: first_wh,
                last: last_wh,
                since: since(ago),
            });
            let (served, offset, certain) = (counter.served_wh, counter.offset_wh, counter.certain);
            let snapshot = CounterSnapshot { served, offset, former, lower, certain };
            Some((counter.point_among(bindings)?, snapshot))
        };
        self.counters.iter().filter_map(snapshot).collect()
    }

    /// Keeps of `before` what would be lost: counters that are not there now, since a configuration
    /// that is wrong for once must not cost one, and those that were higher, since none falls.
    pub fn keep(&mut self, before: Self) {
        let mut others = Vec::new();
        for old in before.counters {
            let same = |new: &&mut CounterRecord| {
                (&new.key, &new.phase, &new.item) == (&old.key, &old.phase, &old.item)
            };
            match self.counters.iter_mut().find(same) {
                Some(new) if new.served_wh < old.served_wh => *new = old,
                Some(_) => {}
                None => others.push(old),
            }
        }
        // The latest come last.
        let surplus = others.len().saturating_sub(MAX_OTHERS);
        self.counters.extend(others.into_iter().skip(surplus));
    }

    /// How long ago they were saved. A clock that was set back meanwhile makes that 0.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        Duration::from_secs(seconds(now).saturating_sub(self.saved))
    }
}

impl CounterRecord {
    /// Its point, if one of these items is the one it was read from.
    #[must_use]
    pub fn point_among(&self, bindings: &[Binding]) -> Option<Point> {
        let point = self.point()?;
        let same = |binding: &&Binding| binding.point == point && binding.item == self.item;
        bindings.iter().find(same).map(|binding| binding.point)
    }

    fn point(&self) -> Option<Point> {
        let measurand = Measurand::ALL.into_iter().find(|known| known.key() == self.key)?;
        let phase = Phase::ALL.into_iter().find(|known| known.to_string() == self.phase)?;
        Some(Point { measurand, phase })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
