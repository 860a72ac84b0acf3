//! All that systemd and the service say to each other.

use std::{env, io, net::TcpListener, time::Duration};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;

/// The first descriptor that systemd passes on.
const FIRST: usize = 3;

/// A listening socket that was inherited.
#[derive(Debug)]
pub struct Inherited {
    /// `FileDescriptorName=` of its unit.
    pub name: String,
    /// The socket, not blocking.
    pub listener: TcpListener,
}

/// An inherited descriptor that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the inherited descriptor {descriptor} ({name}) is no listening TCP socket: {source}")]
pub struct SocketError {
    /// Its number.
    pub descriptor: usize,
    /// Its name, as given by systemd.
    pub name: String,
    /// What is the matter.
    pub source: io::Error,
}

/// The listening sockets that were inherited.
///
/// To be called before the runtime starts: it takes the `LISTEN_*` variables out of the
/// environment, which is unsound once there are threads.
///
/// # Errors
/// Where a descriptor is no listening TCP socket. A Unix socket is none either, nor is a connection,
/// as a unit with `Accept=yes` passes on.
pub fn inherited_sockets() -> Result<Vec<Inherited>, SocketError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).zip(names).map(|(index, name)| adopt(&mut sockets, index, name)).collect()
}

fn adopt(sockets: &mut ListenFd, index: usize, name: String) -> Result<Inherited, SocketError> {
    let listener = sockets.take_tcp_listener(index).and_then(|listener| {
        let listener = listener.ok_or(io::ErrorKind::NotFound)?;
        if !SockRef::from(&listener).is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    match listener {
        Ok(listener) => Ok(Inherited { name, listener }),
        Err(source) => Err(SocketError { descriptor: index.saturating_add(FIRST), name, source }),
    }
}

/// How often systemd wants to hear that the service moves (`WatchdogSec=`), if it does.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

/// The service moves.
pub fn notify_watchdog() {
    notify(&[NotifyState::Watchdog]);
}

/// The configuration is sound and the sockets are open. openHAB may still be away.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// One line on how things are, for `systemctl status`.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

/// The service is about to end on purpose.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Does nothing where nobody listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd not notified: {error}");
    }
}
