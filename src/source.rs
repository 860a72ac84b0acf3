//! Sources: where readings come from.
//!
//! A source is a task that keeps a [`Reading`] up to date for as long as it runs. A further one is
//! a further module and a further variant.

use tokio::sync::watch;

use crate::{meter::reading::Reading, system::liveness::Liveness};

pub mod credentials;
pub mod endpoint;
pub mod http;
pub mod openhab;
pub mod tls;

use openhab::OpenHab;

/// Something that knows the values of a meter.
#[derive(Debug)]
pub enum Source {
    /// Items of an openHAB server.
    OpenHab(OpenHab),
}

impl Source {
    /// Keeps `readings` up to date. Never gives up: what fails is tried again.
    pub async fn run(self, readings: watch::Sender<Reading>, liveness: &Liveness) {
        match self {
            Self::OpenHab(openhab) => openhab.run(readings, liveness).await,
        }
    }
}
