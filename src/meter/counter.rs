//! The energy guard: what of an energy counter may be served.
//!
//! An inverter records a counter for good, and a wrong value is never undone. One rule decides, in
//! both directions: what cannot be the same counter is another one, and goes on without a step.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{
    candidate::{Candidate, CandidateSnapshot, TOLERANCE_WH, Updates},
    explained::{Explained, ExplainedSnapshot},
    power::{Elapsed, PowerHistory},
};

/// What a counter may rise by without a power that explains it, in Wh: many count in whole kWh, and
/// readings come late. Refilled at half of `max_power`. A counter that falls by less is waited for.
pub(crate) const FREE_WH: f64 = 1000.0;

/// Tolerance for sums of floats that are meant to be equal, in Wh.
const ROUNDING_WH: f64 = 1e-3;

/// A counter on its way to the inverter.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// What the source has reached, with the offset, in Wh.
    reached_wh: f64,
    /// What is added to the source's counter, in Wh; not 0 after the source's was exchanged.
    offset_wh: f64,
    /// What is left of [`FREE_WH`].
    free_wh: f64,
    /// What can have flowed since it last rose.
    explained: Explained,
    /// When it last rose, or was first shown.
    rose: Instant,
    /// By how much it rose then, in Wh.
    step_wh: f64,
    candidate: Option<Candidate>,
    unconfirmed: Option<Unconfirmed>,
}

/// Readings above what the known power explains, but within what may have flowed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Unconfirmed {
    highest_wh: f64,
    updates: Updates,
}

/// What there is to remember of a counter beyond a restart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterSnapshot {
    /// What the source has reached, with the offset, in Wh.
    pub reached_wh: f64,
    /// What is added to the source's counter, in Wh.
    pub offset_wh: f64,
    /// What it may still rise by without a power that explains it, in Wh.
    pub free_wh: f64,
    /// What can have flowed since it last rose.
    #[serde(default)]
    pub explained: ExplainedSnapshot,
    /// What may become another counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateSnapshot>,
}

/// What became of a value offered to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterOutcome {
    /// It is the served value now.
    Accepted,
    /// It is a little lower than what was reached, which stays until the source has caught up.
    Behind,
    /// It is higher than the known power explains, and waits for two later updates.
    Unconfirmed,
    /// It cannot be the same counter.
    Candidate,
    /// It is another counter, which goes on from what was reached.
    Replaced,
}

/// The circumstances of an offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) power: &'a PowerHistory,
    pub(super) max_power_w: f64,
    pub(super) now: Instant,
    pub(super) clock: SystemTime,
}

impl Counter {
    /// A counter of which the source shows `shown_wh` first; it starts from `start_wh`.
    #[must_use]
    pub(super) fn new(shown_wh: f64, start_wh: f64, now: Instant) -> Self {
        Self {
            reached_wh: start_wh,
            offset_wh: start_wh - shown_wh,
            free_wh: FREE_WH,
            explained: Explained::default(),
            rose: now,
            step_wh: 0.0,
            candidate: None,
            unconfirmed: None,
        }
    }

    pub(super) fn restored(snapshot: CounterSnapshot, explained: Explained, now: Instant) -> Self {
        let CounterSnapshot { reached_wh, offset_wh, free_wh, candidate, .. } = snapshot;
        let candidate = candidate.map(|candidate| Candidate::restored(candidate, now));
        Self {
            reached_wh,
            offset_wh,
            free_wh: free_wh.min(FREE_WH),
            explained,
            rose: now,
            step_wh: 0.0,
            candidate,
            unconfirmed: None,
        }
    }

    pub(super) fn snapshot(
        &self,
        power: &PowerHistory,
        now: Instant,
        clock: SystemTime,
    ) -> CounterSnapshot {
        CounterSnapshot {
            reached_wh: self.reached_wh,
            offset_wh: self.offset_wh,
            free_wh: self.free_wh,
            explained: self.explained.snapshot(power, now, clock),
            candidate: self.candidate.map(|candidate| candidate.snapshot(now)),
        }
    }

    /// What the source has reached, with the offset, in Wh. Never falls.
    #[must_use]
    pub fn reached_wh(&self) -> f64 {
        self.reached_wh
    }

    /// What is added to the source's counter, in Wh.
    #[must_use]
    pub fn offset_wh(&self) -> f64 {
        self.offset_wh
    }

    /// When it last rose, or was first shown.
    #[must_use]
    pub fn rose(&self) -> Instant {
        self.rose
    }

    /// By how much it rose then, in Wh.
    #[must_use]
    pub fn step_wh(&self) -> f64 {
        self.step_wh
    }

    /// What the known power has brought since then, in Wh.
    #[must_use]
    pub fn brought_wh(&self) -> f64 {
        self.explained.brought_wh()
    }

    pub(super) fn add(&mut self, elapsed: Elapsed, max_power_w: f64) {
        let refill = max_power_w / 2.0 * elapsed.seconds / 3600.0;
        self.free_wh = (self.free_wh + refill).min(FREE_WH);
        self.explained.add(elapsed);
        if let Some(candidate) = &mut self.candidate {
            candidate.add(elapsed);
        }
    }

    /// The source shows `shown_wh`. An update must be offered only once, since updates confirm each
    /// other.
    pub(super) fn offer(&mut self, shown_wh: f64, at: Circumstances<'_>) -> CounterOutcome {
        let rise = self.rise_wh(shown_wh);
        let band = FREE_WH.min(shown_wh / 2.0);
        let known = self.explained.known_wh();
        if (-ROUNDING_WH..=self.free_wh + known).contains(&rise) {
            self.advance(shown_wh, known, at.now);
            return CounterOutcome::Accepted;
        }
        if -band < rise && rise < 0.0 {
            (self.candidate, self.unconfirmed) = (None, None);
            return CounterOutcome::Behind;
        }
        let candidate = self.candidate_with(shown_wh, at.now);
        let unknown = self.explained.unknown_wh(at.power, at.max_power_w, at.now, at.clock);
        if rise > 0.0 && rise <= self.free_wh + known + unknown {
            if !self.is_confirmed_by(shown_wh, at.now) {
                return CounterOutcome::Unconfirmed;
            }
            self.advance(shown_wh, known + unknown, at.now);
            return CounterOutcome::Accepted;
        }
        self.unconfirmed = None;
        if candidate.is_counter(at.now) {
            self.offset_wh = self.reached_wh + candidate.growth_wh() - shown_wh;
            self.advance(shown_wh, f64::INFINITY, at.now);
            return CounterOutcome::Replaced;
        }
        CounterOutcome::Candidate
    }

    /// How much higher than what was reached `shown_wh` is, in Wh.
    pub(super) fn rise_wh(&self, shown_wh: f64) -> f64 {
        shown_wh + self.offset_wh - self.reached_wh
    }

    /// Goes on to what is shown. What is not explained is drawn on the free kilowatt-hour.
    fn advance(&mut self, shown_wh: f64, explained_wh: f64, now: Instant) {
        (self.candidate, self.unconfirmed) = (None, None);
        let rise = self.rise_wh(shown_wh);
        if rise > ROUNDING_WH {
            self.reached_wh = shown_wh + self.offset_wh;
            self.free_wh -= (rise - explained_wh).clamp(0.0, self.free_wh);
            self.explained = Explained::default();
            self.rose = now;
            self.step_wh = rise;
        }
    }

    /// Records an update that the power may explain. Returns whether two later ones have not fallen;
    /// how much they may rise by, nobody knows then.
    fn is_confirmed_by(&mut self, shown_wh: f64, now: Instant) -> bool {
        let new = Unconfirmed { highest_wh: shown_wh, updates: Updates::new(now) };
        let fits = |known: &Unconfirmed| known.highest_wh <= shown_wh + TOLERANCE_WH;
        let mut unconfirmed = self.unconfirmed.filter(fits).unwrap_or(new);
        unconfirmed.highest_wh = unconfirmed.highest_wh.max(shown_wh);
        unconfirmed.updates.add(now);
        self.unconfirmed = Some(unconfirmed);
        unconfirmed.updates.are_enough()
    }

    /// The candidate with one more update, or a new one.
    fn candidate_with(&mut self, shown_wh: f64, now: Instant) -> Candidate {
        let candidate = self.candidate.get_or_insert_with(|| Candidate::new(shown_wh, now));
        if !candidate.goes_on(shown_wh, now, &mut self.free_wh) {
            *candidate = Candidate::new(shown_wh, now);
        }
        *candidate
    }
}
