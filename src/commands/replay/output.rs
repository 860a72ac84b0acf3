//! The rows that a replay prints.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::{history::Time, plant::Served};

/// Prints rows, as CSV or as JSON.
pub(super) struct Output<W> {
    pub(super) out: W,
    pub(super) json: bool,
}

/// One row of the output; with the names of its columns.
#[derive(Serialize)]
struct OutputRow<'a> {
    time: String,
    condition: String,
    #[serde(rename = "W")]
    watts: Option<f64>,
    #[serde(rename = "TotWhExp")]
    exported_wh: Option<f64>,
    #[serde(rename = "TotWhImp")]
    imported_wh: Option<f64>,
    event: &'a str,
}

impl<W: Write> Output<W> {
    pub(super) fn header(&mut self) -> io::Result<()> {
        if self.json {
            Ok(())
        } else {
            writeln!(self.out, "time,condition,W,TotWhExp,TotWhImp,event")
        }
    }

    pub(super) fn row(&mut self, time: Time, served: Served, event: &str) -> io::Result<()> {
        let Served { condition, watts, exported_wh, imported_wh } = served;
        let (time, condition) = (shown(time), condition.to_string());
        if self.json {
            let row = OutputRow { time, condition, watts, exported_wh, imported_wh, event };
            serde_json::to_writer(&mut self.out, &row)?;
            return writeln!(self.out);
        }
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        writeln!(
            self.out,
            "{time},{condition},{},{},{},{}",
            number(watts, 1),
            number(exported_wh, 3),
            number(imported_wh, 3),
            quoted(event)
        )
    }
}

/// A time as the history gives its own.
fn shown(Time { millis, is_date }: Time) -> String {
    let date = DateTime::from_timestamp_millis(millis).filter(|_| is_date);
    match date {
        Some(date) => date.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => {
            let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
            if rest == 0 { seconds.to_string() } else { format!("{seconds}.{rest:03}") }
        }
    }
}

/// A text as a field of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
