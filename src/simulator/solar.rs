//! A solar day, for the simulator to play.

use std::f64::consts::TAU;
use std::time::Duration;

const SECONDS_A_DAY: u64 = 24 * 3600;
const SUNRISE_H: f64 = 6.0;
const DAYLIGHT_H: f64 = 14.0;

/// The area under the bell `16 u² (1 - u)²`, whose top is 1.
const BELL_AREA: f64 = 16.0 / 30.0;

/// A day of a solar generator: a bell of power between 6:00 and 20:00, the same every day.
#[derive(Clone, Debug)]
pub struct SolarDay {
    peak_watts: f64,
    start_kwh: f64,
}

/// What the generator's meter shows at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sunlight {
    /// The energy counter, in kilowatt-hours.
    pub energy_kwh: f64,
    /// Power, in watts.
    pub power_w: f64,
    /// Voltage, in volts; it rises from 230 to 236 with the power fed in.
    pub voltage_v: f64,
    /// Current, in amperes.
    pub current_a: f64,
    /// Frequency, in hertz, wandering between 49.97 and 50.03.
    pub frequency_hz: f64,
}

impl SolarDay {
    /// A generator with `peak_watts` at 13:00, whose counter shows `start_kwh` at midnight.
    #[must_use]
    pub fn new(peak_watts: f64, start_kwh: f64) -> Self {
        Self { peak_watts, start_kwh }
    }

    /// The values at a time since midnight. After 24 h the next day begins, and the counter goes
    /// on.
    #[must_use]
    pub fn at(&self, time_of_day: Duration) -> Sunlight {
        let seconds = time_of_day.as_secs();
        // Split as integers: a quotient of floats can round up to the next day too early.
        let days = Duration::from_secs(seconds / SECONDS_A_DAY).as_secs_f64();
        let second =
            Duration::new(seconds % SECONDS_A_DAY, time_of_day.subsec_nanos()).as_secs_f64();

        let daylight = ((second / 3600.0 - SUNRISE_H) / DAYLIGHT_H).clamp(0.0, 1.0);
        let night = 1.0 - daylight;
        let bell = 16.0 * daylight * daylight * night * night;
        let day_kwh = self.peak_watts / 1000.0 * DAYLIGHT_H * BELL_AREA;

        let power_w = self.peak_watts * bell;
        let voltage_v = 230.0 + 6.0 * bell;
        Sunlight {
            energy_kwh: self.start_kwh + day_kwh * (days + share(daylight)),
            power_w,
            voltage_v,
            current_a: power_w / voltage_v,
            frequency_hz: 50.0
                + 0.02 * (TAU * second / 97.0).sin()
                + 0.01 * (TAU * second / 23.0).sin(),
        }
    }
}

/// The share of the day's energy that the bell has yielded by `u`: its integral, normalised.
fn share(u: f64) -> f64 {
    let early = |u: f64| u * u * u * (10.0 - 15.0 * u + 6.0 * u * u);
    // By symmetry; near the evening the polynomial itself would fall by a rounding error.
    if u < 0.5 { early(u) } else { 1.0 - early(1.0 - u) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: f64) -> Duration {
        Duration::from_secs_f64(hours * 3600.0)
    }

    #[test]
    fn nights_are_dark_and_noon_is_at_one() {
        let day = SolarDay::new(5000.0, 100.0);
        for hour in [0.0, 5.99, 6.0, 20.0, 23.9, 24.0, 29.9] {
            let light = day.at(hours(hour));
            assert!(light.power_w.abs() < 1e-9, "{hour}: {light:?}");
            assert!((light.voltage_v - 230.0).abs() < 1e-9, "{hour}: {light:?}");
        }
        let noon = day.at(hours(13.0));
        assert!((noon.power_w - 5000.0).abs() < 1e-9, "{noon:?}");
        assert!((noon.voltage_v - 236.0).abs() < 1e-9, "{noon:?}");
        assert!((day.at(hours(37.0)).power_w - noon.power_w).abs() < 1e-9);
    }

    #[test]
    fn the_counter_is_the_integral_of_power() {
        let day = SolarDay::new(5000.0, 100.0);
        let mut sum_kwh = 100.0;
        let mut before = day.at(Duration::ZERO);
        assert!((before.energy_kwh - 100.0).abs() < 1e-12);
        for second in 1..=2 * SECONDS_A_DAY {
            let light = day.at(Duration::from_secs(second));
            assert!(light.energy_kwh >= before.energy_kwh, "{second}");
            assert!((light.power_w - before.power_w).abs() < 1.0, "{second}");
            assert!((light.power_w - light.voltage_v * light.current_a).abs() < 1e-9);
            assert!((49.97..=50.03).contains(&light.frequency_hz), "{light:?}");
            assert!((230.0..=236.0).contains(&light.voltage_v), "{light:?}");
            sum_kwh += f64::midpoint(light.power_w, before.power_w) / 3_600_000.0;
            assert!((light.energy_kwh - sum_kwh).abs() < 1e-6, "{second}");
            before = light;
        }
    }

    #[test]
    fn the_counter_does_not_fall_between_milliseconds() {
        let day = SolarDay::new(5000.0, 0.0);
        for start in [6, 13, 20, 24, 44, 48] {
            let mut before = 0.0;
            for step in 0..4000 {
                let time = Duration::from_millis(start * 3_600_000 - 2000 + step);
                let energy = day.at(time).energy_kwh;
                assert!(energy >= before, "{time:?}");
                before = energy;
            }
        }
    }
}
