//! Something that `check` has found.

use std::fmt;

use serde::Serialize;

use crate::{config::ConfiguredMeter, meter::reading::Measurand};

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The inverter gets no sensible values.
    Failure,
    /// It gets values, and somebody should look at something.
    Warning,
    /// Good to know.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The name of the meter, where there may be several.
    pub(super) meter: Option<String>,
    /// The key of the configuration.
    pub(super) key: Option<&'static str>,
    /// What was found: a clause.
    pub(super) text: String,
    /// What to do about it: another one.
    pub(super) remedy: Option<String>,
    /// Waiting does not help: the configuration is wrong.
    #[serde(skip)]
    pub(super) is_configuration: bool,
    /// The table says it already, or the verdict will.
    #[serde(skip)]
    pub(super) is_shown: bool,
}

impl Finding {
    fn new(severity: Severity, text: impl Into<String>) -> Self {
        Self {
            severity,
            meter: None,
            key: None,
            text: text.into(),
            remedy: None,
            is_configuration: false,
            is_shown: false,
        }
    }

    pub(super) fn failure(text: impl Into<String>) -> Self {
        Self::new(Severity::Failure, text)
    }

    /// A failure that only another configuration ends.
    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self { is_configuration: true, ..Self::failure(text) }
    }

    pub(super) fn warning(text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, text)
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        Self::new(Severity::Note, text)
    }

    pub(super) fn is_failure(&self) -> bool {
        self.severity == Severity::Failure
    }

    /// Whether it is the same, but for the meter.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let parts = |finding: &Self| (finding.severity, finding.key);
        parts(self) == parts(other) && self.text == other.text && self.remedy == other.remedy
    }

    /// With what to do about it.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// It concerns this meter.
    pub(super) fn at(self, meter: &ConfiguredMeter) -> Self {
        Self { meter: meter.name.clone(), ..self }
    }

    /// It concerns the items of this key.
    pub(super) fn of(self, measurand: Measurand) -> Self {
        Self { key: Some(measurand.key()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [self.meter.as_deref(), self.key].into_iter().flatten() {
            write!(f, "{part}: ")?;
        }
        f.write_str(&self.text)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
