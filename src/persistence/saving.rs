//! When a meter's counters are to be saved, and whether the disk keeps up.

use std::time::{Duration, Instant};

/// A disk that does not answer for this long counts as one that takes no writes.
const LIMIT: Duration = Duration::from_secs(5);

/// A disk that failed is tried again after this long.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// What the store does. There is never more than one save at once, so that none can pile up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Saving {
    /// Nothing.
    #[default]
    Idle,
    /// Writes, since then.
    Busy(Instant),
    /// Still writing, past the limit.
    Late,
    /// Has failed, and is tried again then.
    Failed(Instant),
}

impl Saving {
    /// A save has begun.
    #[must_use]
    pub fn begun(now: Instant) -> Self {
        Self::Busy(now)
    }

    /// A save has failed.
    #[must_use]
    pub fn failed(now: Instant) -> Self {
        Self::Failed(now.checked_add(RETRY_INTERVAL).unwrap_or(now))
    }

    /// Whether a save may begin.
    #[must_use]
    pub fn may_begin(self, now: Instant) -> bool {
        match self {
            Self::Idle => true,
            Self::Busy(_) | Self::Late => false,
            Self::Failed(until) => until <= now,
        }
    }

    /// When this changes by itself.
    #[must_use]
    pub fn ends(self) -> Option<Instant> {
        match self {
            Self::Busy(since) => since.checked_add(LIMIT),
            Self::Failed(until) => Some(until),
            Self::Idle | Self::Late => None,
        }
    }
}
