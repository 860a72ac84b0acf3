//! The items that may be meant for a key, the likeliest first.

use std::{collections::BTreeMap, fmt};

use super::{
    value::Items,
    words::{likelihood, measures, phase, shared},
};
use crate::{
    meter::{Role, reading::Measurand},
    source::{ListedItem, SourceKind, state::parse_state},
    text::{excerpt, shortened},
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
    let single = items.iter().map(|item| wanted.candidate(&[item], Items::One(item.name.clone())));
    let mut candidates: Vec<_> = single.collect();
    candidates.extend(sums(&items, wanted));
    candidates.extend(phases(&items, wanted));
    candidates.sort_by(|a, b| {
        let key = |candidate: &Candidate| candidate.points.saturating_add(candidate.shared);
        key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
    });
    candidates
}

/// Groups that the source adds up: their members, since a sum of the source's own falls for a moment
/// when one of them sleeps.
fn sums(items: &[&ListedItem], wanted: Wanted<'_>) -> Vec<Candidate> {
    let by_name: BTreeMap<_, _> = items.iter().map(|item| (item.name.as_str(), *item)).collect();
    let sum = |group: &&ListedItem| {
        let members: Option<Vec<_>> =
            group.members.iter().map(|name| by_name.get(name.as_str()).copied()).collect();
        let members = members.filter(|members| {
            members.len() >= 2 && members.iter().all(|member| member.members.is_empty())
        })?;
        let sum = Items::Sum(group.members.clone());
        let candidate = wanted.candidate(&members, sum);
        let (points, shared) = wanted.judge(group);
        let name = format!("{}: {} members", group.name, members.len());
        // Rather than the group itself.
        let points = points.saturating_add(1);
        Some(Candidate { name, label: group.label.clone(), points, shared, ..candidate })
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
        let states: Vec<_> = members.iter().map(|member| excerpt(&member.state)).collect();
        Candidate {
            name: first.map(|first| first.name.clone()).unwrap_or_default(),
            label: first.map(|first| first.label.clone()).unwrap_or_default(),
            state: states.join(" + "),
            value: values.sum::<Result<f64, _>>().ok(),
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
