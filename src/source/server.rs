//! Whether a source as a whole is there.
//!
//! Pure: the clock is passed in.

use std::time::Instant;

use crate::source::outage::PATIENCE;

/// What is known of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Unknown,
    Away,
    /// It answers. Since when, if it was away before.
    Answers(Option<Instant>),
}

impl Server {
    /// It has answered. Returns what was known before.
    pub(super) fn answered(&mut self, now: Instant) -> Self {
        let before = *self;
        *self = match before {
            Self::Unknown => Self::Answers(None),
            Self::Away => Self::Answers(Some(now)),
            Self::Answers(since) => Self::Answers(since),
        };
        before
    }

    /// Whether what is wrong with a part of it is worth a line. It is not while all of it is
    /// away, nor while it may still be starting.
    pub(super) fn is_settled(self, now: Instant) -> bool {
        match self {
            Self::Unknown | Self::Answers(None) => true,
            Self::Away => false,
            Self::Answers(Some(since)) => now.saturating_duration_since(since) >= PATIENCE,
        }
    }
}
