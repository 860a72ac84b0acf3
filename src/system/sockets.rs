//! Settings that all TCP connections have in common, and how many there may be.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Makes `stream` send small packets at once, and notice within a minute when the other end is
/// gone.
///
/// A socket that refuses such an option still works, so this is only worth a debug line.
pub(crate) fn configure_stream(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let tuned =
        stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        tracing::debug!("socket option refused: {error}");
    }
}

/// Descriptors for everything but clients: listeners, openHAB, log, state, the runtime.
const RESERVE: u64 = 32;

/// Raises the limit of open files, if necessary and possible, to have room for this many clients,
/// and returns how many there is room for. Without room, accepting a client fails, and tokio-modbus
/// drops all of them.
pub(crate) fn raise_fd_limit(clients: usize) -> usize {
    let wanted = RESERVE.saturating_add(clients as u64);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut limit = current.unwrap_or(u64::MAX);
    if limit < wanted {
        let raised = wanted.min(maximum.unwrap_or(u64::MAX));
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
            Ok(()) => limit = raised,
            Err(error) => tracing::debug!("open files stay limited to {limit}: {error}"),
        }
    }
    let room = usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX).max(1);
    if room < clients {
        tracing::warn!("open files are limited to {limit}, so max_connections is {room}");
    }
    room.min(clients)
}
