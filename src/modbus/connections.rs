//! Who is connected: limits the number of connections, and logs which clients poll.

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
use tracing::Span;

/// A client that sends no request for this long has stopped polling.
const SILENCE: Duration = Duration::from_mins(1);

/// The most clients whose polling is logged. More of them at once are an attack, not a plant.
const MAX_POLLING: usize = 64;

/// All connections of the server. Clones share them.
#[derive(Clone, Debug)]
pub struct Connections {
    registry: Arc<Mutex<Registry>>,
    start: Instant,
    /// The one that the server was created in.
    span: Span,
}

#[derive(Debug)]
struct Registry {
    limit: usize,
    open: Vec<Entry>,
    requests: u64,
    /// Clients that poll, with the time of their last request on connections that are closed now.
    polling: Vec<(IpAddr, u64)>,
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    /// Dropped to close the connection.
    _hold: oneshot::Sender<()>,
}

/// What one connection does, recorded without a lock.
#[derive(Debug)]
struct Activity {
    peer: SocketAddr,
    /// Whether its client is among those that poll.
    polls: AtomicBool,
    requests: AtomicU64,
    /// Time of the last request or, before the first, of the connection; in milliseconds since the
    /// start.
    last: AtomicU64,
}

/// How much the server is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Open connections.
    pub connections: usize,
    /// Requests answered since the start.
    pub requests: u64,
}

impl Connections {
    /// No connections yet, and room for `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let registry = Registry { limit, open: Vec::new(), requests: 0, polling: Vec::new() };
        Self {
            registry: Arc::new(Mutex::new(registry)),
            start: Instant::now(),
            span: Span::current(),
        }
    }

    /// Admits a connection. If there is no room, the network with the most connections loses one, in
    /// it the address with the most: one that never sent a request, or else the one idle longest. So
    /// a crowd from one network or address only pushes out itself.
    ///
    /// The connection must close when the sender of the returned channel is dropped.
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
            tracing::debug!(parent: &self.span, %peer, "{peer} closed to make room");
        }
        registry.open.push(Entry { activity: Arc::clone(&activity), _hold: hold });
        drop(registry);
        tracing::debug!(parent: &self.span, %peer, "{peer} connected");
        (Connection { connections: self.clone(), activity }, closed)
    }

    /// Closes the connections without a whole request for `timeout`. So neither silence, nor a byte
    /// now and then, nor answers that are never read keep a connection open.
    pub(super) fn close_idle(&self, timeout: Duration) {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let mut registry = self.lock();
        let now = self.millis();
        registry.open.retain(|Entry { activity, .. }| {
            let idle = now.saturating_sub(activity.last.load(Ordering::Relaxed));
            if idle >= timeout {
                let peer = activity.peer;
                tracing::debug!(parent: &self.span, %peer, "{peer} closed after {} s without a request", idle / 1000);
            }
            idle < timeout
        });
    }

    /// Closes every connection.
    pub(super) fn close_all(&self) {
        let open = std::mem::take(&mut self.lock().open);
        if !open.is_empty() {
            let open = open.len();
            tracing::info!(parent: &self.span, "{open} connections closed because the data is stale");
        }
    }

    /// How much the server is used now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let registry = self.lock();
        let open = registry.open.iter().map(|open| &open.activity);
        let requests = open.map(|activity| activity.requests.load(Ordering::Relaxed));
        Usage {
            connections: registry.open.len(),
            requests: requests.sum::<u64>().saturating_add(registry.requests),
        }
    }

    /// The clients that poll.
    #[must_use]
    pub fn polling(&self) -> Vec<IpAddr> {
        self.lock().polling.iter().map(|(ip, _)| *ip).collect()
    }

    /// Logs the clients that have stopped polling. It is called only now and then, so a client that
    /// connects for each request is not logged each time.
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
                tracing::info!(parent: &self.span, client = %ip, "client {ip} has stopped polling");
            }
            polls
        });
    }

    fn millis(&self) -> u64 {
        self.millis_at(Instant::now())
    }

    fn millis_at(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The registry is consistent between any two statements, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What identifies a machine: its address or, with IPv6, its /64 network, in which it has many
/// addresses (RFC 8981).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// How often each address occurs.
fn counts(addresses: impl Iterator<Item = IpAddr>) -> HashMap<IpAddr, usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for address in addresses {
        let count = counts.entry(address).or_default();
        *count = count.saturating_add(1);
    }
    counts
}

impl Registry {
    /// The index of the connection to close when one has to go.
    fn least_wanted(&self) -> Option<usize> {
        let addresses = || self.open.iter().map(|open| open.activity.peer.ip());
        let of_network = counts(addresses().map(network));
        let of_address = counts(addresses());
        let key = |Entry { activity, .. }: &Entry| {
            let ip = activity.peer.ip();
            let crowds = (of_network.get(&network(ip)), of_address.get(&ip));
            let asked = activity.requests.load(Ordering::Relaxed) > 0;
            (Reverse(crowds), asked, activity.last.load(Ordering::Relaxed))
        };
        self.open.iter().enumerate().min_by_key(|(_, open)| key(open)).map(|(place, _)| place)
    }

    /// Records when a client that polls sent a request, and logs it if it has not polled so far.
    fn polls(&mut self, ip: IpAddr, now: u64, span: &Span) {
        if let Some((_, last)) = self.polling.iter_mut().find(|(polling, _)| *polling == ip) {
            *last = now;
        } else if self.polling.len() < MAX_POLLING {
            self.polling.push((ip, now));
            tracing::info!(parent: span, client = %ip, "client {ip} polls");
        }
    }
}

/// One open connection. Dropping it removes it from the registry.
#[derive(Debug)]
pub(super) struct Connection {
    connections: Connections,
    activity: Arc<Activity>,
}

impl Connection {
    /// Where it comes from.
    pub(super) fn client(&self) -> SocketAddr {
        self.activity.peer
    }

    /// Records a request, and logs how it was answered. One for values `polls`. Returns the time, also
    /// in milliseconds since the start.
    pub(super) fn asked(
        &self,
        request: &Request<'_>,
        exception: Option<&ExceptionCode>,
        polls: bool,
    ) -> (Instant, u64) {
        let (peer, span) = (self.activity.peer, &self.connections.span);
        match exception {
            None => tracing::debug!(parent: span, %peer, "{peer}: {request:?}"),
            Some(exception) => {
                tracing::debug!(parent: span, %peer, "{peer}: {request:?}: {exception}");
            }
        }
        let at = Instant::now();
        let now = self.connections.millis_at(at);
        self.activity.last.store(now, Ordering::Relaxed);
        self.activity.requests.fetch_add(1, Ordering::Relaxed);
        if polls && !self.activity.polls.swap(true, Ordering::Relaxed) {
            self.connections.lock().polls(peer.ip(), now, span);
        }
        (at, now)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (peer, span) = (self.activity.peer, &self.connections.span);
        let requests = self.activity.requests.load(Ordering::Relaxed);
        tracing::debug!(parent: span, %peer, "{peer} disconnected after {requests} requests");
        let mut registry = self.connections.lock();
        registry.open.retain(|open| !Arc::ptr_eq(&open.activity, &self.activity));
        if requests > 0 {
            let last = self.activity.last.load(Ordering::Relaxed);
            registry.requests = registry.requests.saturating_add(requests);
            if self.activity.polls.load(Ordering::Relaxed) {
                registry.polls(peer.ip(), last, span);
            }
        }
    }
}

#[cfg(test)]
mod tests;
