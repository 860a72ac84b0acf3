//! What the power explains: how much energy can have flowed while time passed.
//!
//! The energy guard judges each rise of a counter by this. Where the power is not known, what may
//! have flowed is estimated from the power before and after.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A power that has not changed for this long may be that of a device that hangs and repeats its last
/// values.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(3600);

/// Anything this soon after an update is the same update: openHAB sends two events for each.
pub(super) const SAME_UPDATE: Duration = Duration::from_secs(1);

/// A power that is read now and then is not a mean: twice as much may have flowed.
pub(super) const MARGIN: f64 = 2.0;

/// What is known of the power at a time: of one phase, or the sum over several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct KnownPower {
    /// |P| in W, where there is a value.
    pub(super) watts: Option<f64>,
    /// When the source last updated it.
    pub(super) updated: Option<Instant>,
    /// When it expires unless confirmed.
    pub(super) fresh_until: Option<Instant>,
    /// Until when the source counts as alive, if it gives no sign of life before.
    pub(super) alive_until: Option<Instant>,
}

/// What passed between two looks at the power.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Elapsed {
    /// All of it, in s.
    pub(super) seconds: f64,
    /// ∫|P|dt while the power was known, in Wh.
    pub(super) known_wh: f64,
    /// Time without a power that can be relied on, while the source lived, in s.
    pub(super) lived_s: f64,
    /// The same while the source was away, in s.
    pub(super) away_s: f64,
    /// The gap in which the power was unknown has ended: the larger of the powers at its ends.
    pub(super) gap_ended_w: Option<f64>,
}

/// The power over time, as far as the guard needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PowerHistory {
    /// When it was looked at last, and what was known then.
    at: Instant,
    now: KnownPower,
    /// Since when it has the same value.
    unchanged_since: Instant,
    /// The last reading of it that is not the same as the one before, and when that came.
    reading: Option<(f64, Instant)>,
    /// There is a gap: the power is unknown, or in doubt.
    is_gap: bool,
    /// The last power that was known, in W.
    pub(super) last_w: f64,
    /// The highest power that two readings in a row have reached, in W.
    pub(super) highest_w: f64,
    /// It has been above 0.
    pub(super) was_positive: bool,
}

/// What there is to remember of a `PowerHistory` beyond a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PowerSnapshot {
    /// The last power that was known, in W.
    pub last_w: f64,
    /// The highest power that two readings in a row have reached, in W.
    pub highest_w: f64,
    /// It has been above 0.
    pub was_positive: bool,
}

impl Elapsed {
    /// What the known power can have brought, in Wh.
    pub(super) fn explained_wh(self) -> f64 {
        MARGIN * self.known_wh
    }

    /// Whether there was a power that can be relied on, all the time.
    pub(super) fn is_known(self) -> bool {
        self.lived_s + self.away_s <= 0.0
    }
}

impl PowerHistory {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            now: KnownPower::default(),
            unchanged_since: now,
            reading: None,
            is_gap: true,
            last_w: 0.0,
            highest_w: 0.0,
            was_positive: false,
        }
    }

    pub(super) fn restore(&mut self, snapshot: PowerSnapshot) {
        let PowerSnapshot { last_w, highest_w, was_positive } = snapshot;
        self.last_w = self.last_w.max(last_w);
        self.highest_w = self.highest_w.max(highest_w);
        self.was_positive |= was_positive;
    }

    pub(super) fn snapshot(&self) -> PowerSnapshot {
        let Self { last_w, highest_w, was_positive, .. } = *self;
        PowerSnapshot { last_w, highest_w, was_positive }
    }

    /// Whether there is a fresh power.
    pub(super) fn is_known(&self) -> bool {
        self.now.watts.is_some()
    }

    /// The power now, in W; 0 where it is not known.
    pub(super) fn watts(&self) -> f64 {
        self.now.watts.unwrap_or_default()
    }

    /// Lets time pass until `now`, from when on `power` is known.
    pub(super) fn advance(&mut self, power: KnownPower, now: Instant) -> Elapsed {
        let mut elapsed = self.pass(now);
        self.is_gap |= elapsed.lived_s + elapsed.away_s > 0.0;
        let fresh = power.fresh_until.is_some_and(|until| now < until);
        let watts = power.watts.filter(|_| fresh);
        match watts {
            Some(watts) => {
                if self.now.watts != Some(watts) {
                    self.unchanged_since = now;
                }
                let same_for = now.saturating_duration_since(self.unchanged_since);
                let in_doubt = same_for >= DOUBTFUL_AFTER;
                if self.is_gap && !in_doubt {
                    elapsed.gap_ended_w = Some(self.last_w.max(watts));
                }
                self.is_gap = in_doubt;
                self.note_highest(watts, power.updated.unwrap_or(now));
                self.last_w = watts;
                self.was_positive |= watts > 0.0;
            }
            None => self.is_gap = true,
        }
        self.now = KnownPower { watts, ..power };
        elapsed
    }

    /// One reading alone may be a glitch.
    fn note_highest(&mut self, watts: f64, updated: Instant) {
        match self.reading {
            Some((_, last)) if updated.saturating_duration_since(last) < SAME_UPDATE => {}
            Some((previous, _)) => {
                self.highest_w = self.highest_w.max(previous.min(watts));
                self.reading = Some((watts, updated));
            }
            None => self.reading = Some((watts, updated)),
        }
    }

    /// What passed since the last look, with what was known then.
    fn pass(&mut self, now: Instant) -> Elapsed {
        let from = self.at;
        self.at = now.max(from);
        let seconds = |until: Option<Instant>| {
            let until = until.map_or(from, |until| until.clamp(from, self.at));
            until.saturating_duration_since(from).as_secs_f64()
        };
        let all = seconds(Some(self.at));
        let known = self.now.watts.map_or(0.0, |_| seconds(self.now.fresh_until));
        let alive = seconds(self.now.alive_until).max(known);
        let doubtful_from = self.unchanged_since.checked_add(DOUBTFUL_AFTER);
        let undoubted = seconds(doubtful_from).min(known);
        Elapsed {
            seconds: all,
            known_wh: self.now.watts.unwrap_or_default() * known / 3600.0,
            lived_s: alive - undoubted,
            away_s: all - alive,
            gap_ended_w: None,
        }
    }
}
