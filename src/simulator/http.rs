//! Serves one connection, with the paths that openHAB has.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::Simulator;
use super::access::Access;
use super::definition::Definition;
use super::reply::{self, ReplyBody};
use super::startup::Missing;
use super::stream::EventStream;
use super::topics::Topics;

/// Largest request head, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// How much of a head is read, so that one that is too large gets its answer.
const MAX_READ: usize = 4 * MAX_HEAD;

/// Largest state or item that can be put, in bytes.
const MAX_CONTENT: usize = 4 * 1024;

/// How long a connection may be without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// What becomes of a request.
enum Outcome {
    Reply(Response<ReplyBody>),
    /// The rest of the connection is an event stream.
    Events(EventStream),
    /// It is never answered.
    Silence,
}

/// Serves one connection to its end.
pub(super) async fn serve(
    simulator: Simulator,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) {
    let (listen, mut listening) = mpsc::channel(1);
    let service = service_fn(|request| {
        let (simulator, listen) = (simulator.clone(), listen.clone());
        async move {
            match simulator.answer(request, address).await {
                Outcome::Reply(reply) => return Ok::<_, Infallible>(reply),
                // There is room: no further request is taken before this one is answered.
                Outcome::Events(events) => drop(listen.try_send(events)),
                Outcome::Silence => {}
            }
            pending().await
        }
    });
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .title_case_headers(true)
        .max_buf_size(MAX_READ)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let events: EventStream = tokio::select! {
        served = &mut connection => {
            if let Err(error) = served {
                tracing::debug!("simulator: connection ended: {error}");
            }
            return;
        }
        Some(events) = listening.recv() => events,
    };
    // hyper cannot leave the end of a chunk to the next one, or a body without its last chunk.
    if let Err(error) = events.send(connection.into_parts().io.into_inner()).await {
        tracing::debug!("simulator: event stream ended: {error}");
    }
}

/// What a path of openHAB means.
enum Route<'a> {
    Root,
    Items,
    Item(&'a str),
    State(&'a str),
    Events,
    /// There is nothing of this name in the REST API.
    NoResource,
    /// It is outside the REST API.
    NoService,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(rest) = path.strip_prefix("/rest") else {
            return Self::NoService;
        };
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [""] => Self::Root,
            ["", "items"] => Self::Items,
            ["", "items", name] if is_name(name) => Self::Item(name),
            ["", "items", name, "state"] if is_name(name) => Self::State(name),
            ["", "events"] => Self::Events,
            ["", ..] => Self::NoResource,
            _ => Self::NoService,
        }
    }

    /// What is answered while all of this is missing. Without items, only those cannot be found.
    fn without(&self, missing: Missing, head: &Parts) -> Option<Response<ReplyBody>> {
        Some(match (missing, self) {
            (Missing::Servlet, _) => reply::no_servlet(&head.headers, head.uri.path()),
            (Missing::Service, _) => reply::no_service(),
            (Missing::Resource, _) => reply::no_resource(StatusCode::NOT_FOUND),
            (Missing::Item, Self::Item(name) | Self::State(name)) => no_item(name),
            (Missing::Item, _) => return None,
        })
    }

    /// Whether it may be read without credentials, if only because there is nothing to read.
    fn is_public(&self) -> bool {
        matches!(self, Self::Root | Self::NoResource | Self::NoService)
    }
}

/// Whether openHAB's paths accept this name.
fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty() && name.chars().all(allowed)
}

/// The status of a request whose head is too large.
fn oversize(head: &Parts) -> Option<StatusCode> {
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = head.headers.iter().fold(0_usize, |sum, (name, value)| {
        sum.saturating_add(name.as_str().len()).saturating_add(value.len())
    });
    if path > MAX_HEAD {
        Some(StatusCode::URI_TOO_LONG)
    } else if headers > MAX_HEAD {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else {
        None
    }
}

impl Simulator {
    async fn answer(&self, request: Request<Incoming>, address: SocketAddr) -> Outcome {
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        if let Some(refusal) = self.refusal(&head, &route) {
            return Outcome::Reply(refusal);
        }
        let host = || match head.headers.get(HOST).map(|host| host.to_str()) {
            Some(Ok(host)) => host.to_owned(),
            _ => address.to_string(),
        };
        Outcome::Reply(match (&head.method, &route) {
            (&Method::GET, Route::Root) => self.get_root(&host()),
            (&Method::GET, Route::Items) => self.get_items(&host()),
            (&Method::GET, Route::Item(name)) => self.get_item(name, &host()),
            (&Method::GET, Route::State(name)) => {
                self.state(name).map_or_else(|| no_item(name), reply::text)
            }
            (&Method::GET, Route::Events) => return self.get_events(&head),
            (&Method::PUT, Route::State(name)) => self.put_state(name, body).await,
            (&Method::PUT, Route::Item(name)) => self.put_item(name, body, &host()).await,
            (&Method::DELETE, Route::Item(name)) if self.remove(name) => {
                reply::done(StatusCode::OK, "text/plain")
            }
            (&Method::DELETE, Route::Item(name)) => no_item(name),
            (_, Route::NoService) => reply::no_service(),
            (_, Route::NoResource) => reply::no_resource(StatusCode::NOT_FOUND),
            _ => reply::no_resource(StatusCode::METHOD_NOT_ALLOWED),
        })
    }

    /// The answer to a request that is too large, comes too early or may not be made.
    fn refusal(&self, head: &Parts, route: &Route<'_>) -> Option<Response<ReplyBody>> {
        if let Some(status) = oversize(head) {
            return Some(reply::refused(status));
        }
        let missing = self.missing();
        if let Some(answer) = missing.and_then(|missing| route.without(missing, head)) {
            return Some(answer);
        }
        let message = match Access::of(&head.headers, self.shared.token.as_ref()) {
            Access::Refused => "Invalid credentials",
            Access::Anonymous if !route.is_public() => "Authentication required",
            Access::Granted | Access::Anonymous => return None,
        };
        Some(reply::error(StatusCode::UNAUTHORIZED, message))
    }

    fn get_root(&self, host: &str) -> Response<ReplyBody> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Root {
            version: &'static str,
            runtime_info: RuntimeInfo,
            links: [Link; 2],
        }
        #[derive(Serialize)]
        struct Link {
            r#type: &'static str,
            url: String,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct RuntimeInfo {
            version: &'static str,
            build_string: &'static str,
        }
        let link = |name| Link { r#type: name, url: format!("http://{host}/rest/{name}") };
        reply::json(&Root {
            version: "8",
            runtime_info: RuntimeInfo {
                version: self.shared.dialect.version(),
                build_string: "Release Build",
            },
            links: ["items", "events"].map(link),
        })
    }

    fn get_items(&self, host: &str) -> Response<ReplyBody> {
        let items = self.items();
        let all: Vec<_> = items
            .iter()
            .map(|(name, item)| item.describe(name, host, self.shared.dialect))
            .collect();
        reply::json(&all)
    }

    fn get_item(&self, name: &str, host: &str) -> Response<ReplyBody> {
        match self.items().get(name) {
            Some(item) => reply::json(&item.describe(name, host, self.shared.dialect)),
            None => no_item(name),
        }
    }

    fn get_events(&self, head: &Parts) -> Outcome {
        let events = self.shared.events.subscribe();
        let is_chunked = head.version > Version::HTTP_10;
        match Topics::of_query(head.uri.query()) {
            Some(topics) => Outcome::Events(EventStream::new(topics, events, is_chunked)),
            None => Outcome::Silence,
        }
    }

    async fn put_item(&self, name: &str, body: Incoming, host: &str) -> Response<ReplyBody> {
        let body = match content(body).await {
            Ok(body) => body,
            Err(status) => return reply::refused(status),
        };
        let definition = match serde_json::from_slice::<Definition>(&body) {
            Ok(definition) if definition.name == name => definition,
            Ok(_) => {
                let message = "The item name in the path and the one in the body differ";
                return reply::error(StatusCode::BAD_REQUEST, message);
            }
            Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let Some(is_new) = self.define(definition) else {
            return reply::error(StatusCode::INSUFFICIENT_STORAGE, "Too many items");
        };
        let mut reply = self.get_item(name, host);
        if is_new {
            *reply.status_mut() = StatusCode::CREATED;
        }
        reply
    }

    async fn put_state(&self, name: &str, body: Incoming) -> Response<ReplyBody> {
        let body = match content(body).await {
            Ok(body) => body,
            Err(status) => return reply::refused(status),
        };
        let state = str::from_utf8(&body).unwrap_or_default();
        match self.items().get(name).map(|item| item.takes(state.trim())) {
            None => return no_item(name),
            Some(false) => {
                let message = format!("State could not be parsed: {state}");
                return reply::error(StatusCode::BAD_REQUEST, &message);
            }
            Some(true) => {}
        }
        self.set(name, state);
        reply::done(StatusCode::ACCEPTED, "application/json")
    }
}

/// What was put, or the status of the answer if that cannot be received.
async fn content(body: Incoming) -> Result<Bytes, StatusCode> {
    match Limited::new(body, MAX_CONTENT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

fn no_item(name: &str) -> Response<ReplyBody> {
    let message = format!("Item {name} does not exist!");
    reply::error(StatusCode::NOT_FOUND, &message)
}
