//! A counter that is not the one served so far, and has to prove that it is one.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::power::{Elapsed, SAME_UPDATE};

/// How long a candidate must last.
const MIN_LIFE: Duration = Duration::from_secs(600);

/// How many later updates must confirm it.
const CONFIRMATIONS: u8 = 2;

/// How far a counter may dip, in Wh: some waver.
pub(super) const TOLERANCE_WH: f64 = 20.0;

/// Updates that agree with each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Updates {
    /// Later ones than the first, and when the last came.
    later: u8,
    last: Instant,
}

impl Updates {
    pub(super) fn new(now: Instant) -> Self {
        Self { later: 0, last: now }
    }

    /// One more agrees.
    pub(super) fn add(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last) >= SAME_UPDATE {
            self.later = self.later.saturating_add(1);
            self.last = now;
        }
    }

    /// Whether enough of them agree.
    pub(super) fn are_enough(self) -> bool {
        self.later >= CONFIRMATIONS
    }
}

/// Readings that cannot be the counter served so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// What the source showed first and last of it, in Wh.
    pub(super) first_wh: f64,
    pub(super) last_wh: f64,
    pub(super) since: Instant,
    /// Updates that went on from it.
    updates: Updates,
    /// What the power explains since it last rose, in Wh.
    known_wh: f64,
    /// What the power explains since it was first shown, in Wh; none where it was not known.
    explained_wh: Option<f64>,
}

/// What there is to remember of it beyond a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateSnapshot {
    /// What the source showed first of it, in Wh.
    pub first_wh: f64,
    /// What it showed last, in Wh.
    pub last_wh: f64,
    /// For how long it was shown, in s.
    pub life_s: f64,
    /// Later updates that went on from it.
    pub confirmations: u8,
}

impl Candidate {
    pub(super) fn new(shown_wh: f64, now: Instant) -> Self {
        Self {
            first_wh: shown_wh,
            last_wh: shown_wh,
            since: now,
            updates: Updates::new(now),
            known_wh: 0.0,
            explained_wh: Some(0.0),
        }
    }

    /// Time in which nobody looked adds nothing to its life.
    pub(super) fn restored(snapshot: CandidateSnapshot, now: Instant) -> Self {
        let CandidateSnapshot { first_wh, last_wh, life_s, confirmations } = snapshot;
        let life = Duration::try_from_secs_f64(life_s).unwrap_or_default();
        let since = now.checked_sub(life).unwrap_or(now);
        let updates = Updates { later: confirmations, last: now };
        Self { first_wh, last_wh, since, updates, known_wh: 0.0, explained_wh: None }
    }

    pub(super) fn snapshot(&self, now: Instant) -> CandidateSnapshot {
        let Self { first_wh, last_wh, since, updates, .. } = *self;
        let life_s = now.saturating_duration_since(since).as_secs_f64();
        CandidateSnapshot { first_wh, last_wh, life_s, confirmations: updates.later }
    }

    pub(super) fn add(&mut self, elapsed: Elapsed) {
        self.known_wh += elapsed.explained_wh();
        self.explained_wh =
            self.explained_wh.filter(|_| elapsed.is_known()).map(|wh| wh + elapsed.explained_wh());
    }

    /// Goes on with an update, if that fits: no more than the tolerance lower, and higher by no more
    /// than the known power explains and `free_wh` allows, which it draws on.
    pub(super) fn goes_on(&mut self, shown_wh: f64, now: Instant, free_wh: &mut f64) -> bool {
        let rise = shown_wh - self.last_wh;
        let drawn = (rise - self.known_wh).max(0.0);
        if rise < -TOLERANCE_WH || drawn > *free_wh {
            return false;
        }
        if rise > 0.0 {
            *free_wh -= drawn;
            self.last_wh = shown_wh;
            self.known_wh = 0.0;
        }
        self.updates.add(now);
        true
    }

    /// What it has counted, as far as the power explains that, in Wh. A counter in whole kWh is
    /// first seen to grow at the end of a step, which may have begun before.
    pub(super) fn growth_wh(&self) -> f64 {
        let growth = self.last_wh - self.first_wh;
        self.explained_wh.map_or(growth, |explained| growth.min(explained))
    }

    /// Whether it is a counter: it has lasted, and grown, as an error does not.
    pub(super) fn is_counter(&self, now: Instant) -> bool {
        self.updates.are_enough()
            && self.last_wh > self.first_wh
            && now.saturating_duration_since(self.since) >= MIN_LIFE
    }
}
