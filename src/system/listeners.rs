//! The sockets that clients connect to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::net::UnixListener,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::modbus;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket in non-blocking mode, of one kind or the other.
#[derive(Debug)]
pub enum StreamListener {
    /// TCP
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}{hint}", hint = hint(source))]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// Error of the system.
    pub source: io::Error,
}

/// The likely cause and a remedy, where they are known.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need a socket passed by systemd; without one, set modbus_listen to \
             another port, such as 0.0.0.0:1502, which Fronius inverters also accept)"
        }
        io::ErrorKind::AddrInUse => {
            " (another program listens there, perhaps the old script or a second instance)"
        }
        _ => "",
    }
}

/// Tries whether these addresses could be opened, as [`open`] would. Nobody can connect meanwhile.
///
/// # Errors
/// Returns an error if an address could not be opened.
pub fn check(addresses: &[SocketAddr]) -> Result<(), ListenError> {
    let try_each = |listed: &[SocketAddr]| {
        listed.iter().try_for_each(|address| {
            let bound = bind(*address, listed).map(drop);
            bound.map_err(|source| ListenError { address: *address, source })
        })
    };
    if !addresses.is_empty() {
        return try_each(addresses);
    }
    match try_each(&[any_v6()]) {
        Err(ListenError { source, .. }) if lacks_ipv6(&source) => try_each(&[any_v4()]),
        other => other,
    }
}

/// Where what listens at an address can be reached from this machine: on its own address if it listens
/// on all.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

/// Takes over a listening socket in non-blocking mode.
///
/// # Errors
/// Returns an error if the runtime cannot use it.
pub fn adopt(listener: std::net::TcpListener) -> Result<TcpListener, ListenError> {
    let address = listener.local_addr().unwrap_or_else(|_| any_v6());
    TcpListener::from_std(listener).map_err(|source| ListenError { address, source })
}

fn any_v6() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, modbus::PORT).into()
}

fn any_v4() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, modbus::PORT).into()
}

/// Opens the configured addresses or, if there are none, port 502 for IPv6 and IPv4, or for IPv4
/// alone if the system has no IPv6. `[::]` includes IPv4 where that is not listed for the same port.
///
/// # Errors
/// Returns an error if an address cannot be opened.
pub fn open(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    if !addresses.is_empty() {
        return addresses.iter().map(|address| open_one(*address, addresses)).collect();
    }
    let listener = match open_one(any_v6(), &[]) {
        Err(ListenError { source, .. }) if lacks_ipv6(&source) => open_one(any_v4(), &[])?,
        other => other?,
    };
    Ok(vec![listener])
}

/// Whether the system may lack IPv6. A port that is refused or taken would be so for IPv4, too.
pub(crate) fn lacks_ipv6(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::AddrInUse)
}

/// Opens one of the `listed` addresses.
fn open_one(address: SocketAddr, listed: &[SocketAddr]) -> Result<TcpListener, ListenError> {
    let bound = listen(address, listed).and_then(TcpListener::from_std);
    bound.map_err(|source| ListenError { address, source })
}

/// Listens on one of the `listed` addresses, in non-blocking mode.
///
/// # Errors
/// Returns an error if the system refuses it.
pub(crate) fn listen(
    address: SocketAddr,
    listed: &[SocketAddr],
) -> io::Result<std::net::TcpListener> {
    let socket = bind(address, listed)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Takes one of the `listed` addresses. That fails if another program listens there.
fn bind(address: SocketAddr, listed: &[SocketAddr]) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` includes IPv4 whatever the system's default is, and may take it from nobody.
        let is_v4 = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
        let only_v6 = address.ip().is_unspecified() && listed.iter().any(is_v4);
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not have to wait until old connections time out.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
