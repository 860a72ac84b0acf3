//! `check`: asks the source for every item once, and shows what would be served.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::SystemTime,
};

use serde::Serialize;

use crate::{
    config::{Config, ConfiguredMeter},
    daemon::Prefix,
    meter::{
        binding::{self, Binding},
        reading::Measurand,
        sunspec,
    },
    source::{ItemProblem, Probe, ProbeError, SetupError, Source},
    text::{excerpt, printable_json},
};

/// Why the meter would not serve values.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Secrets or certificates cannot be loaded.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The source cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] ProbeError),
    /// The source takes connections, and does not answer.
    #[error("{0}, for item {1} and others")]
    Silent(ItemProblem, String),
    /// Items that do not exist or are of the wrong kind: waiting does not help.
    #[error("{0} cannot be read; see the table")]
    Items(Count),
    /// Required items without a value.
    #[error("{0} without a usable value; see the table")]
    NoValue(Count),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

impl CheckError {
    /// Whether it may be well later, with the same configuration.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Setup(_) | Self::Items(_))
    }
}

/// A number of items, in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(usize);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 1 { f.write_str("1 item") } else { write!(f, "{} items", self.0) }
    }
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    /// Its meter, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    meter: Option<String>,
    key: &'static str,
    item: String,
    state: String,
    value: Option<f64>,
    unit: &'static str,
    /// Seconds since the last update, if openHAB reports it (5.0 and later).
    age: Option<f64>,
    register: u16,
    point: String,
    problem: Option<String>,
    #[serde(skip)]
    status: ItemStatus,
    /// openHAB adds it up from other items.
    #[serde(skip)]
    is_sum: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ItemStatus {
    Good,
    NoValue,
    Wrong,
}

/// Says that `config` is valid, and what of it is probably not meant.
///
/// # Errors
/// Returns an error if nothing can be printed.
pub fn offline(config: &Config) -> io::Result<()> {
    let warning = warnings(&config.meters);
    io::stdout().write_all(format!("The configuration is valid.\n{warning}").as_bytes())
}

/// A line for each thing that is probably not meant.
fn warnings(meters: &[ConfiguredMeter]) -> String {
    let warning = |meter: &ConfiguredMeter| {
        let warning = binding::warning(&meter.bindings)?;
        Some(format!("{}{warning}\n", Prefix(meter.name.as_deref())))
    };
    meters.iter().filter_map(warning).collect()
}

/// Reads all items of `config` once and prints their values.
///
/// # Errors
/// Returns an error if the meter would not serve values, or nothing can be printed.
pub async fn check(config: Config, json: bool) -> Result<(), CheckError> {
    let names: Vec<_> = config.sources.iter().map(ToString::to_string).collect();
    let mut lines = Vec::new();
    for source in config.sources {
        let kind = source.kind();
        let mut source = source.build(config.freshness)?;
        let meters = config.meters.iter().filter(|meter| meter.source == kind);
        lines.extend(ask(&mut source, meters).await?);
    }
    // In the order of the meters, whatever their sources.
    let place = |line: &Line| config.meters.iter().position(|meter| meter.name == line.meter);
    lines.sort_by_key(place);
    let text = if json {
        let text = serde_json::to_string_pretty(&lines).map_err(io::Error::from)?;
        printable_json(&text) + "\n"
    } else {
        let warnings = warnings(&config.meters);
        let serials: String = config.meters.iter().filter_map(serial).collect();
        let answers = names.join(" answers.\n");
        format!("{answers} answers.\n\n{}{}{warnings}{serials}", tables(&lines), sums(&lines))
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough; the verdict is the exit code.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    let count = |status| lines.iter().filter(|line| line.status == status).count();
    match (count(ItemStatus::Wrong), count(ItemStatus::NoValue)) {
        (0, 0) => Ok(()),
        (0, waiting) => Err(CheckError::NoValue(Count(waiting))),
        (wrong, _) => Err(CheckError::Items(Count(wrong))),
    }
}

/// Asks a source for all items of its meters.
async fn ask(
    source: &mut Source,
    meters: impl Iterator<Item = &ConfiguredMeter>,
) -> Result<Vec<Line>, CheckError> {
    let mut lines = Vec::new();
    let mut is_silent = true;
    for meter in meters {
        for binding in &meter.bindings {
            let probe = source.probe(binding).await?;
            if let Err(problem @ ItemProblem::Unanswered(_)) = &probe.value {
                // One may be at fault itself. After two of them, it would only take long.
                if is_silent && !lines.is_empty() {
                    return Err(CheckError::Silent(problem.clone(), binding.item.clone()));
                }
            } else {
                is_silent = false;
            }
            lines.push(line(probe, meter, binding));
        }
    }
    Ok(lines)
}

fn line(probe: Probe, meter: &ConfiguredMeter, binding: &Binding) -> Line {
    let Probe { state, value, updated, is_group } = probe;
    let min_energy_wh = meter.config.min_energy_wh;
    let Binding { point, item, .. } = binding;
    let measurand = point.measurand;
    let status = match &value {
        Err(problem) if !problem.may_pass() => ItemStatus::Wrong,
        Err(_) if measurand.is_required() || measurand.is_counter() => ItemStatus::NoValue,
        Ok(wh) if measurand == Measurand::EnergyOut && *wh < min_energy_wh => ItemStatus::NoValue,
        // The other values have a fallback.
        _ => ItemStatus::Good,
    };
    let problem = match (&value, status) {
        (Err(problem), _) => Some(problem.to_string()),
        (Ok(_), ItemStatus::NoValue) => Some("below min_energy_threshold: no value yet".to_owned()),
        _ => None,
    };
    // The clock of the source may be ahead of ours; then the update was just now.
    let age = updated.map(|updated| SystemTime::now().duration_since(updated).unwrap_or_default());
    let (register, name) = sunspec::place(meter.config.model, *point);
    Line {
        meter: meter.name.clone(),
        key: measurand.key(),
        item: item.clone(),
        state: state.trim().to_owned(),
        value: value.ok(),
        unit: measurand.quantity().base_symbol(),
        age: age.map(|age| age.as_secs_f64()),
        register,
        point: name,
        problem,
        status,
        is_sum: is_group && measurand.is_summed(),
    }
}

/// A line for each item that is better given as a list.
fn sums(lines: &[Line]) -> String {
    let sum = |Line { key, item, .. }: &Line| {
        format!(
            "{key}: item {item} is a group. openHAB's own sums are wrong for a moment, and fall when a \
             member sleeps: better give its members as a list\n"
        )
    };
    lines.iter().filter(|line| line.is_sum).map(sum).collect()
}

/// Where the serial number comes from, unless the configuration gives it.
fn serial(meter: &ConfiguredMeter) -> Option<String> {
    let names = match meter.serial_items().as_slice() {
        [] => return None,
        [item] => format!("the name of {item}: set serial_number before you rename it"),
        items => {
            let items = items.join(", ");
            format!("the names of {items}: set serial_number before you rename one")
        }
    };
    let (name, serial) = (Prefix(meter.name.as_deref()), &meter.config.identity.serial_number);
    Some(format!("{name}serial number {serial} comes from {names}\n"))
}

/// A table for each meter, under its name where there may be several.
fn tables(lines: &[Line]) -> String {
    let meters = lines.chunk_by(|one, other| one.meter == other.meter);
    let table = |lines: &[Line]| match lines.first().and_then(|line| line.meter.as_ref()) {
        Some(name) => format!("{name}\n{}\n", table(lines)),
        None => table(lines),
    };
    meters.map(table).collect()
}

fn table(lines: &[Line]) -> String {
    let header = ["key", "item", "state", "value", "age", "register"];
    let rows = lines.iter().map(|line| {
        [
            line.key.to_owned(),
            line.item.clone(),
            excerpt(&line.state),
            line.value.map_or("-".to_owned(), |value| format!("{value} {}", line.unit)),
            line.age.map_or("-".to_owned(), |age| format!("{age:.0} s")),
            format!("{} {}", line.register, line.point),
        ]
    });
    let rows: Vec<_> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let problems = lines.iter().map(|line| line.problem.as_deref());
    let mut text = String::new();
    for (row, problem) in rows.iter().zip(std::iter::once(None).chain(problems)) {
        let mut cells = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count());
            let width = width.max().unwrap_or_default();
            let _ = write!(cells, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", cells.trim_end());
        if let Some(problem) = problem {
            let _ = writeln!(text, "    {problem}");
        }
    }
    text
}
