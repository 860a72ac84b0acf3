//! How long a request may take, from connecting to the end of the answer.

use std::time::Duration;

use fronius_smartmeter::source::{
    endpoint::Endpoint,
    http::{Client, HttpError},
    tls::CaFile,
};
use hyper::HeaderMap;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

use crate::harness::{
    clock::FastClock,
    net::{anywhere, listen},
    openhab::{
        answers::{Answer, READ, events, moved, status},
        raw::RawOpenHab,
    },
    source::{QUICK, RunningSource, config},
    task::Task,
    within,
};

const TIME_LIMIT: Duration = Duration::from_secs(5);
/// What three steps may not take together.
const SLOW: Duration = Duration::from_secs(2);

/// Why a request to this address has no answer.
async fn failure(address: &str) -> HttpError {
    let endpoint = Endpoint::parse(address, 80).unwrap();
    let ca_file = CaFile { key: "openhab_ca_file", path: None };
    let mut client = Client::new(endpoint, || Ok(HeaderMap::new()), TIME_LIMIT, ca_file).unwrap();
    let answer = within(client.text("/rest/items/P/state", "text/plain")).await;
    answer.expect_err("there was an answer")
}

#[tokio::test]
async fn an_answer_that_trickles_in_is_given_up_as_a_whole() {
    let _clock = FastClock::start();
    let events = events();
    let sender = events.clone();
    let _answering = Task::spawn(async move {
        for piece in ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "80", "0 W"] {
            sleep(SLOW).await;
            // Nobody may be listening any more.
            let _ = sender.send(piece.into());
        }
    });
    let openhab = RawOpenHab::start(move |_: &str| Answer::Dictated(vec![], events.subscribe()));
    let failure = failure(&openhab.address.to_string()).await;
    assert!(matches!(failure, HttpError::Timeout(_)), "{failure}");
    assert!(!failure.is_unreachable());
}

#[tokio::test]
async fn redirects_get_no_further_time() {
    let _clock = FastClock::start();
    let target = RawOpenHab::start(|_: &str| Answer::Silent(vec![]));
    let to = format!("http://{}", target.address);
    let events = events();
    let sender = events.clone();
    let openhab = RawOpenHab::start(move |request: &str| {
        let Answer::Keep(redirect) = moved(request, &to) else { unreachable!() };
        let sender = sender.clone();
        tokio::spawn(async move {
            sleep(SLOW * 2).await;
            sender.send(redirect).unwrap();
        });
        Answer::Dictated(vec![], events.subscribe())
    });
    let started = Instant::now();
    let failure = failure(&openhab.address.to_string()).await;
    assert!(matches!(failure, HttpError::Timeout(_)), "{failure}");
    assert!(failure.to_string().contains(&target.address.to_string()), "{failure}");
    // By the clock of this test, on which nothing passes but what the code waits for.
    assert!(started.elapsed() < TIME_LIMIT + SLOW, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_takes_no_connection_or_no_handshake_is_unreachable() {
    // Nobody accepts: once the queue is full, the system answers no further attempt.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(anywhere()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    let mute = listen(anywhere());
    let https = format!("https://{}", mute.local_addr().unwrap());
    let _clock = FastClock::start();
    for address in [address.to_string(), https] {
        let failure = failure(&address).await;
        assert!(failure.is_unreachable(), "{failure}");
        assert!(failure.to_string().contains("timed out"), "{failure}");
    }
}

#[tokio::test]
async fn one_request_takes_no_more_than_a_third_of_the_time_until_values_are_stale() {
    let _clock = FastClock::start();
    let mut openhab = RawOpenHab::start(|request: &str| {
        if request.starts_with(READ) { Answer::Silent(vec![]) } else { status("404 Not Found") }
    });
    let _source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked(READ, 1).await;
    let first = openhab.last(READ);
    openhab.asked(READ, 1).await;
    // With the wait before the next attempt, which is at most a second.
    let apart = openhab.last(READ) - first;
    assert!(apart < Duration::from_millis(2500), "{apart:?}");
}
