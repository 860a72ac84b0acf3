//! The keys of the values: which item gives which.

use super::{document::Part, entries::Entries, entry::Entry, flat::Flat, values};
use crate::{
    meter::{
        binding::Binding,
        reading::{Measurand, Phase, Point},
        units::{Quantity, Unit},
    },
    source::SourceKind,
};

const ITEM: &str = SourceKind::OpenHab.noun();
const ENTITY: &str = SourceKind::HomeAssistant.noun();
const UNIT: &str = "unit";
const FACTOR: &str = "factor";

/// The most items of a measurand, all phases together: more than there are inverters at any house, and
/// no more counters than their file has room for.
const MAX_ITEMS: usize = 90;

/// The phases, as the keys of a map.
const PHASES: [(&str, Phase); 3] = [("l1", Phase::L1), ("l2", Phase::L2), ("l3", Phase::L3)];

/// What the bindings of a measurand have in common.
struct Common {
    /// Where the items are.
    source: SourceKind,
    /// Where values without a phase go.
    connected: Phase,
    max_power_w: f64,
    /// Of the items that are given by their names alone.
    unit: Unit,
    factor: f64,
    /// Whether unit or factor stand beside the value, and not in it.
    is_flat: bool,
}

/// What the value of a measurand may be.
fn expected(source: SourceKind) -> String {
    let (name, noun) = (a_name(source), source.noun());
    format!("{name}, {{{noun}: …, unit: …}}, a list of such, or a map of l1, l2, l3 to such")
}

fn a_name(source: SourceKind) -> &'static str {
    match source {
        SourceKind::OpenHab => "the name of an item",
        SourceKind::HomeAssistant => "the id of an entity",
    }
}

/// Takes the keys of all measurands; gives each configured item with the point it is for.
pub(super) fn read(
    entries: &mut Entries<'_>,
    source: SourceKind,
    max_power_w: f64,
) -> Vec<Binding> {
    let connected = values::choice(
        entries,
        "connected_phase",
        &[("1", Phase::L1), ("2", Phase::L2), ("3", Phase::L3)],
    );
    let connected = connected.unwrap_or(Phase::L1);
    let mut bindings = Vec::new();
    for measurand in Measurand::ALL {
        let flat = Flat::take(entries, measurand, a_name(source));
        let quantity = measurand.quantity();
        let unit = flat.unit.as_ref().and_then(|entry| unit(entries, entry, quantity));
        let factor = flat.factor.as_ref().and_then(|entry| factor(entries, entry, quantity));
        let common = Common {
            source,
            connected,
            max_power_w,
            unit: unit.unwrap_or(quantity.default_unit()),
            factor: factor.unwrap_or(1.0),
            is_flat: flat.beside().is_some(),
        };
        bindings.extend(of_measurand(entries, flat, measurand, &common));
    }
    bindings
}

/// What the keys of a measurand give, in one way.
fn of_measurand(
    entries: &mut Entries<'_>,
    flat: Flat,
    measurand: Measurand,
    common: &Common,
) -> Vec<Binding> {
    let key = measurand.key();
    if let Some(beside) = flat.beside()
        && flat.whole.is_none()
        && flat.phases.is_empty()
        && !measurand.is_required()
    {
        entries.note(beside, Part::Key, format!("needs {key} beside it"));
    }
    let mut bindings = Vec::new();
    if let Some(whole) = flat.whole {
        for (_, entry) in &flat.phases {
            let message = format!("{key} is given, too; give either that or the phases");
            entries.note(entry, Part::Key, message);
        }
        return of_whole(entries, whole, measurand, common);
    }
    for (phase, entry) in flat.phases {
        of_point(entries, entry, Point { measurand, phase }, common, &mut bindings);
    }
    bindings
}

/// Those of the connected phase, or of each phase in a map.
fn of_whole(
    entries: &mut Entries<'_>,
    entry: Entry,
    measurand: Measurand,
    common: &Common,
) -> Vec<Binding> {
    let mut bindings = Vec::new();
    if !entry.is_map() || entry.keys().any(|key| [ITEM, ENTITY, UNIT, FACTOR].contains(&key)) {
        let point = Point { measurand, phase: common.connected };
        of_point(entries, entry, point, common, &mut bindings);
        return bindings;
    }
    let expected = expected(common.source);
    entries.map(entry, &expected, |phases| {
        let mut found: Vec<_> = PHASES
            .into_iter()
            .filter_map(|(key, phase)| Some((phase, phases.take(key)?)))
            .collect();
        if found.is_empty() {
            phases.note_whole(&format!("found nothing, expected {expected}"));
        }
        // In the order of the file: the default serial number depends on it.
        found.sort_by(|(_, a), (_, b)| a.path.cmp(&b.path));
        for (phase, entry) in found {
            of_point(phases, entry, Point { measurand, phase }, common, &mut bindings);
        }
    });
    bindings
}

/// Adds what is given for one point: an item, or a list of them. `bindings` are those of the same
/// measurand so far.
fn of_point(
    entries: &mut Entries<'_>,
    entry: Entry,
    point: Point,
    common: &Common,
    bindings: &mut Vec<Binding>,
) {
    let whole = entry.place();
    let elements = entry.listed();
    if bindings.len().saturating_add(elements.len()) > MAX_ITEMS {
        let message = format!("more than {MAX_ITEMS} items");
        entries.note(&whole, Part::Value, message);
        return;
    }
    let mut member = 0_usize;
    for element in elements {
        let place = element.place();
        let Some(new) = binding(entries, element, point, common) else { continue };
        let first = bindings.iter().find(|known| known.item == new.item);
        if let Some(first) = first.filter(|_| point.measurand.is_summed()) {
            let message = format!(
                "{} {} is given for {} already, and would count twice",
                common.source.noun(),
                new.item,
                first.point.phase
            );
            entries.note(&place, Part::Value, message);
        }
        bindings.push(Binding { member, ..new });
        member = member.saturating_add(1);
    }
}

fn binding(
    entries: &mut Entries<'_>,
    entry: Entry,
    point: Point,
    common: &Common,
) -> Option<Binding> {
    let quantity = point.measurand.quantity();
    let Common { source, max_power_w, .. } = *common;
    let whole = |item, unit, factor| Binding { point, member: 0, item, unit, factor, max_power_w };
    if !entry.is_map() {
        let name = name(entries, &entry, source, &expected(source))?;
        return Some(whole(name, common.unit.clone(), common.factor));
    }
    if common.is_flat {
        let message = "is a map: give its unit and factor in it, not beside it";
        entries.note(&entry, Part::Value, message.to_owned());
    }
    let binding = entries.map(entry, &expected(source), |keys| {
        let name = match keys.take(source.noun()) {
            Some(entry) => name(keys, &entry, source, a_name(source)),
            None => {
                keys.note_whole(&format!("{} is missing", a_name(source)));
                None
            }
        };
        let unit = match keys.take(UNIT) {
            Some(entry) => unit(keys, &entry, quantity),
            None => Some(quantity.default_unit()),
        };
        let factor = match keys.take(FACTOR) {
            Some(entry) => factor(keys, &entry, quantity),
            None => Some(1.0),
        };
        Some(whole(name?, unit?, factor?))
    });
    binding.flatten()
}

fn name(
    entries: &mut Entries<'_>,
    entry: &Entry,
    source: SourceKind,
    expected: &str,
) -> Option<String> {
    let name = entries.scalar(entry, expected)?;
    let rule = match source {
        SourceKind::OpenHab => "an item name of letters, digits and _",
        SourceKind::HomeAssistant => "an entity id such as sensor.roof_power, in lower case",
    };
    if !source.has_name(name) {
        entries.wrong(entry, name, rule);
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

/// A counter cannot run backwards.
fn factor(entries: &mut Entries<'_>, entry: &Entry, quantity: Quantity) -> Option<f64> {
    let expected = match quantity {
        Quantity::Energy => "a number above 0, such as 0.001",
        _ => "a number other than 0, such as -1",
    };
    values::number(entries, entry, expected, |factor| match quantity {
        Quantity::Energy => factor > 0.0,
        _ => factor != 0.0,
    })
}
