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
const MOST_POWER: f64 = 100_000.0;

/// What a counter may rise at once, in Wh: its own coarseness, and readings that came late.
const SLACK: f64 = 100.0;

/// A fall by less, in Wh, is rounding on the way here.
const ROUNDING: f64 = 1.0;

/// A counter that stays lower for so long, and grows, is another counter.
const RESET_AFTER: Duration = Duration::from_secs(600);

/// A jump must be confirmed by so many later readings.
const CONFIRMATIONS: u8 = 2;

/// A counter on its way to the inverter.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    threshold: f64,
    served: Option<Served>,
    suspicion: Option<Suspicion>,
    /// The offset before the last reset, in case that turns out to have been an error.
    former: Option<Former>,
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
struct Suspicion {
    kind: Kind,
    first: f64,
    since: Instant,
    last: f64,
    at: Instant,
    confirmations: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lower,
    Higher,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Former {
    offset: f64,
    reset: Instant,
}

/// What there is to remember of a counter beyond a restart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// The value served last, in Wh.
    pub served: f64,
    /// What is added to the source's counter, in Wh; not 0 after the source's was exchanged.
    pub offset: f64,
}

/// How good a [`Memory`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recollection {
    /// How long ago it was made.
    pub age: Duration,
    /// Whether nothing was served after it was made. After a crash that is not certain, and then
    /// the value is a lower bound, which is not served before the source has confirmed it.
    pub certain: bool,
}

/// What became of a value offered to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
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

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "believed again",
            Self::BelowThreshold => "below min_energy_threshold, so it is not there yet",
            Self::Fallen => "lower than before, so the higher value stays",
            Self::Jumped => "too much at once, so it must be confirmed by two more readings",
            Self::Reset => "a counter that began anew; it goes on from the value served before",
            Self::Restored => "the counter of before; it had not begun anew after all",
        })
    }
}

impl Counter {
    /// A counter without a value. Values below `threshold`, in Wh, are not believed.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self { threshold, served: None, suspicion: None, former: None }
    }

    /// A counter that was served before.
    #[must_use]
    pub fn remembered(
        threshold: f64,
        memory: Memory,
        recollection: Recollection,
        now: Instant,
    ) -> Self {
        let Memory { served: value, offset } = memory;
        let Recollection { age: stood, certain } = recollection;
        let served = Some(Served { value, offset, changed: now, stood, certain });
        Self { served, ..Self::new(threshold) }
    }

    /// The source shows `value`, in Wh, read at `at`. One reading must be offered only once, since
    /// readings confirm each other.
    pub fn offer(&mut self, value: f64, at: Instant) -> Verdict {
        if value < self.threshold {
            return Verdict::BelowThreshold;
        }
        let Some(served) = self.served else {
            self.serve(value, 0.0, at);
            return Verdict::Taken;
        };
        let candidate = value + served.offset;
        if candidate > served.value + served.credible_rise(at) {
            self.rise(served, value, at)
        } else if candidate >= served.value {
            if candidate > served.value {
                self.serve(candidate, served.offset, at);
            }
            self.confirm();
            Verdict::Taken
        } else if served.value - candidate < ROUNDING {
            self.confirm();
            Verdict::Taken
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
    pub fn memory(&self) -> Option<Memory> {
        self.served.map(|Served { value, offset, .. }| Memory { served: value, offset })
    }

    fn serve(&mut self, value: f64, offset: f64, at: Instant) {
        let (changed, stood) = (at, Duration::ZERO);
        self.served = Some(Served { value, offset, changed, stood, certain: true });
        self.suspicion = None;
    }

    /// The source shows the served value again.
    fn confirm(&mut self) {
        if let Some(served) = &mut self.served {
            served.certain = true;
        }
        self.suspicion = None;
    }

    fn rise(&mut self, served: Served, value: f64, at: Instant) -> Verdict {
        if let Some(former) = self.former {
            let candidate = value + former.offset;
            let since = at.saturating_duration_since(former.reset);
            if (candidate - served.value).abs() <= credible(since.saturating_add(RESET_AFTER)) {
                self.serve(candidate.max(served.value), former.offset, at);
                self.former = None;
                return Verdict::Restored;
            }
        }
        if self.suspect(Kind::Higher, value, at).confirmations >= CONFIRMATIONS {
            self.serve(value + served.offset, served.offset, at);
            return Verdict::Taken;
        }
        Verdict::Jumped
    }

    fn fall(&mut self, served: Served, value: f64, at: Instant) -> Verdict {
        let Suspicion { first, since, .. } = self.suspect(Kind::Lower, value, at);
        if value > first && at.saturating_duration_since(since) >= RESET_AFTER {
            let offset = served.value - first;
            self.former = Some(Former { offset: served.offset, reset: at });
            self.serve(value + offset, offset, at);
            return Verdict::Reset;
        }
        Verdict::Fallen
    }

    /// Adds a reading to the suspicion, or begins a new one if it does not go on from the last.
    fn suspect(&mut self, kind: Kind, value: f64, at: Instant) -> Suspicion {
        let suspicion = match self.suspicion {
            Some(last) if last.kind == kind && last.goes_on_with(value, at) => Suspicion {
                last: value,
                at,
                confirmations: last.confirmations.saturating_add(1),
                ..last
            },
            _ => Suspicion { kind, first: value, since: at, last: value, at, confirmations: 0 },
        };
        self.suspicion = Some(suspicion);
        suspicion
    }
}

impl Served {
    /// How much more the counter may show at `at`, in Wh.
    fn credible_rise(&self, at: Instant) -> f64 {
        credible(at.saturating_duration_since(self.changed).saturating_add(self.stood))
    }
}

impl Suspicion {
    fn goes_on_with(&self, value: f64, at: Instant) -> bool {
        let rise = value - self.last;
        rise >= 0.0 && rise <= credible(at.saturating_duration_since(self.at))
    }
}

/// What a counter may rise by in `time`, in Wh.
fn credible(time: Duration) -> f64 {
    MOST_POWER * time.as_secs_f64() / 3600.0 + SLACK
}

#[cfg(test)]
mod tests;
