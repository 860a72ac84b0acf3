//! What connections may cost, in number and in time.

use std::time::Duration;

use fronius_smartmeter::status::server::MAX_CONNECTIONS;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Instant, sleep},
};

use super::{Served, exchange, site, status};
use crate::harness::within;

/// Time in these tests leaps to the next timer whenever all wait.
const SECOND: Duration = Duration::from_secs(1);

/// How much longer a connection may last, so that the last answer arrives.
const LINGER: Duration = Duration::from_secs(1);

/// A connection to the site, and its end.
fn connect() -> (DuplexStream, JoinHandle<Duration>) {
    let (ours, theirs) = duplex(1024);
    let start = Instant::now();
    let served = spawn_local(async move {
        site().serve_connection(theirs).await;
        start.elapsed()
    });
    (ours, served)
}

/// Runs with a clock of its own, and connections that are no sockets.
async fn quickly(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

/// A connection must last for so long.
#[track_caller]
fn assert_lasts(lasted: Duration, limit: Duration) {
    assert!((limit..=limit + LINGER).contains(&lasted), "{lasted:?} instead of {limit:?}");
}

#[tokio::test]
async fn one_connection_more_closes_the_one_without_a_request_for_the_longest_time() {
    let served = Served::start();
    let mut crowd = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = served.connect().await;
        within(exchange(&mut stream, "localhost")).await;
        crowd.push(stream);
    }
    within(exchange(&mut crowd[0], "localhost")).await;
    let answer = served.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
    assert_eq!(within(crowd[1].read(&mut [0])).await.unwrap(), 0, "it has made room");
    within(exchange(&mut crowd[0], "localhost")).await;
    within(exchange(&mut crowd[2], "localhost")).await;
}

#[tokio::test]
async fn who_reads_nothing_keeps_nobody_else_from_reading() {
    let served = Served::start();
    let mut crowd = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // The rest of the answer is under way.
        within(stream.read_exact(&mut [0; 1])).await.unwrap();
        crowd.push(stream);
    }
    assert_eq!(status(&served.ask("GET / HTTP/1.0\r\n\r\n").await), 200);
}

#[tokio::test(start_paused = true)]
async fn silence_and_half_a_head_end_after_five_seconds() {
    quickly(async {
        for start in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
            let (mut client, served) = connect();
            client.write_all(start.as_bytes()).await.unwrap();
            assert_lasts(served.await.unwrap(), 5 * SECOND);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_leaves_at_once() {
    quickly(async {
        for said in ["", "GET / HT", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let (mut client, served) = connect();
            client.write_all(said.as_bytes()).await.unwrap();
            drop(client);
            assert!(served.await.unwrap() < SECOND / 10, "{said:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_gets_no_more_time() {
    quickly(async {
        let (mut client, served) = connect();
        for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
        assert_lasts(served.await.unwrap(), 5 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_five_seconds() {
    quickly(async {
        let (mut client, served) = connect();
        sleep(2 * SECOND).await;
        exchange(&mut client, "localhost").await;
        assert_lasts(served.await.unwrap(), 7 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_ends_after_fifteen_seconds() {
    quickly(async {
        let (mut client, served) = connect();
        for _ in 0..8 {
            exchange(&mut client, "localhost").await;
            sleep(2 * SECOND).await;
        }
        assert_lasts(served.await.unwrap(), 15 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_ends_after_thirty_seconds() {
    quickly(async {
        let (mut client, served) = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_lasts(served.await.unwrap(), 30 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_read_byte_by_byte_gets_no_more_time() {
    quickly(async {
        let (mut client, served) = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        while !served.is_finished() {
            client.read_exact(&mut [0; 1]).await.unwrap();
            sleep(SECOND / 10).await;
        }
        assert_lasts(served.await.unwrap(), 30 * SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_ends_the_connection() {
    quickly(async {
        let (mut client, served) = connect();
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        while client.write_all(b"1\r\nx\r\n").await.is_ok() {
            sleep(SECOND / 10).await;
        }
        assert_lasts(served.await.unwrap(), Duration::ZERO);
    })
    .await;
}
