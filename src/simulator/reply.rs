//! The answers of the simulator and how they are framed: the headers in openHAB's order, which hyper
//! keeps.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use chrono::Utc;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName,
    HeaderValue, SERVER, TRANSFER_ENCODING, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use super::gson;

/// What openHAB 5.2.1 calls its server.
pub(super) const JETTY: &str = "Jetty(9.4.58.v20250814)";

/// The methods that `Allow` lists, whatever the path.
const METHODS: &str = "DELETE,POST,GET,PUT,OPTIONS,HEAD";

/// The body of an answer.
pub(super) enum ReplyBody {
    /// Sent with its length.
    Sized(Full<Bytes>),
    /// Sent in chunks, as openHAB streams all its JSON.
    Chunked(Full<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Sized(body) | Self::Chunked(body) => Pin::new(body).poll_frame(context),
        }
    }

    // Without `is_end_stream`: of a body that is known to be empty, hyper moves the length to the end.

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Sized(body) => body.size_hint(),
            // hyper sends a body of unknown length in chunks.
            Self::Chunked(_) => SizeHint::default(),
        }
    }
}

type Header = (HeaderName, HeaderValue);

/// An answer with a state.
pub(super) fn text(text: String) -> Response<ReplyBody> {
    let headers = [fixed(CONTENT_TYPE, "text/plain"), date(), vary(), length(text.len())];
    reply(StatusCode::OK, headers, ReplyBody::Sized(Full::from(text)))
}

/// An answer in JSON.
pub(super) fn json(value: &impl Serialize) -> Response<ReplyBody> {
    let headers = [is_json(), date(), vary(), chunked()];
    reply(StatusCode::OK, headers, ReplyBody::Chunked(Full::from(gson::to_string(value))))
}

/// An error as openHAB's `JSONResponse` writes it.
pub(super) fn error(status: StatusCode, message: &str) -> Response<ReplyBody> {
    #[derive(Serialize)]
    struct Outer<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Inner<'a> {
        message: &'a str,
        http_code: u16,
    }
    let error = Outer { error: Inner { message, http_code: status.as_u16() } };
    let body = ReplyBody::Chunked(Full::from(gson::to_string(&error)));
    reply(status, [is_json(), date(), chunked()], body)
}

/// The answer to what was done, with the type of what it might have said.
pub(super) fn done(status: StatusCode, content_type: &'static str) -> Response<ReplyBody> {
    let headers = [fixed(CONTENT_TYPE, content_type), date(), length(0)];
    reply(status, headers, ReplyBody::Sized(Full::default()))
}

/// The answer to a path below `/rest` that there is not, or to a method that a path does not have.
pub(super) fn no_resource(status: StatusCode) -> Response<ReplyBody> {
    let headers = [fixed(ALLOW, METHODS), date(), length(0)];
    reply(status, headers, ReplyBody::Sized(Full::default()))
}

/// The answer to every path while there is no servlet: in text, in JSON, or none at all to who accepts
/// neither.
pub(super) fn no_servlet(headers: &HeaderMap, path: &str) -> Response<ReplyBody> {
    let (content_type, text) = match headers.get(ACCEPT).map(HeaderValue::as_bytes) {
        Some(b"text/plain") => (
            Some("text/plain;charset=iso-8859-1"),
            format!(
                "HTTP ERROR 404 Not Found\nURI: {path}\nSTATUS: 404\nMESSAGE: Not Found\n\
                 SERVLET: null\n"
            ),
        ),
        Some(b"application/json") => (
            Some("application/json"),
            format!(
                "{{\n\"message\":\"Not Found\",\n\"url\":{},\n\"status\":\"404\"\n}}",
                gson::to_string(&path)
            ),
        ),
        _ => (None, String::new()),
    };
    let headers = [
        Some(fixed(CACHE_CONTROL, "must-revalidate,no-cache,no-store")),
        content_type.map(|content_type| fixed(CONTENT_TYPE, content_type)),
        Some(length(text.len())),
    ];
    let body = ReplyBody::Sized(Full::from(text));
    reply(StatusCode::NOT_FOUND, headers.into_iter().flatten(), body)
}

/// The answer to a path outside `/rest`, and to every path while there is no REST API.
pub(super) fn no_service() -> Response<ReplyBody> {
    const PAGE: &str = "<html><body>No service was found.</body></html>";
    let headers = [fixed(CONTENT_TYPE, "text/html;charset=utf-8"), length(PAGE.len())];
    reply(StatusCode::NOT_FOUND, headers, ReplyBody::Sized(Full::from(PAGE)))
}

/// The answer to a request that is too large or broken, after which the connection ends.
pub(super) fn refused(status: StatusCode) -> Response<ReplyBody> {
    let headers = [length(0), fixed(CONNECTION, "close")];
    reply(status, headers, ReplyBody::Sized(Full::default()))
}

fn reply(
    status: StatusCode,
    headers: impl IntoIterator<Item = Header>,
    body: ReplyBody,
) -> Response<ReplyBody> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().extend(headers);
    reply.headers_mut().extend([fixed(SERVER, JETTY)]);
    reply
}

fn fixed(name: HeaderName, value: &'static str) -> Header {
    (name, HeaderValue::from_static(value))
}

fn is_json() -> Header {
    fixed(CONTENT_TYPE, "application/json")
}

fn vary() -> Header {
    fixed(VARY, "Accept-Encoding, User-Agent")
}

fn chunked() -> Header {
    fixed(TRANSFER_ENCODING, "chunked")
}

fn length(length: usize) -> Header {
    (CONTENT_LENGTH, length.into())
}

fn date() -> Header {
    let now = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    // A date has no character that a header may not have.
    (DATE, HeaderValue::try_from(now).unwrap_or(HeaderValue::from_static("")))
}
