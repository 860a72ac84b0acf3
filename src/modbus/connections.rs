//! Who is connected: a limited number of connections, and what is logged of them.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tokio_modbus::prelude::{ExceptionCode, Request};

/// A client that asked nothing for so long has stopped to poll.
const SILENCE: Duration = Duration::from_mins(1);

/// Clients whose polling is logged. More of them at once is an attack, not a plant.
const MAX_POLLING: usize = 64;

/// All connections of the server. Clones share them.
#[derive(Clone, Debug)]
pub struct Connections {
    registry: Arc<Mutex<Registry>>,
    start: Instant,
}

#[derive(Debug)]
struct Registry {
    limit: usize,
    open: Vec<Entry>,
    requests: u64,
    last_request: Option<u64>,
    /// Clients that poll, with the time of the last request on connections now closed.
    polling: Vec<(IpAddr, u64)>,
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    /// Dropped to close the connection.
    _hold: oneshot::Sender<()>,
}

/// What one connection does, noted without a lock.
#[derive(Debug)]
struct Activity {
    peer: SocketAddr,
    /// Its client is among those that poll.
    polls: AtomicBool,
    requests: AtomicU64,
    /// Milliseconds from the registry's start to the last request, or to the connection.
    last: AtomicU64,
}

/// How much the server is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entry connections.
    pub connections: usize,
    /// Requests answered since the start.
    pub requests: u64,
    /// Time since the last request.
    pub idle: Option<Duration>,
}

impl Connections {
    /// Nobody yet, and room for `limit` connections.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let registry = Registry {
            limit,
            open: Vec::new(),
            requests: 0,
            last_request: None,
            polling: Vec::new(),
        };
        Self { registry: Arc::new(Mutex::new(registry)), start: Instant::now() }
    }

    /// Lets a connection in. If there is no room, the address with the most connections has to give
    /// one up: one that never asked for anything, or the one that was idle longest. So a crowd from
    /// one address pushes out nobody but itself.
    ///
    /// The second value tells the connection, by being dropped at the other end, to close.
    pub(super) fn admit(&self, peer: SocketAddr) -> (Connection, oneshot::Receiver<()>) {
        let (hold, closed) = oneshot::channel();
        let activity = Arc::new(Activity {
            peer,
            polls: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            last: AtomicU64::new(self.millis()),
        });
        let mut registry = self.lock();
        while registry.open.len() >= registry.limit {
            let Some(place) = registry.least_wanted() else { break };
            let peer = registry.open.swap_remove(place).activity.peer;
            tracing::debug!(%peer, "{peer} closed to make room");
        }
        registry.open.push(Entry { activity: Arc::clone(&activity), _hold: hold });
        drop(registry);
        tracing::debug!(%peer, "{peer} connected");
        (Connection { connections: self.clone(), activity }, closed)
    }

    /// Closes the connections without a whole request for `timeout`, so that neither silence, nor a
    /// byte now and then, nor answers that are never read keep one open.
    pub(super) fn close_idle(&self, timeout: Duration) {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let mut registry = self.lock();
        let now = self.millis();
        registry.open.retain(|Entry { activity, .. }| {
            let idle = now.saturating_sub(activity.last.load(Ordering::Relaxed));
            if idle >= timeout {
                let peer = activity.peer;
                tracing::debug!(%peer, "{peer} closed, it was idle for {} s", idle / 1000);
            }
            idle < timeout
        });
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        let open = std::mem::take(&mut self.lock().open);
        if !open.is_empty() {
            tracing::info!("{} connections closed, the data is stale", open.len());
        }
    }

    /// How much the server is used now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let registry = self.lock();
        let open = registry.open.iter().map(|open| &open.activity);
        let requests = open.clone().map(|activity| activity.requests.load(Ordering::Relaxed));
        let last = open
            .filter(|activity| activity.requests.load(Ordering::Relaxed) > 0)
            .map(|activity| activity.last.load(Ordering::Relaxed))
            .max()
            .max(registry.last_request);
        Usage {
            connections: registry.open.len(),
            requests: requests.sum::<u64>().saturating_add(registry.requests),
            idle: last.map(|last| Duration::from_millis(self.millis().saturating_sub(last))),
        }
    }

    /// Logs the clients that have stopped to poll. To be called now and then; so a client that
    /// comes and goes with every request is not logged as often.
    pub fn notice_silence(&self) {
        let now = self.millis();
        let silence = u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX);
        let mut registry = self.lock();
        let Registry { open, polling, .. } = &mut *registry;
        polling.retain(|(ip, last)| {
            let open = || open.iter().map(|open| &open.activity).filter(|a| a.peer.ip() == *ip);
            let last = open().map(|a| a.last.load(Ordering::Relaxed)).max().max(Some(*last));
            let polls = now.saturating_sub(last.unwrap_or_default()) < silence;
            if !polls {
                open().for_each(|activity| activity.polls.store(false, Ordering::Relaxed));
                tracing::info!(client = %ip, "client {ip} has stopped polling");
            }
            polls
        });
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The registry is consistent between any two statements, so a panic elsewhere is no harm.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one machine has: an address, or with IPv6 a whole network of them (RFC 8981).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

impl Registry {
    /// The place of the connection that goes, if one has to.
    fn least_wanted(&self) -> Option<usize> {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for open in &self.open {
            let count = of_network.entry(network(open.activity.peer.ip())).or_default();
            *count = count.saturating_add(1);
        }
        let key = |Entry { activity, .. }: &Entry| {
            let crowd = of_network.get(&network(activity.peer.ip()));
            let asked = activity.requests.load(Ordering::Relaxed) > 0;
            (Reverse(crowd), asked, activity.last.load(Ordering::Relaxed))
        };
        self.open.iter().enumerate().min_by_key(|(_, open)| key(open)).map(|(place, _)| place)
    }

    /// A client asked something. Notes when, and logs it if it did not poll so far.
    fn polls(&mut self, ip: IpAddr, now: u64) {
        if let Some((_, last)) = self.polling.iter_mut().find(|(polling, _)| *polling == ip) {
            *last = now;
        } else if self.polling.len() < MAX_POLLING {
            self.polling.push((ip, now));
            tracing::info!(client = %ip, "client {ip} polls");
        }
    }
}

/// One open connection. Dropping it takes it off the books.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Connections,
    activity: Arc<Activity>,
}

impl Connection {
    /// Notes a request and how it was answered.
    pub(super) fn asked(&self, request: &Request<'_>, exception: Option<&ExceptionCode>) {
        let peer = self.activity.peer;
        match exception {
            None => tracing::debug!(%peer, "{peer}: {request:?}"),
            Some(exception) => tracing::debug!(%peer, "{peer}: {request:?}: {exception}"),
        }
        let now = self.connections.millis();
        self.activity.last.store(now, Ordering::Relaxed);
        self.activity.requests.fetch_add(1, Ordering::Relaxed);
        if !self.activity.polls.swap(true, Ordering::Relaxed) {
            self.connections.lock().polls(peer.ip(), now);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let peer = self.activity.peer;
        let requests = self.activity.requests.load(Ordering::Relaxed);
        tracing::debug!(%peer, "{peer} disconnected after {requests} requests");
        let mut registry = self.connections.lock();
        registry.open.retain(|open| !Arc::ptr_eq(&open.activity, &self.activity));
        if requests > 0 {
            let last = self.activity.last.load(Ordering::Relaxed);
            registry.requests = registry.requests.saturating_add(requests);
            registry.last_request = registry.last_request.max(Some(last));
            if self.activity.polls.load(Ordering::Relaxed) {
                registry.polls(peer.ip(), last);
            }
        }
    }
}

#[cfg(test)]
mod tests;
