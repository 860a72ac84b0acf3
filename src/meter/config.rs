//! What there is to know of a meter before its first value.

use std::fmt;

use serde::Serialize;

use super::sunspec::{Identity, MeterModel};

/// What the meter measures, and so the sign of its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A generator: its power is served negative, its energy as exported.
    Producer,
    /// The grid connection: import is positive.
    Grid,
}

impl Role {
    /// What the power is multiplied by to be served: what a producer generates is negative.
    #[must_use]
    pub fn power_sign(self) -> f64 {
        match self {
            Self::Producer => -1.0,
            Self::Grid => 1.0,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Grid => "grid",
        })
    }
}

/// What reads of measured values get once the data is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStale {
    /// Power, current, apparent and reactive power 0, nominal voltage and frequency, energy kept.
    Zero,
    /// Exception 0x0B, gateway target device failed to respond.
    Exception,
    /// The last values.
    Hold,
    /// Nothing: connections are closed and new ones refused.
    Disconnect,
}

/// What there is to know of a meter before its first value.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterConfig {
    /// Sign of the power, and which counter is which.
    pub role: Role,
    /// The common model.
    pub identity: Identity,
    /// The model of the values.
    pub model: MeterModel,
    /// What is served once the data is stale.
    pub on_stale: OnStale,
    /// What `energy_counter_out` shows first, all phases together, must reach this, in Wh.
    pub min_energy_wh: f64,
    /// No more can flow through this meter, in W.
    pub max_power_w: f64,
}
