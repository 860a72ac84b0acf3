//! What one meter is asked, counted without waiting.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_modbus::prelude::ExceptionCode;

/// The codes that requests are refused with: function, address, value, and no value now.
const CODES: [u8; 4] = [1, 2, 3, 0x0B];

/// Of reads that follow one another this closely, only the first is taken down, so that a client in a
/// hurry pays nothing for it.
const CLOSE_MILLIS: u64 = 100;

/// What one meter was asked since the start.
#[derive(Debug, Default)]
pub struct Tally {
    answered: AtomicU64,
    refused: [AtomicU64; CODES.len()],
    polls: AtomicU64,
    last_millis: AtomicU64,
    last: Mutex<Option<Poll>>,
}

/// A read of measured values. Other requests do not show that an inverter is at work: a look for a
/// meter reads the identity alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Poll {
    /// From where.
    pub client: SocketAddr,
    /// When.
    pub at: Instant,
    /// The first register asked for.
    pub start: u16,
    /// The number of registers.
    pub count: u16,
}

impl Tally {
    /// Counts a request, and how it was answered.
    pub(super) fn count(&self, exception: Option<ExceptionCode>) {
        let Some(code) = exception.map(u8::from) else {
            self.answered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some((_, count)) = CODES.iter().zip(&self.refused).find(|(known, _)| **known == code)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a read of values at `millis`, and takes it down unless it follows the last one closely.
    /// While somebody looks at that, it stays the last.
    pub(super) fn poll(&self, millis: u64, poll: impl FnOnce() -> Poll) {
        let is_first = self.polls.fetch_add(1, Ordering::Relaxed) == 0;
        let last = self.last_millis.load(Ordering::Relaxed);
        if (is_first || millis.saturating_sub(last) >= CLOSE_MILLIS)
            && let Ok(mut last) = self.last.try_lock()
        {
            self.last_millis.store(millis, Ordering::Relaxed);
            *last = Some(poll());
        }
    }

    /// Requests that got what they asked for.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// The exception codes that there were, each with its number of requests.
    pub fn refused(&self) -> impl Iterator<Item = (u8, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        CODES.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Reads of values.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// The last read of values.
    #[must_use]
    pub fn last(&self) -> Option<Poll> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
