//! The answers of the simulator and how they are framed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::gson;
use super::stream::EventStream;

/// The body of an answer.
pub(super) enum ReplyBody {
    /// Sent with its length.
    Sized(Full<Bytes>),
    /// Sent in chunks, as openHAB streams all its JSON.
    Chunked(Full<Bytes>),
    /// Sent event by event, as they happen.
    Events(EventStream),
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
            Self::Events(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Sized(body) | Self::Chunked(body) => body.is_end_stream(),
            Self::Events(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Sized(body) => body.size_hint(),
            // hyper sends a body of unknown length in chunks.
            Self::Chunked(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}

/// An answer with nothing but a status.
pub(super) fn empty(status: StatusCode) -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::Sized(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// The answer to a method that the path does not support.
pub(super) fn not_allowed(allowed: &'static str) -> Response<ReplyBody> {
    let reply = empty(StatusCode::METHOD_NOT_ALLOWED);
    with_header(reply, ALLOW, allowed)
}

/// An answer with a state.
pub(super) fn text(text: String) -> Response<ReplyBody> {
    let reply = Response::new(ReplyBody::Sized(Full::from(text)));
    with_header(reply, CONTENT_TYPE, "text/plain;charset=UTF-8")
}

/// An answer in JSON.
pub(super) fn json(value: &impl Serialize) -> Response<ReplyBody> {
    let reply = Response::new(ReplyBody::Chunked(Full::from(gson::to_string(value))));
    with_header(reply, CONTENT_TYPE, "application/json")
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
    let mut reply = json(&Outer { error: Inner { message, http_code: status.as_u16() } });
    *reply.status_mut() = status;
    reply
}

/// An event stream, with the headers that keep proxies from holding it back.
pub(super) fn events(stream: EventStream) -> Response<ReplyBody> {
    let reply = Response::new(ReplyBody::Events(stream));
    let reply = with_header(reply, CONTENT_TYPE, "text/event-stream");
    let reply = with_header(reply, CONTENT_ENCODING, "identity");
    with_header(reply, HeaderName::from_static("x-accel-buffering"), "no")
}

fn with_header(
    mut reply: Response<ReplyBody>,
    name: HeaderName,
    value: &'static str,
) -> Response<ReplyBody> {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    reply
}
