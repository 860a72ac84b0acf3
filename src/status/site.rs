//! What answers requests: who may ask, and what they get.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes, http::request::Parts};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    answer::{Answer, TEXT},
    connection,
    hosts::Hosts,
    request::Asked,
};

/// The hosts by which it is reached, and what answers.
#[derive(Clone)]
pub struct Site {
    hosts: Hosts,
    handler: Rc<dyn Fn(&Asked) -> Answer>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Site {
    /// Requests that come by one of `hosts` are answered by `handler`.
    #[must_use]
    pub fn new(hosts: Hosts, handler: impl Fn(&Asked) -> Answer + 'static) -> Self {
        Self { hosts, handler: Rc::new(handler) }
    }

    /// The same, by whatever name it is reached.
    pub(super) fn by_any_name(&self) -> Self {
        Self { hosts: Hosts::Any, handler: Rc::clone(&self.handler) }
    }

    /// Serves a connection to its end.
    pub async fn serve_connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        connection::serve(self, || {}, stream).await;
    }

    /// The answer to a request with this head. If the handler panics, which the log shows, that costs
    /// this answer alone: it changes nothing that it could leave half done.
    pub(super) fn response(&self, head: &Parts) -> Response<Full<Bytes>> {
        let asked = match Asked::of(head, &self.hosts) {
            Ok(asked) => asked,
            Err(refusal) => return refusal.into_response(),
        };
        let answer = catch_unwind(AssertUnwindSafe(|| (self.handler)(&asked)));
        let failed = |_| {
            let text = "this cannot be shown because of a fault in the program; its log has more\n";
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        };
        answer.unwrap_or_else(failed).into_response()
    }
}
