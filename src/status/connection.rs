//! One connection, with a limit on its time and on what it may send.

use std::{
    convert::Infallible,
    future::{poll_fn, ready},
    pin::Pin,
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink},
    time::timeout,
};

use super::site::Site;

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long a connection may wait for its next request, and the head of that may take.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// After this no further request is taken.
const REQUESTS_LIMIT: Duration = Duration::from_secs(15);

/// How long the reader of an answer may then still take.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// How long, and how many bytes of it, is read what nobody wants to know. If the connection were closed
/// at once, the system would reset it, and the answer might be lost on its way.
const LINGER_LIMIT: Duration = Duration::from_secs(1);
const MAX_LINGER: u64 = 1024 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve(
    site: &Site,
    on_request: impl Fn(),
    stream: impl AsyncRead + AsyncWrite + Unpin,
) {
    let service = service_fn(|request: Request<Incoming>| {
        on_request();
        let (head, _) = request.into_parts();
        ready(Ok::<_, Infallible>(site.response(&head)))
    });
    let mut connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        // Some send a request and close their end before they read.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut served =
        timeout(REQUESTS_LIMIT, poll_fn(|cx| connection.poll_without_shutdown(cx))).await;
    if served.is_err() {
        Pin::new(&mut connection).graceful_shutdown();
        served = timeout(ANSWER_LIMIT, poll_fn(|cx| connection.poll_without_shutdown(cx))).await;
    }
    match served {
        Err(_) => return tracing::debug!("status: answer not read in time"),
        Ok(Err(error)) => tracing::debug!("status: {error}"),
        Ok(Ok(())) => {}
    }
    let mut stream = connection.into_parts().io.into_inner();
    // However that ends, this is the end.
    let _ = timeout(LINGER_LIMIT, async {
        stream.shutdown().await?;
        copy(&mut stream.take(MAX_LINGER), &mut sink()).await
    })
    .await;
}
