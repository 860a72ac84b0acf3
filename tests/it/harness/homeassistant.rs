//! A Home Assistant whose every byte is the test's.

use std::{
    fmt::Display,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use fronius_smartmeter::config::Config;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{broadcast, watch},
    task::JoinSet,
    time::Instant,
};

use self::frames::{Frame, take};
use super::{
    files::{Secrets, assert_planted},
    net::{anywhere, listen},
    task::Task,
    wait_for,
};

pub(crate) mod answers;
pub(crate) mod frames;

/// As soon stale as can be.
pub(crate) const QUICK: &str = "stale_after: 4s";
pub(crate) const QUICKLY_STALE: Duration = Duration::from_secs(4);

pub(crate) const TOKEN: &str = "eyJ0.canary.Zq7";

/// What came, and when.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// The head of the request that opens a connection.
    Request(String),
    /// A message.
    Message(Value),
    /// A frame that is no message, by its first byte.
    Control(u8),
    /// The end of the connection.
    End,
}

impl Heard {
    /// The type of a message, or a word for what else it is.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Request(_) => "request",
            Self::Message(message) => message["type"].as_str().unwrap(),
            Self::Control(0x88) => "close",
            Self::Control(0x8A) => "pong frame",
            Self::Control(_) => "another frame",
            Self::End => "end",
        }
    }
}

/// What a server does then.
#[derive(Debug)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Sends this again and again, as long as it is taken.
    Flood(Vec<u8>),
    /// The same, and reads what comes back.
    FloodAndRead(Vec<u8>),
    Close,
}

type Behaviour = Box<dyn FnMut(&Heard) -> Vec<Act> + Send>;
type Noted = Vec<(Heard, Instant)>;

/// A server that behaves as the test says.
pub(crate) struct HomeAssistant {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    heard: watch::Receiver<Noted>,
    seen: watch::Sender<Noted>,
    pushes: broadcast::Sender<Vec<u8>>,
    serving: Option<Task>,
    secrets: Secrets,
}

impl HomeAssistant {
    pub(crate) fn start(behaviour: impl FnMut(&Heard) -> Vec<Act> + Send + 'static) -> Self {
        assert_planted(TOKEN);
        let (seen, heard) = watch::channel(Vec::new());
        let mut homeassistant = Self {
            address: anywhere(),
            behaviour: Arc::new(Mutex::new(Box::new(behaviour))),
            heard,
            seen,
            pushes: broadcast::Sender::new(4096),
            serving: None,
            secrets: Secrets::new(),
        };
        homeassistant.secrets.key("the first", TOKEN);
        homeassistant.restart();
        homeassistant
    }

    /// Serves at the same address, after [`Self::stop`].
    pub(crate) fn restart(&mut self) {
        let listener = listen(self.address);
        self.address = listener.local_addr().unwrap();
        let (behaviour, seen) = (Arc::clone(&self.behaviour), self.seen.clone());
        let pushes = self.pushes.clone();
        self.serving = Some(Task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection = Connection {
                    stream,
                    behaviour: Arc::clone(&behaviour),
                    seen: seen.clone(),
                    pushed: pushes.subscribe(),
                };
                connections.spawn(connection.serve());
            }
        }));
    }

    /// Closes all its connections, and the port.
    pub(crate) async fn stop(&mut self) {
        self.serving.take().expect("it has been stopped already").end().await;
    }

    /// From the next thing that is heard on, behaves so.
    pub(crate) fn behave(&self, behaviour: impl FnMut(&Heard) -> Vec<Act> + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// Sends a message on each connection.
    pub(crate) fn say(&self, message: &str) {
        self.send(frames::text(message));
    }

    /// Sends bytes on each connection.
    pub(crate) fn send(&self, bytes: Vec<u8>) {
        self.pushes.send(bytes).expect("there is no connection");
    }

    /// Says what has become of entities to the first command of each connection.
    pub(crate) fn event(&self, event: &str) {
        self.say(&answers::event(1, event));
    }

    /// What was heard of this kind, and when.
    pub(crate) fn heard(&self, kind: &str) -> Noted {
        let heard = self.heard.borrow();
        heard.iter().filter(|(heard, _)| heard.kind() == kind).cloned().collect()
    }

    /// Waits until `more` of this kind have been heard.
    #[track_caller]
    pub(crate) fn hears(&mut self, kind: &'static str, more: usize) -> impl Future<Output = ()> {
        let wanted = self.heard(kind).len() + more;
        self.hears_in_all(kind, wanted)
    }

    /// Waits until `total` of this kind have been heard.
    #[track_caller]
    pub(crate) fn hears_in_all(
        &mut self,
        kind: &'static str,
        total: usize,
    ) -> impl Future<Output = ()> {
        wait_for(&mut self.heard, move |heard| {
            heard.iter().filter(|(heard, _)| heard.kind() == kind).count() >= total
        })
    }

    /// The file with the token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.secrets.path(0)
    }

    /// The keys of a configuration that lead here.
    pub(crate) fn keys(&self) -> String {
        self.keys_at(self.address)
    }

    fn keys_at(&self, host: impl Display) -> String {
        let token = self.token_file();
        format!("homeassistant_host: {host}\nhomeassistant_token_file: {}\n", token.display())
    }

    /// A configuration with the entities `sensor.e` (energy) and `sensor.p` (power).
    pub(crate) fn config(&self, more: &str) -> Config {
        self.config_at(self.address, more)
    }

    /// The same, by another address.
    pub(crate) fn config_at(&self, host: impl Display, more: &str) -> Config {
        let values = "energy_counter_out: sensor.e\ncurrent_power: sensor.p\n";
        self.config_of(host, &format!("{values}{more}"))
    }

    /// A configuration with these values.
    pub(crate) fn config_of(&self, host: impl Display, values: &str) -> Config {
        let text = format!("{}modbus_listen: 127.0.0.1:0\n{values}", self.keys_at(host));
        Config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

/// One connection.
struct Connection {
    stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    seen: watch::Sender<Noted>,
    pushed: broadcast::Receiver<Vec<u8>>,
}

impl Connection {
    async fn serve(mut self) {
        let _ = self.stream.set_nodelay(true);
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n") {
            let Ok(byte) = self.stream.read_u8().await else { return };
            received.push(byte);
        }
        let head = String::from_utf8(std::mem::take(&mut received)).unwrap();
        let mut goes_on = self.hear(Heard::Request(head)).await;
        while goes_on {
            while goes_on && let Some(frame) = take(&mut received) {
                goes_on = self.hear(heard(&frame)).await;
            }
            if !goes_on {
                return;
            }
            tokio::select! {
                read = self.stream.read_buf(&mut received) => if !matches!(read, Ok(1..)) {
                    self.hear(Heard::End).await;
                    return;
                },
                Ok(bytes) = self.pushed.recv() => goes_on = self.stream.write_all(&bytes).await.is_ok(),
            }
        }
    }

    /// Does what is to be done about it. Says whether the connection goes on. Who is at the other end
    /// is free to go away.
    async fn hear(&mut self, heard: Heard) -> bool {
        let acts = (self.behaviour.lock().unwrap())(&heard);
        // Noted after the behaviour has run, so that who waits for it knows that it has.
        self.seen.send_modify(|seen| seen.push((heard, Instant::now())));
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    if self.stream.write_all(&bytes).await.is_err() {
                        return false;
                    }
                }
                Act::Flood(bytes) => {
                    while self.stream.write_all(&bytes).await.is_ok() {}
                    self.seen.send_modify(|seen| seen.push((Heard::End, Instant::now())));
                    return false;
                }
                Act::FloodAndRead(bytes) => {
                    let (mut reader, mut writer) = self.stream.split();
                    let mut sink = tokio::io::sink();
                    tokio::select! {
                        _ = tokio::io::copy(&mut reader, &mut sink) => {}
                        () = async { while writer.write_all(&bytes).await.is_ok() {} } => {}
                    }
                    self.seen.send_modify(|seen| seen.push((Heard::End, Instant::now())));
                    return false;
                }
                Act::Close => return false,
            }
        }
        true
    }
}

fn heard(frame: &Frame) -> Heard {
    assert!(frame.is_masked, "a client must mask its frames");
    match frame.first {
        0x81 => Heard::Message(serde_json::from_slice(&frame.payload).unwrap()),
        first => Heard::Control(first),
    }
}
