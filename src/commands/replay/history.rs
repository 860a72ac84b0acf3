//! A recorded history, read row by row: `time,item,state`. A line that begins with `#` is a comment.

use std::io::{self, BufRead};

use chrono::DateTime;
use csv_core::{ReadRecordResult, Reader};

use crate::text::excerpt;

/// Spreadsheets put a byte order mark before everything else.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A longer row is refused.
const MAX_ROW: usize = 4096;

/// Time passes in small steps; this limits how many a typo can cause.
const MAX_GAP_MS: i64 = 366 * 24 * 3600 * 1000;

/// Time, item and state.
const FIELDS: usize = 3;

/// The first row.
const HEADER: [&str; FIELDS] = ["time", "item", "state"];

/// Why a history cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A row is not one of a history.
    #[error("line {line}, {column}: {message}")]
    Row {
        /// From 1.
        line: u64,
        /// `time`, `item` or `state`.
        column: &'static str,
        /// What was found, and what was expected.
        message: String,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// A point of time in a history, in milliseconds since 1970 or since its own beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    pub(super) millis: i64,
    /// It was given as a date.
    pub(super) is_date: bool,
}

/// One row.
#[derive(Debug, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) time: Time,
    pub(super) item: &'a str,
    pub(super) state: &'a str,
}

/// Reads the rows of a history, in memory that does not grow.
pub(super) struct History<R> {
    input: R,
    csv: Reader,
    text: Box<[u8; MAX_ROW]>,
    ends: [usize; FIELDS + 1],
    /// The line in which the row begins that was read last.
    line: u64,
    last: Option<Time>,
}

impl<R: BufRead> History<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Returns an error if there is no header, or nothing can be read.
    pub(super) fn new(input: R) -> Result<Self, HistoryError> {
        let mut history = Self {
            input,
            csv: Reader::new(),
            text: Box::new([0; MAX_ROW]),
            ends: [0; FIELDS + 1],
            line: 1,
            last: None,
        };
        if history.input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            history.input.consume(BYTE_ORDER_MARK.len());
        }
        let fields = history.record()?.map(|()| [0, 1, 2].map(|place| history.field(place)));
        if fields == Some(HEADER) {
            Ok(history)
        } else {
            Err(history.wrong(0, "expected the header time,item,state"))
        }
    }

    /// The next row.
    ///
    /// # Errors
    /// Returns an error if it is not a row of a history, or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, HistoryError> {
        if self.record()?.is_none() {
            return Ok(None);
        }
        let time = self.time()?;
        Ok(Some(Row { time, item: self.field(1), state: self.field(2) }))
    }

    /// An error of the row that was read last.
    pub(super) fn wrong(&self, column: usize, message: impl Into<String>) -> HistoryError {
        let column = HEADER.get(column).copied().unwrap_or_default();
        HistoryError::Row { line: self.line, column, message: message.into() }
    }

    /// Skips comments and empty lines, so that the next record begins where the line says.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            let lines = match self.input.fill_buf()?.first() {
                Some(b'#') => {
                    self.input.skip_until(b'\n')?;
                    1
                }
                Some(b'\n') => {
                    self.input.consume(1);
                    1
                }
                // The `\r` of a `\r\n`: csv-core ends the record there.
                Some(b'\r') => {
                    self.input.consume(1);
                    0
                }
                _ => return Ok(()),
            };
            self.csv.set_line(self.csv.line().saturating_add(lines));
        }
    }

    /// Reads a record of three fields.
    fn record(&mut self) -> Result<Option<()>, HistoryError> {
        let (mut written, mut fields) = (0_usize, 0_usize);
        self.skip()?;
        self.line = self.csv.line();
        loop {
            let input = self.input.fill_buf()?;
            let text = self.text.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (result, read, wrote, ended) = self.csv.read_record(input, text, ends);
            self.input.consume(read);
            written = written.saturating_add(wrote);
            fields = fields.saturating_add(ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    return Err(self.wrong(2, format!("a row of more than {MAX_ROW} bytes")));
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(self.wrong(2, "more than three fields"));
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record if fields == FIELDS => break,
                ReadRecordResult::Record if fields > FIELDS => {
                    return Err(self.wrong(2, "more than three fields"));
                }
                ReadRecordResult::Record => {
                    return Err(self.wrong(fields, "missing; expected time,item,state"));
                }
            }
        }
        let text = self.text.get(..written).unwrap_or_default();
        match str::from_utf8(text) {
            Ok(_) => Ok(Some(())),
            Err(_) => Err(self.wrong(2, "not UTF-8")),
        }
    }

    /// A field of the record; the whole of it is UTF-8, and so are its parts between two commas.
    fn field(&self, place: usize) -> &str {
        let end = |place: usize| self.ends.get(place).copied().unwrap_or_default();
        let begin = place.checked_sub(1).map_or(0, end);
        let bytes = self.text.get(begin..end(place)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default().trim()
    }

    fn time(&mut self) -> Result<Time, HistoryError> {
        let text = self.field(0);
        let Some(time) = parse_time(text) else {
            let found = excerpt(text);
            return Err(self.wrong(
                0,
                format!(
                    "found {found:?}, expected RFC 3339 such as 2026-07-01T12:00:00Z, or seconds"
                ),
            ));
        };
        match self.last {
            Some(last) if last.is_date != time.is_date => {
                Err(self.wrong(0, "dates and seconds in one history"))
            }
            Some(last) if last > time => Err(self.wrong(0, "earlier than the row before")),
            Some(last) if time.millis.saturating_sub(last.millis) > MAX_GAP_MS => {
                Err(self.wrong(0, "more than a year after the row before"))
            }
            _ => {
                self.last = Some(time);
                Ok(time)
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn parse_time(text: &str) -> Option<Time> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = (seconds * 1000.0).round();
        return (0.0..=1e15)
            .contains(&millis)
            .then_some(Time { millis: millis as i64, is_date: false });
    }
    let date = DateTime::parse_from_rfc3339(text).ok()?;
    let millis = date.timestamp_millis();
    (millis >= 0).then_some(Time { millis, is_date: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let mut history = match History::new(text.as_bytes()) {
            Ok(history) => history,
            Err(error) => return error.to_string(),
        };
        loop {
            match history.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no error"),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn rows_are_read_with_dates_or_seconds() {
        let text = "\u{feff}time,item,state\r\n0,E,\"12,5 kWh\"\n1.5,,\n\n2,P,UNDEF";
        let mut history = History::new(text.as_bytes()).unwrap();
        let mut rows = Vec::new();
        while let Some(Row { time, item, state }) = history.next().unwrap() {
            rows.push((time.millis, item.to_owned(), state.to_owned()));
        }
        let row = |millis, item: &str, state: &str| (millis, item.to_owned(), state.to_owned());
        assert_eq!(rows, [row(0, "E", "12,5 kWh"), row(1500, "", ""), row(2000, "P", "UNDEF")]);
        let text = "time,item,state\n2026-07-01T12:00:00+02:00,E,1";
        let mut history = History::new(text.as_bytes()).unwrap();
        let time = history.next().unwrap().unwrap().time;
        assert_eq!(time, Time { millis: 1_782_900_000_000, is_date: true });
    }

    #[test]
    fn comments_and_empty_lines_are_skipped_and_counted() {
        for end in ["\n", "\r\n"] {
            let lines = ["# why, \"what", "time,item,state", "", "#5,E,1", "5,E,#1", "#", "x,E,1"];
            let text = lines.join(end);
            let mut history = History::new(text.as_bytes()).unwrap();
            let row = history.next().unwrap().unwrap();
            assert_eq!((row.time.millis, row.item, row.state), (5000, "E", "#1"));
            assert!(error(&text).starts_with("line 7, time: found \"x\""), "{}", error(&text));
            let text = format!("\u{feff}{}", lines[..6].join(end));
            let mut history = History::new(text.as_bytes()).unwrap();
            assert!(history.next().unwrap().is_some());
            assert!(history.next().unwrap().is_none());
        }
        assert!(error("# nothing else\n").contains("expected the header"));
    }

    #[test]
    fn a_bad_row_is_named_with_its_line_and_column() {
        assert!(error("").starts_with("line 1, time: expected the header"));
        assert!(error("zeit,item,state\n").contains("expected the header"));
        assert!(error("time,item,state\n0,E,1\nx,E,1").starts_with("line 3, time: found \"x\""));
        assert!(error("time,item,state\n5,E,1\n4,E,1").contains("earlier than the row before"));
        assert!(error("time,item,state\n5,E\n").starts_with("line 2, state: missing"));
        assert!(error("time,item,state\n5,E,1,2\n").contains("more than three fields"));
        assert!(error("time,item,state\n5,E,1\n2026-07-01T12:00:00Z,E,1").contains("one history"));
        assert!(error("time,item,state\n-1,E,1").contains("expected RFC 3339"));
        assert!(error("time,item,state\n5,E,1\n9e9,E,1").contains("more than a year"));
        let long = format!("time,item,state\n5,E,\"{}", "x".repeat(10_000));
        assert!(error(&long).contains("more than 4096 bytes"));
    }
}
