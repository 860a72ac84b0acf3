//! What to log about a counter: that it is held, why, until when, and the way out. Also what to log
//! about a power whose sign is hardly right.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{
    candidate::TOLERANCE_WH,
    counter::{Counter, CounterOutcome},
    reading::Point,
};
use crate::text::Kwh;

/// Anything shorter than this is not logged, except what cannot be the same counter.
const PATIENCE: Duration = Duration::from_mins(10);

/// Nor is that, if it is over within this time: it may be one wrong value, or the sum of a source
/// that restarts and still lacks parts of it.
const BRIEF: Duration = Duration::from_mins(2);

/// A held counter is logged at most this often; held for this long, it is a fault.
const HOUR: Duration = Duration::from_secs(3600);

/// That energy is held back is logged at most this often.
const DAY: Duration = Duration::from_hours(24);

/// A counter hangs if it does not move while the power brings more than this, in Wh.
const HANGS_WH: f64 = 1000.0;

/// News of one counter, or of one power.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterEvent {
    /// Which counter or power.
    pub point: Point,
    /// The item it is read from.
    pub item: String,
    /// The meter's serial number, for the way out.
    pub meter: String,
    /// What there is to say.
    pub news: News,
}

/// What there is to say of a counter or power. All values of counters are in Wh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// The first value is too low to be one.
    BelowThreshold {
        /// What the item shows.
        shown_wh: f64,
        /// What all items of the measurand must show together.
        min_wh: f64,
    },
    /// An item of a list has had no value for a day, and is left out until it has one.
    LeftOut,
    /// What the item shows is not served.
    Stands(Stand),
    /// It was held, and follows the item again.
    GoesOn {
        /// What is served.
        served_wh: f64,
    },
    /// The item shows another counter, which goes on without a step.
    Replaced {
        /// What the item shows.
        shown_wh: f64,
        /// What is served.
        served_wh: f64,
    },
    /// It rose more than the power explains, for an hour.
    HeldBack(Stand),
    /// It has not moved for an hour, while the power brought more than 1 kWh and two of its steps.
    Hangs {
        /// What is served.
        served_wh: f64,
        /// What the power explains since it last moved.
        explained_wh: f64,
    },
    /// The source does not confirm it any more.
    Silent {
        /// What is served.
        served_wh: f64,
    },
    /// The power of a producer has been negative for a while.
    Consumes {
        /// The power, in W.
        watts: f64,
    },
}

/// A counter that stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stand {
    /// Why.
    pub outcome: CounterOutcome,
    /// What the item shows, in Wh.
    pub shown_wh: f64,
    /// What is served, in Wh.
    pub served_wh: f64,
    /// How much higher it is than what was reached before, in Wh.
    pub rise_wh: f64,
    /// How much the known power explains of that, in Wh.
    pub explained_wh: f64,
}

/// Whether a counter stands, and what was said of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    stand: Option<(CounterOutcome, Instant)>,
    /// The present hold was logged.
    said_stands: bool,
    last_said: Option<Instant>,
    last_held_back: Option<Instant>,
    said_below: bool,
    /// The source does not confirm it since then, and whether that was said.
    silent: Option<(Instant, bool)>,
    /// When the counter that was logged to hang had last risen.
    said_hangs: Option<Instant>,
    /// The power says when it must move: the counter is all that the power is of.
    may_hang: bool,
}

impl Standing {
    /// A counter that must move where there is power, if `may_hang`.
    pub(super) fn new(may_hang: bool) -> Self {
        Self { may_hang, ..Self::default() }
    }

    /// An update was offered, with this outcome. Says what is news at once.
    pub(super) fn offered(
        &mut self,
        outcome: CounterOutcome,
        shown_wh: f64,
        served_wh: f64,
        now: Instant,
    ) -> Option<News> {
        let stands = !matches!(outcome, CounterOutcome::Accepted | CounterOutcome::Replaced);
        if stands {
            let since = self.stand.map_or(now, |(_, since)| since);
            self.stand = Some((outcome, since));
            return None;
        }
        self.stand = None;
        let was_said = std::mem::take(&mut self.said_stands);
        match outcome {
            CounterOutcome::Replaced => Some(News::Replaced { shown_wh, served_wh }),
            _ => was_said.then_some(News::GoesOn { served_wh }),
        }
    }

    /// The first value is too low.
    pub(super) fn below(&mut self, shown_wh: f64, min_wh: f64) -> Option<News> {
        let was_said = std::mem::replace(&mut self.said_below, true);
        (!was_said).then_some(News::BelowThreshold { shown_wh, min_wh })
    }

    /// What is news because time has passed. `is_confirmed` is whether the source still confirms
    /// the counter, or is away altogether.
    pub(super) fn watch(
        &mut self,
        counter: &Counter,
        shown_wh: f64,
        served_wh: f64,
        is_confirmed: bool,
        now: Instant,
    ) -> Option<News> {
        let (since, said) = self.silent.unwrap_or((now, false));
        let is_long = now.saturating_duration_since(since) >= PATIENCE;
        self.silent = (!is_confirmed).then_some((since, said || is_long));
        if !is_confirmed && is_long && !said {
            return Some(News::Silent { served_wh });
        }
        if let Some(stand) = self.stand(counter, shown_wh, served_wh) {
            return self.watch_stand(stand, now);
        }
        let explained_wh = counter.brought_wh();
        let rose = counter.rose();
        // Some count in steps of 1 or 10 kWh.
        let due_wh = HANGS_WH.max(2.0 * counter.step_wh());
        let hangs =
            self.may_hang && explained_wh > due_wh && now.saturating_duration_since(rose) >= HOUR;
        if hangs && self.said_hangs != Some(rose) {
            self.said_hangs = Some(rose);
            return Some(News::Hangs { served_wh, explained_wh });
        }
        None
    }

    fn watch_stand(&mut self, stand: Stand, now: Instant) -> Option<News> {
        let (outcome, since) = self.stand?;
        let life = now.saturating_duration_since(since);
        let within = |last: Option<Instant>, time: Duration| {
            last.is_some_and(|last| now.saturating_duration_since(last) < time)
        };
        if life >= HOUR && stand.rise_wh > 0.0 && !within(self.last_held_back, DAY) {
            self.last_held_back = Some(now);
            self.said_stands = true;
            return Some(match outcome {
                CounterOutcome::Unconfirmed => News::Stands(stand),
                _ => News::HeldBack(stand),
            });
        }
        let patience = match outcome {
            CounterOutcome::Candidate => BRIEF,
            // Some sources take hours for two updates; that is not worth a line.
            CounterOutcome::Unconfirmed => return None,
            CounterOutcome::Behind if stand.rise_wh > -TOLERANCE_WH => return None,
            _ => PATIENCE,
        };
        if self.said_stands || within(self.last_said, HOUR) || life < patience {
            return None;
        }
        self.said_stands = true;
        self.last_said = Some(now);
        Some(News::Stands(stand))
    }

    /// How it stands, if it does.
    pub(super) fn stand(&self, counter: &Counter, shown_wh: f64, served_wh: f64) -> Option<Stand> {
        let (outcome, _) = self.stand?;
        Some(Stand {
            outcome,
            shown_wh,
            served_wh,
            rise_wh: counter.rise_wh(shown_wh),
            explained_wh: counter.brought_wh(),
        })
    }
}

impl fmt::Display for CounterEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { point, item, meter, news } = self;
        write!(f, "{point}: ")?;
        match news {
            News::BelowThreshold { shown_wh, min_wh } => write!(
                f,
                "{item} shows {}, below min_energy_threshold ({}): no value yet",
                Kwh(*shown_wh),
                Kwh(*min_wh)
            ),
            News::LeftOut => write!(
                f,
                "{item} has had no value for a day; the others of its list are served without \
                 it, and it will add what it counts from its first value on"
            ),
            News::Stands(stand) => {
                write!(f, "{item} {stand}; `counters --reset {meter}` serves what it shows")
            }
            News::GoesOn { served_wh } => {
                write!(f, "{item} is followed again, at {}", Kwh(*served_wh))
            }
            News::Replaced { shown_wh, served_wh } => write!(
                f,
                "{item} shows another counter, now {}; what is served goes on without a \
                 step, at {}",
                Kwh(*shown_wh),
                Kwh(*served_wh)
            ),
            News::HeldBack(Stand { rise_wh, explained_wh, .. }) => write!(
                f,
                "held back for an hour: {item} rose {}, power explains {}; the power is of a \
                 part only, or a unit is mistaken; `counters --reset {meter}` serves what it shows",
                Kwh(*rise_wh),
                Kwh(*explained_wh)
            ),
            News::Hangs { served_wh, explained_wh } => write!(
                f,
                "{item} has stayed at {} for an hour, while power explains {}; does its \
                 source hang?",
                Kwh(*served_wh),
                Kwh(*explained_wh)
            ),
            News::Consumes { watts } => write!(
                f,
                "item {item} has been negative for a minute, now {watts} W, which is served as \
                 consumed; if the device generates that, give it factor: -1"
            ),
            News::Silent { served_wh } => {
                write!(f, "{item} is not confirmed any more; {} stays", Kwh(*served_wh))
            }
        }
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outcome, shown_wh, served_wh, rise_wh, explained_wh } = *self;
        write!(f, "shows {}, ", Kwh(shown_wh))?;
        if rise_wh < 0.0 {
            write!(f, "{} less than before", Kwh(-rise_wh))?;
        } else {
            write!(f, "{} more than before, power explains {}", Kwh(rise_wh), Kwh(explained_wh))?;
        }
        write!(f, "; {} stays until ", Kwh(served_wh))?;
        f.write_str(match outcome {
            CounterOutcome::Behind => "it has caught up",
            CounterOutcome::Unconfirmed => "two later updates confirm it",
            _ => "it is back, or has grown for ten minutes as another counter",
        })
    }
}
