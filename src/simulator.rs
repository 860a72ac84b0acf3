//! An openHAB look-alike, with its REST API and its server-sent events: for the demo, the tests,
//! and anyone who wants to try this service without openHAB.
//!
//! What it sends are the bytes that a real openHAB 5.2.1 was recorded to send. [`Dialect::Legacy`] is
//! modelled on the sources of openHAB 3.2.0.

mod access;
mod definition;
mod disorder;
mod event;
mod gson;
pub mod house;
mod http;
mod item;
mod reply;
mod solar;
mod startup;
mod state;
mod stream;
mod topics;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use access::Token;
use definition::Definition;
use disorder::Disorder;
use event::{Event, Kind};
use item::Item;
pub use solar::{SolarDay, Sunlight};
use startup::{Missing, Startup};

/// The most connections served at once; others are closed unanswered.
const MAX_CONNECTIONS: usize = 256;

/// Events kept for the slowest client. openHAB keeps 10,000 and drops newer ones; here the oldest
/// are dropped, so that a client that catches up sees the present.
const EVENT_QUEUE: usize = 1024;

/// The most items that can be there when one is added.
const MAX_ITEMS: usize = 1000;

/// What is updated within this time is updated at once, as far as the events of groups are concerned.
const AT_ONCE: Duration = Duration::from_millis(5);

/// The pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// When the first sign of life is sent, counted from the start of the server.
const FIRST_ALIVE: Duration = Duration::from_secs(1);

/// The interval that signs of life announce themselves.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Which versions of openHAB are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// openHAB 4 and 5: `stateupdated` on every update and `statechanged` on a change, `alive`
    /// every 10 s.
    Current,
    /// openHAB 3.0 to 3.3: `statechanged` alone, never `alive`.
    Legacy,
}

impl Dialect {
    /// The version reported at `/rest/`.
    fn version(self) -> &'static str {
        match self {
            Self::Current => "5.2.1",
            Self::Legacy => "3.2.0",
        }
    }
}

/// An openHAB with its items, as far as REST and server-sent events show it.
///
/// Clones share the items and the event bus.
#[derive(Clone, Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    items: Mutex<BTreeMap<String, Item>>,
    events: broadcast::Sender<Arc<Event>>,
    group_events: Mutex<Disorder>,
    /// There are events of groups.
    groups_changed: Notify,
    dialect: Dialect,
    token: Option<Token>,
    startup: OnceLock<Startup>,
    is_away: watch::Sender<bool>,
}

impl Simulator {
    /// An openHAB with these items (name and initial state, such as `800 W` or `NULL`).
    ///
    /// With a token, everything but `/rest/` requires it. Without one, nothing is required, but a
    /// request with credentials is refused, as openHAB does.
    pub fn new(
        items: impl IntoIterator<Item = (String, String)>,
        dialect: Dialect,
        token: Option<String>,
    ) -> Self {
        let now = Utc::now();
        let items =
            items.into_iter().map(|(name, state)| (name, Item::new(state.trim(), now))).collect();
        Self {
            shared: Arc::new(Shared {
                items: Mutex::new(items),
                events: broadcast::Sender::new(EVENT_QUEUE),
                group_events: Mutex::new(Disorder::new()),
                groups_changed: Notify::new(),
                dialect,
                token: token.map(Token::new),
                startup: OnceLock::new(),
                is_away: watch::Sender::new(false),
            }),
        }
    }

    /// Finds nothing for this long, as openHAB does while it starts: in four ways one after another.
    /// Only the first call counts.
    pub fn start_slowly(&self, time: Duration) {
        self.shared.startup.get_or_init(|| Startup::new(time));
    }

    /// Goes away, or comes back. While it is away it closes all its connections, and each new one
    /// unanswered.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.send_replace(is_away);
    }

    /// Whether it is away.
    #[must_use]
    pub fn is_away(&self) -> bool {
        *self.shared.is_away.borrow()
    }

    /// What is missing while it starts.
    fn missing(&self) -> Option<Missing> {
        self.shared.startup.get()?.missing()
    }

    /// Updates an item as a `PUT` of its state would, and emits the events of an update.
    ///
    /// Returns false if there is no such item.
    pub fn set(&self, name: &str, state: &str) -> bool {
        let mut items = self.items();
        let Some(item) = items.get_mut(name) else {
            return false;
        };
        let (dialect, now) = (self.shared.dialect, Utc::now());
        // Sent with the lock held, so that events are in the order of the states.
        for event in item.update(name, state.trim(), dialect, now) {
            self.emit(event);
        }
        for group in item.groups().to_vec() {
            let members = items.values().filter(|item| item.groups().contains(&group));
            let sum = state::sum(members.map(Item::state));
            if let Some(item) = items.get_mut(&group).filter(|item| item.is_sum()) {
                let events = item.follow(&format!("{group}/{name}"), &sum, dialect, now);
                self.group_events().add(events);
                self.shared.groups_changed.notify_one();
            }
        }
        true
    }

    /// Adds an item or defines it otherwise, without a state. Says whether it is new, or returns
    /// `None` if there are too many.
    fn define(&self, definition: Definition) -> Option<bool> {
        let mut items = self.items();
        let name = definition.name.clone();
        let event = match items.get(&name) {
            Some(old) => Event::new(Kind::Redefined, &name, &[&definition, &old.definition(&name)]),
            None if items.len() < MAX_ITEMS => Event::new(Kind::Added, &name, &definition),
            None => return None,
        };
        self.emit(event);
        Some(items.insert(name, Item::defined(definition)).is_none())
    }

    /// Removes an item, and says whether there was one.
    fn remove(&self, name: &str) -> bool {
        let Some(item) = self.items().remove(name) else {
            return false;
        };
        self.emit(Event::new(Kind::Removed, name, &item.definition(name)));
        true
    }

    /// Emits the events of groups, and never returns.
    async fn emit_for_groups(&self) -> Infallible {
        loop {
            self.shared.groups_changed.notified().await;
            sleep(AT_ONCE).await;
            for event in self.group_events().take() {
                self.emit(event);
            }
        }
    }

    fn emit(&self, event: Event) {
        // An error means that nobody listens.
        let _ = self.shared.events.send(Arc::new(event));
    }

    /// The state of an item, as `GET /rest/items/NAME/state` returns it.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<String> {
        self.items().get(name).map(|item| item.state().to_owned())
    }

    /// Serves HTTP on `listener` until the future is dropped, which closes all its connections.
    ///
    /// If a connection cannot be accepted, it tries again after a pause.
    ///
    /// # Errors
    ///
    /// Returns an error if the listener does not know its own address.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        let mut connections = JoinSet::new();
        // One for all event streams.
        let mut alive = interval(ALIVE_INTERVAL);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        alive.reset_after(FIRST_ALIVE);
        let mut groups = pin!(self.emit_for_groups());
        let mut away = self.shared.is_away.subscribe();
        loop {
            tokio::select! {
                never = &mut groups => match never {},
                Ok(()) = away.changed() => if *away.borrow_and_update() {
                    connections.abort_all();
                },
                _ = alive.tick(), if self.shared.dialect == Dialect::Current => {
                    self.emit(Event::alive());
                }
                accepted = listener.accept() => match accepted {
                    Ok(_) if *away.borrow() => {}
                    Ok((stream, _)) => {
                        // Otherwise, the second half of an event waits until the client
                        // acknowledges the first.
                        if connections.len() < MAX_CONNECTIONS && stream.set_nodelay(true).is_ok() {
                            connections.spawn(self.clone().serve_connection(stream, address));
                        }
                    }
                    Err(error) => {
                        tracing::warn!("simulator: cannot accept connections: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// Serves one connection to its end. `address` is this server's, for links in answers to
    /// requests that do not name their host.
    pub async fn serve_connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        address: SocketAddr,
    ) {
        http::serve(self, stream, address).await;
    }

    fn group_events(&self) -> MutexGuard<'_, Disorder> {
        self.shared.group_events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn items(&self) -> MutexGuard<'_, BTreeMap<String, Item>> {
        // No update can panic halfway, so the map is consistent even if the lock is poisoned.
        self.shared.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn house() -> Simulator {
        let items = [("inverter_power", "800 W"), ("inverter_energy", "NULL")]
            .map(|(name, state)| (name.to_owned(), state.to_owned()));
        Simulator::new(items, Dialect::Current, None)
    }

    async fn listening() -> (TcpListener, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener, client)
    }

    #[test]
    fn clones_share_states_and_unknown_items_stay_unknown() {
        let simulator = house();
        assert!(simulator.clone().set("inverter_power", " 810 W\n"));
        assert_eq!(simulator.state("inverter_power").unwrap(), "810 W");
        assert!(!simulator.set("nothing", "1"));
        assert_eq!(simulator.state("nothing"), None);
    }

    #[tokio::test]
    async fn while_it_is_away_connections_are_closed() {
        let simulator = house();
        let (listener, mut open) = listening().await;
        let address = listener.local_addr().unwrap();
        let serving = simulator.clone();
        let server = tokio::spawn(async move { serving.serve(listener).await });
        let mut byte = [0];
        open.write_all(b"GET /rest/ HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert_eq!(open.read(&mut byte).await.unwrap(), 1);
        simulator.set_away(true);
        let mut rest = Vec::new();
        open.read_to_end(&mut rest).await.unwrap();
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(refused.read(&mut byte).await.unwrap(), 0);
        simulator.set_away(false);
        let mut back = TcpStream::connect(address).await.unwrap();
        back.write_all(b"GET /rest/ HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert_eq!(back.read(&mut byte).await.unwrap(), 1);
        server.abort();
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed() {
        let simulator = house();
        let (listener, mut first) = listening().await;
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { simulator.serve(listener).await });
        let mut others = Vec::new();
        for _ in 1..MAX_CONNECTIONS {
            others.push(TcpStream::connect(address).await.unwrap());
        }
        let mut refused = TcpStream::connect(address).await.unwrap();
        let mut byte = [0];
        assert_eq!(refused.read(&mut byte).await.unwrap(), 0);
        first.write_all(b"GET /rest/ HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert_eq!(first.read(&mut byte).await.unwrap(), 1);
        server.abort();
    }
}
