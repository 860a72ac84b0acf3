//! Reading the items, one after another on one connection.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{Instant, sleep};

use super::{Detail, ItemProblem, Session, SessionError, StreamHealth, fetch};
use crate::source::{backoff::new_backoff, http::Client, outage::Outage};

/// How often items are read while the event stream is alive, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);

impl Session {
    /// Reads all items again and again, as often as the state of the event stream requires.
    pub(super) async fn poll(&self, mut client: Client) {
        let openhab = &self.config.endpoint;
        let poll_interval = self.config.poll_interval;
        let mut stream = self.stream.subscribe();
        let mut backoff = new_backoff();
        let mut answers = false;
        let mut outage = Outage::default();
        loop {
            let started = Instant::now();
            let seen = *stream.borrow_and_update();
            let pause = match self.read_all(&mut client).await {
                Ok(complete) => {
                    if !answers {
                        tracing::info!(%openhab, "openHAB at {openhab} answers");
                    }
                    answers = true;
                    outage = Outage::default();
                    backoff = new_backoff();
                    // An item without a value may get one without an event, for instance when
                    // openHAB restores its items.
                    if complete && seen == StreamHealth::Alive { RESYNC } else { poll_interval }
                }
                Err(error) => {
                    answers = false;
                    if outage.is_news(&error.to_string()) {
                        tracing::warn!(%openhab, "{error}; trying again");
                    }
                    backoff.next().unwrap_or(RESYNC).max(poll_interval)
                }
            };
            let rest = async {
                tokio::select! {
                    () = sleep(pause.saturating_sub(started.elapsed())) => {}
                    // Reconnected: what happened in between is unknown. Lost: polling takes over.
                    _ = stream.changed() => {}
                }
            };
            self.polling.during(rest).await;
        }
    }

    /// Reads each item once, and returns whether all of them have a value. Fails if an answer is
    /// about the server rather than an item.
    async fn read_all(&self, client: &mut Client) -> Result<bool, SessionError> {
        // When a state was updated only matters if there is an age limit.
        let detail = match self.freshness.item_max_age {
            Some(_) => Detail::LastUpdate,
            None => Detail::State,
        };
        let names = self.tracker().names();
        let started = Instant::now().into_std();
        let mut complete = true;
        let mut refused = Vec::new();
        for name in &names {
            self.polling.beat();
            let asked = Instant::now().into_std();
            match fetch(client, name, detail).await? {
                Ok(reply) => complete &= self.tracker().on_read(name, &reply, asked),
                Err(problem) => refused.push((name, problem, asked)),
            }
        }
        if let Some((_, ItemProblem::Status(status), _)) = refused.first()
            && *status != StatusCode::NOT_FOUND
            && refused.len() == names.len()
            && refused.iter().all(|(_, problem, _)| *problem == ItemProblem::Status(*status))
        {
            self.tracker().invalidate_since(started);
            return Err(SessionError::Status(*status));
        }
        for (name, problem, asked) in &refused {
            self.tracker().on_refusal(name, problem, *asked);
        }
        Ok(complete && refused.is_empty())
    }
}
