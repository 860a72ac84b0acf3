//! The shares of items that a meter no longer has: what they counted stays in its totals.

use super::{reading::Point, record::CounterRecord};

/// How many shares are kept. Each is a change of the configuration.
const MAX_SHARES: usize = 64;

/// The counters of items that the meter once had, as they were last remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Former(Vec<CounterRecord>);

/// Adds up the shares of no item that a record may have of one point.
pub(super) fn joined(records: Vec<CounterRecord>) -> Vec<CounterRecord> {
    let mut joined: Vec<CounterRecord> = Vec::new();
    for record in records {
        let same = |known: &&mut CounterRecord| {
            record.item.is_empty() && known.item.is_empty() && known.point() == record.point()
        };
        match joined.iter_mut().find(same) {
            Some(known) => known.served_wh += record.served_wh,
            None => joined.push(record),
        }
    }
    joined
}

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
            // There are no more measurands and phases than shares that are kept. Of no item there is
            // one share a point at most: two would be taken for the same.
            let same = self.0.iter_mut().filter(|other| other.point() == oldest.point());
            let Some(other) = same.min_by_key(|other| !other.item.is_empty()) else { break };
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

#[cfg(test)]
mod tests {
    use super::{
        super::{reading::Phase, record::CounterRecord},
        *,
    };
    use crate::meter::reading::Measurand;

    fn share(item: &str, served_wh: f64) -> CounterRecord {
        let json = serde_json::json!({
            "key": Measurand::EnergyOut, "phase": Phase::L1, "item": item, "served_wh": served_wh,
            "reached_wh": served_wh, "offset_wh": 0.0, "free_wh": 0.0,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn nothing_is_lost_when_shares_are_merged_and_read_again() {
        let mut former = Former::default();
        let count = 2 * MAX_SHARES;
        for number in 0..count {
            former.add(share(&format!("E{number}"), 1000.0));
        }
        // As an older version may have left them.
        let mut records = vec![share("", 5.0), share("", 7.0)];
        former.merge();
        records.extend(former.records());
        let mut again = Former::default();
        for record in joined(records) {
            again.add(record);
        }
        again.merge();
        let point = share("", 0.0).point();
        assert_eq!(former.share_wh(point).to_bits(), 128_000_f64.to_bits());
        assert_eq!(again.share_wh(point).to_bits(), 128_012_f64.to_bits());
        assert!(again.records().count() <= MAX_SHARES);
        assert_eq!(again.records().filter(|record| record.item.is_empty()).count(), 1);
    }
}
