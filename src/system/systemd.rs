//! What systemd passes to the service: sockets, and the time limit of its watchdog.

use std::{env, io, net::TcpListener, os::fd::AsFd, process, time::Duration};

use listenfd::ListenFd;
use socket2::SockRef;

use super::listeners::StreamListener;

/// The first descriptor that systemd passes on.
const FIRST: usize = 3;

/// More sockets than any unit passes on. A larger number is a mistake, and would only cost memory.
const MAX_SOCKETS: u32 = 1000;

/// The name of the sockets for the status page.
const STATUS: &str = "status";

/// The listening sockets that were inherited.
#[derive(Debug, Default)]
pub struct InheritedSockets {
    /// Those for Modbus, each for a meter.
    pub modbus: Vec<Inherited>,
    /// Those for the status page, which are named `status`.
    pub status: Vec<StreamListener>,
}

/// A listening socket that was inherited for Modbus.
#[derive(Debug)]
pub struct Inherited {
    /// `FileDescriptorName=` of its unit.
    pub name: String,
    /// The socket, in non-blocking mode.
    pub listener: TcpListener,
}

/// An inherited descriptor that is not a listening socket of the right kind.
#[derive(Debug, thiserror::Error)]
#[error(
    "the inherited descriptor {descriptor} ({name}) is not a listening {expected} socket: {source}"
)]
pub struct SocketError {
    /// Number of the descriptor.
    pub descriptor: usize,
    /// Its name, as given by systemd.
    pub name: String,
    /// What it should be.
    pub expected: &'static str,
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
/// Returns an error if a descriptor is not a listening TCP socket, or of those named `status` a Unix
/// socket. A connection, which a unit with `Accept=yes` passes, is neither.
pub fn inherited_sockets() -> Result<InheritedSockets, SocketError> {
    let mut inherited = InheritedSockets::default();
    if !are_for_this_process() {
        return Ok(inherited);
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let mut sockets = ListenFd::from_env();
    for (index, name) in (0..sockets.len()).zip(names) {
        let descriptor = index.saturating_add(FIRST);
        let failure = |expected, source| {
            let name = name.clone();
            SocketError { descriptor, name, expected, source }
        };
        if name == STATUS {
            let socket = tcp_or_unix(&mut sockets, index);
            inherited.status.push(socket.map_err(|error| failure("TCP or Unix", error))?);
        } else {
            let socket = tcp(&mut sockets, index);
            let listener = socket.map_err(|error| failure("TCP", error))?;
            inherited.modbus.push(Inherited { name, listener });
        }
    }
    Ok(inherited)
}

/// As `sd_listen_fds(3)` has it; listenfd would also take sockets that are for nobody in particular.
fn are_for_this_process() -> bool {
    let number = |variable| env::var(variable).ok()?.parse().ok();
    number("LISTEN_PID") == Some(process::id())
        && number("LISTEN_FDS").is_some_and(|count| count <= MAX_SOCKETS)
}

fn tcp(sockets: &mut ListenFd, index: usize) -> io::Result<TcpListener> {
    let listener = sockets.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    check_listens(&listener)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn tcp_or_unix(sockets: &mut ListenFd, index: usize) -> io::Result<StreamListener> {
    // What is no Unix socket stays in its place.
    let Ok(listener) = sockets.take_unix_listener(index) else {
        return tcp(sockets, index).map(StreamListener::Tcp);
    };
    let listener = listener.ok_or(io::ErrorKind::NotFound)?;
    check_listens(&listener)?;
    listener.set_nonblocking(true)?;
    Ok(StreamListener::Unix(listener))
}

fn check_listens(socket: &impl AsFd) -> io::Result<()> {
    if SockRef::from(socket).is_listener()? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"))
}

/// The time limit of systemd's watchdog (`WatchdogSec=`), if it watches the service.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}
