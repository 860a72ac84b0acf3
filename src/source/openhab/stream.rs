//! Listening to the event stream.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{StatusCode, header::CONTENT_TYPE};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Session, Stream, Trouble,
    events::{Event, EventReader},
    http::Client,
    new_backoff,
};
use crate::units::excerpt;

/// A stream that lived so long was a good one; the next attempt starts over without delay.
const STABLE: Duration = Duration::from_secs(60);

/// openHAB before 3.4 is silent while nothing changes. A new connection now and then is cheap.
const LONGEST_SILENCE: Duration = Duration::from_mins(15);

impl Session {
    /// Listens to the event stream, and connects it again whenever it ends.
    pub(super) async fn listen(&self, mut client: Client) {
        let mut backoff = new_backoff();
        let mut told = false;
        loop {
            let started = Instant::now();
            let trouble = self.listen_once(&mut client).await;
            let was = self.stream.send_replace(Stream::Down);
            if was != Stream::Down || !told {
                let openhab = &self.settings.endpoint;
                tracing::warn!(%openhab, "no events: {trouble}; polling until they come again");
            }
            told = true;
            if started.elapsed() > STABLE {
                backoff = new_backoff();
            }
            sleep(backoff.next().unwrap_or(STABLE)).await;
        }
    }

    /// Listens to one event stream until it ends, and says why it did.
    async fn listen_once(&self, client: &mut Client) -> Trouble {
        let answer = match client.get(&self.events_path(), "text/event-stream").await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        if answer.status() != StatusCode::OK {
            return Trouble::Status(answer.status());
        }
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        if !content_type.starts_with("text/event-stream") {
            return Trouble::ContentType(excerpt(content_type));
        }
        let openhab = &self.settings.endpoint;
        tracing::info!(%openhab, "event stream of {openhab} connected");
        // What is known is from before; only what is read or told from now on holds.
        self.tracker().doubt_all();
        self.stream.send_replace(Stream::Quiet);

        let mut reader = EventReader::default();
        let mut body = answer.into_body();
        let mut silence = LONGEST_SILENCE;
        loop {
            let bytes = match timeout(silence, body.frame()).await {
                Err(_) => return Trouble::Silent,
                Ok(None) => return Trouble::Ended,
                Ok(Some(Err(error))) => return Trouble::Broken(error),
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
                        if interval.saturating_mul(2) < self.settings.stale_after {
                            self.stream.send_if_modified(|state| {
                                std::mem::replace(state, Stream::Alive) != Stream::Alive
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
        let mut names: Vec<_> = self.settings.items.iter().map(|item| &item.name).collect();
        names.sort();
        names.dedup();
        let topics: Vec<_> = names
            .into_iter()
            .flat_map(|name| {
                ["stateupdated", "statechanged"]
                    .map(|event| format!("openhab/items/{name}/*{event}"))
            })
            .collect();
        format!("/rest/events?topics={}", topics.join(","))
    }
}
