//! What is answered to a request.

use std::borrow::Cow;

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
        HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::request::Refusal;

/// The policy of an answer that needs nothing: no script, style or picture, and no frame around it but
/// one of the same origin.
pub const NOTHING_ALLOWED: &str = "default-src 'none'; frame-ancestors 'self'";

/// The type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// An answer, to GET and HEAD alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the answer.
    pub status: StatusCode,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Content-Security-Policy`; without one that can be sent, [`NOTHING_ALLOWED`].
    pub security_policy: Cow<'static, str>,
    /// The content.
    pub body: Bytes,
}

impl Answer {
    /// An answer under the strictest policy.
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let security_policy = Cow::Borrowed(NOTHING_ALLOWED);
        Self { status, content_type, security_policy, body: body.into() }
    }

    /// As it goes over the wire, but for what hyper adds: length and date.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
        let policy = HeaderValue::from_str(&self.security_policy);
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, self.content_type),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
            (SAME_ORIGIN, "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let strictest = |_| HeaderValue::from_static(NOTHING_ALLOWED);
        headers.insert(CONTENT_SECURITY_POLICY, policy.unwrap_or_else(strictest));
        response
    }
}

impl Refusal {
    /// Says why, and ends the connection: whoever asks so has nothing more to ask.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Answer::new(self.status(), TEXT, format!("{self}\n")).into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if matches!(self, Self::Method) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
