//! The last day of a meter, a point a minute.
//!
//! Pure: the clock is passed in.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime},
};

use super::{board::seconds_since_1970, snapshot::HistorySnapshot};
use crate::meter::measurements::Measurements;

/// From one point to the next.
const STEP: Duration = Duration::from_mins(1);

/// The points of a day.
const POINTS: usize = 1440;

/// What was served at one time, if anything was live.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Served {
    power_w: f64,
    exported_wh: f64,
    imported_wh: f64,
}

/// The last day of a meter.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Option<Served>>,
    /// When the last of them was taken.
    last: Option<Instant>,
}

impl History {
    /// Takes what is live now, if a minute has passed. One that passed without a look, such as while
    /// the machine slept, is a gap.
    pub(super) fn note(&mut self, live: Option<&Measurements>, now: Instant) {
        let passed = self.last.map(|last| now.saturating_duration_since(last));
        let steps = passed
            .map_or(1, |passed| passed.as_secs().checked_div(STEP.as_secs()).unwrap_or_default());
        if steps == 0 {
            return;
        }
        for _ in 1..steps.min(POINTS as u64) {
            self.push(None);
        }
        self.push(live.map(|live| Served {
            power_w: live.power.total,
            exported_wh: live.exported.total,
            imported_wh: live.imported.total,
        }));
        self.last = match self.last {
            // Not `now`, or each point would be a little later than the last.
            Some(last) if steps < POINTS as u64 => {
                last.checked_add(STEP.saturating_mul(u32::try_from(steps).unwrap_or(1)))
            }
            _ => Some(now),
        };
    }

    fn push(&mut self, point: Option<Served>) {
        if self.points.len() >= POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// All of it. The wall clock may have been set since, so it counts from the present.
    pub(super) fn snapshot(&self, now: Instant, clock: SystemTime) -> HistorySnapshot {
        let before_last = u32::try_from(self.points.len().saturating_sub(1)).unwrap_or_default();
        let age = self.last.map(|last| now.saturating_duration_since(last)).unwrap_or_default();
        let start = clock.checked_sub(age.saturating_add(STEP.saturating_mul(before_last)));
        let all = |value: fn(Served) -> f64| self.points.iter().map(move |point| point.map(value));
        HistorySnapshot {
            start_s: start.map_or(0.0, seconds_since_1970),
            step_s: STEP.as_secs_f64(),
            power_w: all(|served| served.power_w).collect(),
            exported_wh: all(|served| served.exported_wh).collect(),
            imported_wh: all(|served| served.imported_wh).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::measurements::ThreePhase;

    fn power(watts: f64) -> Measurements {
        Measurements { power: ThreePhase::sum([watts, 0.0, 0.0]), ..Measurements::default() }
    }

    #[test]
    fn it_has_a_point_a_minute_and_gaps() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        for (seconds, watts) in [(0, 1.0), (5, 2.0), (61, 3.0), (119, 4.0), (122, 5.0)] {
            history.note(Some(&power(watts)), at(seconds));
        }
        history.note(None, at(185));
        history.note(Some(&power(6.0)), at(365));
        let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_370);
        let snapshot = history.snapshot(at(370), clock);
        let expected = [Some(1.0), Some(3.0), Some(5.0), None, None, None, Some(6.0)];
        assert_eq!(snapshot.power_w, expected);
        assert_eq!((snapshot.start_s, snapshot.step_s), (1_000_000.0, 60.0));
    }

    #[test]
    fn it_is_a_day_and_no_more() {
        let start = Instant::now();
        let at = |minute| start + Duration::from_mins(minute);
        let mut history = History::default();
        for minute in 0..3000_u32 {
            history.note(Some(&power(minute.into())), at(minute.into()));
        }
        let snapshot = history.snapshot(at(2999), SystemTime::now());
        assert_eq!((snapshot.power_w.len(), snapshot.power_w[0]), (1440, Some(1560.0)));
        // A month without a look.
        history.note(None, at(50_000));
        assert_eq!(history.snapshot(at(50_000), SystemTime::now()).power_w, vec![None; 1440]);
    }
}
