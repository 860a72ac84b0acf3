//! An openHAB that misbehaves at random, and what is true meanwhile.

use std::{net::SocketAddr, time::Instant};

use proptest::{prelude::RngExt, test_runner::TestRng};
use tokio::{net::TcpSocket, time::sleep};

use crate::{
    harness::{
        net::unused_address,
        openhab::{
            answers::{
                Answer, Events, LISTEN, event, events, keep_alive, moved, state, status,
                stream_head,
            },
            raw::RawOpenHab,
        },
        task::Task,
    },
    millis,
};

/// What the generator generates all the time: a watt-hour a second.
pub(crate) const POWER_W: f32 = 3600.0;

/// Another power that openHAB shows now and then.
pub(crate) const OTHER_POWER_W: f32 = 1234.0;

/// What the counter shows at first.
pub(crate) const ENERGY_WH: f64 = 5_000_000.0;

const AWAY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n";

/// States that are wrong, or that of a moment without a value.
const LIES: [(&str, &[&str]); 4] = [
    ("E", &["NULL", "UNDEF", "garbage", "5 W", "0 kWh", "9999 kWh", "-1 kWh", "\u{1b}[2J"]),
    ("P", &["NULL", "UNDEF", "garbage", "5 kWh", "231,4 W", "inf W", "1234 W"]),
    ("U", &["NULL", "50 Hz", "2314 V", ""]),
    ("I", &["UNDEF", "3 V"]),
];

/// What the generator does in truth.
#[derive(Clone)]
pub(crate) struct Truth(Instant);

impl Truth {
    /// Its counter, in Wh.
    pub(crate) fn energy(&self) -> f64 {
        ENERGY_WH + self.0.elapsed().as_secs_f64() * f64::from(POWER_W) / 3600.0
    }

    fn state(&self, item: &str) -> Option<String> {
        match item {
            "E" => Some(format!("{:.4} kWh", self.energy() / 1000.0)),
            "P" => Some(format!("{POWER_W} W")),
            "U" => Some("231.4 V".to_owned()),
            "I" => Some("15.56 A".to_owned()),
            _ => None,
        }
    }
}

pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    pub(crate) truth: Truth,
    openhab: Option<RawOpenHab>,
    events: Events,
    _alive: Task,
    /// Keeps the port while it is away.
    _port: TcpSocket,
}

impl Source {
    pub(crate) fn start() -> Self {
        let (port, address) = unused_address();
        let events = events();
        let alive = keep_alive(&events);
        let truth = Truth(Instant::now());
        let mut source = Self { address, truth, openhab: None, events, _alive: alive, _port: port };
        source.behave();
        source
    }

    /// Answers all requests from now on as it should.
    pub(crate) fn behave(&mut self) {
        let (truth, events) = (self.truth.clone(), self.events.clone());
        self.answer(move |request| sound(request, &truth, &events));
    }

    fn answer(&mut self, behaviour: impl FnMut(&str) -> Answer + Send + 'static) {
        match &self.openhab {
            Some(openhab) => openhab.behave(behaviour),
            None => self.openhab = Some(RawOpenHab::start_at(self.address, behaviour)),
        }
    }

    /// Closes all connections, and takes no more.
    pub(crate) async fn stop(&mut self) {
        if let Some(openhab) = self.openhab.take() {
            openhab.stop().await;
        }
    }

    /// Does this and that until `end`.
    pub(crate) async fn misbehave(&mut self, mut chance: TestRng, end: Instant) {
        while Instant::now() < end {
            match chance.random_range(0..8) {
                0 => self.stop().await,
                1 => self.behave(),
                2 => self.answer(|_| Answer::Silent(Vec::new())),
                _ => {
                    let (truth, events) = (self.truth.clone(), self.events.clone());
                    let mut chance = crate::chance(chance.random());
                    let here = format!("http://{}", self.address);
                    self.answer(move |request| {
                        let sound = sound(request, &truth, &events);
                        if request.starts_with(LISTEN) {
                            stream(&mut chance, sound)
                        } else {
                            erratic(&mut chance, request, sound, &here)
                        }
                    });
                }
            }
            sleep(millis(&mut chance, 100, 2000)).await;
        }
    }
}

/// The item that a request for a state asks for.
fn item(request: &str) -> &str {
    request.split(['/', ' ', '?']).nth(4).unwrap_or_default()
}

fn sound(request: &str, truth: &Truth, events: &Events) -> Answer {
    if request.starts_with(LISTEN) {
        return Answer::Dictated(stream_head(), events.subscribe());
    }
    truth.state(item(request)).map_or_else(|| status("404 Not Found"), |text| state(&text))
}

/// Something instead of a state, or the state itself.
fn erratic(chance: &mut TestRng, request: &str, sound: Answer, here: &str) -> Answer {
    const STATUSES: [&str; 6] = [
        "304 Not Modified",
        "401 Unauthorized",
        "404 Not Found",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ];
    match chance.random_range(0..20) {
        0 => Answer::Reset,
        1 => Answer::Close(noise(chance)),
        2 => Answer::Close(format!("{AWAY}80").into_bytes()),
        // Waits until whoever asks gives up.
        3 => Answer::Silent(format!("{AWAY}80").into_bytes()),
        4 => Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'8'; 4096]),
        5 => Answer::Keep(
            [&b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"[..], AWAY.as_bytes()].concat(),
        ),
        6 => moved(request, here),
        7 => moved(request, "http://127.0.0.1:1"),
        8 | 9 => status(STATUSES[chance.random_range(0..STATUSES.len())]),
        10..=13 => lie(chance, item(request)).map_or(sound, state),
        14 | 15 => match sound {
            Answer::Keep(bytes) => Answer::Late(millis(chance, 1, 1500), bytes),
            other => other,
        },
        _ => sound,
    }
}

/// One of the lies about an item.
fn lie(chance: &mut TestRng, item: &str) -> Option<&'static str> {
    let (_, lies) = LIES.into_iter().find(|(name, _)| *name == item)?;
    Some(lies[chance.random_range(0..lies.len())])
}

/// Something instead of a stream of events, or such a stream.
fn stream(chance: &mut TestRng, sound: Answer) -> Answer {
    let after_head = |more: Vec<u8>| [stream_head(), more].concat();
    match chance.random_range(0..10) {
        0 => Answer::Reset,
        1 => Answer::Close(after_head(noise(chance))),
        2 => Answer::Close(after_head(flood(chance))),
        3 => Answer::Silent(after_head(flood(chance))),
        4 => Answer::Silent(stream_head()),
        // A line without an end.
        5 => Answer::Endless(after_head(b"data: ".to_vec()), vec![b'x'; 4096]),
        6 => status("503 Service Unavailable"),
        7 => state("no stream"),
        _ => sound,
    }
}

/// Thousands of events, most of them false.
fn flood(chance: &mut TestRng) -> Vec<u8> {
    let one = |_| {
        let item = ["E", "P", "U", "I", "other"][chance.random_range(0..5)];
        let value = lie(chance, item).unwrap_or("1");
        event(&format!("{item}/statechanged"), "ItemStateChangedEvent", value)
    };
    (0..3000).flat_map(one).collect()
}

fn noise(chance: &mut TestRng) -> Vec<u8> {
    let length = chance.random_range(1..3000);
    (0..length).map(|_| chance.random()).collect()
}
