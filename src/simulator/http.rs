//! Serves one connection, with the paths that openHAB has.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Simulator;
use super::access::Access;
use super::reply::{self, ReplyBody};
use super::stream::EventStream;
use super::topics::Topics;

/// Largest request head, in bytes; a larger one is answered with 431.
const MAX_HEAD: usize = 16 * 1024;

/// Largest state that can be put, in bytes.
const MAX_STATE: usize = 4 * 1024;

/// How long a connection may be without a request: pax-web's idle timeout on plain HTTP.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Serves one connection to its end.
pub(super) async fn serve(
    simulator: Simulator,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
) {
    let service = service_fn(|request| {
        let simulator = simulator.clone();
        async move { Ok::<_, Infallible>(simulator.answer(request, address).await) }
    });
    let served = http1::Builder::new()
        .auto_date_header(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("simulator: connection ended: {error}");
    }
}

/// What a path of openHAB means.
enum Route<'a> {
    Root,
    Items,
    Item(&'a str),
    State(&'a str),
    Events,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let rest = path.strip_prefix("/rest")?;
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [""] => Some(Self::Root),
            ["", "items"] => Some(Self::Items),
            ["", "items", name] if is_name(name) => Some(Self::Item(name)),
            ["", "items", name, "state"] if is_name(name) => Some(Self::State(name)),
            ["", "events"] => Some(Self::Events),
            _ => None,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::State(_) => "GET, PUT",
            Self::Root | Self::Items | Self::Item(_) | Self::Events => "GET",
        }
    }
}

/// Whether openHAB's paths accept this name.
fn is_name(name: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    !name.is_empty() && name.chars().all(allowed)
}

impl Simulator {
    async fn answer(&self, request: Request<Incoming>, address: SocketAddr) -> Response<ReplyBody> {
        let access = Access::of(request.headers(), self.shared.token.as_ref());
        if access == Access::Refused {
            return reply::error(StatusCode::UNAUTHORIZED, "Invalid credentials");
        }
        let (head, body) = request.into_parts();
        let Some(route) = Route::of(head.uri.path()) else {
            return reply::empty(StatusCode::NOT_FOUND);
        };
        if access == Access::Anonymous && !matches!(route, Route::Root) {
            return reply::error(StatusCode::UNAUTHORIZED, "Authentication required");
        }
        let host = || match head.headers.get(HOST).map(|host| host.to_str()) {
            Some(Ok(host)) => host.to_owned(),
            _ => address.to_string(),
        };
        match (&head.method, &route) {
            (&Method::GET, Route::Root) => self.get_root(),
            (&Method::GET, Route::Items) => self.get_items(&host()),
            (&Method::GET, Route::Item(name)) => self.get_item(name, &host()),
            (&Method::GET, Route::State(name)) => {
                self.state(name).map_or_else(|| no_item(name), reply::text)
            }
            (&Method::GET, Route::Events) => self.get_events(head.uri.query()),
            (&Method::PUT, Route::State(name)) => self.put_state(name, body).await,
            _ => reply::not_allowed(route.methods()),
        }
    }

    fn get_root(&self) -> Response<ReplyBody> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Root {
            runtime_info: RuntimeInfo,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct RuntimeInfo {
            version: &'static str,
            build_string: &'static str,
        }
        reply::json(&Root {
            runtime_info: RuntimeInfo {
                version: self.shared.dialect.version(),
                build_string: "Release Build",
            },
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

    fn get_events(&self, query: Option<&str>) -> Response<ReplyBody> {
        let Some(topics) = Topics::of_query(query) else {
            return reply::empty(StatusCode::BAD_REQUEST);
        };
        let events = self.shared.events.subscribe();
        reply::events(EventStream::new(topics, events, self.shared.dialect))
    }

    async fn put_state(&self, name: &str, body: Incoming) -> Response<ReplyBody> {
        let body = match Limited::new(body, MAX_STATE).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return reply::empty(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Err(_) => return reply::empty(StatusCode::BAD_REQUEST),
        };
        let state = str::from_utf8(&body).unwrap_or_default();
        if self.state(name).is_none() {
            no_item(name)
        } else if state.trim().is_empty() {
            reply::empty(StatusCode::BAD_REQUEST)
        } else {
            self.set(name, state);
            reply::empty(StatusCode::ACCEPTED)
        }
    }
}

fn no_item(name: &str) -> Response<ReplyBody> {
    let message = format!("Item {name} does not exist!");
    reply::error(StatusCode::NOT_FOUND, &message)
}
