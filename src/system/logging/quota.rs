//! How many lines of one kind are written: a few a minute, and then a count.
//!
//! Pure: the clock is passed in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tracing::Level;

use super::record::{Kind, Record};

/// The lines of one kind that are written within a [`WINDOW`].
const MAX_LINES: u32 = 5;

/// The time in which lines are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Kinds told apart at a time. Beyond that, only the place in the code counts.
const MAX_KINDS: usize = 256;

/// The lines of the last minute. Those for debugging are not counted: who asks for them wants all.
#[derive(Debug, Default)]
pub(super) struct Quota(HashMap<Kind, Window>);

/// The lines of one kind since its first.
#[derive(Debug)]
struct Window {
    ends: Instant,
    written: u32,
    /// How many were held back.
    held: u64,
    /// The last of those.
    last: Option<Record>,
}

impl Quota {
    /// Takes a record, and returns it if it is to be written.
    pub(super) fn admit(&mut self, record: Record, now: Instant) -> Option<Record> {
        if record.level() > Level::INFO {
            return Some(record);
        }
        let mut kind = record.kind();
        if self.0.len() >= MAX_KINDS && !self.0.contains_key(&kind) {
            kind = record.callsite();
        }
        let ends = now.checked_add(WINDOW)?;
        let window = self.0.entry(kind).or_insert(Window { ends, written: 0, held: 0, last: None });
        if window.written < MAX_LINES {
            window.written = window.written.saturating_add(1);
            return Some(record);
        }
        window.held = window.held.saturating_add(1);
        window.last = Some(record);
        None
    }

    /// When the next count is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().filter(|window| window.held > 0).map(|window| window.ends).min()
    }

    /// Forgets the windows that end at `now` or before, and returns the last record of each in
    /// which some were held back, with their count.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<Record> {
        self.take(|window| window.ends <= now)
    }

    /// The same for all windows.
    pub(super) fn finish(&mut self) -> Vec<Record> {
        self.take(|_| true)
    }

    fn take(&mut self, is_over: impl Fn(&Window) -> bool) -> Vec<Record> {
        let over = self.0.extract_if(|_, window| is_over(window));
        let mut counts: Vec<_> = over.filter_map(|(_, window)| window.count()).collect();
        counts.sort_by_key(|record| record.time);
        counts
    }
}

impl Window {
    fn count(self) -> Option<Record> {
        let mut last = self.last?;
        if let Some(others) = self.held.checked_sub(1).filter(|others| *others > 0) {
            last.remark(&format!(" (and {others} more of this kind within a minute)"));
        }
        Some(last)
    }
}
