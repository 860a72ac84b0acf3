//! What is known about each item of a source: whether it has a value, and what was logged about it.

use std::time::Instant;

use tokio::sync::watch;

use super::{
    item::{ItemProblem, ItemReply},
    server::Server,
    tracked::Tracked,
};
use crate::{
    meter::reading::Reading,
    source::{Report, Watched},
};

/// Takes what the source reports about items, and keeps the reading up to date.
#[derive(Debug)]
pub(crate) struct Tracker {
    items: Vec<Tracked>,
    /// When the event stream last connected. The answer to an earlier request may have become
    /// outdated unnoticed.
    connected: Option<Instant>,
    /// Whether the source itself is there.
    pub(super) server: Server,
    /// While it is away: why, and when the next attempt is due.
    pub(super) outage: Option<(String, Instant)>,
    /// Since when it has been there, or away.
    since: Instant,
    /// Of each meter.
    readings: Vec<watch::Sender<Reading>>,
}

impl Tracker {
    pub(crate) fn new(meters: Vec<Watched>, now: Instant) -> Self {
        let readings = meters.iter().map(|meter| meter.readings.clone()).collect();
        let items = meters.into_iter().flat_map(|Watched { bindings, readings, span }| {
            bindings.into_iter().map(move |binding| Tracked {
                binding,
                readings: readings.clone(),
                span: span.clone(),
                problem: None,
                value: None,
                last_event: None,
                speaks: false,
                last_reply: None,
            })
        });
        let items = items.collect();
        let server = Server::Unknown;
        Self { items, connected: None, server, outage: None, since: now, readings }
    }

    /// The source has answered. Returns what was known of it before.
    pub(super) fn answered(&mut self, now: Instant) -> Server {
        let before = self.server.answered(now);
        if !matches!(before, Server::Answers(_)) {
            self.since = now;
        }
        self.outage = None;
        before
    }

    /// The source is away, for this reason, until the next attempt.
    pub(super) fn away(&mut self, fault: &str, next_try: Instant, now: Instant) {
        if self.server != Server::Away {
            self.since = now;
        }
        self.server = Server::Away;
        self.outage = Some((fault.to_owned(), next_try));
    }

    /// How the source is, and what it said.
    pub(super) fn report(&self, has_events: bool) -> Report {
        let answers = match self.server {
            Server::Unknown => None,
            Server::Away => Some(false),
            Server::Answers(_) => Some(true),
        };
        let items = self.items.iter().map(Tracked::report).collect();
        Report { answers, since: self.since, has_events, outage: self.outage.clone(), items }
    }

    /// The names to ask for, each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.items.iter().map(|tracked| tracked.binding.item.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A read requested at `asked` gave a state. If the stream has had an event for the item since,
    /// that is newer. Returns whether the state is a value.
    pub(crate) fn on_read(&mut self, item: &str, reply: &ItemReply, asked: Instant) -> bool {
        for readings in &self.readings {
            readings.send_modify(|reading| reading.sign_of_life(asked));
        }
        let holds = self.connected.is_none_or(|connected| connected <= asked);
        let is_settled = self.server.is_settled(asked);
        let mut good = true;
        for tracked in self.items.iter_mut().filter(|tracked| tracked.binding.item == item) {
            if tracked.is_older_than(asked) {
                let updated = tracked.is_updated_by(reply);
                tracked.last_reply = Some(reply.clone());
                good &= tracked.take(&reply.state, updated, asked, is_settled);
                if !holds {
                    tracked.invalidate();
                }
            }
        }
        good
    }

    /// When the event stream last connected.
    pub(super) fn connected(&self) -> Option<Instant> {
        self.connected
    }

    /// When the event stream, since it connected, last had a value of an item, unless it may have
    /// another now.
    pub(super) fn last_value_since_connect(&self, item: &str) -> Option<Instant> {
        let connected = self.connected?;
        let mut tracked = self.items.iter().filter(|tracked| tracked.binding.item == item);
        let tracked = tracked.find(|tracked| tracked.speaks && tracked.problem.is_none())?;
        tracked.last_event.filter(|event| *event >= connected)
    }

    /// A read requested at `asked` failed. Until there is a value again, signs of life say nothing
    /// about the item.
    pub(crate) fn doubt(&mut self, item: &str, asked: Instant) {
        for tracked in self.items.iter().filter(|tracked| tracked.binding.item == item) {
            if tracked.is_older_than(asked) {
                tracked.invalidate();
            }
        }
    }

    /// A read requested at `asked` failed, and that is the item's fault: the server answers.
    pub(crate) fn on_failure(&mut self, item: &str, problem: &ItemProblem, asked: Instant) {
        let is_settled = self.server.is_settled(asked);
        for tracked in self.items.iter_mut().filter(|tracked| tracked.binding.item == item) {
            if tracked.is_older_than(asked) {
                tracked.fail(problem.clone(), is_settled);
            }
        }
    }

    /// The event stream had an event for an item.
    pub(crate) fn on_event(&mut self, item: &str, state: &str, now: Instant) {
        let is_settled = self.server.is_settled(now);
        for tracked in self.items.iter_mut().filter(|tracked| tracked.binding.item == item) {
            tracked.last_event = Some(now);
            tracked.speaks = true;
            let reply = tracked.last_reply.get_or_insert_default();
            state.clone_into(&mut reply.state);
            reply.last_state_update = None;
            tracked.take(state, true, now, is_settled);
        }
    }

    /// The source says when an item was last reported, be it with the value that it had already.
    pub(crate) fn on_report(&mut self, item: &str, reported: Instant) {
        for tracked in self.items.iter().filter(|tracked| tracked.binding.item == item) {
            let channel = tracked.binding.channel();
            tracked.readings.send_modify(|reading| reading.report(channel, reported));
        }
    }

    /// Whether the states of an item come as events.
    pub(crate) fn speaks(&self, item: &str) -> bool {
        self.items.iter().any(|tracked| tracked.binding.item == item && tracked.speaks)
    }

    /// An item may have become another, such as a group.
    pub(crate) fn on_touched(&mut self, item: &str) {
        for tracked in self.items.iter_mut().filter(|tracked| tracked.binding.item == item) {
            tracked.speaks = false;
        }
    }

    /// The event stream is alive, so items without an event are as they were.
    pub(crate) fn on_sign_of_life(&self, now: Instant) {
        for readings in &self.readings {
            readings.send_modify(|reading| reading.confirm_all(now));
        }
    }

    /// The event stream has connected. What is known is from before, and only what arrives from now
    /// on is certain.
    pub(crate) fn on_connected(&mut self, now: Instant) {
        self.connected = Some(now);
        for tracked in self.items.iter().filter(|tracked| tracked.is_older_than(now)) {
            tracked.invalidate();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Span;

    use super::*;
    use crate::meter::{
        binding::Binding,
        reading::{Measurand, Phase, Point},
        units::Quantity,
    };
    use std::time::Duration;

    const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };

    fn tracker() -> (Tracker, watch::Receiver<Reading>) {
        let (sender, receiver) = watch::channel(Reading::default());
        let unit = Quantity::Power.default_unit();
        let binding = Binding {
            point: POWER,
            member: 0,
            item: "P".to_owned(),
            unit,
            factor: 1.0,
            max_power_w: 50_000.0,
        };
        let watched = Watched { bindings: vec![binding], readings: sender, span: Span::none() };
        (Tracker::new(vec![watched], Instant::now()), receiver)
    }

    fn reply(state: &str, last_state_update: Option<u64>) -> ItemReply {
        ItemReply { state: state.to_owned(), last_state_update, is_group: false }
    }

    #[test]
    fn an_answer_older_than_an_event_loses() {
        let (mut tracker, readings) = tracker();
        let asked = Instant::now();
        let event_at = asked + Duration::from_millis(1);
        let later = asked + Duration::from_millis(2);
        tracker.on_event("P", "900 W", event_at);
        tracker.on_read("P", &reply("800 W", None), asked);
        tracker.doubt("P", asked);
        assert_eq!(readings.borrow().get(POWER).unwrap().value.to_bits(), 900_f64.to_bits());
        tracker.on_read("P", &reply("700 W", None), later);
        assert_eq!(readings.borrow().get(POWER).unwrap().value.to_bits(), 700_f64.to_bits());
    }

    #[test]
    fn what_is_said_at_the_same_instant_but_later_wins() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        tracker.on_event("P", "900 W", start);
        tracker.on_read("P", &reply("800 W", None), start);
        assert_eq!(readings.borrow().get(POWER).unwrap().value.to_bits(), 800_f64.to_bits());
        tracker.on_event("P", "900 W", start);
        tracker.doubt("P", start);
        tracker.on_sign_of_life(start + Duration::from_secs(1));
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start);
    }

    #[test]
    fn after_a_reconnect_signs_of_life_confirm_only_what_was_read_since() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        tracker.on_event("P", "900 W", start);
        tracker.on_connected(later);
        tracker.on_sign_of_life(later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start);
        tracker.on_read("P", &reply("900 W", None), start);
        tracker.on_sign_of_life(later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start, "asked too early");
        tracker.on_read("P", &reply("900 W", None), later);
        tracker.on_sign_of_life(later + Duration::from_secs(1));
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, later + Duration::from_secs(1));
    }

    #[test]
    fn after_a_failed_read_signs_of_life_confirm_nothing_until_there_is_a_value() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        tracker.on_event("P", "900 W", start);
        tracker.doubt("P", later);
        tracker.on_sign_of_life(later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start);
        tracker.on_event("P", "900 W", later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, later);
    }

    #[test]
    fn a_state_read_again_is_updated_only_with_another_version() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        let mut updated = |seconds, version| {
            let now = start + Duration::from_secs(seconds);
            tracker.on_read("P", &reply("900 W", version), now);
            readings.borrow().get(POWER).unwrap().updated - start
        };
        let times = [(0, Some(6)), (1, Some(6)), (2, Some(7)), (3, Some(7)), (4, Some(8))];
        assert_eq!(times.map(|(at, version)| updated(at, version).as_secs()), [0, 0, 2, 2, 4]);
    }

    #[test]
    fn no_value_is_never_a_zero() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        tracker.on_event("P", "900 W", start);
        for state in ["NULL", "UNDEF", "garbage", "5 kWh"] {
            tracker.on_event("P", state, start + Duration::from_secs(1));
            tracker.on_sign_of_life(start + Duration::from_secs(2));
            let sample = readings.borrow().get(POWER).unwrap();
            assert_eq!((sample.value.to_bits(), sample.confirmed), (900_f64.to_bits(), start));
        }
    }
}
