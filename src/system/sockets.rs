//! Settings that all TCP connections have in common, and how many there may be.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// How long the other end may be silent, or leave something unacknowledged, until it counts as gone.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// Makes `stream` send small packets at once, and notice within a minute when the other end is
/// gone: by probes while there is nothing to send, else by a time limit for what was sent, which the
/// system would otherwise send again for a quarter of an hour.
///
/// A socket that refuses such an option still works, so this is only worth a debug line.
pub(crate) fn configure_stream(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let socket = SockRef::from(stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(GONE_AFTER)));
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Of keepalive it is tried from outside; this would take a minute, and a link that breaks.
    #[tokio::test]
    async fn what_is_sent_must_be_acknowledged_within_a_minute() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        configure_stream(&stream);
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(60)));
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
    }
}
