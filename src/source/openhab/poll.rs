//! Reading the items, one after the other on one connection.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{Instant, sleep};

use super::{Session, Stream, Trouble, http::Client, new_backoff, state_path};

/// While the event stream lives, items are read this often, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);

impl Session {
    /// Reads all items again and again, as often as the event stream leaves it necessary.
    pub(super) async fn poll(&self, mut client: Client) {
        let mut stream = self.stream.subscribe();
        let mut backoff = new_backoff();
        let mut reachable = None;
        loop {
            let started = Instant::now();
            let seen = *stream.borrow_and_update();
            let pause = match self.read_all(&mut client).await {
                Ok(()) => {
                    backoff = new_backoff();
                    if reachable != Some(true) {
                        let openhab = &self.settings.endpoint;
                        tracing::info!(%openhab, "openHAB at {openhab} answers");
                    }
                    reachable = Some(true);
                    if seen == Stream::Alive { RESYNC } else { self.settings.poll_interval }
                }
                Err(trouble) => {
                    if reachable != Some(false) {
                        let openhab = &self.settings.endpoint;
                        tracing::warn!(%openhab, "{trouble}; trying again until it answers");
                    }
                    reachable = Some(false);
                    backoff.next().unwrap_or(RESYNC).max(self.settings.poll_interval)
                }
            };
            tokio::select! {
                () = sleep(pause.saturating_sub(started.elapsed())) => {}
                // Reconnected: what happened meanwhile is unknown. Lost: polling takes over.
                _ = stream.changed() => {}
            }
        }
    }

    /// Reads each item once. Fails where that says more of the server than of an item.
    async fn read_all(&self, client: &mut Client) -> Result<(), Trouble> {
        let names = self.tracker().names();
        let mut refused = Vec::new();
        for name in &names {
            let asked = Instant::now().into_std();
            let (status, state) = client.text(&state_path(name), "text/plain").await?;
            if status == StatusCode::OK {
                self.tracker().read(name, &state, asked, Instant::now().into_std());
            } else {
                refused.push((name, status));
            }
        }
        match refused.split_first() {
            Some(((_, status), others))
                if refused.len() == names.len()
                    && *status != StatusCode::NOT_FOUND
                    && others.iter().all(|(_, other)| other == status) =>
            {
                self.tracker().doubt_all();
                Err(Trouble::Status(*status))
            }
            _ => {
                for (name, status) in refused {
                    self.tracker().refused(name, status);
                }
                Ok(())
            }
        }
    }
}
