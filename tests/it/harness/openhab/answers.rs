//! What an openHAB may answer, well or badly, byte by byte.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::broadcast,
    time::{interval, sleep},
};

use crate::harness::task::Task;

/// The requests for the states of items begin so.
pub(crate) const READ: &str = "GET /rest/items/";
/// Those for the event stream.
pub(crate) const LISTEN: &str = "GET /rest/events?";

/// What a server does with a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Sends this and takes the next request.
    Keep(Vec<u8>),
    /// Sends this and closes.
    Close(Vec<u8>),
    /// Sends this so much later, and takes the next request.
    Late(Duration, Vec<u8>),
    /// Sends this and then nothing, as long as the client waits.
    Silent(Vec<u8>),
    /// Sends the first and then the second again and again, as long as it is taken.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends the first and then whatever the test says.
    Dictated(Vec<u8>, broadcast::Receiver<Vec<u8>>),
    /// Breaks the connection, so that the client gets a reset instead of an end.
    Reset,
}

impl Answer {
    /// Says whether the next request may come. A client that goes away is free to.
    pub(super) async fn send(self, stream: &mut TcpStream) -> bool {
        match self {
            Self::Keep(bytes) => return stream.write_all(&bytes).await.is_ok(),
            Self::Late(pause, bytes) => {
                sleep(pause).await;
                return stream.write_all(&bytes).await.is_ok();
            }
            Self::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Self::Silent(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return stream.read_u8().await.is_ok();
            }
            Self::Endless(first, again) => {
                let _ = stream.write_all(&first).await;
                while stream.write_all(&again).await.is_ok() {}
            }
            Self::Dictated(first, mut pieces) => {
                let _ = stream.write_all(&first).await;
                while let Ok(piece) = pieces.recv().await {
                    let _ = stream.write_all(&piece).await;
                }
            }
            Self::Reset => {
                let _ = stream.set_zero_linger();
            }
        }
        false
    }
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

/// The URL that `request` wants, on another server.
pub(crate) fn moved(request: &str, to: &str) -> Answer {
    let path = request.split(' ').nth(1).unwrap();
    status(&format!("302 Found\r\nLocation: {to}{path}"))
}

/// The head of an event stream that ends with its connection.
pub(crate) fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec()
}

/// What the test says on the event streams of a server, of as many as are open.
pub(crate) type Events = broadcast::Sender<Vec<u8>>;

pub(crate) fn events() -> Events {
    broadcast::Sender::new(1024)
}

/// Signs of life that promise the next within a second, and come well before.
pub(crate) fn keep_alive(events: &Events) -> Task {
    let events = events.clone();
    Task::spawn(async move {
        let mut ticks = interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            // Nobody may be listening yet.
            let _ = events.send(alive(1));
        }
    })
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
    events: Option<&Events>,
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

/// A house whose polls see a power that the test can change.
pub(crate) fn changing_house(
    power: &Arc<Mutex<String>>,
    events: &Events,
) -> impl FnMut(&str) -> Answer + Send + use<> {
    let (power, events) = (Arc::clone(power), events.clone());
    move |request| house(&power.lock().unwrap(), Some(&events))(request)
}
