//! Where the status page is.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::system::listeners::{self, StreamListener, lacks_ipv6};

/// The group may connect, which a reverse proxy can be made a member of. Nobody else may: by this way
/// every host name is accepted.
const MODE: u32 = 0o660;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// An address of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusAddress {
    /// A port on the loopback addresses.
    Loopback(u16),
    /// A port on an address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A port on all addresses for those alone who bring what a user of Home Assistant asks, and for
    /// this machine itself.
    Ingress(u16),
}

impl fmt::Display for StatusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "localhost:{port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Ingress(port) => write!(f, "port {port} for Home Assistant"),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct StatusListener {
    pub(super) socket: StreamListener,
    pub(super) file: Option<SocketFile>,
    /// See [`StatusAddress::Ingress`].
    pub(super) is_ingress: bool,
}

impl From<StreamListener> for StatusListener {
    fn from(socket: StreamListener) -> Self {
        Self { socket, file: None, is_ingress: false }
    }
}

impl From<TcpListener> for StatusListener {
    fn from(listener: TcpListener) -> Self {
        StreamListener::Tcp(listener).into()
    }
}

impl StatusListener {
    /// The address, unless it is a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            StreamListener::Tcp(listener) => listener.local_addr().ok(),
            StreamListener::Unix(_) => None,
        }
    }
}

impl fmt::Display for StatusListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            StreamListener::Tcp(_) => {
                self.address().map_or(Ok(()), |address| write!(f, "http://{address}/"))
            }
            StreamListener::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                write!(f, "the Unix socket {}", path.unwrap_or(Path::new("")).display())
            }
        }
    }
}

/// The file of a Unix socket that was made here, and goes when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If somebody else has removed it, that is as well.
        let _ = fs::remove_file(&self.0);
    }
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for the status page: {source}{hint}", hint = hint(address, source))]
pub struct StatusListenError {
    /// The address.
    pub address: StatusAddress,
    /// Error of the system.
    pub source: io::Error,
}

/// The likely cause and a remedy, where they are known.
fn hint(address: &StatusAddress, error: &io::Error) -> &'static str {
    match (error.kind(), address) {
        (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, _) => {
            " (under systemd, enable fronius-smartmeter-status.socket, and leave status_listen out)"
        }
        (io::ErrorKind::AddrInUse, _) => {
            " (another program listens there, perhaps a second instance; set status_listen to another \
             address)"
        }
        (io::ErrorKind::AlreadyExists, _) => " (set status_listen to another path, or remove it)",
        (io::ErrorKind::NotFound, StatusAddress::Unix(_)) => " (its directory must exist)",
        _ => "",
    }
}

/// Opens the configured addresses, unless there are inherited sockets.
///
/// # Errors
/// Returns an error if an address cannot be opened.
pub fn open(
    addresses: &[StatusAddress],
    inherited: Vec<StreamListener>,
) -> Result<Vec<StatusListener>, StatusListenError> {
    if !inherited.is_empty() {
        if !addresses.is_empty() {
            tracing::warn!(
                "status_listen is not used: ListenStream= of the socket unit says where to listen"
            );
        }
        return Ok(inherited.into_iter().map(StatusListener::from).collect());
    }
    let listed: Vec<_> = addresses
        .iter()
        .filter_map(|address| match address {
            StatusAddress::Tcp(address) => Some(*address),
            _ => None,
        })
        .collect();
    let mut opened = Vec::new();
    for address in addresses {
        let failure = |source| StatusListenError { address: address.clone(), source };
        match address {
            StatusAddress::Tcp(tcp) => {
                opened.push(listeners::listen(*tcp, &listed).map_err(failure)?.into());
            }
            StatusAddress::Loopback(port) => opened.extend(loopback(*port).map_err(failure)?),
            StatusAddress::Unix(path) => opened.push(unix(path).map_err(failure)?),
            StatusAddress::Ingress(port) => {
                let socket = listeners::listen((Ipv4Addr::UNSPECIFIED, *port).into(), &[]);
                let socket = StreamListener::Tcp(socket.map_err(failure)?);
                opened.push(StatusListener { socket, file: None, is_ingress: true });
            }
        }
    }
    Ok(opened)
}

/// Both addresses, since either may be what `localhost` is; IPv4 alone if the system has no IPv6.
fn loopback(port: u16) -> io::Result<Vec<StatusListener>> {
    let mut opened = vec![listeners::listen((Ipv4Addr::LOCALHOST, port).into(), &[])?.into()];
    match listeners::listen((Ipv6Addr::LOCALHOST, port).into(), &[]) {
        Err(error) if lacks_ipv6(&error) => tracing::debug!("no IPv6 for the status page: {error}"),
        listener => opened.push(listener?.into()),
    }
    Ok(opened)
}

/// Opens a Unix socket, in place of one that a crash has left.
fn unix(path: &Path) -> io::Result<StatusListener> {
    let address = SockAddr::unix(path)?;
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it exists, and is no socket",
            ));
        }
        if is_answered(&address)? {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&address)?;
    let file = SocketFile(path.to_owned());
    // Before it listens, nobody can connect.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    let socket = StreamListener::Unix(UnixListener::from(socket));
    Ok(StatusListener { socket, file: Some(file), is_ingress: false })
}

/// Whether somebody listens there.
fn is_answered(address: &SockAddr) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    // One that is busy does not take the connection at once, which is another error.
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    Ok(!socket.connect(address).is_err_and(refused))
}
