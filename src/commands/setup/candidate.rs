//! The items that may be meant for a key, the likeliest first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    value::Items,
    words::{likelihood, measures, phase, shared},
};
use crate::{
    meter::{Role, reading::Measurand},
    source::{ListedItem, SourceKind, state::parse_state},
    text::{Kwh, excerpt, shortened},
};

/// Widths of the columns that people choose from, which fit 80 columns with the prompt.
const NAME_WIDTH: usize = 40;
const STATE_WIDTH: usize = 16;
const LABEL_WIDTH: usize = 17;

/// Items that may be meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) items: Items,
    /// The name that it is offered by.
    name: String,
    label: String,
    state: String,
    /// What the items add up to now, in the base unit, if all have a value.
    pub(super) value: Option<f64>,
    /// Neither state nor type says in which unit it is.
    pub(super) is_plain: bool,
    /// How likely it is to be meant, and how much it has in common with what was chosen before.
    points: i32,
    shared: i32,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) measurand: Measurand,
    pub(super) role: Role,
    pub(super) source: SourceKind,
    /// What was chosen already: the same device is meant.
    pub(super) chosen: Option<&'a Items>,
}

/// All candidates among the items, the likeliest first.
pub(super) fn candidates(items: &[ListedItem], wanted: Wanted<'_>) -> Vec<Candidate> {
    let quantity = wanted.measurand.quantity();
    let fits = |item: &&ListedItem| match item.quantity {
        Some(is) => is == quantity,
        None => measures(&item.name, quantity) || measures(&item.label, quantity),
    };
    let items: Vec<_> =
        items.iter().filter(|item| wanted.source.has_name(&item.name)).filter(fits).collect();
    let sums = sums(&items, wanted);
    let groups: BTreeSet<_> = sums.iter().map(|(group, _)| *group).collect();
    let single = items.iter().filter(|item| !groups.contains(item.name.as_str()));
    let single = single.map(|item| wanted.candidate(&[item], Items::One(item.name.clone())));
    let mut candidates: Vec<_> = single.collect();
    candidates.extend(sums.into_iter().map(|(_, candidate)| candidate));
    candidates.extend(phases(&items, wanted));
    candidates.sort_by(|a, b| {
        // A unit says more than a name.
        let key = |candidate: &Candidate| {
            let points = candidate.points.saturating_add(candidate.shared);
            points.saturating_sub(i32::from(candidate.is_plain))
        };
        key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
    });
    candidates
}

/// Groups that the source adds up, each with its members in its place: the source's own sum falls for a
/// moment when one of them sleeps.
fn sums<'a>(items: &[&'a ListedItem], wanted: Wanted<'_>) -> Vec<(&'a str, Candidate)> {
    let by_name: BTreeMap<_, _> = items.iter().map(|item| (item.name.as_str(), *item)).collect();
    let sum = |group: &&'a ListedItem| {
        let members: Option<Vec<_>> =
            group.members.iter().map(|name| by_name.get(name.as_str()).copied()).collect();
        let members = members.filter(|members| {
            members.len() >= 2 && members.iter().all(|member| member.members.is_empty())
        })?;
        let sum = Items::Sum(group.members.clone());
        let candidate = wanted.candidate(&members, sum);
        let (points, shared) = wanted.judge(group);
        let name = format!("{}: {} members", group.name, members.len());
        // Rather than one of the members.
        let points = points.saturating_add(1);
        let label = group.label.clone();
        Some((group.name.as_str(), Candidate { name, label, points, shared, ..candidate }))
    };
    items.iter().filter_map(sum).collect()
}

/// Three items whose names differ in the phase alone.
fn phases(items: &[&ListedItem], wanted: Wanted<'_>) -> Vec<Candidate> {
    let mut groups: BTreeMap<String, BTreeMap<usize, &ListedItem>> = BTreeMap::new();
    for item in items {
        if let Some((phase, rest)) = phase(&item.name) {
            groups.entry(rest).or_default().insert(phase, item);
        }
    }
    let complete = groups.into_iter().filter(|(_, phases)| phases.len() == 3);
    let candidate = |(rest, phases): (String, BTreeMap<usize, &ListedItem>)| {
        let members: Vec<_> = phases.values().copied().collect();
        let names = members.iter().map(|member| member.name.clone());
        let phases = ["l1", "l2", "l3"].map(str::to_owned).into_iter().zip(names).collect();
        let candidate = wanted.candidate(&members, Items::Phases(phases));
        // Rather than one of the three.
        let points = candidate.points.saturating_add(1);
        Candidate { name: format!("{rest}: 3 phases"), points, ..candidate }
    };
    complete.map(candidate).collect()
}

impl Wanted<'_> {
    fn candidate(&self, members: &[&ListedItem], items: Items) -> Candidate {
        let first = members.first();
        let (points, shared) = first.map(|first| self.judge(first)).unwrap_or_default();
        let unit = self.measurand.quantity().default_unit();
        let values = members.iter().map(|member| parse_state(&member.state, &unit));
        let value = values.sum::<Result<f64, _>>().ok();
        Candidate {
            name: first.map(|first| first.name.clone()).unwrap_or_default(),
            label: first.map(|first| first.label.clone()).unwrap_or_default(),
            state: match (members, value) {
                ([_, _, ..], Some(total)) if self.measurand.is_counter() => Kwh(total).to_string(),
                ([_, _, ..], Some(total)) if self.measurand.is_summed() => {
                    format!("{total:.1} {}", self.measurand.quantity().base_symbol())
                }
                _ => first.map(|first| excerpt(&first.state)).unwrap_or_default(),
            },
            value,
            is_plain: members.iter().any(|member| member.quantity.is_none()),
            items,
            points,
            shared,
        }
    }

    fn judge(&self, item: &ListedItem) -> (i32, i32) {
        let name = format!("{} {}", item.name, item.label);
        let chosen = self.chosen.and_then(|items| items.names().first().copied());
        (
            likelihood(&name, self.measurand, self.role),
            chosen.map(|chosen| shared(&item.name, chosen)).unwrap_or_default(),
        )
    }
}

impl Candidate {
    /// Whether it seems to be of the device that was chosen before, and not something else there.
    pub(super) fn is_likely(&self) -> bool {
        self.shared > 0 && self.points >= 0
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shortened(&self.name, NAME_WIDTH);
        let state = shortened(&self.state, STATE_WIDTH);
        let label = shortened(&excerpt(&self.label), LABEL_WIDTH);
        let line = format!("{name:NAME_WIDTH$} {state:STATE_WIDTH$} {label}");
        f.write_str(line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::units::Quantity;

    fn item(name: &str, state: &str, quantity: Option<Quantity>) -> ListedItem {
        ListedItem {
            name: name.to_owned(),
            state: state.to_owned(),
            quantity,
            ..ListedItem::default()
        }
    }

    fn power(name: &str, state: &str) -> ListedItem {
        item(name, state, Some(Quantity::Power))
    }

    const WANTED: Wanted<'_> = Wanted {
        measurand: Measurand::Power,
        role: Role::Producer,
        source: SourceKind::OpenHab,
        chosen: None,
    };

    fn found(items: &[ListedItem], wanted: Wanted<'_>) -> Vec<(String, Items)> {
        candidates(items, wanted).into_iter().map(|found| (found.name, found.items)).collect()
    }

    fn one(name: &str) -> (String, Items) {
        (name.to_owned(), Items::One(name.to_owned()))
    }

    #[test]
    fn what_measures_something_else_is_no_candidate() {
        let items = [
            power("roof", "5 W"),
            item("roof_energy", "5 kWh", Some(Quantity::Energy)),
            item("plain_power", "7", None),
            item("plain", "7", None),
            power("not a name", "5 W"),
        ];
        assert_eq!(found(&items, WANTED), [one("roof"), one("plain_power")]);
    }

    #[test]
    fn three_phases_are_one_candidate_and_come_first() {
        let items = ["L1", "L2", "L3"].map(|phase| power(&format!("P_{phase}"), "1.5 kW"));
        let candidates = candidates(&items, WANTED);
        assert_eq!(candidates.len(), 4);
        assert_eq!(candidates[0].items.names(), ["P_L1", "P_L2", "P_L3"]);
        assert_eq!(candidates[0].value, Some(4500.0));
        let line = candidates[0].to_string();
        assert_eq!(line, "P_*: 3 phases                            4500.0 W");
        assert_eq!(found(&items[..2], WANTED), [one("P_L1"), one("P_L2")]);
    }

    #[test]
    fn the_members_stand_for_a_group() {
        let mut items = vec![power("A", "1 W"), power("B", "NULL"), power("G", "1 W")];
        items[2].members = vec!["A".to_owned(), "B".to_owned()];
        let sum = Items::Sum(vec!["A".to_owned(), "B".to_owned()]);
        let expected = [("G: 2 members".to_owned(), sum), one("A"), one("B")];
        assert_eq!(found(&items, WANTED), expected);
        // One that is missing, or of something else, leaves the group as it is.
        items.remove(1);
        assert_eq!(found(&items, WANTED), [one("A"), one("G")]);
    }

    #[test]
    fn what_belongs_to_the_chosen_device_comes_first() {
        let items = [power("garage_power", "1 W"), power("roof_power", "1 W")];
        assert_eq!(found(&items, WANTED)[0], one("garage_power"));
        let chosen = Items::One("roof_energy".to_owned());
        let wanted = Wanted { chosen: Some(&chosen), ..WANTED };
        assert_eq!(found(&items, wanted)[0], one("roof_power"));
    }

    #[test]
    fn a_line_fits_80_columns_and_has_no_control_character() {
        let mut long = power(&"N".repeat(200), &"9".repeat(200));
        long.label = format!("\u{1b}[2J{}", "L".repeat(200));
        let line = candidates(&[long], WANTED)[0].to_string();
        assert!(line.chars().count() <= 76, "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}
