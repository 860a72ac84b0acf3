//! The day of the demo: how fast it passes, and what happens in it.

use std::{ops::Range, time::Duration};

/// The first day begins when there is something to see.
const START: f64 = 7.0;

/// Hours with daylight.
pub(super) const DAYLIGHT: Range<f64> = 6.0..20.0;

/// Hours in which the micro-inverter on the balcony is awake.
const AWAKE: Range<f64> = 7.0..19.0;

/// The hours in which openHAB is away.
const OUTAGE: Range<f64> = 10.5..11.5;

/// How long an hour takes by day, in seconds.
const HOUR: f64 = 4.5;

/// And by night, when nothing happens.
const HOUR_AT_NIGHT: f64 = 1.0;

/// Clouds: the hour of their middle, half their length in hours, and the share of light they take.
const CLOUDS: [(f64, f64, f64); 6] = [
    (8.6, 0.4, 0.35),
    (9.6, 0.4, 0.6),
    (13.6, 0.5, 0.7),
    (14.5, 0.35, 0.5),
    (15.6, 0.3, 0.35),
    (17.0, 0.6, 0.45),
];

/// A moment of the demo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// How many days are over.
    pub(super) day: u64,
    /// The time of day, in hours.
    pub(super) hour: f64,
}

impl Moment {
    /// That after so much real time.
    pub(super) fn after(elapsed: Duration) -> Self {
        let daylight = (DAYLIGHT.end - DAYLIGHT.start) * HOUR;
        let night = (24.0 - DAYLIGHT.end + DAYLIGHT.start) * HOUR_AT_NIGHT;
        let seconds = elapsed.as_secs_f64() + (START - DAYLIGHT.start) * HOUR;
        let days = (seconds / (daylight + night)).floor();
        let second = seconds - days * (daylight + night);
        let hour = if second < daylight {
            DAYLIGHT.start + second / HOUR
        } else {
            DAYLIGHT.end + (second - daylight) / HOUR_AT_NIGHT
        };
        Self { day: Duration::from_secs_f64(days).as_secs(), hour: hour % 24.0 }
    }

    /// The time of day, for `simulator::SolarDay`.
    pub(super) fn time(self) -> Duration {
        Duration::from_secs_f64(self.hour * 3600.0)
    }

    /// The time of day, as clocks show it.
    pub(super) fn clock(self) -> String {
        let minutes = self.time().as_secs() / 60;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// The share of the light that passes the clouds.
    pub(super) fn clearness(self) -> f64 {
        let taken = CLOUDS.map(|(middle, half, share)| {
            let distance = (self.hour - middle) / half;
            share * (1.0 - distance * distance).max(0.0)
        });
        1.0 - taken.into_iter().fold(0.0, f64::max)
    }

    /// Whether openHAB is away.
    pub(super) fn is_outage(self) -> bool {
        OUTAGE.contains(&self.hour)
    }

    /// Whether the micro-inverter is awake.
    pub(super) fn is_awake(self) -> bool {
        AWAKE.contains(&self.hour)
    }

    /// Whether the sun is up.
    pub(super) fn is_daylight(self) -> bool {
        DAYLIGHT.contains(&self.hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sunrise_to_sunset_takes_about_a_minute_and_the_next_day_follows() {
        let moments = (0..4000).map(|n| Moment::after(Duration::from_millis(n * 50)));
        let moments: Vec<_> = moments.collect();
        assert_eq!(moments[0].clock(), "07:00");
        for pair in moments.windows(2) {
            let [before, after] = pair else { unreachable!() };
            assert!(after.day >= before.day);
            // Midnight is within a night, and a day of the demo begins at sunrise.
            let passed = (after.hour - before.hour).rem_euclid(24.0);
            assert!(passed > 0.0 && passed < 0.06, "{before:?} {after:?}");
        }
        let second_day = moments.iter().filter(|moment| moment.day == 1);
        let by_day = second_day.clone().filter(|moment| moment.is_daylight()).count();
        assert!((60 * 20..75 * 20).contains(&by_day), "{by_day} moments of 50 ms");
        assert_eq!(second_day.clone().next().unwrap().clock(), "06:00");
        assert!(second_day.clone().any(|moment| moment.is_outage() && moment.is_awake()));
    }

    #[test]
    fn clouds_take_light_and_never_all_of_it() {
        for minute in 0..24 * 60 {
            let moment = Moment { day: 0, hour: f64::from(minute) / 60.0 };
            assert!((0.25..=1.0).contains(&moment.clearness()), "{moment:?}");
        }
    }
}
