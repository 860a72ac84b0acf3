//! The energy guard: what of an energy counter may be served.
//!
//! An inverter records a counter for good, and a wrong value is never undone. So a counter is not
//! served before a valid value came, it never falls, and what looks like an error has to prove
//! itself first.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// No household generates or draws more, in W. A counter that rises faster is not believed at once.
const MAX_POWER_W: f64 = 100_000.0;

/// What a counter may rise at once, in Wh: many count in whole kWh, and readings come late. A fall by
/// less is no reset either; it is waited out.
const SLACK: f64 = 1000.0;

/// A fall by less, in Wh, is rounding on the way here.
const ROUNDING: f64 = 1.0;

/// A counter that stays lower for so long, and grows, is another counter.
const RESET_AFTER: Duration = Duration::from_secs(600);

/// A jump, or a reset, must be confirmed by so many later updates.
const CONFIRMATIONS: u8 = 2;

/// openHAB tells of one update by two events; what comes so soon after the last is the same one.
const SAME_UPDATE: Duration = Duration::from_secs(1);

/// However long nothing was heard, no more is believed at once than this time allows.
const MAX_GAP: Duration = Duration::from_secs(24 * 3600);

/// For so long after a reset, what fits the counter of before better is taken for that one.
const FORMER_FOR: Duration = Duration::from_secs(24 * 3600);

/// What may have been served in the minute before a crash without having been saved, in Wh: 12 kW. So
/// much a new counter must count before it is believed to be past that.
const UNSAVED: f64 = 200.0;

/// A counter on its way to the inverter.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    threshold: f64,
    served: Option<Served>,
    lower: Option<Candidate>,
    higher: Option<Candidate>,
    former: Option<FormerCounter>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Served {
    value: f64,
    offset: f64,
    /// When the value was last seen to change, and how long it had stood before that.
    changed: Instant,
    stood: Duration,
    /// Whether nothing higher can have been served.
    certain: bool,
}

/// Readings that cannot be believed yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    /// What it counts from.
    first: f64,
    /// Since when it is shown; of one that grows, since when it does.
    since: Instant,
    /// The last value, and when it was last seen to change.
    last: f64,
    changed: Instant,
    /// Whether it has grown. A counter does, an error may stay as it is.
    grown: bool,
    confirmations: u8,
    /// When the last of these came.
    confirmed: Instant,
    /// How long nobody looked before the next.
    away: Duration,
}

/// The counter before the last reset: it may come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FormerCounter {
    /// Its offset, in Wh.
    pub offset: f64,
    /// What the source showed last of it, in Wh.
    pub shown: f64,
    /// When the reset was.
    pub since: Instant,
}

/// What may be a new counter, and is not believed yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lower {
    /// What the source showed first of it, in Wh.
    pub first: f64,
    /// What it showed last, in Wh.
    pub last: f64,
    /// Since when it is shown.
    pub since: Instant,
}

/// What there is to remember of a counter beyond a restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterSnapshot {
    /// The value served last, in Wh.
    pub served: f64,
    /// What is added to the source's counter, in Wh; not 0 after the source's was exchanged.
    pub offset: f64,
    /// The counter before that exchange.
    pub former: Option<FormerCounter>,
    /// What may become the next exchange.
    pub lower: Option<Lower>,
    /// Whether nothing higher was ever served. After a crash that is not certain, and then the value
    /// is a lower bound, which is not served before the source has confirmed it.
    pub certain: bool,
}

/// What became of a value offered to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterOutcome {
    /// It is the served value now.
    Taken,
    /// It is below the threshold: the source does not have the counter yet.
    BelowThreshold,
    /// It is below the served value, which stays.
    Fallen,
    /// It is further above than can have been generated since, and waits to be confirmed.
    Jumped,
    /// It belongs to a new counter, which goes on where the old one ended.
    Reset,
    /// The reset was an error: the old counter is back.
    Restored,
}

impl fmt::Display for CounterOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "believed again",
            Self::BelowThreshold => "below min_energy_threshold, so it is not there yet",
            Self::Fallen => "lower than before, so the higher value stays",
            Self::Jumped => "too much at once, so it must be confirmed by two more updates",
            Self::Reset => "a counter that began anew; it goes on from the value served before",
            Self::Restored => "the counter of before; it had not begun anew after all",
        })
    }
}

impl Counter {
    /// A counter without a value. Values below `threshold`, in Wh, are not believed then.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self { threshold, served: None, lower: None, higher: None, former: None }
    }

    /// A counter that was served before, `age` ago.
    #[must_use]
    pub fn restored(
        threshold: f64,
        snapshot: CounterSnapshot,
        age: Duration,
        now: Instant,
    ) -> Self {
        let CounterSnapshot { served: value, offset, former, lower, certain } = snapshot;
        let served = Some(Served { value, offset, changed: now, stood: age, certain });
        let lower = lower.map(|lower| Candidate::restored(lower, age, now));
        Self { served, lower, former, ..Self::new(threshold) }
    }

    /// The source shows `value`, in Wh, updated at `at`. An update must be offered only once, since
    /// updates confirm each other.
    pub fn offer(&mut self, value: f64, at: Instant) -> CounterOutcome {
        let Some(served) = self.served else {
            if value < self.threshold {
                return CounterOutcome::BelowThreshold;
            }
            self.serve(value, 0.0, at);
            return CounterOutcome::Taken;
        };
        let candidate = value + served.offset;
        if candidate > served.value + served.credible_rise(at) {
            self.rise(served, value, at)
        } else if candidate >= served.value {
            self.advance(served, value, at)
        } else if served.value - candidate < ROUNDING {
            self.serve(served.value, served.offset, served.changed);
            CounterOutcome::Taken
        } else {
            self.fall(served, value, at)
        }
    }

    /// The value to serve, in Wh; none before the first valid one.
    #[must_use]
    pub fn served(&self) -> Option<f64> {
        self.served.filter(|served| served.certain).map(|served| served.value)
    }

    /// What is to be remembered.
    #[must_use]
    pub fn snapshot(&self) -> Option<CounterSnapshot> {
        let Served { value, offset, certain, .. } = self.served?;
        let lower =
            self.lower.map(|Candidate { first, last, since, .. }| Lower { first, last, since });
        Some(CounterSnapshot { served: value, offset, former: self.former, lower, certain })
    }

    fn serve(&mut self, value: f64, offset: f64, changed: Instant) {
        let stood = match self.served {
            Some(served) if served.changed == changed => served.stood,
            _ => Duration::ZERO,
        };
        self.served = Some(Served { value, offset, changed, stood, certain: true });
        self.lower = None;
        self.higher = None;
    }

    /// The value is as expected, unless the counter before the last reset fits better.
    fn advance(&mut self, served: Served, value: f64, at: Instant) -> CounterOutcome {
        let rise = value + served.offset - served.value;
        let recently =
            |former: FormerCounter| at.saturating_duration_since(former.since) < FORMER_FOR;
        if rise > SLACK
            && self.former.is_some_and(recently)
            && self.restore(served, value, rise, at)
        {
            return CounterOutcome::Restored;
        }
        let changed = if rise > 0.0 { at } else { served.changed };
        self.serve(value + served.offset, served.offset, changed);
        CounterOutcome::Taken
    }

    fn rise(&mut self, served: Served, value: f64, at: Instant) -> CounterOutcome {
        let candidate = Candidate::with(self.higher, value, at);
        self.higher = Some(candidate);
        // What flips to and fro confirms nothing.
        if let Some(lower) = &mut self.lower {
            lower.confirmations = 0;
        }
        if candidate.confirmations < CONFIRMATIONS {
            return CounterOutcome::Jumped;
        }
        // However long ago the reset was: to add the old counter to itself cannot be right.
        if self.restore(served, value, f64::INFINITY, at) {
            return CounterOutcome::Restored;
        }
        self.serve(value + served.offset, served.offset, at);
        CounterOutcome::Taken
    }

    /// Goes back to the counter before the last reset, if `value` goes on from what that showed last
    /// by less than the `rise` it would be for the counter of now. It may come back less exact.
    fn restore(&mut self, served: Served, value: f64, rise: f64, at: Instant) -> bool {
        let Some(former) = self.former else { return false };
        let former_rise = value - former.shown;
        let fits = (-SLACK..rise.min(credible(FORMER_FOR))).contains(&former_rise);
        if fits {
            self.serve((value + former.offset).max(served.value), former.offset, at);
            self.former = None;
        }
        fits
    }

    fn fall(&mut self, served: Served, value: f64, at: Instant) -> CounterOutcome {
        let candidate = Candidate::with(self.lower, value, at);
        self.lower = Some(candidate);
        self.higher = None;
        let Candidate { first, since, grown, confirmations, .. } = candidate;
        let unsaved = if served.certain { 0.0 } else { UNSAVED };
        let another = served.value - (first + served.offset) >= SLACK
            && grown
            && value - first > unsaved
            && confirmations >= CONFIRMATIONS
            && at.saturating_duration_since(since) >= RESET_AFTER;
        if !another {
            return CounterOutcome::Fallen;
        }
        let shown = served.value - served.offset;
        self.former = Some(FormerCounter { offset: served.offset, shown, since: at });
        let offset = served.value - first;
        self.serve(value + offset, offset, at);
        CounterOutcome::Reset
    }
}

impl Served {
    /// How much more the counter may show at `at`, in Wh.
    fn credible_rise(&self, at: Instant) -> f64 {
        credible(at.saturating_duration_since(self.changed).saturating_add(self.stood))
    }
}

impl Candidate {
    fn new(value: f64, at: Instant) -> Self {
        Self {
            first: value,
            since: at,
            last: value,
            changed: at,
            grown: false,
            confirmations: 0,
            confirmed: at,
            away: Duration::ZERO,
        }
    }

    /// A candidate from before a restart, `age` ago. That time allows the counter to have grown, but
    /// confirms nothing: nobody looked.
    fn restored(Lower { first, last, since }: Lower, age: Duration, now: Instant) -> Self {
        let changed = since.checked_sub(age).unwrap_or(since);
        let grown = last - first > ROUNDING;
        Self { since, last, changed, grown, away: age, ..Self::new(first, now) }
    }

    /// Adds an update to a candidate, or begins a new one if it does not go on from the last.
    fn with(candidate: Option<Self>, value: f64, at: Instant) -> Self {
        match candidate.filter(|candidate| candidate.goes_on_with(value, at)) {
            Some(mut known) => {
                known.add(value, at);
                known
            }
            None => Self::new(value, at),
        }
    }

    fn goes_on_with(&self, value: f64, at: Instant) -> bool {
        let time = at.saturating_duration_since(self.changed);
        (-ROUNDING..=credible(time)).contains(&(value - self.last))
    }

    fn add(&mut self, value: f64, at: Instant) {
        let since_update = at.saturating_duration_since(self.confirmed);
        let step = value - self.last;
        if step > credible(since_update.saturating_add(self.away)) {
            // Nothing counts so fast while it is looked at: this is where the counter begins.
            self.first = value;
            (self.since, self.confirmations, self.grown) = (at, 0, true);
        } else {
            if !self.grown && value - self.first > ROUNDING {
                (self.since, self.confirmations, self.grown) = (self.confirmed, 0, true);
            }
            if since_update >= SAME_UPDATE {
                self.confirmations = self.confirmations.saturating_add(1);
            }
        }
        if step > 0.0 {
            (self.last, self.changed) = (value, at);
        }
        if since_update >= SAME_UPDATE {
            (self.confirmed, self.away) = (at, Duration::ZERO);
        }
    }
}

/// What a counter may rise by in `time`, in Wh.
fn credible(time: Duration) -> f64 {
    MAX_POWER_W * time.min(MAX_GAP).as_secs_f64() / 3600.0 + SLACK
}

#[cfg(test)]
mod tests;
