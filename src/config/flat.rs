//! The flat keys of a value, for forms: these have a field for each key, and no maps in it.

use super::{entries::Entries, entry::Entry};
use crate::meter::reading::{Measurand, Phase};

/// What is given for a measurand, as yet not understood.
pub(super) struct Flat {
    /// Under its own key.
    pub(super) whole: Option<Entry>,
    /// Under a key of its own for each phase, always from L1 to L3: a form may change the order of its
    /// file, and the default serial number depends on it.
    pub(super) phases: Vec<(Phase, Entry)>,
    /// The unit of all items that are given by their names alone.
    pub(super) unit: Option<Entry>,
    /// What these are multiplied by.
    pub(super) factor: Option<Entry>,
}

impl Flat {
    /// Takes the keys of a measurand. That something is given, if it must be, is yet to be seen.
    pub(super) fn take(entries: &mut Entries<'_>, measurand: Measurand, expected: &str) -> Self {
        let [l1, l2, l3, unit, factor] = keys(measurand);
        let whole = entries.take_even_empty(measurand.key());
        let phases = [(Phase::L1, l1), (Phase::L2, l2), (Phase::L3, l3)];
        let phases =
            phases.into_iter().filter_map(|(phase, key)| Some((phase, entries.take(key)?)));
        let phases: Vec<_> = phases.collect();
        let whole = if measurand.is_required() && phases.is_empty() {
            entries.required(whole, measurand.key(), expected)
        } else {
            whole.filter(|entry| !entry.is_empty())
        };
        Self { whole, phases, unit: entries.take(unit), factor: entries.take(factor) }
    }

    /// The key of a unit or factor that stands beside the value, if there is one.
    pub(super) fn beside(&self) -> Option<&Entry> {
        self.unit.as_ref().or(self.factor.as_ref())
    }
}

/// Those of its three phases, of its unit, and of its factor.
fn keys(measurand: Measurand) -> [&'static str; 5] {
    macro_rules! of {
        ($key:literal) => {
            [
                concat!($key, "_l1"),
                concat!($key, "_l2"),
                concat!($key, "_l3"),
                concat!($key, "_unit"),
                concat!($key, "_factor"),
            ]
        };
    }
    match measurand {
        Measurand::EnergyOut => of!("energy_counter_out"),
        Measurand::EnergyIn => of!("energy_counter_in"),
        Measurand::Power => of!("current_power"),
        Measurand::Voltage => of!("current_voltage"),
        Measurand::Current => of!("current_current"),
        Measurand::Frequency => of!("current_frequency"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_begin_with_that_of_the_measurand() {
        for measurand in Measurand::ALL {
            let ends = keys(measurand).map(|key| key.strip_prefix(measurand.key()).unwrap());
            assert_eq!(ends, ["_l1", "_l2", "_l3", "_unit", "_factor"]);
        }
    }
}
