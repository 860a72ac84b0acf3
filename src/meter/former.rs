//! The shares of items that a meter no longer has: what they counted stays in its totals.

use super::{reading::Point, record::CounterRecord};

/// How many shares are kept. Each is a change of the configuration.
const MAX_SHARES: usize = 64;

/// The counters of items that the meter once had, as they were last remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Former(Vec<CounterRecord>);

impl Former {
    /// Keeps a share. What was read before, from a directory that could not be written then, is not
    /// a second one.
    pub(super) fn add(&mut self, record: CounterRecord) {
        let same = |known: &&mut CounterRecord| {
            (known.point(), &known.item) == (record.point(), &record.item)
        };
        match self.0.iter_mut().find(same) {
            Some(known) if known.served_wh < record.served_wh => *known = record,
            Some(_) => {}
            None => self.0.push(record),
        }
    }

    /// Merges the oldest shares if there are too many.
    pub(super) fn merge(&mut self) {
        while self.0.len() > MAX_SHARES {
            let oldest = self.0.remove(0);
            // There are no more measurands and phases than shares that are kept.
            let same = |other: &&mut CounterRecord| other.point() == oldest.point();
            let Some(other) = self.0.iter_mut().find(same) else { break };
            other.served_wh += oldest.served_wh;
            // It no longer belongs to one item.
            other.item.clear();
        }
    }

    /// What they add to a total, in Wh.
    pub(super) fn share_wh(&self, point: Point) -> f64 {
        let shares = self.0.iter().filter(|record| record.point() == point);
        shares.fold(0.0, |sum, record| sum + record.served_wh)
    }

    /// All of them, to be remembered further.
    pub(super) fn records(&self) -> impl Iterator<Item = CounterRecord> {
        self.0.iter().cloned()
    }
}
