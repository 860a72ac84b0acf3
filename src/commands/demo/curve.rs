//! The power of a day, as bars.

use super::{
    day::{DAYLIGHT, Moment},
    plant::MAX_POWER,
};
use crate::{
    commands::screen::line::{Line, Tone},
    meter::Condition,
};

/// How finely a day is remembered: by the minute.
const SLOTS: usize = 14 * 60;

/// A bar in eighths of a line.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What was served at a time.
#[derive(Clone, Copy, Debug)]
enum Served {
    /// The demo had not begun.
    Nothing,
    Stale,
    Watts(f64),
}

/// What a meter served in the daylight of one day.
#[derive(Debug, Default)]
pub(super) struct Curve {
    day: u64,
    /// From the left.
    served: Vec<Served>,
}

impl Curve {
    /// Notes what is served at `moment`. A new day begins a new curve.
    pub(super) fn note(&mut self, moment: Moment, condition: Condition, watts: f64) {
        if moment.day != self.day {
            *self = Self { day: moment.day, served: Vec::new() };
        }
        if !moment.is_daylight() {
            return;
        }
        let wanted = whole((moment.hour - DAYLIGHT.start) * 60.0).saturating_add(1);
        if self.served.is_empty() && moment.day == 0 {
            self.served.resize(wanted, Served::Nothing);
        }
        let served = match condition {
            Condition::Live => Served::Watts(watts.abs()),
            Condition::Stale | Condition::Waiting => Served::Stale,
        };
        // What lies between two readings is as the later one.
        self.served.resize(wanted.max(self.served.len()), served);
    }

    /// Bars in so many columns and lines.
    pub(super) fn bars(&self, columns: usize, rows: usize) -> Vec<Line> {
        (0..rows).rev().map(|row| self.row(row, columns, rows)).collect()
    }

    /// One line of them, counted from below.
    fn row(&self, row: usize, columns: usize, rows: usize) -> Line {
        let full = rows.saturating_mul(8);
        (0..columns).fold(Line::default(), |line, column| {
            let slot = column.saturating_mul(SLOTS).checked_div(columns).unwrap_or_default();
            match self.served.get(slot) {
                Some(Served::Watts(watts)) => {
                    let height = eighths(*watts, full).saturating_sub(row.saturating_mul(8));
                    line.and(Tone::Good, EIGHTHS.get(height.min(8)).copied().unwrap_or(' '))
                }
                Some(Served::Stale) if row == 0 => line.and(Tone::Bad, '×'),
                _ => line.and(Tone::Plain, ' '),
            }
        })
    }
}

/// The height of a bar, of which `full` is the highest. Any power at all can be seen.
fn eighths(watts: f64, full: usize) -> usize {
    let full = u32::try_from(full).map_or(0.0, f64::from);
    whole((watts / f64::from(MAX_POWER) * full).ceil())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(curve: &Curve, columns: usize, rows: usize) -> Vec<String> {
        curve.bars(columns, rows).iter().map(|line| line.paint(false)).collect()
    }

    #[test]
    fn a_day_grows_from_the_left_and_the_next_one_begins_again() {
        let mut curve = Curve::default();
        let at = |day, hour| Moment { day, hour };
        let peak = f64::from(MAX_POWER);
        for (hour, watts) in [(6.0, 0.0), (9.6, peak / 16.0), (13.1, -peak)] {
            curve.note(at(0, hour), Condition::Live, watts);
        }
        curve.note(at(0, 16.6), Condition::Stale, 0.0);
        assert_eq!(painted(&curve, 4, 2), ["  █ ", " ▁█×"]);
        assert_eq!(painted(&curve, 4, 1), [" ▁█×"]);
        curve.note(at(0, 23.0), Condition::Live, peak);
        curve.note(at(0, 3.0), Condition::Live, peak);
        assert_eq!(painted(&curve, 4, 1), [" ▁█×"], "the night is not in it");
        curve.note(at(1, 6.0), Condition::Live, 1.0);
        assert_eq!(painted(&curve, 4, 1), ["▁   "]);
    }
}
