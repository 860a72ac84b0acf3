//! The house that the simulator plays if no items are given: a generator's solar day.

use std::time::Duration;

use tokio::time::{Instant, interval};

use super::{Simulator, SolarDay};

/// The day begins at sunrise, so that there is something to see.
pub const SUNRISE: Duration = Duration::from_hours(6);

/// The items, with the names that the Python script had by default.
const ITEMS: [&str; 5] = [
    "inverter_energy",
    "inverter_power",
    "inverter_voltage",
    "inverter_current",
    "inverter_frequency",
];

/// What the energy counter shows at the start, in kWh.
const START_KWH: f64 = 12_345.678;

/// The items that [`play`] sets, still without a value.
#[must_use]
pub fn items() -> Vec<(String, String)> {
    ITEMS.map(|item| (item.to_owned(), "NULL".to_owned())).to_vec()
}

/// Plays one solar day after another on a simulator that has [`items`], and never returns. The sun
/// moves `speed` times as fast as the real one. The energy counter counts in real time, so that it
/// agrees with the power for whoever watches.
pub async fn play(simulator: &Simulator, speed: u32) {
    let day = SolarDay::new(5000.0, START_KWH);
    let at_sunrise = day.at(SUNRISE).energy_kwh;
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(500));
    // The first states are set without waiting, so that nobody reads NULL.
    tick.reset();
    loop {
        let time = SUNRISE.saturating_add(start.elapsed().saturating_mul(speed));
        let sun = day.at(time);
        let energy = START_KWH + (sun.energy_kwh - at_sunrise) / f64::from(speed);
        let states = [
            format!("{energy:.6} kWh"),
            format!("{:.1} W", sun.power_w),
            format!("{:.1} V", sun.voltage_v),
            format!("{:.2} A", sun.current_a),
            format!("{:.2} Hz", sun.frequency_hz),
        ];
        for (item, state) in ITEMS.iter().zip(states) {
            simulator.set(item, &state);
        }
        tick.tick().await;
    }
}
