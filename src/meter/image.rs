//! What every request is answered from.

use std::{fmt, time::Instant};

use serde::Serialize;

use super::{
    measurements::Measurements,
    sunspec::{MeterModel, Registers},
};

/// How far the data can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// A counter has had no valid value yet, so there is nothing to serve.
    Waiting,
    /// Every power is younger than `stale_after`.
    Live,
    /// At least one is not.
    Stale,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Live => "live",
            Self::Stale => "stale",
        })
    }
}

/// What reads of measured values get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// The registers.
    Registers,
    /// Exception 0x0B.
    Exception,
    /// A closed connection.
    Disconnect,
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registers => "registers",
            Self::Exception => "exception",
            Self::Disconnect => "disconnect",
        })
    }
}

/// What every request is answered from: one instant of the meter.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The map, from [`super::sunspec::BASE`] on.
    pub registers: Registers,
    /// The meter model in it, which decides how long it is.
    pub model: MeterModel,
    /// The quantities that are beyond what the model can hold, and show its limit.
    pub saturated: Vec<&'static str>,
    /// Whether the measured part of it may be read.
    pub availability: Availability,
    /// How far the data can be trusted, which decides that.
    pub condition: Condition,
    /// When the oldest power was confirmed.
    pub confirmed: Option<Instant>,
    /// When the next value stops being fresh, unless it is confirmed before.
    pub next_expiry: Option<Instant>,
    /// What keeps the data from being live.
    pub overdue: Vec<String>,
    /// The values in the registers, for the log.
    pub measurements: Option<Measurements>,
}
