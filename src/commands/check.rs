//! `check`: asks openHAB once for every item, and shows what would come of it.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::SystemTime,
};

use serde::Serialize;

use crate::{
    config::Config,
    meter::{counter, sunspec},
    source::{
        http::HttpError,
        openhab::{Item, ItemProblem, OpenHab, SetupError},
    },
    text::excerpt,
};

/// Why the meter would not serve.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Secrets or certificates cannot be loaded.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// No answer.
    #[error(transparent)]
    Unreachable(#[from] HttpError),
    /// Items that do not exist, or are of the wrong kind: nothing that time mends.
    #[error("{0} cannot be read; see the table")]
    Items(Count),
    /// Required items without a value.
    #[error("{0} without a usable value; see the table")]
    NoValue(Count),
    /// Nowhere to print to.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// So many items.
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
    key: &'static str,
    item: String,
    state: String,
    value: Option<f64>,
    unit: &'static str,
    /// Seconds since the last update, where openHAB tells (5.0 and later).
    age: Option<f64>,
    register: u16,
    point: String,
    problem: Option<String>,
    #[serde(skip)]
    status: ItemStatus,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ItemStatus {
    Good,
    NoValue,
    Wrong,
}

/// Reads all items of `config` once and prints what they give.
///
/// # Errors
/// Where the meter would not serve.
pub async fn check(config: Config, json: bool) -> Result<(), CheckError> {
    let items = config.openhab.items.clone();
    let endpoint = config.openhab.endpoint.clone();
    let mut openhab = OpenHab::new(config.openhab)?;
    let mut lines = Vec::new();
    for item in &items {
        lines.push(line(&mut openhab, item, config.meter.min_energy_wh).await?);
    }
    let text = if json {
        let text = serde_json::to_string_pretty(&lines).map_err(io::Error::from)?;
        format!("{text}\n")
    } else {
        format!("openHAB at {endpoint} answers.\n\n{}", table(&lines))
    };
    io::stdout().write_all(text.as_bytes())?;
    let count = |status| lines.iter().filter(|line| line.status == status).count();
    match (count(ItemStatus::Wrong), count(ItemStatus::NoValue)) {
        (0, 0) => Ok(()),
        (0, waiting) => Err(CheckError::NoValue(Count(waiting))),
        (wrong, _) => Err(CheckError::Items(Count(wrong))),
    }
}

async fn line(openhab: &mut OpenHab, item: &Item, min_energy_wh: f64) -> Result<Line, CheckError> {
    let answer = openhab.read(item).await?;
    let (state, value, problem) = match answer {
        Ok(read) => (read.state, Some(read.value), None),
        Err((state, problem)) => (state, None, Some(problem)),
    };
    let age = match &problem {
        Some(ItemProblem::Status(_)) => None,
        // The clock of openHAB may be ahead of ours; then it was just now.
        _ => openhab
            .last_update(item)
            .await?
            .map(|update| SystemTime::now().duration_since(update).unwrap_or_default()),
    };
    let measurand = item.point.measurand;
    let status = match (&problem, value) {
        (Some(problem), _) if !problem.may_pass() => ItemStatus::Wrong,
        (Some(_), _) if measurand.is_required() || measurand.is_counter() => ItemStatus::NoValue,
        (None, Some(wh)) if measurand.is_counter() && wh < min_energy_wh => ItemStatus::NoValue,
        // The others have a fallback.
        _ => ItemStatus::Good,
    };
    let problem = match (status, problem) {
        (_, Some(problem)) => Some(problem.to_string()),
        (ItemStatus::NoValue, None) => Some(counter::CounterOutcome::BelowThreshold.to_string()),
        _ => None,
    };
    let (register, point) = sunspec::place(item.point);
    Ok(Line {
        key: measurand.key(),
        item: item.name.clone(),
        state: state.trim().to_owned(),
        value,
        unit: measurand.quantity().base_symbol(),
        age: age.map(|age| age.as_secs_f64()),
        register,
        point,
        problem,
        status,
    })
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
