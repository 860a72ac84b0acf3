//! One kept-alive HTTP connection to a server, with a limit on every wait and every size.

use std::{error::Error, fmt, io, time::Duration};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::SendRequest,
    header::{ACCEPT, HOST, HeaderMap, LOCATION, USER_AGENT},
    http::request::Builder,
};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::{
    SetupError,
    backoff::later,
    connect::connect,
    endpoint::{Endpoint, Scheme},
    reloadable::Reloadable,
    secret::SecretError,
    tls::{self, CaFile, HandshakeError, TlsError},
};
use crate::text::excerpt;

mod error;
mod upgrade;

pub use error::HttpError;
pub use upgrade::UpgradeError;

/// Largest answer that is read as a whole, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The most redirects followed for one request.
const MAX_REDIRECTS: usize = 3;

/// A client of one server.
pub struct Client {
    configured: Endpoint,
    /// The server that redirects have led to.
    current: Endpoint,
    headers: Reloadable<HeaderMap, SecretError>,
    /// For a request as a whole, from connecting to the end of the answer.
    time_limit: Duration,
    /// The configuration key that names the file of certificates.
    ca_key: &'static str,
    tls: Reloadable<TlsConnector, TlsError>,
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Client {
    /// A client that is not connected yet. It sends `headers` along, but never to another host, and
    /// calls for them again when a server has refused them. `time_limit` is for a request as a
    /// whole, with connecting and redirects.
    ///
    /// # Errors
    /// Returns an error if there are no headers, or if certificates are needed or configured, and
    /// cannot be loaded.
    pub fn new(
        endpoint: Endpoint,
        headers: impl Fn() -> Result<HeaderMap, SecretError> + Send + Sync + 'static,
        time_limit: Duration,
        ca_file: CaFile,
    ) -> Result<Self, SetupError> {
        let loaded = headers()?;
        let headers = Reloadable::new(headers, Some(loaded));
        let needs_tls = endpoint.scheme == Scheme::Https || ca_file.path.is_some();
        let ca_key = ca_file.key;
        let connector = move || tls::connector(&ca_file);
        let loaded = needs_tls.then(&connector).transpose()?;
        let tls = Reloadable::new(connector, loaded);
        let (configured, current) = (endpoint.clone(), endpoint);
        Ok(Self { configured, current, headers, time_limit, ca_key, tls, connection: None })
    }

    /// A second client of the same server, with a connection of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            configured: self.configured.clone(),
            current: self.current.clone(),
            headers: self.headers.clone(),
            time_limit: self.time_limit,
            ca_key: self.ca_key,
            tls: self.tls.clone(),
            connection: None,
        }
    }

    /// Gets `path`, relative to the path of the endpoint. The caller reads the body of the answer,
    /// and limits it.
    ///
    /// # Errors
    /// Returns an error if there is no answer, or a redirect that is not followed. An answer with
    /// any other status is not an error.
    pub async fn get(
        &mut self,
        path: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, HttpError> {
        self.get_until(self.deadline(), path, accept).await
    }

    /// When a request that begins now must have its answer.
    fn deadline(&self) -> Instant {
        later(Instant::now(), self.time_limit)
    }

    async fn get_until(
        &mut self,
        deadline: Instant,
        path: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, HttpError> {
        // What one request is redirected to on another host says nothing of the next.
        if !self.is_configured_host() {
            self.start_over();
        }
        let mut redirects = 0_usize;
        loop {
            let answer = match self.ask(deadline, path, accept).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.failed(error)),
            };
            let status = answer.status();
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.refused(status)?;
            }
            if !is_redirect(status) {
                return Ok(answer);
            }
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let next = to.and_then(|to| self.current.redirected(to, path));
            let next = next.filter(|next| redirects < MAX_REDIRECTS && self.may_follow(next));
            let from = self.current.to_string();
            let Some(next) = next else {
                self.start_over();
                return Err(HttpError::Redirect { from, to: excerpt(to.unwrap_or_default()) });
            };
            redirects = redirects.saturating_add(1);
            self.connection = None;
            self.current = next;
            tracing::debug!("redirected from {from} to {}", self.current);
        }
    }

    /// Whether a redirect may be followed: never from https to http.
    fn may_follow(&self, next: &Endpoint) -> bool {
        next.scheme == Scheme::Https || self.current.scheme == Scheme::Http
    }

    /// The server wants credentials. Those that it was sent may have been replaced on the disk.
    fn refused(&mut self, status: StatusCode) -> Result<(), HttpError> {
        if self.may_send_credentials() {
            self.headers.failed();
            return Ok(());
        }
        let (from, to) = (self.configured.to_string(), self.current.to_string());
        self.start_over();
        Err(HttpError::Withheld { from, to, status })
    }

    /// Makes a new start after an error, which is about the configured server only if that was asked.
    fn failed(&mut self, error: HttpError) -> HttpError {
        let is_elsewhere = self.current != self.configured && error.is_unreachable();
        self.start_over();
        if is_elsewhere {
            return HttpError::Elsewhere {
                from: self.configured.to_string(),
                source: Box::new(error),
            };
        }
        error
    }

    /// Forgets the connection, and where redirects have led to.
    fn start_over(&mut self) {
        self.connection = None;
        self.current = self.configured.clone();
    }

    /// Gets `path` as text, which is `None` if it is larger than 64 KiB or not UTF-8.
    ///
    /// # Errors
    /// Returns an error if [`Client::get`] does, or if the body does not arrive as a whole in time.
    pub async fn text(
        &mut self,
        path: &str,
        accept: &'static str,
    ) -> Result<(StatusCode, Option<String>), HttpError> {
        self.text_within(MAX_BODY, self.deadline(), path, accept).await
    }

    /// The same with other limits, for what is long: at most so many bytes, until then.
    ///
    /// # Errors
    /// Returns an error as [`Client::text`] does.
    pub async fn text_within(
        &mut self,
        max_body: usize,
        deadline: Instant,
        path: &str,
        accept: &'static str,
    ) -> Result<(StatusCode, Option<String>), HttpError> {
        let answer = self.get_until(deadline, path, accept).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), max_body).collect();
        let failure = match timeout_at(deadline, body).await {
            Ok(Ok(body)) => return Ok((status, String::from_utf8(body.to_bytes().into()).ok())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => None,
            Ok(Err(source)) => Some(HttpError::Body { endpoint: self.current.to_string(), source }),
            Err(_) => Some(HttpError::Timeout(self.current.to_string())),
        };
        // The rest of the body may still arrive; it must not be taken for the next answer.
        self.connection = None;
        failure.map_or(Ok((status, None)), Err)
    }

    /// Sends one request. If the server has closed an idle connection, tries once more on a new
    /// one.
    async fn ask(
        &mut self,
        deadline: Instant,
        path: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, HttpError> {
        if let Some(mut connection) = self.connection.take() {
            match self.send(&mut connection, deadline, path, accept).await {
                Err(HttpError::Protocol { source, .. }) if went_away(&source) => {}
                answer => {
                    self.connection = Some(connection);
                    return answer;
                }
            }
        }
        let mut connection = self.connect(&self.current, deadline).await?;
        let answer = self.send(&mut connection, deadline, path, accept).await;
        self.connection = Some(connection);
        answer
    }

    async fn send(
        &self,
        connection: &mut SendRequest<Empty<Bytes>>,
        deadline: Instant,
        path: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, HttpError> {
        let endpoint = || self.current.to_string();
        let invalid = |source| HttpError::Request { endpoint: endpoint(), source };
        let request = request(&self.current, path).header(ACCEPT, accept).body(Empty::new());
        let mut request = request.map_err(invalid)?;
        let answer = async {
            if self.may_send_credentials() {
                // They were loaded at the start, so there always are some.
                request.headers_mut().extend(self.headers.get().await.ok().into_iter().flatten());
            }
            connection.ready().await?;
            connection.send_request(request).await
        };
        match timeout_at(deadline, answer).await {
            Err(_) => Err(HttpError::Timeout(endpoint())),
            Ok(Err(source)) => Err(HttpError::Protocol { endpoint: endpoint(), source }),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    fn is_configured_host(&self) -> bool {
        self.current.host.eq_ignore_ascii_case(&self.configured.host)
    }

    /// Whether credentials may be sent: to the configured host, and to another port of it only over
    /// TLS, which is where a redirect from http to https leads.
    fn may_send_credentials(&self) -> bool {
        self.is_configured_host()
            && (self.current.port == self.configured.port || self.current.scheme == Scheme::Https)
    }

    async fn connect(
        &self,
        to: &Endpoint,
        deadline: Instant,
    ) -> Result<SendRequest<Empty<Bytes>>, HttpError> {
        let failure = |source| HttpError::Connect { endpoint: to.to_string(), source };
        let connection = async {
            let tls = match to.scheme {
                Scheme::Http => None,
                Scheme::Https => Some(self.tls.get().await?),
            };
            connect(to, tls, deadline).await.map_err(|error| {
                let Some(reason) = HandshakeError::of(&error) else { return failure(error) };
                // The server may have another certificate now, and the file as well.
                self.tls.failed();
                failure(io::Error::other(reason.explain(self.ca_key)))
            })
        };
        let connection = timeout_at(deadline, connection).await;
        connection.unwrap_or_else(|_| Err(failure(io::ErrorKind::TimedOut.into())))
    }
}

/// The start of a request for `path`, relative to that of the endpoint.
fn request(endpoint: &Endpoint, path: &str) -> Builder {
    Request::get(format!("{}{path}", endpoint.path))
        .header(HOST, endpoint.authority())
        .header(USER_AGENT, concat!("fronius-smartmeter/", env!("CARGO_PKG_VERSION")))
}

/// Whether the server closed the connection, as it may while it is idle, instead of answering.
fn went_away(error: &hyper::Error) -> bool {
    error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || error.source().is_some_and(<dyn Error>::is::<io::Error>)
}

/// Whether a status says that what was asked for is elsewhere. 304 does not.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
