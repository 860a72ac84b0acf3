//! The HTTP server of the status page, as bytes over sockets.

use std::net::SocketAddr;

use fronius_smartmeter::status::{
    answer::Answer,
    hosts::Hosts,
    language::Language,
    listener::StatusListener,
    request::Path,
    server::{self, StatusServer},
    site::Site,
};
use hyper::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{net::anywhere, within};

mod limits;
mod service;
mod sockets;

/// More than the system buffers of a connection.
const LARGE: usize = 16 * 1024 * 1024;

const POLICY: &str = "default-src 'none'; script-src 'sha256-x'; frame-ancestors 'self'";

/// Whoever may ask.
fn hosts() -> Hosts {
    Hosts::of_this_machine(vec!["meter.example.org".parse().unwrap()])
}

/// Answers what it was asked for; metrics are large, and there is no health without a fault.
fn site() -> Site {
    Site::new(hosts(), |asked| answer(asked.path, asked.language))
}

fn answer(path: Path, language: Language) -> Answer {
    match path {
        Path::Page => {
            let mut answer = Answer::new(StatusCode::OK, "text/html", format!("{language:?}"));
            answer.security_policy = POLICY.into();
            answer
        }
        Path::Status => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "application/json", "{}"),
        Path::Metrics => Answer::new(StatusCode::OK, "text/plain", vec![b'x'; LARGE]),
        Path::Health => panic!("the handler of this test fails"),
    }
}

/// A running server.
struct Served {
    address: SocketAddr,
    _server: StatusServer,
}

impl Served {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind(anywhere()).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = StatusListener::from(listener);
        let address = listener.address().unwrap();
        let server = start(vec![listener]);
        Self { address, _server: server }
    }

    async fn connect(&self) -> TcpStream {
        within(TcpStream::connect(self.address)).await.unwrap()
    }

    /// All that is answered to these bytes until the connection is closed.
    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        within(stream.write_all(request.as_ref())).await.unwrap();
        rest(&mut stream).await
    }
}

fn start(listeners: Vec<StatusListener>) -> StatusServer {
    server::start(listeners, hosts(), |asked| answer(asked.path, asked.language)).unwrap()
}

/// Everything up to the end.
#[track_caller]
fn rest(stream: &mut (impl AsyncRead + Unpin)) -> impl Future<Output = String> {
    let mut bytes = Vec::new();
    let read = within(async move {
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    async { String::from_utf8(read.await).unwrap() }
}

/// A request that is answered shortly, and its answer.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), host: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"English") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "closed");
    }
    String::from_utf8(answer).unwrap()
}

/// The status of an answer, which must be a single one with all headers that protect the reader.
#[track_caller]
fn status(answer: &str) -> u16 {
    for header in [
        "content-security-policy: default-src 'none'; ",
        "x-content-type-options: nosniff\r\n",
        "referrer-policy: no-referrer\r\n",
        "cache-control: no-store\r\n",
        "cross-origin-resource-policy: same-origin\r\n",
        "content-length: ",
    ] {
        assert_eq!(answer.matches(header).count(), 1, "{header} in {answer}");
    }
    assert!(!answer.contains("access-control-"), "{answer}");
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn get_has_the_answer_of_the_handler_and_head_all_but_its_content() {
    let served = Served::start();
    let [get, head] = ["GET", "HEAD"].map(|method| {
        let more = "Accept-Language: de\r\nConnection: close";
        served.ask(format!("{method} / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n{more}\r\n\r\n"))
    });
    let (get, head) = (get.await, head.await);
    assert_eq!((status(&get), status(&head)), (200, 200));
    assert!(get.contains("content-type: text/html\r\n") && get.contains(POLICY), "{get}");
    let (of_get, content) = get.split_once("\r\n\r\n").unwrap();
    assert_eq!(content, "German");
    let lines = |head: &str| -> Vec<_> {
        let lines = head.lines().filter(|line| !line.is_empty() && !line.starts_with("date: "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(lines(of_get), lines(&head));
    assert!(head.ends_with("\r\n\r\n") && head.contains("content-length: 6\r\n"), "{head}");
}

#[tokio::test]
async fn the_status_is_that_of_the_handler() {
    let served = Served::start();
    let answer = served.ask("GET /api/status?plot HTTP/1.0\r\n\r\n").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(answer.contains("default-src 'none'; frame-ancestors 'self'\r\n"), "{answer}");
}

#[tokio::test]
async fn what_must_not_be_asked_is_refused_with_a_reason() {
    const LOCAL: &str = "Host: localhost";
    let served = Served::start();
    for (request, code, reason) in [
        ("GET / HTTP/1.1\r\nHost: evil.example", 403, "\"evil.example\" is not a known name"),
        ("GET / HTTP/1.1\r\nHost: evil.example:80", 403, "add it to status_hosts in"),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost", 403, "evil.example"),
        ("POST /x HTTP/1.1\r\nHost: evil.example", 403, "evil.example"),
        ("GET / HTTP/1.1\r\nAccept: */*", 400, "one Host header"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400, "one Host header"),
        (&format!("GET /x HTTP/1.1\r\n{LOCAL}"), 404, "not found"),
        (&format!("GET /../etc/passwd HTTP/1.1\r\n{LOCAL}"), 404, "not found"),
        (&format!("POST / HTTP/1.1\r\n{LOCAL}"), 405, "only GET and HEAD"),
        (&format!("OPTIONS / HTTP/1.1\r\n{LOCAL}"), 405, "\r\nallow: GET, HEAD\r\n"),
        (&format!("GET / HTTP/1.1\r\n{LOCAL}\r\nContent-Length: 1"), 413, "a body"),
        (&format!("GET / HTTP/1.1\r\n{LOCAL}\r\nTransfer-Encoding: chunked"), 413, "a body"),
    ] {
        let answer = served.ask(format!("{request}\r\n\r\n")).await;
        assert_eq!(status(&answer), code, "{request}: {answer}");
        assert!(answer.contains(reason), "{request}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{request}: {answer}");
        assert!(answer.contains("text/plain; charset=utf-8"), "{request}: {answer}");
    }
}

#[tokio::test]
async fn the_absolute_form_the_machines_name_and_given_names_are_accepted() {
    let served = Served::start();
    let own = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    for host in ["[::1]:8080", "meter.example.org", &own, "127.0.0.1"] {
        for target in ["/", &format!("http://{host}/")] {
            let answer = served
                .ask(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
                .await;
            assert_eq!(status(&answer), 200, "{target} at {host}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_large_body_does_not_cost_the_sender_the_answer() {
    let served = Served::start();
    let mut stream = served.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}\r\n\r\n");
    within(stream.write_all(head.as_bytes())).await.unwrap();
    within(stream.write_all(&vec![b'x'; 512 * 1024])).await.unwrap();
    assert_eq!(status(&rest(&mut stream).await), 405);
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_the_next_is_served() {
    let served = Served::start();
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(1000));
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(100_000));
    for request in
        [&large, &many, &long, "\r\n\r\nx\r\n\r\n", "GET /\r\n\r\n", "\0\u{1}\u{2}\r\n\r\n"]
    {
        let answer = served.ask(request).await;
        let is_refused = answer.starts_with("HTTP/1.1 4") && answer.ends_with("\r\n\r\n");
        assert!(is_refused || answer.is_empty(), "{answer}");
    }
    assert!(served.ask(&large).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(status(&served.ask("GET / HTTP/1.0\r\n\r\n").await), 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let served = Served::start();
    let request = |language, more| {
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Language: {language}\r\n{more}\r\n")
    };
    let requests = [request("de", ""), request("en", ""), request("de", "Connection: close\r\n")];
    let answers = served.ask(requests.concat()).await;
    let places = ["German", "English", "German"].iter().try_fold(0, |from, content| {
        let found = answers[from..].find(content)?;
        Some(from + found + content.len())
    });
    assert_eq!(places, Some(answers.len()), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
}

#[tokio::test]
async fn who_closes_its_end_after_a_request_has_the_whole_answer() {
    let served = Served::start();
    let mut stream = served.connect().await;
    within(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), LARGE);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_answer_alone() {
    let served = Served::start();
    let mut other = served.connect().await;
    within(exchange(&mut other, "localhost")).await;
    for _ in 0..2 {
        let answer = served.ask("GET /health HTTP/1.0\r\n\r\n").await;
        assert_eq!(status(&answer), 500);
        assert!(answer.contains("a fault in the program"), "{answer}");
    }
    within(exchange(&mut other, "localhost")).await;
}
