//! Why a request has no answer.

use std::io;

use hyper::StatusCode;

use crate::source::tls::TlsError;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection could be made, in time or at all.
    #[error("cannot connect to {endpoint}: {source}")]
    Connect {
        /// The server.
        endpoint: String,
        /// Error of the connection attempt.
        source: io::Error,
    },
    /// The server took the connection, and did not answer in time.
    #[error("{0} does not answer")]
    Timeout(String),
    /// The connection broke, or what came was not HTTP.
    #[error("no valid answer from {endpoint}: {source}")]
    Protocol {
        /// The server.
        endpoint: String,
        /// What was wrong with the answer.
        source: hyper::Error,
    },
    /// The body of the answer did not arrive as a whole.
    #[error("the answer from {endpoint} broke off: {source}")]
    Body {
        /// The server.
        endpoint: String,
        /// Why the body is incomplete.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address and the path are not a valid URL.
    #[error("cannot make a request to {endpoint}: {source}")]
    Request {
        /// The server.
        endpoint: String,
        /// What is wrong with the request.
        source: hyper::http::Error,
    },
    /// The server redirects, and the redirect is not followed.
    #[error("redirected from {from} to {to:?}, which is not followed")]
    Redirect {
        /// The server that redirects.
        from: String,
        /// The start of the new URL.
        to: String,
    },
    /// A redirect leads to a server that wants credentials, and is not sent any.
    #[error(
        "{to} answers {status}: {from} redirects there, and no credentials are sent to another \
         server; set openhab_host to it if they should be"
    )]
    Withheld {
        /// The server of the configuration.
        from: String,
        /// The server that wants credentials.
        to: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The certificates to trust cannot be loaded.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl HttpError {
    /// Whether no connection could be made at all, so that other requests will not fare better.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Tls(_))
    }
}
