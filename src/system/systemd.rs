//! What systemd passes to the service: sockets, and the time limit of its watchdog.

use std::{env, io, net::TcpListener, process, time::Duration};

use listenfd::ListenFd;
use socket2::SockRef;

/// The first descriptor that systemd passes on.
const FIRST: usize = 3;

/// More sockets than any unit passes on. A larger number is a mistake, and would only cost memory.
const MAX_SOCKETS: u32 = 1000;

/// A listening socket that was inherited.
#[derive(Debug)]
pub struct Inherited {
    /// `FileDescriptorName=` of its unit.
    pub name: String,
    /// The socket, in non-blocking mode.
    pub listener: TcpListener,
}

/// An inherited descriptor that is not a listening TCP socket.
#[derive(Debug, thiserror::Error)]
#[error("the inherited descriptor {descriptor} ({name}) is not a listening TCP socket: {source}")]
pub struct SocketError {
    /// Number of the descriptor.
    pub descriptor: usize,
    /// Its name, as given by systemd.
    pub name: String,
    /// What is wrong with it.
    pub source: io::Error,
}

/// Takes over the listening sockets that were inherited. Those for another process, whose
/// environment this one has, are left alone.
///
/// Must be called before the runtime starts: it removes the `LISTEN_*` variables from the
/// environment, which is unsound once there are threads.
///
/// # Errors
/// Returns an error if a descriptor is not a listening TCP socket. A Unix socket is not one, nor is
/// a connection, which a unit with `Accept=yes` passes.
pub fn inherited_sockets() -> Result<Vec<Inherited>, SocketError> {
    if !are_for_this_process() {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).zip(names).map(|(index, name)| adopt(&mut sockets, index, name)).collect()
}

/// As `sd_listen_fds(3)` has it; listenfd would also take sockets that are for nobody in particular.
fn are_for_this_process() -> bool {
    let number = |variable| env::var(variable).ok()?.parse().ok();
    number("LISTEN_PID") == Some(process::id())
        && number("LISTEN_FDS").is_some_and(|count| count <= MAX_SOCKETS)
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

/// The time limit of systemd's watchdog (`WatchdogSec=`), if it watches the service.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}
