//! The keys of the values: which item gives which.

use super::{
    document::Part,
    entries::{Entries, ItemEntry},
    values,
};
use crate::meter::{
    binding::Binding,
    reading::{Measurand, Phase, Point},
    units::Unit,
};

/// All configured items, each with its point.
pub(super) fn read(entries: &mut Entries<'_>) -> Vec<Binding> {
    let connected = values::choice(
        entries,
        "connected_phase",
        &[("1", Phase::L1), ("2", Phase::L2), ("3", Phase::L3)],
    );
    let connected = connected.unwrap_or(Phase::L1);
    let mut bindings = Vec::new();
    for measurand in Measurand::ALL {
        let Some(found) = entries.items(measurand.key()) else {
            if measurand.is_required() {
                entries.missing(measurand.key(), "the name of an item");
            }
            continue;
        };
        for (phase, entry) in found {
            let phase = phase.and_then(|place| Phase::ALL.get(place)).copied();
            let point = Point { measurand, phase: phase.unwrap_or(connected) };
            bindings.extend(binding(entries, point, entry));
        }
    }
    bindings
}

fn binding(entries: &mut Entries<'_>, point: Point, found: ItemEntry) -> Option<Binding> {
    const NAME: &str = "an item name of letters, digits and _";
    let ItemEntry { entry, name, unit } = found;
    if name.is_empty() && !point.measurand.is_required() {
        return None;
    }
    // openHAB's own rule; anything else would never reach its items.
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 255 || !name.chars().all(valid) {
        entries.wrong(&entry, &name, NAME);
        return None;
    }
    let quantity = point.measurand.quantity();
    let unit = match unit {
        None => quantity.default_unit(),
        Some((entry, symbol)) => match Unit::parse(quantity, &symbol) {
            Ok(unit) => unit,
            Err(error) => {
                entries.note(&entry, Part::Value, error.to_string());
                return None;
            }
        },
    };
    Some(Binding { point, item: name, unit })
}
