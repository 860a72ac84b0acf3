//! What happens in the demo at a moment, in words.

use super::day::Moment;
use crate::{commands::screen::line::Tone, meter::Condition};

/// A headline, which fits any window, and what there is to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Story {
    pub(super) headline: &'static str,
    pub(super) detail: &'static str,
    pub(super) tone: Tone,
}

impl Story {
    /// What happens at `moment`, while openHAB is away or not and the meter is in this condition.
    pub(super) fn of(moment: Moment, is_away: bool, condition: Condition) -> Self {
        let told = |tone, headline, detail| Self { headline, detail, tone };
        match (is_away, condition) {
            (_, Condition::Waiting) => told(
                Tone::Odd,
                "The meter waits for its first values",
                "Until each counter has had a value there is nothing to serve, and it says so.",
            ),
            (true, Condition::Live) => told(
                Tone::Odd,
                "openHAB is gone; its values still hold",
                "They are served until they are older than stale_after. That is 2 s here, and 30 s \
                 unless you set it.",
            ),
            (true, Condition::Stale) => told(
                Tone::Bad,
                "openHAB is away: 0 W, energy stands",
                "Nobody knows the power, so the meter serves 0 W: that is on_stale: zero. The energy \
                 stays as it is, and each poll is answered at once.",
            ),
            (false, Condition::Stale) => told(
                Tone::Odd,
                "openHAB is back, and will be found soon",
                "The meter asks again every few seconds. Then it is live again, and the energy goes on \
                 from where openHAB is.",
            ),
            (false, Condition::Live) => Self::of_day(moment),
        }
    }

    fn of_day(moment: Moment) -> Self {
        let told = |headline, detail| Self { headline, detail, tone: Tone::Good };
        match moment {
            moment if !moment.is_daylight() => told(
                "Night: 0 W, and the energy stands",
                "The items of the micro-inverter are UNDEF. The meter never takes that for 0: its energy \
                 stays in the sum.",
            ),
            moment if !moment.is_awake() => told(
                "The balcony sleeps, the roof does not",
                "The items of its micro-inverter are UNDEF. Its power counts as 0 W while the roof's is \
                 fresh; its energy stays in the sum.",
            ),
            moment if moment.clearness() < 0.9 => told(
                "A cloud: the meter follows at once",
                "openHAB sends each change as an event, and the next poll reads it. Every poll is \
                 answered from memory, with values of one instant.",
            ),
            _ => told(
                "The sun shines on roof and balcony",
                "The meter is the sum of both. A generator's power is negative to an inverter. The energy \
                 counts in real time, not in that of the day.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::screen::line::{Line, wrap};

    #[test]
    fn every_story_fits_where_it_is_told() {
        let moments = (0..24 * 60).map(|minute| Moment { day: 0, hour: f64::from(minute) / 60.0 });
        for moment in moments {
            for is_away in [false, true] {
                for condition in [Condition::Waiting, Condition::Live, Condition::Stale] {
                    let story = Story::of(moment, is_away, condition);
                    assert!(Line::new(Tone::Plain, story.headline).width() <= 40, "{story:?}");
                    assert!(wrap(story.detail, 40).len() <= 4, "{story:?}");
                    assert!(wrap(story.detail, 70).len() <= 2, "{story:?}");
                }
            }
        }
    }
}
