//! How many lines of one kind are written: a few a minute, and then a count.
//!
//! Pure: the clock is passed in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::record::{Kind, Record};

/// The lines of one kind that are written within a [`WINDOW`].
const MAX_LINES: u32 = 5;

/// The time in which lines are counted. It begins with a line, and is the same for all kinds: so what
/// was held back comes in order.
const WINDOW: Duration = Duration::from_mins(1);

/// The most kinds tracked at once. Beyond that, all records of one callsite are one kind.
const MAX_KINDS: usize = 256;

/// The lines of the last minute. Those of a connection are not counted: they are for debugging, and who
/// asks for them wants all.
#[derive(Debug, Default)]
pub(super) struct Quota {
    ends: Option<Instant>,
    kinds: HashMap<Kind, Count>,
}

/// The lines of one kind.
#[derive(Debug, Default)]
struct Count {
    written: u32,
    /// How many were held back.
    held: u64,
    /// The last of those.
    last: Option<Record>,
}

impl Quota {
    /// Takes a record, and returns it if it is to be written.
    pub(super) fn admit(&mut self, record: Record, now: Instant) -> Option<Record> {
        if record.is_of_connection() {
            return Some(record);
        }
        let mut kind = record.kind();
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(&kind) {
            kind = record.callsite();
        }
        self.ends = self.ends.or_else(|| now.checked_add(WINDOW));
        let count = self.kinds.entry(kind).or_default();
        if count.written < MAX_LINES {
            count.written = count.written.saturating_add(1);
            return Some(record);
        }
        count.held = count.held.saturating_add(1);
        count.last = Some(record);
        None
    }

    /// When the next counts are due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.ends.filter(|_| self.kinds.values().any(|count| count.held > 0))
    }

    /// If the window has ended by `now`, the last record of each kind of which some were held back,
    /// with their count, in the order of their times.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<Record> {
        if self.ends.is_some_and(|ends| ends <= now) { self.finish() } else { Vec::new() }
    }

    /// The same, whether it has ended or not.
    pub(super) fn finish(&mut self) -> Vec<Record> {
        self.ends = None;
        let mut counts: Vec<_> =
            self.kinds.drain().filter_map(|(_, count)| count.into_record()).collect();
        counts.sort_by_key(|record| record.time);
        counts
    }
}

impl Count {
    fn into_record(self) -> Option<Record> {
        let mut last = self.last?;
        if let Some(others) = self.held.checked_sub(1).filter(|others| *others > 0) {
            last.remark(&format!(" (and {others} more of this kind within a minute)"));
        }
        Some(last)
    }
}
