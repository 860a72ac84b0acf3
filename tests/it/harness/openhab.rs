//! What the tests of the openHAB source share: an openHAB that can be made to misbehave byte by
//! byte, and a source or a whole service that reads from it.

use std::{
    fmt::Display,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fronius_smartmeter::{
    config::Config,
    meter::reading::{Measurand, Phase, Point, Reading},
    simulator::{Dialect, Simulator},
    system::liveness::Liveness,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// No wait of a test takes longer, however slow the machine; what takes so long has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };
pub(crate) const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };

/// The requests for the states of items begin so.
pub(crate) const READ: &str = "GET /rest/items/";
/// Those for the event stream.
pub(crate) const LISTEN: &str = "GET /rest/events?";

/// A task that ends with what needs it.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Ends it, and waits until its sockets are closed.
    pub(crate) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for `condition`.
#[track_caller]
pub(crate) fn wait_for<'a, T>(
    receiver: &'a mut watch::Receiver<T>,
    what: &'a str,
    condition: impl FnMut(&T) -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let Ok(found) = timeout(BOUND, receiver.wait_for(condition)).await else {
            panic!("{place}: waited in vain for {what}");
        };
        assert!(found.is_ok(), "{place}: the sender is gone, waiting for {what}");
    }
}

/// A configuration with the items `E` (energy) and `P` (power) of the openHAB at `host`.
pub(crate) fn config(host: impl Display, more: &str) -> Config {
    let text = format!(
        "openhab_host: {host}\nenergy_counter_out: E\ncurrent_power: P\n\
         modbus_listen: 127.0.0.1:0\n{more}"
    );
    Config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A running source, without a meter.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) readings: watch::Receiver<Reading>,
    task: Task,
}

impl Running {
    pub(crate) fn start(config: Config) -> Self {
        let source = config.source.build(config.freshness).unwrap();
        let (sender, readings) = watch::channel(Reading::default());
        Self {
            readings,
            task: Task::spawn(async move { source.run(sender, &Liveness::default()).await }),
        }
    }

    /// The last good value of a point.
    pub(crate) fn value(&self, point: Point) -> Option<f64> {
        self.readings.borrow().get(point).map(|sample| sample.value)
    }

    /// When that was last confirmed.
    pub(crate) fn confirmed(&self, point: Point) -> Instant {
        self.readings.borrow().get(point).unwrap().confirmed
    }

    /// Waits for a power in W.
    #[track_caller]
    pub(crate) fn power(&mut self, watts: f64) -> impl Future<Output = ()> + '_ {
        wait_for(&mut self.readings, "a power", move |reading| {
            reading.get(POWER).is_some_and(|sample| same(sample.value, watts))
        })
    }

    /// Waits for an energy in Wh.
    #[track_caller]
    pub(crate) fn energy(&mut self, watt_hours: f64) -> impl Future<Output = ()> + '_ {
        wait_for(&mut self.readings, "an energy", move |reading| {
            reading.get(ENERGY).is_some_and(|sample| same(sample.value, watt_hours))
        })
    }
}

/// Equal but for rounding.
pub(crate) fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// A well-behaved openHAB with the items `E` and `P`.
pub(crate) fn simulator(energy: &str, power: &str, dialect: Dialect) -> Simulator {
    let items = [("E", energy), ("P", power)];
    let items = items.map(|(name, state)| (name.to_owned(), state.to_owned()));
    Simulator::new(items, dialect, None)
}

/// Serves a simulator on `address` until the task is dropped.
pub(crate) async fn serve(simulator: &Simulator, address: SocketAddr) -> (SocketAddr, Task) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let simulator = simulator.clone();
    let task = Task::spawn(async move { simulator.serve(listener).await.unwrap() });
    (address, task)
}

/// Any free port of the loopback interface.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What a [`RawServer`] does with a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Sends this and takes the next request.
    Keep(Vec<u8>),
    /// Sends this and closes.
    Close(Vec<u8>),
    /// Sends this and then nothing, for as long as the client waits.
    Silent(Vec<u8>),
    /// Sends the first and then the second for as long as it is taken.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends the first and then whatever the test has to say.
    Dictated(Vec<u8>, broadcast::Receiver<Vec<u8>>),
    /// Breaks the connection, so that the client gets a reset instead of an end.
    Reset,
}

/// What a server may do wrong, by name.
pub(crate) type Fault = (&'static str, fn() -> Answer);

/// An answer with a state, as openHAB gives it.
pub(crate) fn state(state: &str) -> Answer {
    let length = state.len();
    Answer::Keep(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {length}\r\n\r\n{state}"
        )
        .into_bytes(),
    )
}

/// An answer with nothing but a status.
pub(crate) fn status(line: &str) -> Answer {
    Answer::Keep(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

/// The head of an event stream that ends with its connection.
pub(crate) fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec()
}

/// A sign of life that promises the next within `seconds`.
pub(crate) fn alive(seconds: u32) -> Vec<u8> {
    format!("event: alive\ndata: {{\"type\":\"ALIVE\",\"interval\":{seconds}}}\n\n").into_bytes()
}

/// An event about an item; `place` is what comes after `openhab/items/` in its topic.
pub(crate) fn event(place: &str, kind: &str, value: &str) -> Vec<u8> {
    format!(
        "event: message\ndata: {{\"topic\":\"openhab/items/{place}\",\"payload\":\
         \"{{\\\"type\\\":\\\"Quantity\\\",\\\"value\\\":\\\"{value}\\\"}}\",\
         \"type\":\"{kind}\"}}\n\n"
    )
    .into_bytes()
}

/// The event of a power that has changed.
pub(crate) fn power_changed(value: &str) -> Vec<u8> {
    event("P/statechanged", "ItemStateChangedEvent", value)
}

/// An openHAB that polls see with this power and an energy of 12 345.678 kWh, and whose event
/// stream is `events`, if it has one.
pub(crate) fn house(
    power: &str,
    events: Option<&broadcast::Sender<Vec<u8>>>,
) -> impl FnMut(&str) -> Answer + Send + use<> {
    let (power, events) = (power.to_owned(), events.cloned());
    move |request| match &events {
        Some(events) if request.starts_with(LISTEN) => {
            Answer::Dictated(stream_head(), events.subscribe())
        }
        _ if request.starts_with("GET /rest/items/E/state ") => state("12345.678 kWh"),
        _ if request.starts_with("GET /rest/items/P/state ") => state(&power),
        _ => status("404 Not Found"),
    }
}

type Behaviour = Box<dyn FnMut(&str) -> Answer + Send>;

/// A request as it came, and when.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) at: Instant,
}

/// A server whose every byte is the test's.
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: watch::Receiver<Vec<Request>>,
    task: Task,
}

impl RawServer {
    pub(crate) async fn start(behaviour: impl FnMut(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Box::new(behaviour)));
        let (seen, requests) = watch::channel(Vec::new());
        let shared = Arc::clone(&behaviour);
        let task = Task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(converse(stream, Arc::clone(&shared), seen.clone()));
            }
        });
        Self { address, behaviour, requests, task }
    }

    /// From the next request on, behaves so.
    pub(crate) fn behave(&self, behaviour: impl FnMut(&str) -> Answer + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// How many requests began with `start` so far.
    pub(crate) fn count(&self, start: &str) -> usize {
        count(&self.requests.borrow(), start)
    }

    /// When the last request came that began with `start`.
    pub(crate) fn last(&self, start: &str) -> Instant {
        let requests = self.requests.borrow();
        requests.iter().rfind(|request| request.head.starts_with(start)).unwrap().at
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.requests.borrow().iter().map(|request| request.head.clone()).collect()
    }

    /// Waits until `more` further requests have come that begin with `start`.
    #[track_caller]
    pub(crate) fn asked(&mut self, start: &'static str, more: usize) -> impl Future<Output = ()> {
        let wanted = self.count(start) + more;
        self.asked_in_all(start, wanted)
    }

    /// Waits until `total` requests have come that begin with `start`.
    #[track_caller]
    pub(crate) fn asked_in_all(
        &mut self,
        start: &'static str,
        total: usize,
    ) -> impl Future<Output = ()> {
        wait_for(&mut self.requests, start, move |requests| count(requests, start) >= total)
    }
}

fn count(requests: &[Request], start: &str) -> usize {
    requests.iter().filter(|request| request.head.starts_with(start)).count()
}

/// Serves one connection. Where the client goes away, that is its right.
async fn converse(
    mut stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    seen: watch::Sender<Vec<Request>>,
) {
    let _ = stream.set_nodelay(true);
    let mut gone = false;
    while !gone {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let answer = (behaviour.lock().unwrap())(&head);
        // Noted after the behaviour has run, so that who waits for it knows that it has.
        seen.send_modify(|requests| requests.push(Request { head, at: Instant::now() }));
        gone = match answer {
            Answer::Keep(bytes) => stream.write_all(&bytes).await.is_err(),
            Answer::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                true
            }
            Answer::Silent(bytes) => {
                let _ = stream.write_all(&bytes).await;
                stream.read_u8().await.is_err()
            }
            Answer::Endless(first, again) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&again).await.is_ok() {}
                true
            }
            Answer::Dictated(first, mut pieces) => {
                let _ = stream.write_all(&first).await;
                while let Ok(piece) = pieces.recv().await {
                    let _ = stream.write_all(&piece).await;
                }
                true
            }
            Answer::Reset => {
                let _ = stream.set_zero_linger();
                true
            }
        };
    }
}
