//! Whether the service does its work, for container runtimes and monitors.

use serde::Serialize;

use super::snapshot::{Snapshot, SourceState};
use crate::{meter::Condition, source::SourceKind};

/// The body of `/health`. That it comes with status 200 says that meters are served; an outage of the
/// source is said here, and is no reason to restart the service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health<'s> {
    status: &'static str,
    version: &'static str,
    uptime_s: f64,
    sources: Vec<SourceHealth>,
    meters: Vec<MeterHealth<'s>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct SourceHealth {
    kind: SourceKind,
    state: SourceState,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct MeterHealth<'s> {
    name: Option<&'s str>,
    serial_number: &'s str,
    condition: Condition,
    age_s: Option<f64>,
    /// What the energy guard holds back.
    guard: Vec<&'s str>,
    is_saved: bool,
}

impl<'s> Health<'s> {
    /// The health of a service that answers.
    #[must_use]
    pub fn of(snapshot: &'s Snapshot) -> Self {
        let meters = snapshot.meters.iter().map(|meter| MeterHealth {
            name: meter.name.as_deref(),
            serial_number: &meter.serial_number,
            condition: meter.condition,
            age_s: meter.age_s,
            guard: meter.guard.iter().map(|guard| guard.text.as_str()).collect(),
            is_saved: meter.is_saved,
        });
        let sources = snapshot.sources.iter();
        let sources = sources.map(|source| SourceHealth { kind: source.kind, state: source.state });
        Self {
            status: "serving",
            version: snapshot.version,
            uptime_s: snapshot.uptime_s,
            sources: sources.collect(),
            meters: meters.collect(),
        }
    }
}
