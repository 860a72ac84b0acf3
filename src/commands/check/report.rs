//! All that `check` has found, as a text for people and as JSON for programs.

use std::{fmt::Write as _, io};

use serde::Serialize;

use super::{Finding, Row, Verdict, finding::Severity, table};
use crate::{
    commands::terminal::lines_of,
    config::ConfiguredMeter,
    source::SourceKind,
    text::{printable, printable_json},
};

/// A source, and whether it answers.
#[derive(Debug, Serialize)]
pub(super) struct SourceReport {
    pub(super) kind: SourceKind,
    pub(super) name: String,
    /// As what it is.
    pub(super) answers: bool,
}

/// A meter, and what was found for its items.
#[derive(Debug, Serialize)]
pub(super) struct MeterReport {
    name: Option<String>,
    serial_number: String,
    items: Vec<Row>,
}

impl MeterReport {
    pub(super) fn new(meter: &ConfiguredMeter, items: Vec<Row>) -> Self {
        let serial_number = meter.config.identity.serial_number.clone();
        Self { name: meter.name.clone(), serial_number, items }
    }
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) sources: Vec<SourceReport>,
    pub(super) meters: Vec<MeterReport>,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn json(&self) -> io::Result<String> {
        Ok(printable_json(&serde_json::to_string_pretty(self)?) + "\n")
    }

    /// Lines of at most `width` columns: the sources, a table for each meter, the findings, and the
    /// verdict.
    pub(super) fn text(&self, width: usize) -> String {
        let mut text = String::new();
        for source in self.sources.iter().filter(|source| source.answers) {
            let _ = writeln!(text, "{} answers.", source.name);
        }
        for meter in self.meters.iter().filter(|meter| !meter.items.is_empty()) {
            let title = meter.name.iter().map(|name| format!("{name}\n"));
            let _ = write!(
                text,
                "\n{}{}",
                title.collect::<String>(),
                table::table(&meter.items, width)
            );
        }
        let findings = self.findings();
        if !(text.is_empty() || findings.is_empty()) {
            text.push('\n');
        }
        for finding in findings {
            let word = match finding.severity {
                Severity::Failure => "failure",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let _ = writeln!(text, "{}", wrapped(&format!("{word}: {finding}"), width, "  "));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", wrapped(&self.verdict.text, width, ""));
        // Whatever a server has sent, or is called.
        text.lines().map(|line| printable(line) + "\n").collect()
    }

    /// Those that are not shown elsewhere. What holds for several meters is said once.
    fn findings(&self) -> Vec<Finding> {
        let mut merged: Vec<Finding> = Vec::new();
        for finding in self.findings.iter().filter(|finding| !finding.is_shown) {
            let same = merged.iter_mut().find(|other| other.is_like(finding));
            match (same.map(|same| &mut same.meter), &finding.meter) {
                (Some(Some(names)), Some(name)) => names.extend([", ", name]),
                _ => merged.push(finding.clone()),
            }
        }
        merged
    }
}

/// `text` in lines of at most `width` columns, of which those after the first are indented.
pub(super) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    textwrap::fill(text, lines_of(width).subsequent_indent(indent))
}
