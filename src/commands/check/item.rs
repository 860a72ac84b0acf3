//! One item: what its source says, and what the inverter would read.

use std::time::SystemTime;

use serde::Serialize;

use crate::{
    config::ConfiguredMeter,
    meter::{
        Role,
        binding::Binding,
        reading::{Measurand, Phase, Point},
        sunspec,
    },
    source::{ItemProblem, Probe},
};

/// What was found for one item.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) phase: Phase,
    pub(super) item: String,
    /// In the source's words.
    pub(super) state: String,
    /// What that means, in `unit`.
    pub(super) value: Option<f64>,
    /// What the item brings into its register, with the sign that it has there.
    pub(super) served: Option<f64>,
    pub(super) unit: &'static str,
    /// Seconds since the last update, if the source reports it.
    pub(super) age: Option<f64>,
    pub(super) register: u16,
    /// The name of the register.
    pub(super) point: String,
    /// Why there is no value.
    pub(super) problem: Option<String>,
    #[serde(skip)]
    pub(super) measurand: Measurand,
    #[serde(skip)]
    pub(super) why: Option<ItemProblem>,
    /// Its source adds it up from other items.
    #[serde(skip)]
    pub(super) is_sum: bool,
    #[serde(skip)]
    pub(super) factor: f64,
}

impl Row {
    /// What this answer says of an item.
    pub(super) fn new(probe: Probe, meter: &ConfiguredMeter, binding: &Binding) -> Self {
        let Probe { state, value, updated, is_group } = probe;
        let Binding { point, item, factor, .. } = binding;
        let measurand = point.measurand;
        let (register, name) = sunspec::place(meter.config.model, *point);
        let (value, why) = match value {
            Ok(value) => (Some(value), None),
            Err(problem) => (None, Some(problem)),
        };
        let sign = if measurand == Measurand::Power { meter.config.role.power_sign() } else { 1.0 };
        Self {
            key: measurand.key(),
            phase: point.phase,
            item: item.clone(),
            state: state.trim().to_owned(),
            value,
            // Adding zero turns −0 into 0.
            served: value.map(|value| sign * value + 0.0),
            unit: measurand.quantity().base_symbol(),
            age: updated.map(age),
            register,
            point: name,
            problem: why.as_ref().map(ItemProblem::to_string),
            measurand,
            why,
            is_sum: is_group && measurand.is_summed(),
            factor: *factor,
        }
    }

    pub(super) fn is_of(&self, point: Point) -> bool {
        self.measurand == point.measurand && self.phase == point.phase
    }
}

/// Gives the current of each phase the sign of its power, where the meter does.
pub(super) fn sign_currents(role: Role, rows: &mut [Row]) {
    if role == Role::Producer {
        return;
    }
    for phase in Phase::ALL {
        let power = together(rows, Point { measurand: Measurand::Power, phase });
        let current = Point { measurand: Measurand::Current, phase };
        for row in rows.iter_mut().filter(|row| row.is_of(current)) {
            let sign = power.filter(|watts| *watts != 0.0).map(f64::signum);
            row.served = row.served.map(|amps| sign.map_or(amps, |sign| amps.abs() * sign));
        }
    }
}

/// What the items of a point bring together: their sum, or the mean where that means more. A part
/// without a value is left out.
pub(super) fn together(rows: &[Row], point: Point) -> Option<f64> {
    let served = || rows.iter().filter(|row| row.is_of(point)).filter_map(|row| row.served);
    let count = served().map(|_| 1.0).sum::<f64>();
    let sum = served().sum::<f64>();
    match count > 0.0 {
        true if point.measurand.is_summed() => Some(sum),
        true => Some(sum / count),
        false => None,
    }
}

/// How long ago something was by the clock of the source, which may be ahead of ours: then it was just
/// now.
fn age(updated: SystemTime) -> f64 {
    SystemTime::now().duration_since(updated).unwrap_or_default().as_secs_f64()
}
