//! What a request asks for, and why it may be refused.

use hyper::{
    HeaderMap, Method, StatusCode, Version,
    header::{ACCEPT_LANGUAGE, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    http::request::Parts,
};

use super::{hosts::Hosts, language::Language};
use crate::text::excerpt;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The part of the service that is to be shown.
    pub path: Path,
    /// With the last day: a page unless it only renews itself (`?live`), and all else if it says so
    /// (`?plot`).
    pub with_history: bool,
    /// In which language, where there are words.
    pub language: Language,
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `/`
    Page,
    /// `/api/status`
    Status,
    /// `/metrics`
    Metrics,
    /// `/health`
    Health,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is not exactly one host in a request.
    #[error("a request must have one Host header")]
    Host,
    /// It was sent to a name that is not known to be ours.
    #[error(
        "{0:?} is not a known name of this machine: to reach it by that name, add it to status_hosts in \
         the configuration"
    )]
    UnknownHost(String),
    /// There is nothing of this name.
    #[error("not found: there are /, /api/status, /metrics and /health")]
    Path,
    /// It would change something.
    #[error("only GET and HEAD are allowed")]
    Method,
    /// It has a body.
    #[error("a request must not have a body")]
    Body,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::BAD_REQUEST,
            Self::UnknownHost(_) => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl Asked {
    /// What the head of a request asks for, if it was sent to one of `hosts`.
    ///
    /// # Errors
    /// Returns an error if it is not answered.
    pub fn of(head: &Parts, hosts: &Hosts) -> Result<Self, Refusal> {
        let headers = &head.headers;
        check_host(head, hosts)?;
        let path = match head.uri.path() {
            "/" => Path::Page,
            "/api/status" => Path::Status,
            "/metrics" => Path::Metrics,
            "/health" => Path::Health,
            _ => return Err(Refusal::Path),
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        if has_body(headers) {
            return Err(Refusal::Body);
        }
        let query = head.uri.query().unwrap_or_default();
        let says =
            |word| query.split('&').any(|part| part.strip_suffix('=').unwrap_or(part) == word);
        let with_history = if path == Path::Page { !says("live") } else { says("plot") };
        let accept = headers.get(ACCEPT_LANGUAGE).and_then(|accept| accept.to_str().ok());
        let language = accept.map(Language::from_accept);
        Ok(Self { path, with_history, language: language.unwrap_or_default() })
    }
}

/// The host in the target, where there is one, goes before that of the header.
fn check_host(head: &Parts, hosts: &Hosts) -> Result<(), Refusal> {
    let mut named = head.headers.get_all(HOST).iter();
    let header = match (named.next(), named.next()) {
        (Some(host), None) => Some(host.to_str().map_err(|_| Refusal::Host)?),
        // Browsers, which could be misled, send one always.
        (None, _) if head.version == Version::HTTP_10 => None,
        _ => return Err(Refusal::Host),
    };
    let target = head.uri.authority().map(hyper::http::uri::Authority::as_str);
    match target.or(header) {
        Some(host) if !hosts.accepts(host) => Err(Refusal::UnknownHost(excerpt(host))),
        _ => Ok(()),
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests;
