//! openHAB as a source: its event stream for speed, reads of the items for certainty.
//!
//! Two loops run side by side, each with a connection of its own. One listens to the event stream
//! (`stream`). The other (`poll`) reads every item: after each (re)connection of the stream and once a minute while the
//! stream shows signs of life, every `poll_interval` where it does not.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use hyper::StatusCode;
use serde::Deserialize;
use tokio::sync::watch;

use crate::{
    meter::{
        reading::{Point, Reading},
        units::Unit,
    },
    source::{
        credentials::{CredentialError, Credentials},
        endpoint::Endpoint,
        http::{Client, HttpError},
        tls::TlsError,
    },
    system::liveness::{Liveness, Pulse},
};

pub mod events;
mod poll;
mod stream;
mod tracker;

use events::EventError;
pub use tracker::ItemProblem;
use tracker::Tracker;

/// An item of openHAB, and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Which value it gives.
    pub point: Point,
    /// The unit of its state, where that names none.
    pub unit: Unit,
}

/// How updates are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// From the event stream, with polling while that is away.
    Events,
    /// By polling alone.
    Poll,
}

/// What there is to know of a server and its items.
#[derive(Clone, Debug)]
pub struct OpenHabConfig {
    /// The server.
    pub endpoint: Endpoint,
    /// How updates are got.
    pub update: Update,
    /// Time from one poll to the next.
    pub poll_interval: Duration,
    /// When values go stale; signs of life must come more often to count.
    pub stale_after: Duration,
    /// When an item that was not updated is too old. Where it is given, reads ask for the time of
    /// the last update too, which openHAB 5 tells.
    pub item_max_age: Option<Duration>,
    /// Who we are.
    pub credentials: Credentials,
    /// The certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The items to read.
    pub items: Vec<Item>,
}

/// A source that cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A secret is missing or useless.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// Certificates are missing or useless.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a round of reads, or the event stream, ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The same answer to everything, so it is not about one item.
    #[error("openHAB answers {0}{hint}", hint = tracker::hint(*.0))]
    Status(StatusCode),
    #[error("the event stream is none: {0:?}")]
    ContentType(String),
    #[error("the event stream sent {0}")]
    Event(#[from] EventError),
    #[error("the event stream ended")]
    Ended,
    #[error("the event stream broke: {0}")]
    Broken(hyper::Error),
    #[error("the event stream has gone silent")]
    Silent,
}

/// How the event stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamHealth {
    Down,
    /// Connected, without a regular sign of life (yet).
    Quiet,
    /// Signs of life come often enough to keep values fresh.
    Alive,
}

/// What was told of an outage: each of its troubles once, in whatever order they come again.
#[derive(Default)]
struct Outage {
    told: Vec<String>,
}

impl Outage {
    /// More than these would be noise: a server that fails in a new way each time is broken.
    const MAX: usize = 8;

    /// Whether this trouble is worth a line.
    fn is_news(&mut self, trouble: &str) -> bool {
        let news = self.told.len() < Self::MAX && self.told.iter().all(|told| told != trouble);
        if news {
            self.told.push(trouble.to_owned());
        }
        news
    }
}

/// What the two loops share.
struct Session {
    config: OpenHabConfig,
    tracker: Mutex<Tracker>,
    stream: watch::Sender<StreamHealth>,
    polling: Pulse,
}

impl Session {
    /// The tracker is consistent between any two statements, so a panic elsewhere does not spoil
    /// it.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of an item, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemState {
    /// The text openHAB has.
    pub state: String,
    /// The value in the base unit.
    pub value: f64,
}

/// An openHAB server and the items wanted of it.
#[derive(Debug)]
pub struct OpenHab {
    config: OpenHabConfig,
    client: Client,
}

impl OpenHab {
    /// A source that is not yet connected.
    ///
    /// # Errors
    /// Where secrets or certificates cannot be loaded.
    pub fn new(config: OpenHabConfig) -> Result<Self, SetupError> {
        let headers = config.credentials.headers()?;
        let client = Client::new(config.endpoint.clone(), headers, config.ca_file.clone())?;
        Ok(Self { config, client })
    }

    /// Reads one item, once.
    ///
    /// # Errors
    /// The outer one where openHAB cannot be reached, the inner one where the item has no value.
    pub async fn read(
        &mut self,
        item: &Item,
    ) -> Result<Result<ItemState, (String, ItemProblem)>, HttpError> {
        let (status, state) = self.client.text(&state_path(&item.name), "text/plain").await?;
        let state = match (status, state) {
            (StatusCode::OK, Some(state)) => state,
            (StatusCode::OK, None) => return Ok(Err((String::new(), ItemProblem::NotText))),
            _ => return Ok(Err((String::new(), ItemProblem::Status(status)))),
        };
        Ok(match crate::meter::units::parse_state(&state, &item.unit) {
            Ok(value) => Ok(ItemState { state, value }),
            Err(error) => Err((state, ItemProblem::State(error))),
        })
    }

    /// When openHAB last updated an item, if it says (5.0 and later).
    ///
    /// # Errors
    /// Where openHAB cannot be reached.
    pub async fn last_update(&mut self, item: &Item) -> Result<Option<SystemTime>, HttpError> {
        let (_, json) = self.client.text(&item_path(&item.name), "application/json").await?;
        let document = json.and_then(|json| ItemDocument::parse(&json));
        let millis = document.and_then(|document| document.last_state_update);
        Ok(millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))))
    }

    /// Keeps `readings` up to date for ever.
    pub async fn run(self, readings: watch::Sender<Reading>, liveness: &Liveness) {
        let Self { config, client } = self;
        let session = Session {
            tracker: Mutex::new(Tracker::new(config.items.clone(), readings)),
            stream: watch::Sender::new(StreamHealth::Down),
            polling: liveness.of("polling"),
            config,
        };
        match session.config.update {
            Update::Events => {
                tokio::join!(
                    session.listen(client.another(), liveness.of("event stream")),
                    session.poll(client)
                );
            }
            Update::Poll => session.poll(client).await,
        }
    }
}

/// What openHAB says of an item as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemDocument {
    state: String,
    /// In milliseconds since 1970, by openHAB's clock; from openHAB 5.0 on.
    last_state_update: Option<u64>,
}

impl ItemDocument {
    fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

fn item_path(item: &str) -> String {
    format!("/rest/items/{item}?metadata=&recursive=false")
}

fn state_path(item: &str) -> String {
    format!("/rest/items/{item}/state")
}

/// Half a second at first, and 4 seconds at most; the jitter adds up to as much again. A refused
/// connection costs nothing, and whoever waits for values should not wait longer than that.
fn new_backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .without_max_times()
        .with_jitter()
        .build()
}
