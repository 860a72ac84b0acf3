//! Connections to a server: TCP, TLS where it is wanted, and HTTP on it.

use std::{io, time::Duration};

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
    time::sleep,
};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use crate::system::sockets;

/// If an address does not answer for this long, the next one is tried alongside.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to a server, over TLS if there is a connector for it.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: Option<TlsConnector>,
) -> io::Result<SendRequest<Empty<Bytes>>> {
    let stream = dial(&endpoint.host, endpoint.port).await?;
    sockets::configure_stream(&stream);
    let Some(tls) = tls else { return handshake(stream).await };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    handshake(tls.connect(name, stream).await?).await
}

/// Connects to the first address that answers. One that stays silent, such as one behind a packet
/// filter that only knows local addresses, must not use up the time of the others.
async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for (address, turn) in lookup_host((host, port)).await?.zip(0..) {
        attempts.spawn(async move {
            sleep(STAGGER.saturating_mul(turn)).await;
            TcpStream::connect(address).await
        });
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
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
        if let Err(error) = connection.await {
            tracing::debug!("HTTP connection ended: {error}");
        }
    });
    Ok(sender)
}
