//! Connections to a server: TCP, TLS where it is wanted, and HTTP on it.

use std::{env, io, net::SocketAddr, time::Duration};

use http_body_util::Empty;
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use crate::system::sockets;

/// The most addresses of a host that are tried. A name server may give any number.
const MAX_ADDRESSES: usize = 8;

/// If an address does not answer for this long, the next one is tried alongside.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to a server until `deadline`, over TLS if there is a connector for it. The caller limits
/// what comes before and after TCP.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: Option<TlsConnector>,
    deadline: Instant,
) -> io::Result<SendRequest<Empty<Bytes>>> {
    let host = endpoint.host.as_str();
    let addresses = timeout_at(deadline, lookup_host((host, endpoint.port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer"))?
        .map_err(|error| with_hint(&error, lookup_hint(host)))?;
    let under_systemd = env::var_os("INVOCATION_ID").is_some();
    let stream = timeout_at(deadline, dial(addresses.take(MAX_ADDRESSES)))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| with_hint(&error, connect_hint(&error, under_systemd)))?;
    sockets::configure_stream(&stream);
    let Some(tls) = tls else { return handshake(stream).await };
    let name = ServerName::try_from(endpoint.address().to_owned()).map_err(io::Error::other)?;
    handshake(tls.connect(name, stream).await?).await
}

/// Connects to the first address that answers. Where one refuses, the next is tried at once; one that
/// stays silent, such as one behind a packet filter that only knows local addresses, must not use up
/// the time of the others.
async fn dial(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        let patience = match addresses.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
                STAGGER
            }
            // The caller has a limit.
            None => Duration::MAX,
        };
        match timeout(patience, attempts.join_next()).await {
            Err(_) => {}
            Ok(None) => return Err(failure),
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => failure = error,
            Ok(Some(Err(error))) => failure = io::Error::other(error),
        }
    }
}

fn with_hint(error: &io::Error, hint: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{error}{hint}"))
}

/// What may help where a name is not found.
fn lookup_hint(host: &str) -> &'static str {
    match host.trim_end_matches('.').rsplit_once('.') {
        Some((_, domain)) if domain.eq_ignore_ascii_case("local") => {
            "; no resolver here knows that .local name: install libnss-mdns, or use the address"
        }
        _ => "",
    }
}

/// What may help where an address cannot be reached.
fn connect_hint(error: &io::Error, under_systemd: bool) -> &'static str {
    match error.kind() {
        // The filter of the unit drops what is sent, and the system does not say so for TCP. Others
        // may refuse.
        io::ErrorKind::TimedOut | io::ErrorKind::PermissionDenied if under_systemd => {
            "; IPAddressAllow= of the service must include that address"
        }
        io::ErrorKind::HostUnreachable => "; is it switched on, and the address right?",
        io::ErrorKind::NetworkUnreachable => "; this machine has no route there",
        _ => "",
    }
}

/// Starts HTTP on a connection. Its task ends when the returned sender is dropped.
async fn handshake<S>(stream: S) -> io::Result<SendRequest<Empty<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(16 * 1024)
        .max_headers(64)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!("HTTP connection ended: {error}");
        }
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    fn anywhere() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// As long as the socket is held, nobody listens there.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(anywhere()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    /// Where the queue of those who wait is full, the system answers nobody.
    async fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(anywhere()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(STAGGER, TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
        }
        (listener, queue, address)
    }

    #[test]
    fn a_failure_comes_with_what_may_help() {
        use rustix::io::Errno;
        let allow = "; IPAddressAllow= of the service must include that address";
        for (errno, under_systemd, text) in [
            (Errno::PERM, true, format!("Operation not permitted (os error 1){allow}")),
            (Errno::PERM, false, "Operation not permitted (os error 1)".to_owned()),
            (Errno::TIMEDOUT, true, format!("Connection timed out (os error 110){allow}")),
            (Errno::CONNREFUSED, true, "Connection refused (os error 111)".to_owned()),
            (
                Errno::HOSTUNREACH,
                true,
                "No route to host (os error 113); is it switched on, and the address right?"
                    .to_owned(),
            ),
            (
                Errno::NETUNREACH,
                false,
                "Network is unreachable (os error 101); this machine has no route there".to_owned(),
            ),
        ] {
            let error = io::Error::from(errno);
            let shown = with_hint(&error, connect_hint(&error, under_systemd));
            assert_eq!(shown.to_string(), text);
            assert_eq!(shown.kind(), error.kind());
        }
        for host in ["openhabian.local", "OPENHABIAN.LOCAL."] {
            assert!(lookup_hint(host).contains("libnss-mdns"), "{host}");
        }
        for host in ["openhabian", "local", "openhab.localdomain", "a.local.example"] {
            assert_eq!(lookup_hint(host), "", "{host}");
        }
    }

    #[tokio::test]
    async fn after_a_refusal_the_next_address_is_tried_at_once() {
        let (_held, refusing) = refusing();
        let (_listener, listening) = listener().await;
        tokio::time::pause();
        let started = Instant::now();
        let stream = dial([refusing, refusing, listening].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listening);
        // This clock moves only where the code waits for it.
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_next() {
        let (_full, _queue, silent) = silent().await;
        let (_listener, listening) = listener().await;
        tokio::time::pause();
        let stream = dial([silent, listening].into_iter()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listening);
    }

    #[tokio::test]
    async fn where_all_refuse_the_last_refusal_is_the_reason() {
        let (_held, refusing) = refusing();
        let error = dial([refusing, refusing].into_iter()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = dial([].into_iter()).await.unwrap_err();
        assert_eq!(error.to_string(), "the host has no address");
    }
}
