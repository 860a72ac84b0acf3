//! Listening to the event stream.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{StatusCode, header::CONTENT_TYPE};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Outage, Session, SessionError, StreamHealth,
    events::{Event, EventReader},
    new_backoff,
};
use crate::source::http::{Client, HttpError};
use crate::{system::liveness::Pulse, text::excerpt};

/// A stream that lived so long was a good one; the waits between attempts start over.
const STABLE: Duration = Duration::from_secs(60);

/// openHAB before 3.4 is silent while nothing changes. A new connection now and then is cheap.
const MAX_SILENCE: Duration = Duration::from_mins(15);

/// What of the event stream is in the log already. A stream that ends as soon as it has connected,
/// as behind some proxies, comes and goes there no more than once.
#[derive(Default)]
struct StreamLog {
    connected: bool,
    flapping: bool,
    outage: Outage,
}

impl StreamLog {
    /// The stream has been up for `life`. Says whether that is news.
    fn connected(&mut self, life: Duration) -> bool {
        let news = !self.connected && (!self.flapping || life > STABLE);
        if news {
            *self = Self { connected: true, ..Self::default() };
        }
        news
    }

    /// An attempt has ended after `life`. Says whether that is news.
    fn ended(&mut self, trouble: &str, life: Duration) -> bool {
        self.flapping = self.connected && life <= STABLE || self.flapping;
        self.connected = false;
        self.outage.is_news(trouble)
    }
}

impl Session {
    /// Listens to the event stream, and connects it again whenever it ends.
    pub(super) async fn listen(&self, mut client: Client, pulse: Pulse) {
        let openhab = &self.config.endpoint;
        let mut backoff = new_backoff();
        let mut log = StreamLog::default();
        loop {
            let started = Instant::now();
            let trouble = self.listen_once(&mut client, &mut log, &pulse).await;
            self.stream.send_replace(StreamHealth::Down);
            // That there is no connection at all, polling tells.
            let told = matches!(trouble, SessionError::Http(HttpError::Connect { .. }));
            if log.ended(&trouble.to_string(), started.elapsed()) && !told {
                tracing::warn!(%openhab, "no events: {trouble}; polling until they come again");
            }
            if started.elapsed() > STABLE {
                backoff = new_backoff();
            }
            pulse.during(sleep(backoff.next().unwrap_or(STABLE))).await;
        }
    }

    /// Listens to one event stream until it ends, and says why it did.
    async fn listen_once(
        &self,
        client: &mut Client,
        log: &mut StreamLog,
        pulse: &Pulse,
    ) -> SessionError {
        let started = Instant::now();
        let answer = match client.get(&self.events_path(), "text/event-stream").await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        if answer.status() != StatusCode::OK {
            return SessionError::Status(answer.status());
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        if !content_type.starts_with("text/event-stream") {
            return SessionError::ContentType(excerpt(content_type));
        }
        self.tracker().connected(Instant::now().into_std());
        self.stream.send_replace(StreamHealth::Quiet);

        let mut reader = EventReader::default();
        let mut body = answer.into_body();
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
            let now = Instant::now().into_std();
            let events = match reader.push(&bytes) {
                Ok(events) => events,
                Err(error) => return error.into(),
            };
            let mut tracker = self.tracker();
            tracker.alive(now);
            for event in events {
                match event {
                    Event::State { item, state } => tracker.told(&item, &state, now),
                    Event::Alive(interval) => {
                        // Two and a half intervals without a byte, and the stream is dead.
                        let interval = interval.clamp(Duration::from_secs(1), STABLE);
                        silence = interval.mul_f64(2.5);
                        if interval.saturating_mul(2) < self.config.stale_after {
                            self.stream.send_if_modified(|state| {
                                std::mem::replace(state, StreamHealth::Alive) != StreamHealth::Alive
                            });
                        }
                    }
                }
            }
        }
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
