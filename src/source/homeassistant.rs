//! Home Assistant as a source: one WebSocket, on which it reports the wanted entities.
//!
//! It sends what they are at first, and then each difference (`entities`). A steady value sends
//! nothing, so what confirms it is that the connection lives: any message is a sign of that, and a
//! ping asks for one.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::header::HeaderMap;
use tokio::time::{Instant, timeout};

use super::{
    ListedItem, Probe, Report, SetupError, SourceKind, Stranger, Watched,
    endpoint::{Endpoint, InvalidEndpoint},
    http::Client,
    item::ItemProblem,
    reloadable::Reloadable,
    secret::{self, SecretError, SecretSource},
    tls::CaFile,
    tracker::Tracker,
};
use crate::{
    meter::{binding::Binding, reading::Freshness},
    system::liveness::Liveness,
};

mod conversation;
pub mod entities;
mod error;
mod history;
mod list;
pub mod message;
mod question;
mod session;
mod socket;

use conversation::Conversation;
pub use error::SessionError;

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 8123;

/// The systemd credential that is used as the token if no file is named.
const TOKEN_CREDENTIAL: &str = "homeassistant_token";

/// The most time for making a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The most time for the answer to a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// The most time for the list of all entities.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// The configuration of a Home Assistant.
#[derive(Clone, Debug)]
pub struct HomeAssistantConfig {
    /// Address of the server.
    pub endpoint: Endpoint,
    /// Its token, unless it is a credential of systemd.
    pub token: Option<SecretSource>,
    /// File with the certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The server is the Supervisor, which passes on what it is asked, and not Home Assistant itself.
    pub is_supervisor: bool,
}

impl HomeAssistantConfig {
    /// Home Assistant as an app finds it, with the token that the Supervisor gives to the app.
    #[must_use]
    pub fn of_the_app(token: String) -> Self {
        let (host, path) = ("supervisor".to_owned(), "/core".to_owned());
        Self {
            endpoint: Endpoint { host, path, ..Endpoint::localhost(80) },
            token: Some(SecretSource::Given(token)),
            ca_file: None,
            is_supervisor: true,
        }
    }

    fn path(&self) -> &'static str {
        if self.is_supervisor { "/websocket" } else { "/api/websocket" }
    }
}

impl fmt::Display for HomeAssistantConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_supervisor {
            return f.write_str("Home Assistant");
        }
        write!(f, "Home Assistant at {}", self.endpoint)
    }
}

/// Parses the address of a server. The path of its API may be part of it.
///
/// # Errors
/// Returns an error if the text is not an address; see [`Endpoint::parse`].
pub fn parse_host(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    Ok(Endpoint::parse(text, DEFAULT_PORT)?.without("/api/websocket").without("/api"))
}

/// Whether this is the id of an entity by Home Assistant's own rule.
pub(super) fn is_entity_id(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(valid) && part.trim_matches('_') == part;
    let parts = name.split_once('.');
    parts.is_some_and(|(domain, id)| is_part(domain) && !domain.contains("__") && is_part(id))
}

/// Asks what answers there, which needs no token.
///
/// # Errors
/// Returns an error if it is not Home Assistant.
pub async fn greet(config: &HomeAssistantConfig) -> Result<(), Stranger> {
    let stranger = |error: &dyn std::error::Error| Stranger {
        wanted: SourceKind::HomeAssistant,
        endpoint: config.endpoint.to_string(),
        reason: error.to_string(),
    };
    let client = client(config).map_err(|error| stranger(&error))?;
    let connected = client.web_socket(config.path()).await;
    connected.map(drop).map_err(|error| stranger(&SessionError::from(error)))
}

/// What connects to it. There is no header for the token, which is sent in a message.
fn client(config: &HomeAssistantConfig) -> Result<Client, SetupError> {
    let ca_file = CaFile { key: "homeassistant_ca_file", path: config.ca_file.clone() };
    let no_headers = || Ok(HeaderMap::new());
    Client::new(config.endpoint.clone(), no_headers, CONNECT_LIMIT, ca_file)
}

/// A Home Assistant and the entities to read from it.
#[derive(Debug)]
pub struct HomeAssistant {
    config: HomeAssistantConfig,
    freshness: Freshness,
    access: Access,
}

/// What is needed for a connection.
struct Access {
    client: Client,
    path: &'static str,
    token: Reloadable<String, SecretError>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Access {
    async fn connect(&self) -> Result<Conversation, SessionError> {
        let token = self.token.get().await?;
        let conversation = Conversation::open(&self.client, self.path, &token).await;
        if matches!(conversation, Err(SessionError::Refused(_))) {
            // It may have been replaced on the disk.
            self.token.failed();
        }
        conversation
    }
}

impl HomeAssistant {
    /// A source that is not connected yet.
    ///
    /// # Errors
    /// Returns an error if the token or certificates cannot be loaded.
    pub fn new(config: HomeAssistantConfig, freshness: Freshness) -> Result<Self, SetupError> {
        let client = client(&config)?;
        let token = config.token.clone();
        let load = move || {
            let key = "homeassistant_token_file";
            let token = token.clone().or_else(|| secret::credential(TOKEN_CREDENTIAL));
            token.ok_or(SecretError::Missing { key, what: "a long-lived access token" })?.read(key)
        };
        let loaded = load()?;
        let token = Reloadable::new(load, Some(loaded));
        let access = Access { client, path: config.path(), token };
        Ok(Self { config, freshness, access })
    }

    /// Reads entities, once each, all in one question.
    ///
    /// # Errors
    /// Returns an error if Home Assistant cannot be reached.
    pub async fn probe(&self, bindings: &[&Binding]) -> Result<Vec<Probe>, SessionError> {
        let mut conversation = self.access.connect().await?;
        let mut ids: Vec<_> = bindings.iter().map(|binding| binding.item.clone()).collect();
        ids.sort();
        ids.dedup();
        let found = timeout(PROBE_LIMIT, conversation.look_up(&ids)).await;
        let found = found.map_err(|_| SessionError::Silent)??;
        let probe = |binding: &&Binding| {
            let answer = found.get(&binding.item).cloned();
            Probe::of(answer.unwrap_or(Err(ItemProblem::NotAState)), binding)
        };
        Ok(bindings.iter().map(probe).collect())
    }

    /// Lists all entities that have numbers.
    ///
    /// # Errors
    /// Returns an error if Home Assistant cannot be reached, or answers with something else.
    pub async fn list(&self) -> Result<Vec<ListedItem>, SessionError> {
        let mut conversation = self.access.connect().await?;
        let listed = timeout(LIST_LIMIT, conversation.list()).await;
        listed.map_err(|_| SessionError::Silent)?
    }

    /// The highest number that an entity has had in the last month, in its unit, if that is known.
    pub async fn highest(&self, entity: &str) -> Option<f64> {
        let mut conversation = self.access.connect().await.ok()?;
        timeout(PROBE_LIMIT, conversation.highest(entity)).await.ok()?
    }

    /// Gets ready to keep the readings of these meters up to date.
    #[must_use]
    pub fn watch(self, meters: Vec<Watched>) -> WatchingHomeAssistant {
        let Self { config, freshness, access } = self;
        let tracker = Tracker::new(meters, Instant::now().into_std());
        let shared = Shared { config, freshness, tracker: Mutex::new(tracker) };
        WatchingHomeAssistant { shared: Arc::new(shared), access }
    }
}

/// A Home Assistant whose entities are watched.
#[derive(Debug)]
pub struct WatchingHomeAssistant {
    shared: Arc<Shared>,
    access: Access,
}

impl WatchingHomeAssistant {
    /// Keeps the readings up to date. Never returns.
    pub async fn run(self, liveness: &Liveness) {
        let pulse = liveness.of("Home Assistant");
        session::run(&self.shared, &self.access, &pulse).await;
    }

    /// A look at it, for while it runs.
    #[must_use]
    pub fn view(&self) -> HomeAssistantView {
        HomeAssistantView(Arc::clone(&self.shared))
    }
}

/// A look at a Home Assistant whose entities are watched.
#[derive(Clone, Debug)]
pub struct HomeAssistantView(Arc<Shared>);

impl HomeAssistantView {
    /// How it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        let report = self.0.tracker().report(true);
        Report { has_events: report.answers == Some(true), ..report }
    }
}

/// What the session and those who look at it share.
#[derive(Debug)]
struct Shared {
    config: HomeAssistantConfig,
    freshness: Freshness,
    tracker: Mutex<Tracker>,
}

impl Shared {
    /// The tracker is consistent between any two statements, so a panic elsewhere does no harm.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
