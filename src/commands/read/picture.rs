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

/// What else has to fit: the head, and a table of what is measured.
const LEAST: usize = 8;

/// The rows of the largest table, with its head.
const TABLE: usize = 11;

/// The values of the meter at `address`, in a window of `size`. Old ones are marked as such.
pub(super) fn of(address: &str, polled: &Polled, size: Size) -> Vec<Line> {
    let error = polled.error.as_ref().map(|error| printable(&error.to_string()));
    let mut error = wrap(&error.unwrap_or_default(), size.columns);
    let most = size.rows.saturating_sub(LEAST).clamp(1, MAX_ERROR);
    if let Some(last) = most.checked_sub(1).filter(|_| error.len() > most) {
        error.truncate(most);
        error.iter_mut().skip(last).for_each(|line| line.push_str(" …"));
    }
    let mut lines = vec![head(address, polled, size.columns)];
    if let Some((report, _)) = &polled.last {
        let tone = if polled.error.is_some() { Tone::Quiet } else { Tone::Plain };
        let room = size.rows.saturating_sub(error.len().saturating_add(1));
        if room > TABLE.saturating_add(2) {
            lines.extend(report.identity().map(|line| Line::new(Tone::Quiet, line)));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sunspec::{
        Model,
        models::{model1::Model1, model213::Model213},
    };
    use tokio::time::Instant;

    use super::*;
    use crate::client::{ClientError, report::Report};

    fn polled(error: Option<ClientError>) -> Polled {
        let common = Model1::parse(&[0x4141; 66]).unwrap();
        let report = Report::float(common, 213, &Model213::parse(&[0x4B00; 124]).unwrap());
        let before = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        Polled { last: Some((report, before)), error }
    }

    fn texts(polled: &Polled, columns: usize, rows: usize) -> Vec<String> {
        let lines = of("192.168.1.20:502", polled, Size { columns, rows });
        assert!(lines.len() <= rows, "{} lines in {columns}x{rows}", lines.len());
        lines.iter().map(|line| line.clone().cut(columns).paint(false)).collect()
    }

    #[test]
    fn what_matters_fits_every_window() {
        let long = ClientError::Read { model: 213, reason: "this is a long reason ".repeat(30) };
        for (error, is_long) in
            [(None, false), (Some(ClientError::Refused), false), (Some(long), true)]
        {
            let polled = polled(error);
            for columns in 40..=100 {
                for rows in 10..=34 {
                    let text = texts(&polled, columns, rows).join("\n");
                    for row in ["total", "current", "power ", "exported", "imported"] {
                        assert!(text.contains(row), "{row} in {columns}x{rows}:\n{text}");
                    }
                    assert_eq!(text.contains("L3"), columns >= 60, "{columns}x{rows}:\n{text}");
                    assert_eq!(text.ends_with('…'), is_long, "{columns}x{rows}:\n{text}");
                }
            }
        }
    }

    #[test]
    fn old_values_are_marked_and_the_error_is_below_them() {
        let lines = texts(&polled(Some(ClientError::Refused)), 80, 24);
        assert!(lines[0].ends_with("old: 5 s"), "{lines:?}");
        assert!(lines.last().unwrap().contains("exception 0x0B"), "{lines:?}");
        let lines = texts(&polled(None), 80, 24);
        assert!(lines[0].ends_with("just read"), "{lines:?}");
    }

    #[test]
    fn before_the_first_values_there_is_what_has_failed() {
        let none = Polled { last: None, error: Some(ClientError::NoMeter) };
        let text = texts(&none, 40, 10).join("\n");
        assert!(text.contains("no answer") && text.contains("none of the meter"), "{text}");
        assert!(texts(&Polled::default(), 40, 10)[0].ends_with("connecting"));
    }
}
