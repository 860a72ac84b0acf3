//! Sources: where readings come from.
//!
//! A source is a task that keeps a [`Reading`] up to date for as long as it runs. Another source is
//! another folder and another variant; the HTTP connection, TLS, secrets and back-off are shared.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

use hyper::StatusCode;
use tokio::sync::watch;
use tracing::Span;

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
mod file;
pub mod homeassistant;
pub mod http;
pub(crate) mod item;
mod kind;
mod listing;
pub mod openhab;
mod outage;
mod reloadable;
pub mod secret;
mod server;
pub mod state;
pub mod tls;
mod tracked;
pub(crate) mod tracker;

use homeassistant::{
    HomeAssistant, HomeAssistantConfig, HomeAssistantView, SessionError, WatchingHomeAssistant,
};
use http::HttpError;
pub use item::ItemProblem;
use item::ItemReply;
pub use kind::SourceKind;
pub use listing::ListedItem;
use openhab::{OpenHab, OpenHabConfig, OpenHabView, WatchingOpenHab};
use secret::{SecretError, SecretSource};
use tls::TlsError;

/// The configuration of a source.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// Items of an openHAB server.
    OpenHab(OpenHabConfig),
    /// Entities of Home Assistant.
    HomeAssistant(HomeAssistantConfig),
}

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A secret is missing or unusable.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Certificates are missing or unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a source cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// openHAB cannot be reached.
    #[error(transparent)]
    OpenHab(#[from] HttpError),
    /// openHAB does not list its items.
    #[error(transparent)]
    List(#[from] openhab::ListError),
    /// Home Assistant cannot be reached, or refuses to answer.
    #[error(transparent)]
    HomeAssistant(#[from] SessionError),
}

impl ProbeError {
    /// Whether the source wants to know who asks.
    #[must_use]
    pub fn wants_credentials(&self) -> bool {
        matches!(self, Self::List(openhab::ListError::Status(StatusCode::UNAUTHORIZED)))
    }
}

/// What answers at the address of a source is something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint} answers, but not as {} does: {reason}", .wanted.title())]
pub struct Stranger {
    /// What should be there.
    pub wanted: SourceKind,
    /// The server.
    pub endpoint: String,
    /// What shows it.
    pub reason: String,
}

/// What a source is to keep up to date for one meter.
#[derive(Debug)]
pub struct Watched {
    /// The items to read, each with the point it is for.
    pub bindings: Vec<Binding>,
    /// Where their values go.
    pub readings: watch::Sender<Reading>,
    /// That of the meter, for what is logged about the items.
    pub span: Span,
}

/// What a source answers when it is asked for one item.
#[derive(Debug)]
pub struct Probe {
    /// The item's state, as the source has it; empty where it has no state.
    pub state: String,
    /// The value, in the base unit of its quantity.
    pub value: Result<f64, ItemProblem>,
    /// When the source last updated it, by the source's clock, if it is known.
    pub updated: Option<SystemTime>,
    /// The source makes it of other items.
    pub is_group: bool,
}

impl Probe {
    /// What a source has answered for this binding.
    fn of(answer: Result<ItemReply, ItemProblem>, binding: &Binding) -> Self {
        match answer {
            Ok(reply) => Self {
                value: state::value(&reply.state, binding).map_err(ItemProblem::from),
                updated: reply.updated(),
                is_group: reply.is_group,
                state: reply.state,
            },
            Err(problem) => {
                Self { state: String::new(), value: Err(problem), updated: None, is_group: false }
            }
        }
    }
}

impl SourceConfig {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::OpenHab(_) => SourceKind::OpenHab,
            Self::HomeAssistant(_) => SourceKind::HomeAssistant,
        }
    }

    /// Its secrets, each with the key that names the file.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, &SecretSource)> {
        let (token, password) = match self {
            Self::OpenHab(OpenHabConfig { credentials, .. }) => {
                let login = credentials.login.as_ref();
                let password = login.and_then(|(_, password)| password.as_ref());
                (credentials.token.as_ref().map(|token| ("openhab_token_file", token)), password)
            }
            Self::HomeAssistant(HomeAssistantConfig { token, .. }) => {
                (token.as_ref().map(|token| ("homeassistant_token_file", token)), None)
            }
        };
        token.into_iter().chain(password.map(|password| ("openhab_password_file", password)))
    }

    /// Creates the source, which is not connected yet.
    ///
    /// # Errors
    /// Returns an error if secrets or certificates cannot be loaded.
    pub fn build(self, freshness: Freshness) -> Result<Source, SetupError> {
        match self {
            Self::OpenHab(config) => Ok(Source::OpenHab(OpenHab::new(config, freshness)?)),
            Self::HomeAssistant(config) => {
                Ok(Source::HomeAssistant(HomeAssistant::new(config, freshness)?))
            }
        }
    }
}

impl fmt::Display for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenHab(config) => write!(f, "openHAB at {}", config.endpoint),
            Self::HomeAssistant(config) => config.fmt(f),
        }
    }
}

/// Where the values of a meter come from.
#[derive(Debug)]
pub enum Source {
    /// Items of an openHAB server.
    OpenHab(OpenHab),
    /// Entities of Home Assistant.
    HomeAssistant(HomeAssistant),
}

/// How a source is, and what it said: for people to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whether it answers: none before it was reached for the first time.
    pub answers: Option<bool>,
    /// Since when it has been so.
    pub since: Instant,
    /// Whether it reports changes by itself at present.
    pub has_events: bool,
    /// While it is away: why, and when the next attempt is due.
    pub outage: Option<(String, Instant)>,
    /// Of each item, in the order of the meters and their bindings.
    pub items: Vec<ItemReport>,
}

/// What a source said about an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemReport {
    /// Its last state, in the source's words.
    pub state: Option<String>,
    /// Why it gives no value.
    pub problem: Option<String>,
}

/// A source that keeps readings up to date while it runs.
#[derive(Debug)]
pub enum Watching {
    /// Items of an openHAB server.
    OpenHab(WatchingOpenHab),
    /// Entities of Home Assistant.
    HomeAssistant(WatchingHomeAssistant),
}

/// A look at a source that runs.
#[derive(Clone, Debug)]
pub enum View {
    /// Items of an openHAB server.
    OpenHab(OpenHabView),
    /// Entities of Home Assistant.
    HomeAssistant(HomeAssistantView),
}

impl Watching {
    /// Keeps the readings up to date. Never gives up: what fails is tried again.
    pub async fn run(self, liveness: &Liveness) {
        match self {
            Self::OpenHab(openhab) => openhab.run(liveness).await,
            Self::HomeAssistant(homeassistant) => homeassistant.run(liveness).await,
        }
    }

    /// A look at it, for while it runs.
    #[must_use]
    pub fn view(&self) -> View {
        match self {
            Self::OpenHab(openhab) => View::OpenHab(openhab.view()),
            Self::HomeAssistant(homeassistant) => View::HomeAssistant(homeassistant.view()),
        }
    }
}

impl View {
    /// How it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        match self {
            Self::OpenHab(openhab) => openhab.report(),
            Self::HomeAssistant(homeassistant) => homeassistant.report(),
        }
    }
}

impl Source {
    /// Reads items, once each, and gives the answers in their order.
    ///
    /// # Errors
    /// Returns an error if the source cannot be reached.
    pub async fn probe(&self, bindings: &[&Binding]) -> Result<Vec<Probe>, ProbeError> {
        match self {
            Self::OpenHab(openhab) => Ok(openhab.probe(bindings).await?),
            Self::HomeAssistant(homeassistant) => Ok(homeassistant.probe(bindings).await?),
        }
    }

    /// Asks what answers there, where the answers about items do not show it. Home Assistant has shown
    /// it when it answers at all.
    ///
    /// # Errors
    /// Returns an error if it is something else.
    pub async fn greet(&self) -> Result<(), Stranger> {
        match self {
            Self::OpenHab(openhab) => openhab.greet().await,
            Self::HomeAssistant(_) => Ok(()),
        }
    }

    /// Lists all items that have numbers, in no particular order.
    ///
    /// # Errors
    /// Returns an error if the source cannot be reached, or answers with something else.
    pub async fn list(&self) -> Result<Vec<ListedItem>, ProbeError> {
        match self {
            Self::OpenHab(openhab) => Ok(openhab.list().await?),
            Self::HomeAssistant(homeassistant) => Ok(homeassistant.list().await?),
        }
    }

    /// The highest number that an item has had in the last month, in its unit, if that is known.
    pub async fn highest(&self, item: &str) -> Option<f64> {
        match self {
            Self::OpenHab(openhab) => openhab.highest(item).await,
            Self::HomeAssistant(homeassistant) => homeassistant.highest(item).await,
        }
    }

    /// Gets ready to keep the readings of these meters up to date.
    #[must_use]
    pub fn watch(self, meters: Vec<Watched>) -> Watching {
        match self {
            Self::OpenHab(openhab) => Watching::OpenHab(openhab.watch(meters)),
            Self::HomeAssistant(homeassistant) => {
                Watching::HomeAssistant(homeassistant.watch(meters))
            }
        }
    }
}
