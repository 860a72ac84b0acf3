//! Items without a usable value, and what to do about them.

use hyper::StatusCode;

use super::{Finding, Row, item::together};
use crate::{
    config::ConfiguredMeter,
    meter::{
        Role,
        reading::{Measurand, Point},
    },
    source::{ItemProblem, state::ItemStateError},
    text::Kwh,
};

/// Of the items of a meter.
pub(super) fn findings(meter: &ConfiguredMeter, rows: &[Row]) -> Vec<Finding> {
    let problems = rows.iter().filter_map(|row| {
        let problem = row.why.as_ref()?;
        Some(of_item(meter, rows, row, problem))
    });
    problems.collect()
}

fn of_item(meter: &ConfiguredMeter, rows: &[Row], row: &Row, problem: &ItemProblem) -> Finding {
    let text = format!("item {}: {problem}", row.item);
    let is_needed = row.measurand.is_required() || row.measurand.is_counter();
    let finding = if !problem.may_pass() {
        Finding::wrong(text)
    } else if is_needed && !sleeps(meter.config.role, rows, row) {
        Finding::failure(text)
    } else {
        Finding::note(text)
    };
    let finding = Finding { is_shown: true, ..finding.at(meter).of(row.measurand) };
    match remedy(row.measurand, problem, meter.source.title()) {
        Some(remedy) => finding.remedy(remedy),
        None => finding,
    }
}

/// Whether it is a part of a producer that sleeps while another is awake: its power counts as 0.
fn sleeps(role: Role, rows: &[Row], row: &Row) -> bool {
    let point = Point { measurand: row.measurand, phase: row.phase };
    role == Role::Producer && row.measurand == Measurand::Power && together(rows, point).is_some()
}

/// What to do, where the problem does not say it itself.
fn remedy(measurand: Measurand, problem: &ItemProblem, source: &str) -> Option<String> {
    let text = match problem {
        ItemProblem::State(error) => match error {
            ItemStateError::NoValue(_) => {
                return Some(format!(
                    "see in {source} why: is the device off, or its binding down?"
                ));
            }
            ItemStateError::NotANumber(_) => "name one whose state is a number",
            ItemStateError::UnitLost => "see there why it has no unit any more",
            ItemStateError::Comma(_) => "write its state with a decimal point",
            ItemStateError::Unit(_) => {
                let quantity = measurand.quantity();
                return Some(format!(
                    "name the item of the {quantity}, or correct its unit in {source}"
                ));
            }
            ItemStateError::Sentinel(_) => "try again once the device is awake",
            ItemStateError::Implausible { .. } => "name another one, or correct its unit",
            ItemStateError::Limit(_) => return None,
        },
        ItemProblem::Status(StatusCode::NOT_FOUND) | ItemProblem::NoEntity(_) => {
            "correct its name in the configuration"
        }
        ItemProblem::Status(_) => return Some(format!("look into the log of {source}")),
        ItemProblem::NotAState => "name one whose state is a number",
        ItemProblem::Unanswered(_) => {
            return Some(format!("see in {source} why it does not answer for this one"));
        }
    };
    Some(text.to_owned())
}

/// Counters that are too low to be a first value: a phase counts with the others, an item of a list alone.
pub(super) fn below(meter: &ConfiguredMeter, rows: &[Row]) -> Vec<Finding> {
    let min_wh = meter.config.min_energy_wh;
    let out = || rows.iter().filter(|row| row.measurand == Measurand::EnergyOut);
    let all_wh: f64 = out().filter_map(|row| row.value).sum();
    let below = out().filter_map(|row| {
        let wh = row.value?;
        let is_member = out().filter(|other| other.phase == row.phase).count() > 1;
        let reached_wh = if is_member { wh } else { all_wh };
        let text = format!(
            "item {} shows {}, below min_energy_threshold ({}): no value yet",
            row.item,
            Kwh(wh),
            Kwh(min_wh)
        );
        let failure = || Finding::failure(text).of(row.measurand);
        let remedy = "wait until it has counted more, or set min_energy_threshold: 0";
        (reached_wh < min_wh).then(|| failure().remedy(remedy))
    });
    below.collect()
}
