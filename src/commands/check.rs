//! `check`: tries what the service will meet, shows what the inverter would read, and says whether
//! that is sensible.

use std::io::{self, Write};

use crate::{
    commands::terminal,
    config::Config,
    system::units::{self, Unit},
};

mod asked;
mod finding;
mod hints;
mod item;
mod plausibility;
mod port;
mod problem;
mod report;
mod secrets;
mod state_dir;
mod table;
mod verdict;

use asked::Asked;
use finding::Finding;
use item::Row;
use report::{MeterReport, Report};
use verdict::Verdict;

/// What `check` has found. The verdict it has printed says more.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Waiting does not help.
    #[error("the configuration has to be changed")]
    Configuration,
    /// Something is away, or not there yet.
    #[error("something is not available")]
    Unavailable,
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Says that `config` is valid, and what of it is probably not meant.
///
/// # Errors
/// Returns an error if nothing can be printed.
pub fn offline(config: &Config, json: bool) -> Result<(), CheckError> {
    let findings = hints::phases(config).chain(hints::ports(config)).collect();
    let report = Report { verdict: Verdict::valid(), findings, ..Report::default() };
    print(&report, json)
}

/// Tries all that the service with this configuration needs: its sources and items, its ports, and the
/// directory of its counters. Prints what it finds, and a verdict as the last line.
///
/// # Errors
/// Returns an error if the inverter would get no sensible values, or nothing can be printed.
pub async fn check(config: Config, json: bool) -> Result<(), CheckError> {
    let report = examine(&config).await;
    match print(&report, json) {
        // Whoever reads it has seen enough; the verdict is the exit code.
        Err(CheckError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    report.verdict.result()
}

async fn examine(config: &Config) -> Report {
    let Asked { sources, rows, mut findings } = asked::ask(config).await;
    findings.extend(port::findings(config).await);
    let mut meters = Vec::new();
    for (meter, rows) in config.meters.iter().zip(rows) {
        findings.extend(state_dir::findings(config, meter, &rows).await);
        findings.extend(plausibility::findings(meter, &rows, config.freshness));
        meters.push(MeterReport::new(meter, rows));
    }
    findings.extend(secrets::findings(config));
    findings.extend(hints::phases(config));
    // Those of systemd may be others.
    if units::meter_socket() != Unit::Enabled {
        findings.extend(hints::ports(config));
    }
    findings.extend(hints::state_dir(config));
    if !findings.iter().any(Finding::is_failure) {
        findings.extend(config.meters.iter().filter_map(hints::serial));
    }
    // Those of one kind are in the order in which they matter.
    findings.sort_by_key(|finding| finding.severity);
    let verdict = Verdict::of(&mut findings);
    Report { verdict, sources, meters, findings }
}

fn print(report: &Report, json: bool) -> Result<(), CheckError> {
    let text = if json { report.json()? } else { report.text(terminal::columns()) };
    Ok(io::stdout().write_all(text.as_bytes())?)
}
