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
    Probe, Report, SetupError, Watched,
    endpoint::{Endpoint, InvalidEndpoint},
    http::Client,
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

/// The most time for an answer of `check`.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

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

/// A Home Assistant and the entities to read from it.
#[derive(Debug)]
pub struct HomeAssistant {
    config: HomeAssistantConfig,
    freshness: Freshness,
    access: Access,
    /// Of `check`.
    conversation: Option<Box<Conversation>>,
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
        let ca_file = CaFile { key: "homeassistant_ca_file", path: config.ca_file.clone() };
        let no_headers = || Ok(HeaderMap::new());
        let client = Client::new(config.endpoint.clone(), no_headers, CONNECT_LIMIT, ca_file)?;
        let token = config.token.clone();
        let load = move || {
            let key = "homeassistant_token_file";
            let token = token.clone().or_else(|| secret::credential(TOKEN_CREDENTIAL));
            token.ok_or(SecretError::Missing { key, what: "a long-lived access token" })?.read(key)
        };
        let loaded = load()?;
        let token = Reloadable::new(load, Some(loaded));
        let access = Access { client, path: config.path(), token };
        Ok(Self { config, freshness, access, conversation: None })
    }

    /// Reads one entity, once.
    ///
    /// # Errors
    /// Returns an error if Home Assistant cannot be reached.
    pub async fn probe(&mut self, binding: &Binding) -> Result<Probe, SessionError> {
        let mut conversation = match self.conversation.take() {
            Some(conversation) => conversation,
            None => Box::new(self.access.connect().await?),
        };
        let looked_up = timeout(PROBE_LIMIT, conversation.look_up(&binding.item)).await;
        let found = looked_up.map_err(|_| SessionError::Silent)??;
        self.conversation = Some(conversation);
        Ok(Probe::of(found, binding))
    }

    /// Gets ready to keep the readings of these meters up to date.
    #[must_use]
    pub fn watch(self, meters: Vec<Watched>) -> WatchingHomeAssistant {
        let Self { config, freshness, access, .. } = self;
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
