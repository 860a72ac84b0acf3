//! `health`: whether a running service answers, for container runtimes and monitors.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    time::Duration,
};

use http_body_util::Empty;
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    client::{ClientError, MeterClient},
    commands::progress,
    config::{Config, ConfiguredMeter},
    meter::OnStale,
    modbus,
    status::StatusAddress,
    system::listeners::reachable,
};

/// Time limit for all of it.
const LIMIT: Duration = Duration::from_secs(2);

/// Why the service is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nothing answers in time.
    #[error("no answer from {0} within {limit} s", limit = LIMIT.as_secs())]
    Silent(String),
    /// There is no connection.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    /// What answers is not the status page.
    #[error("{0} does not answer as the status page: {1}")]
    NotHttp(String, hyper::Error),
    /// The status page says that all is not well.
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    /// The meter does not answer.
    #[error(transparent)]
    Meter(#[from] ClientError),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Asks the status page of the service with this configuration, or each meter for its identity if there is
/// no page. Neither reads values, so neither passes for an inverter.
///
/// # Errors
/// Returns an error if the service does not answer within two seconds.
pub async fn health(config: &Config) -> Result<(), HealthError> {
    let page = config.status.listen.first();
    let place = page.map_or("the meter".to_owned(), StatusAddress::to_string);
    let ask = async {
        match page {
            Some(page) => ask_page(page).await,
            None => ask_meters(&config.meters).await,
        }
    };
    let answered = progress::during(&format!("asking {place}"), timeout(LIMIT, ask)).await;
    answered.unwrap_or(Err(HealthError::Silent(place.clone())))?;
    writeln!(io::stdout(), "{place} answers")?;
    Ok(())
}

async fn ask_page(page: &StatusAddress) -> Result<(), HealthError> {
    let no_connection = |source| HealthError::Connect(page.to_string(), source);
    let address = match page {
        StatusAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(no_connection)?;
            return ask_over(stream, page).await;
        }
        StatusAddress::Tcp(address) => reachable(*address),
        StatusAddress::Loopback(port) | StatusAddress::Ingress(port) => {
            (Ipv4Addr::LOCALHOST, *port).into()
        }
    };
    ask_over(TcpStream::connect(address).await.map_err(no_connection)?, page).await
}

async fn ask_over<S>(stream: S, page: &StatusAddress) -> Result<(), HealthError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let not_http = |error| HealthError::NotHttp(page.to_string(), error);
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(not_http)?;
    // Ends with the sender, and says the same errors.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static("/health");
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let answer = sender.send_request(request).await.map_err(not_http)?;
    match answer.status() {
        StatusCode::OK => Ok(()),
        status => Err(HealthError::Status(page.to_string(), status)),
    }
}

async fn ask_meters(meters: &[ConfiguredMeter]) -> Result<(), HealthError> {
    for ConfiguredMeter { config, listen, .. } in meters {
        let any = (Ipv4Addr::UNSPECIFIED, modbus::PORT).into();
        let address = reachable(listen.first().copied().unwrap_or(any));
        match MeterClient::connect(&address.to_string(), config.identity.address).await {
            // While its data is stale it closes each connection, and that is as it should be.
            Err(ClientError::Discovery { .. }) if config.on_stale == OnStale::Disconnect => {}
            found => drop(found?),
        }
    }
    Ok(())
}
