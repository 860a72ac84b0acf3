//! What the simulated openHAB has: a roof, and a balcony whose micro-inverter sleeps at night.

use std::time::Duration;

use super::day::Moment;
use crate::simulator::{Simulator, SolarDay};

/// The names of the items.
pub(super) const ITEMS: [&str; 6] = [
    "roof_power",
    "balcony_power",
    "roof_energy",
    "balcony_energy",
    "grid_voltage",
    "grid_frequency",
];

/// The highest power of each generator, in W.
const ROOF_W: f64 = 5000.0;
const BALCONY_W: f64 = 800.0;

/// More than both together, in W.
pub(super) const MAX_POWER: u32 = 6000;

/// What openHAB says of a device that sleeps.
const ASLEEP: &str = "UNDEF";

/// The generators, and what their counters show, in kWh.
#[derive(Debug)]
pub(super) struct Plant {
    roof: SolarDay,
    balcony: SolarDay,
    roof_kwh: f64,
    balcony_kwh: f64,
}

impl Plant {
    pub(super) fn new() -> Self {
        Self {
            roof: SolarDay::new(ROOF_W, 0.0),
            balcony: SolarDay::new(BALCONY_W, 0.0),
            roof_kwh: 8345.678,
            balcony_kwh: 987.654,
        }
    }

    /// Goes on to `moment`, which is so much real time later. The counters count in real time, so that
    /// they agree with the power for whoever looks at both, as the meter does.
    pub(super) fn advance(&mut self, moment: Moment, passed: Duration, simulator: &Simulator) {
        let sun = self.roof.at(moment.time());
        let roof_w = sun.power_w * moment.clearness();
        let balcony_w = self.balcony.at(moment.time()).power_w * moment.clearness();
        let is_awake = moment.is_awake();
        let hours = passed.as_secs_f64() / 3600.0;
        self.roof_kwh += roof_w / 1000.0 * hours;
        if is_awake {
            self.balcony_kwh += balcony_w / 1000.0 * hours;
        }
        let awake = |state: String| if is_awake { state } else { ASLEEP.to_owned() };
        let states = [
            format!("{roof_w:.0} W"),
            awake(format!("{balcony_w:.0} W")),
            format!("{:.3} kWh", self.roof_kwh),
            awake(format!("{:.3} kWh", self.balcony_kwh)),
            format!("{:.1} V", sun.voltage_v),
            format!("{:.2} Hz", sun.frequency_hz),
        ];
        for (item, state) in ITEMS.iter().zip(states) {
            simulator.set(item, &state);
        }
    }
}
