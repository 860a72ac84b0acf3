//! openHAB as a source: its event stream for speed, reads of the items for certainty.
//!
//! Two loops run side by side, each with a connection of its own. One listens to the event stream
//! (`stream`). The other (`poll`) reads every item after each connection of the stream, and then only
//! those without a recent event; without a living stream, every item each `poll_interval`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream::iter};
use hyper::StatusCode;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use super::{
    ListedItem, Probe, Report, SetupError, SourceKind, Stranger, Watched,
    backoff::later,
    endpoint::{Endpoint, InvalidEndpoint},
    http::{Client, HttpError},
    item::ItemProblem,
    tls::CaFile,
    tracker::Tracker,
};
use crate::{
    meter::{binding::Binding, reading::Freshness},
    system::liveness::Liveness,
};

pub mod credentials;
pub mod events;
mod fetch;
mod greeting;
mod history;
mod list;
mod poll;
mod schedule;
mod stream;

use credentials::Credentials;
use events::EventError;
pub(crate) use fetch::status_hint;
use fetch::{Detail, fetch};
pub use list::ListError;
use schedule::Schedule;

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 8080;

/// The most time for one request, and the most of `stale_after` that it may take: an item that does
/// not answer must leave the others time to be read while their values are fresh.
const MAX_REQUEST: Duration = Duration::from_secs(5);
const MAX_SHARE: f64 = 1.0 / 3.0;

/// How many items are probed at a time, and the most time for all of them.
const PROBES: usize = 4;
const PROBE_LIMIT: Duration = Duration::from_secs(15);

/// Parses the address of a server. A `/rest` at its end, and slashes after it, are ignored.
///
/// # Errors
/// Returns an error if the text is not an address; see [`Endpoint::parse`].
pub fn parse_host(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    Ok(Endpoint::parse(text, DEFAULT_PORT)?.without("/rest"))
}

/// Whether this is the name of an item by openHAB's own rule.
pub(super) fn is_item_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// How to get updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// From the event stream, and by polling while that is down.
    Events,
    /// Only by polling.
    Poll,
}

/// The configuration of an openHAB server and its items.
#[derive(Clone, Debug)]
pub struct OpenHabConfig {
    /// Address of the server.
    pub endpoint: Endpoint,
    /// How to get updates.
    pub update: Update,
    /// Time from one poll to the next.
    pub poll_interval: Duration,
    /// How to authenticate.
    pub credentials: Credentials,
    /// File with the certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl OpenHabConfig {
    /// A server that needs no credentials, with the defaults for everything else.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        let (update, poll_interval) = (Update::Events, Duration::from_secs(2));
        let credentials = Credentials::default();
        Self { endpoint, update, poll_interval, credentials, ca_file: None }
    }
}

/// Why the event stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("openHAB answers {0}{hint}", hint = fetch::access_hint(*.0))]
    Status(StatusCode),
    #[error("not an event stream (content type {0:?})")]
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

/// The state of the event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamHealth {
    Down,
    /// Connected, but without regular signs of life (yet).
    Quiet,
    /// Signs of life come often enough to keep values fresh.
    Alive,
}

/// An openHAB server and the items to read from it.
#[derive(Debug)]
pub struct OpenHab {
    config: OpenHabConfig,
    freshness: Freshness,
    client: Client,
}

impl OpenHab {
    /// A source that is not connected yet.
    ///
    /// # Errors
    /// Returns an error if secrets or certificates cannot be loaded.
    pub fn new(config: OpenHabConfig, freshness: Freshness) -> Result<Self, SetupError> {
        let credentials = config.credentials.clone();
        let headers = move || credentials.headers();
        let time_limit = MAX_REQUEST.min(freshness.stale_after.mul_f64(MAX_SHARE));
        let ca_file = CaFile { key: "openhab_ca_file", path: config.ca_file.clone() };
        let client = Client::new(config.endpoint.clone(), headers, time_limit, ca_file)?;
        Ok(Self { config, freshness, client })
    }

    /// Reads items, once each, some at a time: one that is not answered does not hold up the others.
    ///
    /// # Errors
    /// Returns an error if openHAB cannot be reached.
    pub async fn probe(&self, bindings: &[&Binding]) -> Result<Vec<Probe>, HttpError> {
        let deadline = later(Instant::now(), PROBE_LIMIT);
        let idle = Mutex::new(Vec::new());
        let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = async |binding: &Binding| {
            let client = idle().pop();
            let mut client = client.unwrap_or_else(|| self.client.another());
            let reply = fetch(&mut client, &binding.item, Detail::LastUpdate);
            let reply = match timeout_at(deadline, reply).await {
                Ok(reply) => reply?,
                Err(_) => Err(HttpError::Timeout(self.config.endpoint.to_string()).into()),
            };
            idle().push(client);
            Ok(Probe::of(reply, binding))
        };
        iter(bindings).map(|binding| ask(binding)).buffered(PROBES).try_collect().await
    }

    /// Asks what answers there, where the answers about items do not show it.
    ///
    /// # Errors
    /// Returns an error if it is not openHAB.
    pub async fn greet(&self) -> Result<(), Stranger> {
        let greeted = greeting::greet(&mut self.client.another()).await;
        greeted.map_err(|reason| Stranger {
            wanted: SourceKind::OpenHab,
            endpoint: self.config.endpoint.to_string(),
            reason,
        })
    }

    /// Lists all items that have numbers.
    ///
    /// # Errors
    /// Returns an error if openHAB cannot be reached, or answers with something else.
    pub async fn list(&self) -> Result<Vec<ListedItem>, ListError> {
        list::list(&mut self.client.another()).await
    }

    /// The highest number that an item has had in the last month, in its unit, if that is known.
    pub async fn highest(&self, item: &str) -> Option<f64> {
        history::highest(&mut self.client.another(), item).await
    }

    /// Gets ready to keep the readings of these meters up to date.
    #[must_use]
    pub fn watch(self, meters: Vec<Watched>) -> WatchingOpenHab {
        let Self { config, freshness, client } = self;
        let now = Instant::now();
        let session = Session {
            schedule: Mutex::new(Schedule::new(&meters, now)),
            tracker: Mutex::new(Tracker::new(meters, now.into_std())),
            touched: Notify::new(),
            stream: watch::Sender::new(StreamHealth::Down),
            config,
            freshness,
        };
        WatchingOpenHab { session: Arc::new(session), client }
    }
}

/// An openHAB server whose items are watched.
#[derive(Debug)]
pub struct WatchingOpenHab {
    session: Arc<Session>,
    client: Client,
}

impl WatchingOpenHab {
    /// Keeps the readings up to date. Never returns.
    pub async fn run(self, liveness: &Liveness) {
        let Self { session, client } = self;
        match session.config.update {
            Update::Events => {
                tokio::join!(
                    session.listen(client.another(), liveness.of("event stream")),
                    session.poll(client, liveness.of("polling"))
                );
            }
            Update::Poll => session.poll(client, liveness.of("polling")).await,
        }
    }

    /// A look at it, for while it runs.
    #[must_use]
    pub fn view(&self) -> OpenHabView {
        OpenHabView(Arc::clone(&self.session))
    }
}

/// A look at an openHAB server whose items are watched.
#[derive(Clone, Debug)]
pub struct OpenHabView(Arc<Session>);

impl OpenHabView {
    /// How it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        let has_events = *self.0.stream.borrow() == StreamHealth::Alive;
        self.0.tracker().report(has_events)
    }
}

/// What the two loops share.
#[derive(Debug)]
struct Session {
    config: OpenHabConfig,
    freshness: Freshness,
    tracker: Mutex<Tracker>,
    schedule: Mutex<Schedule>,
    /// The schedule has something new for polling.
    touched: Notify,
    stream: watch::Sender<StreamHealth>,
}

impl Session {
    /// The tracker is consistent between any two statements, so a panic elsewhere does no harm.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So is the schedule.
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an item read as soon as may be.
    fn touch(&self, item: &str) {
        self.schedule().touch(item, Instant::now());
        self.touched.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lead_to_the_rest_api() {
        for (text, expected) in [
            ("oh", "http://oh:8080"),
            ("http://oh:8080/rest/", "http://oh:8080"),
            ("https://home.example/openhab//rest", "https://home.example/openhab"),
            ("oh/interest", "http://oh:8080/interest"),
        ] {
            assert_eq!(parse_host(text).unwrap().to_string(), expected);
        }
    }
}
