//! openHAB as a source: its event stream for speed, reads of the items for certainty.
//!
//! Two loops run side by side, each with a connection of its own. One listens to the event stream.
//! The other reads every item: after each (re)connection of the stream and once a minute while the
//! stream shows signs of life, every `poll_interval` where it does not.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http_body_util::BodyExt;
use hyper::{StatusCode, header::CONTENT_TYPE};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    reading::{Point, Reading},
    units::Unit,
};

pub mod credentials;
pub mod endpoint;
pub mod events;
pub mod http;
pub mod tls;
mod tracker;

use credentials::{CredentialError, Credentials};
use endpoint::Endpoint;
use events::{Event, EventError, EventReader};
use http::{Client, HttpError};
use tls::TlsError;
pub use tracker::ItemProblem;
use tracker::Tracker;

/// While the event stream lives, items are read this often, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);

/// A stream that lived so long was a good one; the next attempt starts over without delay.
const STABLE: Duration = Duration::from_secs(60);

/// openHAB before 3.4 is silent while nothing changes. A new connection now and then is cheap.
const LONGEST_SILENCE: Duration = Duration::from_mins(15);

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
pub struct Settings {
    /// The server.
    pub endpoint: Endpoint,
    /// How updates are got.
    pub update: Update,
    /// Time from one poll to the next.
    pub poll_interval: Duration,
    /// When values go stale; signs of life must come more often to count.
    pub stale_after: Duration,
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
enum Trouble {
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
enum Stream {
    Down,
    /// Connected, without a regular sign of life (yet).
    Quiet,
    /// Signs of life come often enough to keep values fresh.
    Alive,
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
    settings: Settings,
    client: Client,
}

impl OpenHab {
    /// A source that is not yet connected.
    ///
    /// # Errors
    /// Where secrets or certificates cannot be loaded.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let headers = settings.credentials.headers()?;
        let client = Client::new(settings.endpoint.clone(), headers, settings.ca_file.clone())?;
        Ok(Self { settings, client })
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
        if status != StatusCode::OK {
            return Ok(Err((String::new(), ItemProblem::Status(status))));
        }
        Ok(match crate::units::parse_state(&state, &item.unit) {
            Ok(value) => Ok(ItemState { state, value }),
            Err(error) => Err((state, ItemProblem::State(error))),
        })
    }

    /// When openHAB last updated an item, if it says (5.0 and later).
    ///
    /// # Errors
    /// Where openHAB cannot be reached.
    pub async fn last_update(&mut self, item: &Item) -> Result<Option<SystemTime>, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Dates {
            last_state_update: Option<u64>,
        }
        let path = format!("/rest/items/{}?metadata=&recursive=false", item.name);
        let (_, json) = self.client.text(&path, "application/json").await?;
        let dates: Option<Dates> = serde_json::from_str(&json).ok();
        let millis = dates.and_then(|dates| dates.last_state_update);
        Ok(millis.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))))
    }

    /// Keeps `readings` up to date for ever.
    pub async fn run(self, readings: watch::Sender<Reading>) {
        let tracker = Mutex::new(Tracker::new(self.settings.items.clone(), readings));
        let (stream, stream_state) = watch::channel(Stream::Down);
        let listen = async {
            match self.settings.update {
                Update::Events => self.listen_for_ever(&tracker, &stream).await,
                Update::Poll => std::future::pending().await,
            }
        };
        tokio::join!(listen, self.read_for_ever(&tracker, stream_state));
    }

    async fn read_for_ever(&self, tracker: &Mutex<Tracker>, mut stream: watch::Receiver<Stream>) {
        let mut client = self.client.another();
        let mut backoff = new_backoff();
        let mut reachable = None;
        loop {
            let started = Instant::now();
            let seen = *stream.borrow_and_update();
            let pause = match self.read_all(&mut client, tracker).await {
                Ok(()) => {
                    backoff = new_backoff();
                    if reachable != Some(true) {
                        tracing::info!(openhab = %self.settings.endpoint, "openHAB answers");
                    }
                    reachable = Some(true);
                    if seen == Stream::Alive { RESYNC } else { self.settings.poll_interval }
                }
                Err(trouble) => {
                    if reachable != Some(false) {
                        tracing::warn!(
                            openhab = %self.settings.endpoint,
                            "{trouble}; trying again for as long as it takes"
                        );
                    }
                    reachable = Some(false);
                    backoff.next().unwrap_or(RESYNC).max(self.settings.poll_interval)
                }
            };
            tokio::select! {
                () = sleep(pause.saturating_sub(started.elapsed())) => {}
                // Reconnected: what happened meanwhile is unknown. Lost: polling takes over.
                changed = stream.changed() => if changed.is_err() {
                    sleep(pause).await;
                },
            }
        }
    }

    /// Reads each item once. Fails where that says more of the server than of an item.
    async fn read_all(&self, client: &mut Client, tracker: &Mutex<Tracker>) -> Result<(), Trouble> {
        let names = lock(tracker).names();
        let mut refused = Vec::new();
        for name in &names {
            let asked = Instant::now().into_std();
            let (status, state) = client.text(&state_path(name), "text/plain").await?;
            if status == StatusCode::OK {
                lock(tracker).read(name, &state, asked, Instant::now().into_std());
            } else {
                refused.push((name, status));
            }
        }
        match refused.split_first() {
            Some(((_, status), others))
                if refused.len() == names.len()
                    && *status != StatusCode::NOT_FOUND
                    && others.iter().all(|(_, other)| other == status) =>
            {
                lock(tracker).doubt_all();
                Err(Trouble::Status(*status))
            }
            _ => {
                for (name, status) in refused {
                    lock(tracker).refused(name, status);
                }
                Ok(())
            }
        }
    }

    async fn listen_for_ever(&self, tracker: &Mutex<Tracker>, stream: &watch::Sender<Stream>) {
        let mut client = self.client.another();
        let mut backoff = new_backoff();
        let mut told = false;
        loop {
            let started = Instant::now();
            let trouble = self.listen(&mut client, tracker, stream).await;
            let was = stream.send_replace(Stream::Down);
            if was != Stream::Down || !told {
                tracing::warn!(
                    openhab = %self.settings.endpoint,
                    "{trouble}; polling until events come again"
                );
            }
            told = true;
            if started.elapsed() > STABLE {
                backoff = new_backoff();
            }
            sleep(backoff.next().unwrap_or(RESYNC)).await;
        }
    }

    /// Listens to one event stream until it ends, and says why it did.
    async fn listen(
        &self,
        client: &mut Client,
        tracker: &Mutex<Tracker>,
        stream: &watch::Sender<Stream>,
    ) -> Trouble {
        let answer = match client.get(&self.events_path(), "text/event-stream").await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        if answer.status() != StatusCode::OK {
            return Trouble::Status(answer.status());
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        if !content_type.starts_with("text/event-stream") {
            return Trouble::ContentType(crate::units::excerpt(content_type));
        }
        tracing::info!(openhab = %self.settings.endpoint, "event stream connected");
        // What is known is from before; only what is read or told from now on holds.
        lock(tracker).doubt_all();
        stream.send_replace(Stream::Quiet);

        let mut reader = EventReader::default();
        let mut body = answer.into_body();
        let mut silence = LONGEST_SILENCE;
        loop {
            let bytes = match timeout(silence, body.frame()).await {
                Err(_) => return Trouble::Silent,
                Ok(None) => return Trouble::Ended,
                Ok(Some(Err(error))) => return Trouble::Broken(error),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            let now = Instant::now().into_std();
            let events = match reader.push(&bytes) {
                Ok(events) => events,
                Err(error) => return error.into(),
            };
            let mut tracker = lock(tracker);
            tracker.alive(now);
            for event in events {
                match event {
                    Event::State { item, state } => tracker.told(&item, &state, now),
                    Event::Alive(interval) => {
                        // Two and a half intervals without a byte, and the stream is dead.
                        let interval = interval.clamp(Duration::from_secs(1), RESYNC);
                        silence = interval.mul_f64(2.5);
                        if interval.saturating_mul(2) < self.settings.stale_after {
                            stream.send_if_modified(|state| {
                                std::mem::replace(state, Stream::Alive) != Stream::Alive
                            });
                        }
                    }
                }
            }
        }
    }

    /// The path of the event stream, with the topics of the items.
    ///
    /// The star covers group items, whose events come under the topic of the member that changed.
    fn events_path(&self) -> String {
        let mut names: Vec<_> = self.settings.items.iter().map(|item| &item.name).collect();
        names.sort();
        names.dedup();
        let topics: Vec<_> = names
            .into_iter()
            .flat_map(|name| {
                ["stateupdated", "statechanged"]
                    .map(|event| format!("openhab/items/{name}/*{event}"))
            })
            .collect();
        format!("/rest/events?topics={}", topics.join(","))
    }
}

fn state_path(item: &str) -> String {
    format!("/rest/items/{item}/state")
}

fn new_backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(15))
        .without_max_times()
        .with_jitter()
        .build()
}

/// The tracker is consistent between any two statements, so a panic elsewhere does not spoil it.
fn lock(tracker: &Mutex<Tracker>) -> MutexGuard<'_, Tracker> {
    tracker.lock().unwrap_or_else(PoisonError::into_inner)
}
