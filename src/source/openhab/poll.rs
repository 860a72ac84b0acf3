//! Reading the items, one after another on one connection.

use std::{sync::MutexGuard, time::Duration};

use backon::ExponentialBackoff;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Detail, ItemProblem, Session, StreamHealth, fetch,
    schedule::{Schedule, Scheduled},
};
use crate::{
    source::{
        backoff::{later, new_backoff},
        http::Client,
        outage::Outage,
        server::Server,
    },
    system::{liveness::Pulse, logging::log_end},
};

/// How often an item is read while the event stream is alive, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);

/// A required item without events is read again after this share of `stale_after`.
const REREAD_SHARE: f64 = 0.75;

/// A failing item rests for this many times as long as its read took, so that the others get their
/// turn.
const FAILURE_REST: u32 = 2;

/// Reading counts as fast again when a round takes less than this share of `stale_after`.
const FAST_SHARE: f64 = 0.75;

/// If something has failed, and nothing was read since for this long, the server is away.
const GIVE_UP: Duration = Duration::from_secs(10);

impl Session {
    /// Reads the items again and again, as often as the state of the event stream requires.
    pub(super) async fn poll(&self, client: Client, pulse: Pulse) {
        let now = Instant::now();
        let poller = Poller {
            session: self,
            client,
            pulse,
            connected: None,
            stream: self.stream.subscribe(),
            failures: Vec::new(),
            outage: Outage::default(),
            backoff: new_backoff(),
            resume: now,
            is_slow: false,
        };
        poller.run().await;
    }
}

/// The loop that reads, and what it knows of the server.
struct Poller<'a> {
    session: &'a Session,
    client: Client,
    pulse: Pulse,
    stream: watch::Receiver<StreamHealth>,
    /// When the stream had connected, as of the last look at it.
    connected: Option<std::time::Instant>,
    /// What has failed since the server last answered: whose fault it is shows only when another
    /// item is read.
    failures: Vec<Failure>,
    outage: Outage,
    backoff: ExponentialBackoff,
    /// Nothing is read before.
    resume: Instant,
    /// The log says already that answers are slow.
    is_slow: bool,
}

struct Failure {
    item: String,
    problem: ItemProblem,
    /// When the first and the last of these reads were requested.
    first: Instant,
    last: Instant,
}

impl Poller<'_> {
    async fn run(mut self) {
        loop {
            let due = self.schedule().next_due();
            let rest = due.map_or(self.resume, |due| due.max(self.resume));
            let has_changed = async {
                tokio::select! {
                    biased;
                    _ = self.stream.changed() => true,
                    () = self.session.touched.notified() => false,
                    () = sleep_until(rest) => false,
                }
            };
            if self.pulse.during(has_changed).await {
                self.stream_changed();
            }
            let now = Instant::now();
            let next = if now < self.resume { None } else { self.schedule().next(now) };
            if let Some(item) = next {
                self.read(&item).await;
            }
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.session.schedule()
    }

    /// Connected again: what happened in between is unknown. Lost: polling takes over.
    fn stream_changed(&mut self) {
        let health = *self.stream.borrow_and_update();
        let connected = self.session.tracker().connected();
        let is_new = std::mem::replace(&mut self.connected, connected) != connected;
        if is_new || health != StreamHealth::Alive {
            let now = Instant::now();
            self.schedule().all_due(now);
            self.resume = now;
        }
    }

    /// Reads an item, unless a recent event has its value.
    async fn read(&mut self, item: &Scheduled) {
        let asked = Instant::now();
        if let Some(due) = self.due_after_event(item).filter(|due| *due > asked) {
            self.schedule().done(&item.item, asked, Duration::ZERO, due);
            return;
        }
        let detail = self.detail();
        let answer = fetch(&mut self.client, &item.item, detail).await;
        let took = asked.elapsed();
        match answer {
            Ok(Ok(reply)) => {
                self.answered();
                let good = self.session.tracker().on_read(&item.item, &reply, asked.into_std());
                let pause = if good { self.interval(item) } else { self.failure_pause(took) };
                self.schedule().done(&item.item, asked, took, later(asked, pause));
                self.watch_round();
            }
            Ok(Err(problem)) => {
                self.schedule().done(
                    &item.item,
                    asked,
                    took,
                    later(asked, self.failure_pause(took)),
                );
                self.failed(item, problem, asked);
            }
            Err(error) => {
                self.schedule().all_due(asked);
                self.away(&error.to_string(), "");
            }
        }
    }

    /// What to ask for: when a state was updated only matters if there is an age limit.
    fn detail(&self) -> Detail {
        match self.session.freshness.item_max_age {
            Some(_) => Detail::LastUpdate,
            None => Detail::State,
        }
    }

    fn is_stream_alive(&self) -> bool {
        *self.stream.borrow() == StreamHealth::Alive
    }

    /// When an item is to be read again, counted from its last event. While something fails it is
    /// read in any case: that shows whose fault it is.
    fn due_after_event(&self, item: &Scheduled) -> Option<Instant> {
        let tracker = self.session.tracker();
        let may_skip =
            self.is_stream_alive() && self.failures.is_empty() && tracker.server != Server::Away;
        let event = tracker.last_value_since_connect(&item.item).filter(|_| may_skip)?;
        Some(later(Instant::from_std(event), self.interval(item)))
    }

    /// How long a value that was read holds before it is read again.
    fn interval(&self, item: &Scheduled) -> Duration {
        let stale_after = self.session.freshness.stale_after;
        match (self.is_stream_alive(), item.is_required) {
            (true, true) => RESYNC.min(stale_after.mul_f64(REREAD_SHARE)),
            (true, false) => RESYNC,
            (false, _) => self.session.config.poll_interval,
        }
    }

    /// An item without a value may get one without an event, for instance when openHAB restores its
    /// items.
    fn failure_pause(&self, took: Duration) -> Duration {
        took.saturating_mul(FAILURE_REST).max(self.session.config.poll_interval)
    }

    /// The server has answered about an item. What failed before is not its fault.
    fn answered(&mut self) {
        let openhab = &self.session.config.endpoint;
        let mut tracker = self.session.tracker();
        let before = tracker.answered(Instant::now().into_std());
        if !matches!(before, Server::Answers(_)) {
            log_end!(before == Server::Away, %openhab, "openHAB at {openhab} answers");
        }
        if before == Server::Away {
            self.failures.clear();
            self.session.schedule().all_due(Instant::now());
            self.outage = Outage::default();
            self.backoff = new_backoff();
        }
        for Failure { item, problem, last, .. } in self.failures.drain(..) {
            tracker.on_failure(&item, &problem, last.into_std());
        }
    }

    /// An item has failed: that is its own fault, or the server's.
    fn failed(&mut self, item: &Scheduled, problem: ItemProblem, asked: Instant) {
        self.session.tracker().doubt(&item.item, asked.into_std());
        let text = problem.to_string();
        match self.failures.iter_mut().find(|failure| failure.item == item.item) {
            Some(failure) => (failure.problem, failure.last) = (problem, asked),
            None => self.failures.push(Failure {
                item: item.item.clone(),
                problem,
                first: asked,
                last: asked,
            }),
        }
        let is_failing = |item: &str| self.failures.iter().any(|failure| failure.item == item);
        self.schedule().try_another(item, is_failing, asked);
        let given_up = self.failures.len() > 1
            && self.failures.first().is_some_and(|failure| failure.first.elapsed() >= GIVE_UP);
        let is_away = self.session.tracker().server == Server::Away;
        if is_away || given_up || self.failures.len() >= self.schedule().len() {
            self.away(&text, &format!(", for item {} and all others", item.item));
        }
    }

    /// Nothing can be read.
    fn away(&mut self, fault: &str, scope: &str) {
        let openhab = &self.session.config.endpoint;
        let now = Instant::now();
        if self.outage.is_news(fault, now.into_std()) {
            tracing::warn!(%openhab, "{fault}{scope}; trying again");
        }
        let pause = self.backoff.next().unwrap_or(RESYNC).max(self.session.config.poll_interval);
        self.resume = later(now, pause);
        self.session.tracker().away(fault, self.resume.into_std(), now.into_std());
    }

    /// Warns if values go stale before their next turn because a round of reads takes too long.
    fn watch_round(&mut self) {
        let round = self.schedule().round();
        let stale_after = self.session.freshness.stale_after;
        if round > stale_after && !self.is_slow && !self.is_stream_alive() {
            self.is_slow = true;
            let (items, seconds) = (self.schedule().len(), round.as_secs());
            tracing::warn!(
                "reading all {items} items takes {seconds} s, longer than stale_after; powers are \
                 read more often than the rest, which goes stale"
            );
        } else if round < stale_after.mul_f64(FAST_SHARE) {
            self.is_slow = false;
        }
    }
}
