//! Counters as they behave in life, replayed, and what must be served meanwhile.
//!
//! A file of `tests/histories` is a history for `replay`. Its comments say where it comes from; those
//! that begin with `#=` are checked, at the time of the row above:
//!
//! ```text
//! #= served 2403.6 kWh ± 0.1     energy_counter_out, all phases; to the watt-hour without ±
//! #= imported 12 kWh             energy_counter_in, the same
//! #= nothing served              there is no counter yet
//! #= power -5000 W               as in the register
//! #= live                        or waiting, or stale
//! #= says TEXT                   since the last time that was checked, the log has said it
//! #= may fall                    what is served may fall here, and nowhere else
//! ```
//!
//! Two more are allowed anywhere: `#= never says TEXT`, and `#= config KEY: VALUE`, which replaces or
//! adds a key of the configuration that `replay` has by itself. A file must expect all that the log
//! says of its counters.
//!
//! The environment variable `HISTORIES` names another folder.

use std::{
    env, fs, mem,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::DateTime;

use crate::harness::{
    files::{file, text},
    program::{outcome, program},
};

/// How many histories there are at least, so that none is lost unnoticed.
const COUNT: usize = 70;

/// The longest time between two rows of the output, in ms.
const MAX_INTERVAL_MS: i64 = 60_000;

/// The configuration that `replay` has by itself.
const CONFIG: [&str; 7] = [
    "openhab_host: localhost",
    "serial_number: METER",
    "energy_counter_out: energy_counter_out",
    "current_power: current_power",
    "current_voltage: current_voltage",
    "current_current: current_current",
    "current_frequency: current_frequency",
];

#[derive(Debug)]
enum Expected {
    Served { kwh: f64, tolerance: f64 },
    Imported { kwh: f64, tolerance: f64 },
    NothingServed,
    Power(f64),
    Condition(String),
    Says(String),
    MayFall,
}

/// What is expected at a time, in ms.
#[derive(Debug)]
struct Expectation {
    line: usize,
    at: i64,
    /// The last time that was checked before.
    after: i64,
    expected: Expected,
}

#[derive(Debug)]
struct History {
    path: PathBuf,
    config: Vec<String>,
    expectations: Vec<Expectation>,
    never: Vec<(usize, String)>,
    /// The time of each row, and its line.
    rows: Vec<(i64, usize)>,
}

/// A row of what `replay` prints.
#[derive(Debug)]
struct Printed {
    at: i64,
    condition: String,
    watts: Option<f64>,
    exported_wh: Option<f64>,
    imported_wh: Option<f64>,
    event: String,
}

/// A time in a history, in ms.
fn millis(time: &str) -> Option<i64> {
    match time.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?.as_millis().try_into().ok(),
        Err(_) => Some(DateTime::parse_from_rfc3339(time).ok()?.timestamp_millis()),
    }
}

/// Reads `2403.6 kWh` or `2403.6 kWh ± 0.1`.
fn energy(text: &str) -> Option<(f64, f64)> {
    let (kwh, tolerance) = text.split_once(" ± ").unwrap_or((text, "0.001"));
    Some((kwh.strip_suffix(" kWh")?.parse().ok()?, tolerance.parse().ok()?))
}

impl Expected {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, rest) {
            ("served", rest) => {
                energy(rest).map(|(kwh, tolerance)| Self::Served { kwh, tolerance })
            }
            ("imported", rest) => {
                energy(rest).map(|(kwh, tolerance)| Self::Imported { kwh, tolerance })
            }
            ("nothing", "served") => Some(Self::NothingServed),
            ("power", rest) => Some(Self::Power(rest.strip_suffix(" W")?.parse().ok()?)),
            ("waiting" | "live" | "stale", "") => Some(Self::Condition(word.to_owned())),
            ("says", said) if !said.is_empty() => Some(Self::Says(said.to_owned())),
            ("may", "fall") => Some(Self::MayFall),
            _ => None,
        }
    }
}

impl Expectation {
    /// Whether it looks at what the log says there.
    fn covers(&self, printed: &Printed) -> bool {
        self.after < printed.at && printed.at <= self.at
    }

    fn says(&self, event: &str) -> bool {
        matches!(&self.expected, Expected::Says(text) if event.contains(text))
    }

    /// Whether it is met, and what was found instead.
    fn check(&self, printed: &[Printed]) -> (bool, String) {
        let now = printed.iter().rfind(|printed| printed.at == self.at).unwrap();
        let energy = |found: Option<f64>, kwh: f64, tolerance: f64| {
            // Decimal fractions are not exact.
            let fits = |wh: f64| (wh / 1000.0 - kwh).abs() < tolerance + 1e-9;
            let shown = found.map_or("nothing".to_owned(), |wh| format!("{} kWh", wh / 1000.0));
            (found.is_some_and(fits), shown)
        };
        match &self.expected {
            Expected::Served { kwh, tolerance } => energy(now.exported_wh, *kwh, *tolerance),
            Expected::Imported { kwh, tolerance } => energy(now.imported_wh, *kwh, *tolerance),
            Expected::NothingServed => {
                (now.exported_wh.is_none(), format!("{:?}", now.exported_wh))
            }
            Expected::Power(watts) => {
                let fits = |found: f64| (found - watts).abs() < 0.1;
                (now.watts.is_some_and(fits), format!("{:?}", now.watts))
            }
            Expected::Condition(condition) => (now.condition == *condition, now.condition.clone()),
            Expected::Says(_) => {
                let events = printed.iter().filter(|printed| self.covers(printed));
                let events: Vec<_> = events.map(|printed| printed.event.as_str()).collect();
                let said = events.iter().any(|event| self.says(event));
                (said, events.join("\n  "))
            }
            Expected::MayFall => (true, String::new()),
        }
    }
}

impl History {
    fn read(path: &Path) -> Result<Self, String> {
        let mut history = Self {
            path: path.to_owned(),
            config: Vec::new(),
            expectations: Vec::new(),
            never: Vec::new(),
            rows: Vec::new(),
        };
        let text = fs::read_to_string(path).unwrap();
        for (line, text) in (1..).zip(text.lines()) {
            history.add(line, text).map_err(|message| history.failure(line, &message))?;
        }
        if !text.starts_with("# ") {
            return Err(history.failure(1, "does not say where it comes from"));
        }
        if !history.expectations.iter().any(|own| matches!(own.expected, Expected::Served { .. })) {
            return Err(history.failure(1, "does not say what is served"));
        }
        Ok(history)
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        if let Some(expectation) = text.strip_prefix("#= ") {
            return self.expect(line, expectation);
        }
        if let Some(comment) = text.strip_prefix("# ") {
            let is_mistaken = Expected::parse(comment).is_some();
            return if is_mistaken { Err("begin it with #=".to_owned()) } else { Ok(()) };
        }
        let time = text.split(',').next().unwrap_or_default();
        if text.starts_with('#') || time == "time" {
            return Ok(());
        }
        let at = millis(time).ok_or_else(|| format!("cannot read the time {time:?}"))?;
        if self.expectations.last().is_some_and(|last| last.at == at) {
            return Err("comes after an expectation of the same time".to_owned());
        }
        self.rows.push((at, line));
        Ok(())
    }

    fn expect(&mut self, line: usize, text: &str) -> Result<(), String> {
        if let Some(config) = text.strip_prefix("config ") {
            self.config.push(config.to_owned());
            return Ok(());
        }
        if let Some(said) = text.strip_prefix("never says ") {
            self.never.push((line, said.to_owned()));
            return Ok(());
        }
        let expected = Expected::parse(text).ok_or_else(|| format!("cannot read {text:?}"))?;
        let (at, _) = *self.rows.last().ok_or("there is no row above it")?;
        let after = match self.expectations.last() {
            Some(last) if last.at == at => last.after,
            Some(last) => last.at,
            None => i64::MIN,
        };
        self.expectations.push(Expectation { line, at, after, expected });
        Ok(())
    }

    fn failure(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path.file_name().unwrap().display())
    }

    /// A failure at a time; the line is that of the last row until then.
    fn failure_at(&self, at: i64, message: &str) -> String {
        let line = self.rows.iter().rfind(|row| row.0 <= at).map_or(1, |row| row.1);
        self.failure(line, message)
    }

    /// An interval with a row at each time that is checked, in ms.
    fn interval(&self) -> i64 {
        let (begin, _) = self.rows[0];
        let times = self.expectations.iter().map(|own| own.at - begin);
        times.fold(MAX_INTERVAL_MS, |mut one, mut other| {
            while other != 0 {
                (one, other) = (other, one % other);
            }
            one
        })
    }

    fn config(&self) -> String {
        let key = |line: &str| line.split(':').next().unwrap().to_owned();
        let is_replaced = |line: &str| self.config.iter().any(|own| key(own) == key(line));
        let kept = CONFIG.iter().filter(|line| !is_replaced(line)).copied();
        kept.chain(self.config.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
    }

    async fn replay(&self) -> Result<Vec<Printed>, String> {
        let interval = format!("{}ms", self.interval());
        let mut command = program(&["replay", text(&self.path), "--every", &interval]);
        let config = file(&self.config());
        if !self.config.is_empty() {
            command.arg("--config").arg(config.path());
        }
        let ended = outcome(&mut command).await;
        if ended.code != Some(0) {
            return Err(self.failure(1, &ended.err));
        }
        let mut lines = ended.out.lines();
        assert_eq!(lines.next(), Some("time,condition,W,TotWhExp,TotWhImp,event"));
        Ok(lines.map(Printed::parse).collect())
    }

    /// All that is wrong.
    async fn check(&self) -> Vec<String> {
        let printed = match self.replay().await {
            Ok(printed) => printed,
            Err(failure) => return vec![failure],
        };
        let mut failures = Vec::new();
        for own in &self.expectations {
            let (is_met, found) = own.check(&printed);
            if !is_met {
                let message = format!("expected {:?}, found {found}", own.expected);
                failures.push(self.failure(own.line, &message));
            }
        }
        failures.extend(self.fallen(&printed, |printed| printed.exported_wh));
        failures.extend(self.fallen(&printed, |printed| printed.imported_wh));
        for (line, text) in &self.never {
            let said = printed.iter().find(|printed| printed.event.contains(text));
            failures.extend(said.map(|said| self.failure(*line, &said.event)));
        }
        failures.extend(self.unexpected(&printed));
        failures
    }

    /// The first time at which what is served falls, or is lost.
    fn fallen(
        &self,
        printed: &[Printed],
        served: impl Fn(&Printed) -> Option<f64>,
    ) -> Option<String> {
        let may_fall = |at: i64| {
            let mut own = self.expectations.iter().filter(|own| own.at == at);
            own.any(|own| matches!(own.expected, Expected::MayFall))
        };
        let mut last = None;
        for printed in printed {
            let now = served(printed);
            let last = mem::replace(&mut last, now);
            if now < last && !may_fall(printed.at) {
                let message = format!("what is served falls from {last:?} to {now:?} Wh");
                return Some(self.failure_at(printed.at, &message));
            }
        }
        None
    }

    /// What the log says of a counter although nobody expects it.
    fn unexpected(&self, printed: &[Printed]) -> Vec<String> {
        let is_news = |event: &str| {
            let is_of = |key| event.starts_with(key) && !event.contains("goes on from");
            is_of("energy_counter_out L") || is_of("energy_counter_in L")
        };
        let is_expected = |printed: &Printed| {
            self.expectations.iter().any(|own| own.covers(printed) && own.says(&printed.event))
        };
        let news = printed.iter().filter(|printed| is_news(&printed.event));
        let news = news.filter(|printed| !is_expected(printed));
        news.map(|printed| self.failure_at(printed.at, &format!("says {}", printed.event)))
            .collect()
    }
}

impl Printed {
    /// Reads a row. Only its last field can be in quotes.
    fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.splitn(6, ',').collect();
        let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let quoted = fields[5].strip_prefix('"').and_then(|event| event.strip_suffix('"'));
        Self {
            at: millis(fields[0]).unwrap(),
            condition: fields[1].to_owned(),
            watts: number(fields[2]),
            exported_wh: number(fields[3]),
            imported_wh: number(fields[4]),
            event: quoted.unwrap_or(fields[5]).replace("\"\"", "\""),
        }
    }
}

#[tokio::test]
async fn what_is_served_through_each_history_is_right() {
    let other = env::var_os("HISTORIES").map(PathBuf::from);
    let count = if other.is_some() { 1 } else { COUNT };
    let folder =
        other.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories"));
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_history = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "csv");
    let mut paths: Vec<_> = entries.filter(is_history).collect();
    paths.sort();
    let mut failures = Vec::new();
    for path in &paths {
        match History::read(path) {
            Ok(history) => failures.extend(history.check().await),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(paths.len() >= count, "only {} histories", paths.len());
}
