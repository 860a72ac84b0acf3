//! Whether the inverter will get sensible values, and else what to do first.

use serde::Serialize;

use super::{
    CheckError, Finding,
    finding::Severity::{Failure, Note, Warning},
};

/// What follows from all that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    ok: bool,
    /// In a sentence.
    pub(super) text: String,
    /// Only another configuration helps.
    #[serde(skip)]
    is_configuration: bool,
}

impl Verdict {
    /// Of a file that was only read.
    pub(super) fn valid() -> Self {
        let text = "The configuration is valid.".to_owned();
        Self { ok: true, text, is_configuration: false }
    }

    /// Of findings with the worst first, of which it shows that one.
    pub(super) fn of(findings: &mut [Finding]) -> Self {
        let good = "The inverter will get sensible values.";
        let good = Self { ok: true, text: good.to_owned(), is_configuration: false };
        let severity = findings.first().map(|finding| finding.severity);
        let count = findings.iter().filter(|other| Some(other.severity) == severity).count();
        let Some(first) = findings.first_mut() else { return good };
        let start = match first.severity {
            Failure => "Not yet",
            Warning => "The inverter will get values, but look at this first",
            Note => return good,
        };
        first.is_shown = true;
        let more = match count.saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more above)"),
        };
        let text = format!("{start}: {first}{more}");
        let end = if text.ends_with('?') { "" } else { "." };
        Self {
            ok: first.severity == Warning,
            text: text + end,
            is_configuration: first.is_configuration,
        }
    }

    /// What it means for the exit code.
    pub(super) fn result(&self) -> Result<(), CheckError> {
        match (self.ok, self.is_configuration) {
            (true, _) => Ok(()),
            (false, true) => Err(CheckError::Configuration),
            (false, false) => Err(CheckError::Unavailable),
        }
    }
}
