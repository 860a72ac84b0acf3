//! What can have flowed since a counter last rose: what the power explains, and what time without a
//! power may have brought.

use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::power::{Elapsed, MARGIN, PowerHistory, PowerSnapshot};

/// The most time without a power that counts while the source was there, in s.
const MAX_LIVED_S: f64 = 3.0 * 3600.0;

/// The most that counts while the source, or this service, was away, in s.
const MAX_AWAY_S: f64 = 31.0 * 24.0 * 3600.0;

/// Longer than a night: the powers before and after say nothing of what was between.
const LONG_S: f64 = 18.0 * 3600.0;

/// Time in which this service did not run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Down {
    /// When the counters were saved, and when the service started again.
    saved: SystemTime,
    started: Instant,
    /// The larger of the powers before and after, as far as they are known, in W.
    power_w: f64,
    is_over: bool,
}

impl Down {
    /// How long it was, in s. A machine without a clock learns the time late, so this is asked for
    /// when it matters.
    fn seconds(&self, now: Instant, clock: SystemTime) -> f64 {
        let since_saved = clock.duration_since(self.saved).unwrap_or_default();
        let since_start = now.saturating_duration_since(self.started);
        since_saved.saturating_sub(since_start).as_secs_f64()
    }
}

/// What can have flowed since a counter last rose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Explained {
    /// ∫|P|dt while the power was known, in Wh.
    known_wh: f64,
    /// Time without a power, in s.
    lived_s: f64,
    away_s: f64,
    /// The part of it in the gap that is still open.
    open_s: f64,
    /// What the gaps that have ended can have brought, in Wh.
    gaps_wh: f64,
    down: Option<Down>,
}

/// What there is to remember of it beyond a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExplainedSnapshot {
    /// ∫|P|dt while the power was known, in Wh.
    pub known_wh: f64,
    /// Time without a power while the source lived, in s.
    pub lived_s: f64,
    /// Time without a power while the source was away, in s.
    pub away_s: f64,
    /// What that time can have brought, in Wh.
    pub gaps_wh: f64,
}

impl Explained {
    /// Goes on from what was saved at `saved`, in a service that started at `started`.
    pub(super) fn restored(
        snapshot: ExplainedSnapshot,
        power: PowerSnapshot,
        saved: SystemTime,
        started: Instant,
    ) -> Self {
        let ExplainedSnapshot { known_wh, lived_s, away_s, gaps_wh } = snapshot;
        let down = Down { saved, started, power_w: power.last_w, is_over: false };
        Self { known_wh, lived_s, away_s, gaps_wh, open_s: 0.0, down: Some(down) }
    }

    pub(super) fn snapshot(
        &self,
        power: &PowerHistory,
        now: Instant,
        clock: SystemTime,
    ) -> ExplainedSnapshot {
        let down = self.down.map_or(0.0, |down| down.seconds(now, clock));
        ExplainedSnapshot {
            known_wh: self.known_wh,
            lived_s: self.lived_s,
            away_s: (self.away_s + down).min(MAX_AWAY_S),
            gaps_wh: self.gaps_wh(power, now, clock),
        }
    }

    pub(super) fn add(&mut self, elapsed: Elapsed) {
        let Elapsed { known_wh, lived_s, away_s, gap_ended_w, .. } = elapsed;
        self.known_wh += known_wh;
        let before = self.lived_s + self.away_s;
        self.lived_s = (self.lived_s + lived_s).min(MAX_LIVED_S);
        self.away_s = (self.away_s + away_s).min(MAX_AWAY_S);
        self.open_s += self.lived_s + self.away_s - before;
        if let Some(watts) = gap_ended_w {
            self.gaps_wh += watts * self.open_s / 3600.0;
            self.open_s = 0.0;
            if let Some(down) = self.down.as_mut().filter(|down| !down.is_over) {
                down.power_w = down.power_w.max(watts);
                down.is_over = true;
            }
        }
    }

    /// What the known power has brought, in Wh.
    pub(super) fn brought_wh(&self) -> f64 {
        self.known_wh
    }

    /// By how much the counter may rise for that, in Wh.
    pub(super) fn known_wh(&self) -> f64 {
        MARGIN * self.known_wh
    }

    /// What can have flowed while the power was unknown, in Wh.
    pub(super) fn unknown_wh(
        &self,
        power: &PowerHistory,
        max_power_w: f64,
        now: Instant,
        clock: SystemTime,
    ) -> f64 {
        let down_s = self.down.map_or(0.0, |down| down.seconds(now, clock));
        let seconds = self.lived_s + (self.away_s + down_s).min(MAX_AWAY_S);
        let mut wh = self.gaps_wh(power, now, clock);
        if seconds > LONG_S {
            wh = wh.max(1.2 * power.highest_w * seconds / 3600.0);
        }
        if !power.was_positive {
            wh = wh.max(max_power_w * seconds / 3600.0);
        }
        MARGIN * wh
    }

    fn gaps_wh(&self, power: &PowerHistory, now: Instant, clock: SystemTime) -> f64 {
        let down_wh = self.down.map_or(0.0, |down| {
            let room_s = MAX_AWAY_S - self.away_s;
            down.power_w * down.seconds(now, clock).min(room_s) / 3600.0
        });
        self.gaps_wh + power.last_w * self.open_s / 3600.0 + down_wh
    }
}
