//! What `read --watch` draws.

use crate::{
    commands::{
        poll::Polled,
        screen::{
            Size,
            line::{Line, Tone, wrap},
        },
    },
    text::printable,
};

/// The most lines for what has failed.
const MAX_ERROR: usize = 3;

/// The rows of the largest table, with its head.
const TABLE: usize = 11;

/// The values of the meter at `address`, in a window of `size`. Old ones are marked as such.
pub(super) fn of(address: &str, polled: &Polled, size: Size) -> Vec<Line> {
    let error = polled.error.as_ref().map(|error| printable(&error.to_string()));
    let mut error = wrap(&error.unwrap_or_default(), size.columns);
    error.truncate(MAX_ERROR);
    let mut lines = vec![head(address, polled, size.columns)];
    if let Some((report, _)) = &polled.last {
        let tone = if polled.error.is_some() { Tone::Quiet } else { Tone::Plain };
        let room = size.rows.saturating_sub(error.len().saturating_add(1));
        if room > TABLE.saturating_add(2) {
            lines.extend(report.identity().lines().map(|line| Line::new(Tone::Quiet, line)));
        }
        if room > TABLE.saturating_add(3) {
            lines.push(Line::default());
        }
        let table = report.table(size.columns, room);
        lines.extend(table.into_iter().map(|line| Line::new(tone, line)));
    }
    if lines.len().saturating_add(error.len()) < size.rows {
        lines.push(Line::default());
    }
    lines.extend(error.into_iter().map(|line| Line::new(Tone::Bad, line)));
    lines
}

fn head(address: &str, polled: &Polled, width: usize) -> Line {
    let state = match (polled.outdated(), &polled.last, &polled.error) {
        (Some(age), ..) => Line::new(Tone::Odd, format!(" old: {} s", age.as_secs())),
        (None, Some(_), _) => Line::new(Tone::Good, " just read"),
        (None, None, Some(_)) => Line::new(Tone::Bad, " no answer"),
        (None, None, None) => Line::new(Tone::Quiet, " connecting"),
    };
    Line::new(Tone::Strong, printable(address) + " ").spread('─', state, width)
}
