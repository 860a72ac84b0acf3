//! Listening to the event stream.

use std::{future::pending, time::Duration};

use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming, header::CONTENT_TYPE};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Session, StreamError, StreamHealth,
    events::{Event, EventReader},
};
use crate::{
    source::{backoff::new_backoff, http::Client, outage::Outage},
    system::{liveness::Pulse, logging::log_end},
    text::excerpt,
};

/// After a stream has lived for this long, the waits between attempts start over.
const STABLE: Duration = Duration::from_secs(60);

/// The longest path of a stream, in bytes. openHAB refuses requests with a head of more than 8 KiB.
const MAX_PATH: usize = 7 * 1024;

/// The longest silence before a new attempt. openHAB before 3.4 is silent while nothing changes,
/// but an occasional new connection is cheap.
const MAX_SILENCE: Duration = Duration::from_mins(15);

/// What the log already has about the event stream. A stream that ends as soon as it has connected,
/// as behind some proxies, is logged only once.
#[derive(Default)]
struct StreamLog {
    connected: bool,
    flapping: bool,
    said: Said,
    outage: Outage,
}

/// What the last line about it says.
#[derive(Default, PartialEq)]
enum Said {
    #[default]
    Nothing,
    Connected,
    NoEvents,
}

impl StreamLog {
    /// The stream has been up for `life`. If that is to be logged, returns whether its absence was.
    fn connected(&mut self, life: Duration) -> Option<bool> {
        if self.connected || self.flapping && life <= STABLE {
            return None;
        }
        let news = (self.said != Said::Connected).then_some(self.said == Said::NoEvents);
        *self = Self { connected: true, said: Said::Connected, ..Self::default() };
        news
    }

    /// An attempt has ended after `life`.
    fn ended(&mut self, life: Duration) {
        self.flapping = self.connected && life <= STABLE || self.flapping;
        self.connected = false;
    }

    /// The stream has failed, and that is not over yet. Returns whether that is to be logged.
    fn failed(&mut self, error: &StreamError) -> bool {
        let news = self.outage.is_news(&error.to_string(), Instant::now().into_std());
        if news {
            self.said = Said::NoEvents;
        }
        news
    }
}

impl Session {
    /// Listens to the event stream, and connects again whenever it ends.
    pub(super) async fn listen(&self, mut client: Client, pulse: Pulse) {
        let openhab = &self.config.endpoint;
        let path = self.events_path();
        if path.len() > MAX_PATH {
            tracing::warn!(%openhab, "too many items for an event stream; polling alone");
            pulse.during(pending::<()>()).await;
        }
        let mut backoff = new_backoff();
        let mut log = StreamLog::default();
        loop {
            let started = Instant::now();
            let error = self.listen_once(&mut client, &path, &mut log, &pulse).await;
            self.set_health(StreamHealth::Down);
            let life = started.elapsed();
            log.ended(life);
            if life > STABLE {
                backoff = new_backoff();
            }
            pulse.during(sleep(backoff.next().unwrap_or(STABLE))).await;
            if self.is_of_the_stream(&error, life) && log.failed(&error) {
                tracing::warn!(%openhab, "no events: {error}; polling until they come again");
            }
        }
    }

    /// Whether it is the stream that has failed, rather than openHAB, which polling logs and has had
    /// the time to find out.
    fn is_of_the_stream(&self, error: &StreamError, life: Duration) -> bool {
        let may_be_openhab = match error {
            StreamError::Http(error) => error.is_unreachable(),
            // openHAB ends its streams before it goes; the next attempt shows.
            StreamError::Ended | StreamError::Broken(_) => life > STABLE,
            _ => false,
        };
        !may_be_openhab && self.tracker().server.is_settled(Instant::now().into_std())
    }

    /// Listens to one event stream until it ends, and returns why it did.
    async fn listen_once(
        &self,
        client: &mut Client,
        path: &str,
        log: &mut StreamLog,
        pulse: &Pulse,
    ) -> StreamError {
        let started = Instant::now();
        let mut body = match self.connect(client, path).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let mut reader = EventReader::default();
        let mut silence = MAX_SILENCE;
        loop {
            if let Some(was_gone) = log.connected(started.elapsed()) {
                let openhab = &self.config.endpoint;
                log_end!(was_gone, %openhab, "event stream of {openhab} connected");
            }
            let bytes = match pulse.during(timeout(silence, body.frame())).await {
                Err(_) => return StreamError::Silent,
                Ok(None) => return StreamError::Ended,
                Ok(Some(Err(error))) => return StreamError::Broken(error),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            match reader.push(&bytes) {
                Ok(events) => {
                    if let Some(interval) = self.handle(events) {
                        // After two and a half intervals without a byte, the stream is dead.
                        silence = interval.mul_f64(2.5);
                    }
                }
                Err(error) => return error.into(),
            }
        }
    }

    /// Asks for the event stream.
    async fn connect(&self, client: &mut Client, path: &str) -> Result<Incoming, StreamError> {
        let answer = client.get(path, "text/event-stream").await?;
        if answer.status() != StatusCode::OK {
            return Err(StreamError::Status(answer.status()));
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("text/event-stream") {
            return Err(StreamError::ContentType(excerpt(content_type)));
        }
        self.tracker().on_connected(Instant::now().into_std());
        self.set_health(StreamHealth::Quiet);
        Ok(answer.into_body())
    }

    /// Tells polling what the stream is like, if that is news.
    fn set_health(&self, health: StreamHealth) {
        self.stream.send_if_modified(|known| std::mem::replace(known, health) != health);
    }

    /// Handles the events that arrived together; even without any, bytes are a sign of life. Returns
    /// the interval of the `alive` events, if there was one.
    fn handle(&self, events: Vec<Event>) -> Option<Duration> {
        let now = Instant::now().into_std();
        let mut alive_interval = None;
        let mut tracker = self.tracker();
        tracker.on_sign_of_life(now);
        for event in events {
            match event {
                Event::State { item, state } => tracker.on_event(&item, &state, now),
                Event::Posted { item } if tracker.speaks(&item) => {}
                Event::Posted { item } => self.touch(&item),
                Event::Touched { item } => {
                    tracker.on_touched(&item);
                    self.touch(&item);
                }
                Event::Alive(interval) => {
                    let interval = interval.clamp(Duration::from_secs(1), STABLE);
                    alive_interval = Some(interval);
                    if interval.saturating_mul(2) < self.freshness.stale_after {
                        self.set_health(StreamHealth::Alive);
                    }
                }
            }
        }
        alive_interval
    }

    /// The path of the event stream, with a topic for each item that stands for all of its events.
    fn events_path(&self) -> String {
        let names = self.tracker().names();
        let topics: Vec<_> = names.iter().map(|name| format!("openhab/items/{name}/*")).collect();
        format!("/rest/events?topics={}", topics.join(","))
    }
}
