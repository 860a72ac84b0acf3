//! Sources: where readings come from.
//!
//! A source is a task that keeps a [`Reading`] up to date for as long as it runs. A further one is
//! a further folder and a further variant; the HTTP connection, TLS, credentials and back-off are
//! shared.

use std::{fmt, time::SystemTime};

use tokio::sync::watch;

use crate::{
    meter::{
        binding::Binding,
        reading::{Freshness, Reading},
    },
    system::liveness::Liveness,
};

mod backoff;
mod connect;
pub mod endpoint;
pub mod http;
pub mod openhab;
mod outage;
pub mod secret;
pub mod tls;

use http::HttpError;
use openhab::{ItemProblem, OpenHab, OpenHabConfig};
use secret::SecretError;
use tls::TlsError;

/// Which source, and what there is to know of it.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// Items of an openHAB server.
    OpenHab(OpenHabConfig),
}

/// A source that cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A secret is missing or useless.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Certificates are missing or useless.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a source says of an item, asked once.
#[derive(Debug)]
pub struct Probe {
    /// The item's state, as the source has it; empty where it gives none.
    pub state: String,
    /// The value, in the base unit of its quantity.
    pub value: Result<f64, ItemProblem>,
    /// When the source last updated it, by its own clock, if it knows.
    pub updated: Option<SystemTime>,
}

impl SourceConfig {
    /// The items to read, each with the point it is for.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        match self {
            Self::OpenHab(config) => &config.bindings,
        }
    }

    /// The source, not yet connected.
    ///
    /// # Errors
    /// Returns an error if secrets or certificates cannot be loaded.
    pub fn build(self, freshness: Freshness) -> Result<Source, SetupError> {
        match self {
            Self::OpenHab(config) => Ok(Source::OpenHab(OpenHab::new(config, freshness)?)),
        }
    }
}

impl fmt::Display for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenHab(config) => write!(f, "openHAB at {}", config.endpoint),
        }
    }
}

/// Something that knows the values of a meter.
#[derive(Debug)]
pub enum Source {
    /// Items of an openHAB server.
    OpenHab(OpenHab),
}

impl Source {
    /// Reads one item, once.
    ///
    /// # Errors
    /// Returns an error if the source cannot be reached.
    pub async fn probe(&mut self, binding: &Binding) -> Result<Probe, HttpError> {
        match self {
            Self::OpenHab(openhab) => openhab.probe(binding).await,
        }
    }

    /// Keeps `readings` up to date. Never gives up: what fails is tried again.
    pub async fn run(self, readings: watch::Sender<Reading>, liveness: &Liveness) {
        match self {
            Self::OpenHab(openhab) => openhab.run(readings, liveness).await,
        }
    }
}
