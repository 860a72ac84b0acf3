//! Listening to the event stream.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming, header::CONTENT_TYPE};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Session, SessionError, StreamHealth,
    events::{Event, EventReader},
};
use crate::{
    source::{backoff::new_backoff, http::Client, outage::Outage},
    system::liveness::Pulse,
    text::excerpt,
};

/// After a stream has lived for this long, the waits between attempts start over.
const STABLE: Duration = Duration::from_secs(60);

/// The longest silence before a new attempt. openHAB before 3.4 is silent while nothing changes,
/// but an occasional new connection is cheap.
const MAX_SILENCE: Duration = Duration::from_mins(15);

/// What the log already has about the event stream. A stream that ends as soon as it has connected,
/// as behind some proxies, is logged only once.
#[derive(Default)]
struct StreamLog {
    connected: bool,
    flapping: bool,
    outage: Outage,
}

impl StreamLog {
    /// The stream has been up for `life`. Returns whether that is to be logged.
    fn connected(&mut self, life: Duration) -> bool {
        let news = !self.connected && (!self.flapping || life > STABLE);
        if news {
            *self = Self { connected: true, ..Self::default() };
        }
        news
    }

    /// An attempt has ended after `life`. Returns whether that is to be logged.
    fn ended(&mut self, error: &str, life: Duration) -> bool {
        self.flapping = self.connected && life <= STABLE || self.flapping;
        self.connected = false;
        self.outage.is_news(error)
    }
}

impl Session {
    /// Listens to the event stream, and connects again whenever it ends.
    pub(super) async fn listen(&self, mut client: Client, pulse: Pulse) {
        let openhab = &self.config.endpoint;
        let mut backoff = new_backoff();
        let mut log = StreamLog::default();
        loop {
            let started = Instant::now();
            let error = self.listen_once(&mut client, &mut log, &pulse).await;
            self.stream.send_replace(StreamHealth::Down);
            // If there is no connection at all, polling logs it.
            let polling_logs_it =
                matches!(&error, SessionError::Http(error) if error.is_unreachable());
            if log.ended(&error.to_string(), started.elapsed()) && !polling_logs_it {
                tracing::warn!(%openhab, "no events: {error}; polling until they come again");
            }
            if started.elapsed() > STABLE {
                backoff = new_backoff();
            }
            pulse.during(sleep(backoff.next().unwrap_or(STABLE))).await;
        }
    }

    /// Listens to one event stream until it ends, and returns why it did.
    async fn listen_once(
        &self,
        client: &mut Client,
        log: &mut StreamLog,
        pulse: &Pulse,
    ) -> SessionError {
        let started = Instant::now();
        let mut body = match self.connect(client).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let mut reader = EventReader::default();
        let mut silence = MAX_SILENCE;
        loop {
            if log.connected(started.elapsed()) {
                let openhab = &self.config.endpoint;
                tracing::info!(%openhab, "event stream of {openhab} connected");
            }
            let bytes = match pulse.during(timeout(silence, body.frame())).await {
                Err(_) => return SessionError::Silent,
                Ok(None) => return SessionError::Ended,
                Ok(Some(Err(error))) => return SessionError::Broken(error),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            match reader.push(&bytes) {
                Ok(events) => {
                    if let Some(interval) = self.take(events) {
                        // After two and a half intervals without a byte, the stream is dead.
                        silence = interval.mul_f64(2.5);
                    }
                }
                Err(error) => return error.into(),
            }
        }
    }

    /// Asks for the event stream.
    async fn connect(&self, client: &mut Client) -> Result<Incoming, SessionError> {
        let answer = client.get(&self.events_path(), "text/event-stream").await?;
        if answer.status() != StatusCode::OK {
            return Err(SessionError::Status(answer.status()));
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("text/event-stream") {
            return Err(SessionError::ContentType(excerpt(content_type)));
        }
        self.tracker().on_connected(Instant::now().into_std());
        self.stream.send_replace(StreamHealth::Quiet);
        Ok(answer.into_body())
    }

    /// Takes the events that arrived together; even without any, bytes are a sign of life. Returns
    /// the interval of the `alive` events, if there was one.
    fn take(&self, events: Vec<Event>) -> Option<Duration> {
        let now = Instant::now().into_std();
        let mut alive_interval = None;
        let mut tracker = self.tracker();
        tracker.on_sign_of_life(now);
        for event in events {
            match event {
                Event::State { item, state } => tracker.on_event(&item, &state, now),
                Event::Alive(interval) => {
                    let interval = interval.clamp(Duration::from_secs(1), STABLE);
                    alive_interval = Some(interval);
                    if interval.saturating_mul(2) < self.freshness.stale_after {
                        self.stream.send_if_modified(|state| {
                            std::mem::replace(state, StreamHealth::Alive) != StreamHealth::Alive
                        });
                    }
                }
            }
        }
        alive_interval
    }

    /// The path of the event stream, with the topics of the items.
    ///
    /// The star covers group items, whose events come under the topic of the member that changed.
    fn events_path(&self) -> String {
        let names = self.tracker().names();
        let topics: Vec<_> = names
            .iter()
            .flat_map(|name| {
                ["stateupdated", "statechanged"]
                    .map(|event| format!("openhab/items/{name}/*{event}"))
            })
            .collect();
        format!("/rest/events?topics={}", topics.join(","))
    }
}
