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
    server::Server,
};
use crate::source::{backoff::new_backoff, http::Client, outage::Outage};

/// How often an item is read while the event stream is alive, in case an event was lost.
const RESYNC: Duration = Duration::from_secs(60);

/// The part of `stale_after` within which a required item is read again if the stream, alive, says
/// nothing of it.
const UNTOLD: f64 = 0.75;

/// An item that fails is read again after so many times what that took, so that others get their
/// time.
const FAILURE_REST: u32 = 2;

/// If something has failed, and nothing was read since for this long, the server is away.
const GIVE_UP: Duration = Duration::from_secs(10);

impl Session {
    /// Reads the items again and again, as often as the state of the event stream requires.
    pub(super) async fn poll(&self, client: Client) {
        let now = Instant::now();
        let poller = Poller {
            session: self,
            client,
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
    stream: watch::Receiver<StreamHealth>,
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
    since: Instant,
}

impl Poller<'_> {
    async fn run(mut self) {
        let session = self.session;
        loop {
            let due = self.schedule().next_due();
            let rest = due.map_or(self.resume, |due| due.max(self.resume));
            let changed = async {
                tokio::select! {
                    biased;
                    _ = self.stream.changed() => self.stream_changed(),
                    () = session.touched.notified() => {}
                    () = sleep_until(rest) => {}
                }
            };
            session.polling.during(changed).await;
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
        let now = Instant::now();
        if *self.stream.borrow_and_update() != StreamHealth::Alive {
            self.schedule().all_due(now);
            self.resume = now;
        }
    }

    /// Reads an item, unless the stream has just said how it is.
    async fn read(&mut self, item: &Scheduled) {
        let asked = Instant::now();
        if let Some(told) = self.told(item).filter(|due| *due > asked) {
            self.schedule().done(&item.item, asked, Duration::ZERO, told);
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

    /// When an item is to be read if the stream, alive, goes on to say nothing of it.
    fn told(&self, item: &Scheduled) -> Option<Instant> {
        let told = self.session.tracker().told(&item.item).filter(|_| self.is_stream_alive())?;
        Some(later(Instant::from_std(told), self.interval(item)))
    }

    /// How long a value that was read holds before it is read again.
    fn interval(&self, item: &Scheduled) -> Duration {
        let stale_after = self.session.freshness.stale_after;
        match (self.is_stream_alive(), item.is_required) {
            (true, true) => RESYNC.min(stale_after.mul_f64(UNTOLD)),
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
        let before = tracker.server.answered(Instant::now().into_std());
        if !matches!(before, Server::Answers(_)) {
            tracing::info!(%openhab, "openHAB at {openhab} answers");
        }
        if before == Server::Away {
            self.failures.clear();
            self.session.schedule().all_due(Instant::now());
            self.outage = Outage::default();
            self.backoff = new_backoff();
        }
        for Failure { item, problem, since } in self.failures.drain(..) {
            tracker.on_failure(&item, &problem, since.into_std());
        }
    }

    /// An item has failed: that is its own fault, or the server's.
    fn failed(&mut self, item: &Scheduled, problem: ItemProblem, asked: Instant) {
        self.session.tracker().doubt(&item.item, &problem, asked.into_std());
        self.schedule().try_others(item, asked);
        let text = problem.to_string();
        match self.failures.iter_mut().find(|failure| failure.item == item.item) {
            Some(failure) => failure.problem = problem,
            None => self.failures.push(Failure { item: item.item.clone(), problem, since: asked }),
        }
        let given_up = self.failures.len() > 1
            && self.failures.first().is_some_and(|first| first.since.elapsed() >= GIVE_UP);
        let is_away = self.session.tracker().server == Server::Away;
        if is_away || given_up || self.failures.len() >= self.schedule().len() {
            self.away(&text, &format!(", for item {} and all others", item.item));
        }
    }

    /// Nothing can be read.
    fn away(&mut self, fault: &str, whom: &str) {
        let openhab = &self.session.config.endpoint;
        if self.outage.is_news(fault, Instant::now().into_std()) {
            tracing::warn!(%openhab, "{fault}{whom}; trying again");
        }
        self.session.tracker().server = Server::Away;
        let pause = self.backoff.next().unwrap_or(RESYNC).max(self.session.config.poll_interval);
        self.resume = later(Instant::now(), pause);
    }

    /// Says when reading takes so long that values go stale in between.
    fn watch_round(&mut self) {
        let round = self.schedule().round();
        let stale_after = self.session.freshness.stale_after;
        if round > stale_after && !self.is_slow && !self.is_stream_alive() {
            self.is_slow = true;
            let (items, seconds) = (self.schedule().len(), round.as_secs());
            tracing::warn!(
                "reading all {items} items takes {seconds} s, longer than stale_after; the power is \
                 read in between, but other values go stale"
            );
        } else if round < stale_after.mul_f64(UNTOLD) {
            self.is_slow = false;
        }
    }
}

fn later(time: Instant, pause: Duration) -> Instant {
    time.checked_add(pause).unwrap_or(time)
}
