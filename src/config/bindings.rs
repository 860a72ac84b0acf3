//! The keys of the values: which item gives which.

use super::{document::Part, entries::Entries, entry::Entry, values};
use crate::meter::{
    binding::Binding,
    reading::{Measurand, Phase, Point},
    units::{Quantity, Unit},
};

/// What the value of a measurand may be.
const EXPECTED: &str = "the name of an item, {item: …, unit: …} or a map of l1, l2, l3 to such";

const ITEM: &str = "item";
const UNIT: &str = "unit";

/// The phases, as the keys of a map.
const PHASES: [(&str, Phase); 3] = [("l1", Phase::L1), ("l2", Phase::L2), ("l3", Phase::L3)];

/// What a meter's bindings have in common.
#[derive(Clone, Copy)]
struct Common {
    /// Where values without a phase go.
    connected: Phase,
    max_power_w: f64,
}

/// Takes the keys of all measurands; gives each configured item with the point it is for.
pub(super) fn read(entries: &mut Entries<'_>, max_power_w: f64) -> Vec<Binding> {
    let connected = values::choice(
        entries,
        "connected_phase",
        &[("1", Phase::L1), ("2", Phase::L2), ("3", Phase::L3)],
    );
    let common = Common { connected: connected.unwrap_or(Phase::L1), max_power_w };
    let mut bindings = Vec::new();
    for measurand in Measurand::ALL {
        let entry = if measurand.is_required() {
            entries.require(measurand.key(), "the name of an item")
        } else {
            entries.take(measurand.key())
        };
        if let Some(entry) = entry {
            bindings.extend(of_measurand(entries, entry, measurand, common));
        }
    }
    bindings
}

/// That of the connected phase, or one for each phase given.
fn of_measurand(
    entries: &mut Entries<'_>,
    entry: Entry,
    measurand: Measurand,
    common: Common,
) -> Vec<Binding> {
    if !entry.is_map() || entry.keys().any(|key| [ITEM, UNIT].contains(&key)) {
        let point = Point { measurand, phase: common.connected };
        return binding(entries, entry, point, common).into_iter().collect();
    }
    let bindings = entries.map(entry, EXPECTED, |phases| {
        let mut found: Vec<_> = PHASES
            .into_iter()
            .filter_map(|(key, phase)| Some((phase, phases.take_even_empty(key)?)))
            .collect();
        // In the order of the file: the default serial number depends on it.
        found.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        let mut bindings: Vec<Binding> = Vec::new();
        for (phase, entry) in found {
            let place = entry.place();
            let Some(new) = binding(phases, entry, Point { measurand, phase }, common) else {
                continue;
            };
            let first = bindings.iter().find(|known| known.item == new.item);
            if let Some(first) = first.filter(|_| measurand.is_summed()) {
                let message = format!(
                    "item {} is given for {} already, and would count twice",
                    new.item, first.point.phase
                );
                phases.note(&place, Part::Value, message);
            }
            bindings.push(new);
        }
        bindings
    });
    bindings.unwrap_or_default()
}

fn binding(
    entries: &mut Entries<'_>,
    entry: Entry,
    point: Point,
    Common { max_power_w, .. }: Common,
) -> Option<Binding> {
    let quantity = point.measurand.quantity();
    if !entry.is_map() {
        let name = name(entries, &entry, EXPECTED, point.measurand)?;
        let unit = quantity.default_unit();
        return Some(Binding { point, item: name, unit, max_power_w });
    }
    let binding = entries.map(entry, EXPECTED, |keys| {
        let name = match keys.take_even_empty(ITEM) {
            Some(entry) => name(keys, &entry, "the name of an item", point.measurand),
            None => {
                keys.note_whole("the name of the item is missing");
                None
            }
        };
        let unit = match keys.take_even_empty(UNIT) {
            Some(entry) => unit(keys, &entry, quantity),
            None => Some(quantity.default_unit()),
        };
        Some(Binding { point, item: name?, unit: unit?, max_power_w })
    });
    binding.flatten()
}

/// An empty name means no item: the add-on's form writes it so.
fn name(
    entries: &mut Entries<'_>,
    entry: &Entry,
    expected: &str,
    measurand: Measurand,
) -> Option<String> {
    let name = entries.scalar(entry, expected)?;
    if name.is_empty() && !measurand.is_required() {
        return None;
    }
    // openHAB's own rule; anything else would never reach its items.
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 255 || !name.chars().all(valid) {
        entries.wrong(entry, name, "an item name of letters, digits and _");
        return None;
    }
    Some(name.to_owned())
}

fn unit(entries: &mut Entries<'_>, entry: &Entry, quantity: Quantity) -> Option<Unit> {
    let symbol = entries.scalar(entry, "a unit such as kWh")?;
    match Unit::parse(quantity, symbol) {
        Ok(unit) => Some(unit),
        Err(error) => {
            entries.note(entry, Part::Value, error.to_string());
            None
        }
    }
}
