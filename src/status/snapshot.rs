//! Everything that can be seen of the service, at one instant: the body of `/api/status`, and what the
//! page and the metrics are made of.
//!
//! Pure data. `docs/api.md` describes it for those who read it.

use serde::Serialize;

use crate::{
    meter::{Availability, Condition, Role},
    source::SourceKind,
};

/// The version of this format. Fields may be added under the same number; what changes or goes away
/// makes it another.
pub const FORMAT: u32 = 1;

/// The whole service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// See [`FORMAT`].
    pub format: u32,
    /// Of the program.
    pub version: &'static str,
    /// When this was taken, in seconds since 1970, UTC.
    pub time_s: f64,
    /// Since the start, in seconds.
    pub uptime_s: f64,
    /// Where the values come from: each kind of source at most once.
    pub sources: Vec<SourceSnapshot>,
    /// Each meter, in the order of the configuration.
    pub meters: Vec<MeterSnapshot>,
    /// The configuration as it is used, in YAML, with `***` in place of secrets.
    pub configuration: String,
}

impl Snapshot {
    /// How the source of a meter is.
    #[must_use]
    pub fn source_state(&self, meter: &MeterSnapshot) -> SourceState {
        let source = self.sources.iter().find(|source| source.kind == meter.source);
        source.map_or(SourceState::Unknown, |source| source.state)
    }
}

/// A source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceSnapshot {
    /// What it is.
    pub kind: SourceKind,
    /// What it is and where, such as `openHAB at http://192.168.1.31:8080`.
    pub name: String,
    /// How it is.
    pub state: SourceState,
    /// For how long it has been so, in seconds.
    pub since_s: f64,
    /// Whether it reports changes by itself, and not only when it is asked.
    pub has_events: bool,
    /// Why it is away, in a sentence.
    pub fault: Option<String>,
    /// While it is away: the time to the next attempt, in seconds.
    pub next_try_s: Option<f64>,
}

/// How the source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It was not reached yet.
    Unknown,
    /// It answers.
    Answers,
    /// Nothing can be read.
    Away,
}

/// One meter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeterSnapshot {
    /// Its name, where there may be several.
    pub name: Option<String>,
    /// By which the inverter, the counters' file and the metrics know it.
    pub serial_number: String,
    /// The sign convention.
    pub role: Role,
    /// Which source it has.
    pub source: SourceKind,
    /// Its unit id.
    pub unit: u8,
    /// The SunSpec model of its values: 213 or 203.
    pub model: u16,
    /// The addresses where it is polled.
    pub listens: Vec<String>,
    /// How far its data can be trusted.
    pub condition: Condition,
    /// What a read of values gets.
    pub answer: Availability,
    /// The age of the oldest power, in seconds.
    pub age_s: Option<f64>,
    /// What keeps it from being live, such as `current_power L1`.
    pub overdue: Vec<String>,
    /// Who asks it.
    pub polls: Polls,
    /// What is served.
    pub served: Option<Served>,
    /// What the source has for it.
    pub values: Vec<ValueSnapshot>,
    /// What the energy guard holds back.
    pub guard: Vec<GuardSnapshot>,
    /// Counters are on disk before they are served.
    pub is_saved: bool,
    /// All that can be read, point by point.
    pub registers: Vec<RegisterSnapshot>,
    /// The last day; only where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistorySnapshot>,
}

impl MeterSnapshot {
    /// What it is called: its name, or else its serial number.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.serial_number)
    }

    /// Whether it serves values that are live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.condition == Condition::Live
    }
}

/// Who asks a meter.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Polls {
    /// Open connections, of all meters of its port.
    pub connections: usize,
    /// Requests that were answered with what they asked for, since the start.
    pub answered: u64,
    /// Requests that were refused, by Modbus exception code.
    pub refused: Vec<Refused>,
    /// Reads of values within the last minute.
    pub per_minute: u64,
    /// The last read of values, if there was one.
    pub last: Option<LastPoll>,
}

/// How often requests were refused, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Modbus exception code.
    pub code: u8,
    /// Requests since the start.
    pub count: u64,
}

/// A read of values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastPoll {
    /// From where.
    pub client: String,
    /// How long ago, in seconds.
    pub age_s: f64,
    /// The first register asked for.
    pub start: u16,
    /// The number of registers.
    pub count: u16,
}

/// A total and its phases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Phases {
    /// Of all phases.
    pub total: f64,
    /// Phase L1.
    pub l1: f64,
    /// Phase L2.
    pub l2: f64,
    /// Phase L3.
    pub l3: f64,
}

/// The values in the registers, with SunSpec's signs: + is import.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Served {
    /// In W.
    pub power_w: Phases,
    /// Line to neutral, in V; the total is the mean.
    pub voltage_v: Phases,
    /// In A.
    pub current_a: Phases,
    /// In Hz.
    pub frequency_hz: f64,
    /// In Wh.
    pub exported_wh: Phases,
    /// In Wh.
    pub imported_wh: Phases,
}

/// One item of the source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueSnapshot {
    /// The configuration key, such as `current_power`.
    pub key: &'static str,
    /// `L1`, `L2` or `L3`.
    pub phase: String,
    /// Its name at the source.
    pub item: String,
    /// The source's own words, where it has said something.
    pub state: Option<String>,
    /// The last good value, in `unit`.
    pub value: Option<f64>,
    /// Wh, W, V, A or Hz.
    pub unit: &'static str,
    /// Since the value was last confirmed, in seconds.
    pub age_s: Option<f64>,
    /// Young enough to be served.
    pub is_fresh: bool,
    /// Why there is no value now, in a sentence.
    pub problem: Option<String>,
}

/// A counter that does not follow its item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuardSnapshot {
    /// The configuration key.
    pub key: &'static str,
    /// `L1`, `L2` or `L3`.
    pub phase: String,
    /// The item it is read from.
    pub item: String,
    /// Why, until when, and the way out, in a sentence.
    pub text: String,
}

/// One point of the register map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegisterSnapshot {
    /// The address of its first register.
    pub address: u16,
    /// Its SunSpec name.
    pub name: String,
    /// As a client decodes it, before any scale factor; none where the point has no value.
    pub value: Option<String>,
    /// The registers.
    pub words: Vec<u16>,
}

/// The last day, a point a minute, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HistorySnapshot {
    /// When the first point was taken, in seconds since 1970, UTC.
    pub start_s: f64,
    /// From one point to the next, in seconds.
    pub step_s: f64,
    /// The total power in W; none where nothing was live.
    pub power_w: Vec<Option<f64>>,
    /// The total exported energy in Wh; none where nothing was live.
    pub exported_wh: Vec<Option<f64>>,
    /// The total imported energy in Wh; none where nothing was live.
    pub imported_wh: Vec<Option<f64>>,
}
