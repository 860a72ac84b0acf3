//! Values that are possible, and hardly right.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Finding, Row,
    item::together,
    table::{age, number},
};
use crate::{
    config::ConfiguredMeter,
    meter::{
        Role,
        binding::MAX_FULL_LOAD_H,
        consumption::OWN_USE_W,
        measurements::{ASLEEP_V, NOMINAL_VOLTAGE_V},
        reading::{Freshness, Measurand, Phase, Point},
    },
};

/// What the grid has.
const VOLTAGE_V: RangeInclusive<f64> = 180.0..=270.0;
const FREQUENCY_HZ: RangeInclusive<f64> = 45.0..=65.0;

/// A current may bring less than its power by this share, and by this much, in VA: they are measured
/// apart.
const SHARE: f64 = 0.7;
const MARGIN_VA: f64 = 50.0;

/// It may bring more, as reactive power: so many times the power, and by this much, in VA.
const REACTIVE: f64 = 2.0;
const REACTIVE_VA: f64 = 500.0;

/// A power without an update for this long comes from a device that is off, or from a binding that hangs.
const OLD: Duration = Duration::from_hours(1);

/// A `max_power` of more than so many times the power is worth a word.
const ROOMY: f64 = 10.0;

/// What is hardly right with the values of a meter, the worst first.
pub(super) fn findings(
    meter: &ConfiguredMeter,
    rows: &[Row],
    freshness: Freshness,
) -> Vec<Finding> {
    let mut findings: Vec<_> = too_much(meter, rows).into_iter().collect();
    let of_rows = rows.iter().flat_map(|row| {
        let all =
            [too_old(row, freshness), consumed(meter, row), voltage(row), frequency(row), sum(row)];
        all.into_iter().flatten().map(|finding| finding.of(row.measurand))
    });
    findings.extend(of_rows);
    findings.extend(Phase::ALL.iter().filter_map(|phase| current(meter, rows, *phase)));
    findings.extend(default_max_power(meter, rows));
    findings.into_iter().map(|finding| finding.at(meter)).collect()
}

/// All phases together have more power than the meter can have.
fn too_much(meter: &ConfiguredMeter, rows: &[Row]) -> Option<Finding> {
    let max_power_w = meter.config.max_power_w;
    let watts = powers(rows).map(f64::abs).sum::<f64>();
    let text = format!(
        "the powers add up to {}, more than max_power ({})",
        number(watts, "W"),
        number(max_power_w, "W")
    );
    let failure = || Finding::failure(text).of(Measurand::Power);
    (watts > max_power_w).then(|| failure().remedy("set max_power to the size of your device"))
}

fn powers(rows: &[Row]) -> impl Iterator<Item = f64> {
    let powers = rows.iter().filter(|row| row.measurand == Measurand::Power);
    powers.filter_map(|row| row.value)
}

/// A power that has not been updated for too long.
fn too_old(row: &Row, freshness: Freshness) -> Option<Finding> {
    let seconds = row.age.filter(|_| row.measurand == Measurand::Power)?;
    let watts = row.value?;
    let text = format!("item {} was last updated {} ago", row.item, age(seconds));
    let limit = freshness.item_max_age.map(|limit| limit.as_secs_f64());
    if limit.is_some_and(|limit| seconds > limit) {
        let failure = Finding::failure(format!("{text}, longer than item_max_age"));
        return Some(failure.remedy("see whether the device is off, or its binding down"));
    }
    let warning = || Finding::warning(text).remedy("see whether its binding still works");
    (seconds > OLD.as_secs_f64() && watts != 0.0).then(warning)
}

/// A producer that consumes.
fn consumed(meter: &ConfiguredMeter, row: &Row) -> Option<Finding> {
    let watts = row.value.filter(|_| row.measurand == Measurand::Power)?;
    let text = format!(
        "item {} means {}, which the inverter reads as {} consumed",
        row.item,
        number(watts, "W"),
        number(-watts, "W")
    );
    let remedy = if row.factor < 0.0 {
        "if the device generates that, take its negative factor out".to_owned()
    } else {
        let noun = meter.source.noun();
        format!("if the device generates that, write {{{noun}: {}, factor: -1}}", row.item)
    };
    let is_consumed = meter.config.role == Role::Producer && watts < -OWN_USE_W;
    is_consumed.then(|| Finding::warning(text).remedy(remedy))
}

fn voltage(row: &Row) -> Option<Finding> {
    let volts = row.value.filter(|_| row.measurand == Measurand::Voltage)?;
    let shown = format!("item {} shows {}", row.item, number(volts, "V"));
    if volts < ASLEEP_V {
        let text = format!(
            "{shown}, as of a sleeping device: {}, or the voltage of another phase, is served",
            number(NOMINAL_VOLTAGE_V, "V")
        );
        return Some(Finding::note(text));
    }
    let warning = Finding::warning(format!("{shown}, which no household has"));
    let remedy = "name the voltage between line and neutral, about 230 V";
    (!VOLTAGE_V.contains(&volts)).then(|| warning.remedy(remedy))
}

fn frequency(row: &Row) -> Option<Finding> {
    let hertz = row.value.filter(|_| row.measurand == Measurand::Frequency)?;
    let text = format!("item {} shows {}, which no grid has", row.item, number(hertz, "Hz"));
    let warning = || Finding::warning(text).remedy("name that of the grid, about 50 Hz");
    (!FREQUENCY_HZ.contains(&hertz)).then(warning)
}

/// An item that is better given as a list.
fn sum(row: &Row) -> Option<Finding> {
    let text = format!(
        "item {} is a group: openHAB's own sums are wrong for a moment, and fall when a member sleeps",
        row.item
    );
    row.is_sum.then(|| Finding::warning(text).remedy("better give its members as a list"))
}

/// A current that does not fit to the power and voltage of its phase.
fn current(meter: &ConfiguredMeter, rows: &[Row], phase: Phase) -> Option<Finding> {
    let of = |measurand| {
        let point = Point { measurand, phase };
        // A part of a list would not do.
        let is_whole = rows.iter().filter(|row| row.is_of(point)).all(|row| row.value.is_some());
        together(rows, point).filter(|_| is_whole)
    };
    let (amps, watts) = (of(Measurand::Current)?.abs(), of(Measurand::Power)?.abs());
    let volts = of(Measurand::Voltage).filter(|volts| *volts >= ASLEEP_V);
    let volts = volts.unwrap_or(NOMINAL_VOLTAGE_V);
    let apparent = amps * volts;
    let is_small = apparent < SHARE * watts && watts - apparent > MARGIN_VA;
    let is_large = apparent > meter.config.max_power_w * REACTIVE
        || apparent > REACTIVE * watts && apparent - watts > REACTIVE_VA;
    let text = format!(
        "on {phase} {} at {} are {}, and the power is {}",
        number(amps, "A"),
        number(volts, "V"),
        number(apparent, "VA"),
        number(watts, "W")
    );
    let warning = || Finding::warning(text).of(Measurand::Current);
    let remedy = "see that all of them are of the same phase and device, and their units right";
    (is_small || is_large).then(|| warning().remedy(remedy))
}

/// A `max_power` that nobody has set, of a device that is probably much smaller.
fn default_max_power(meter: &ConfiguredMeter, rows: &[Row]) -> Option<Finding> {
    let max_power_w = meter.config.max_power_w;
    let is_default = max_power_w.to_bits() == meter.config.model.default_max_power_w().to_bits();
    let watts = powers(rows).map(f64::abs).reduce(|sum, watts| sum + watts)?;
    let text = format!(
        "max_power is {}, the default, far above the present power: even a counter of {} MWh is accepted",
        number(max_power_w, "W"),
        MAX_FULL_LOAD_H * max_power_w / 1e6
    );
    let note = || Finding::note(text).remedy("set it to what the device can deliver at most");
    (is_default && watts * ROOMY < max_power_w).then(note)
}
