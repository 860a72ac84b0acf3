//! What is known of each item: whether it has a value, and what was said of it in the log.

use std::time::Instant;

use hyper::StatusCode;
use tokio::sync::watch;

use super::Item;
use crate::{
    meter::{
        reading::Reading,
        units::{ItemStateError, parse_state},
    },
    text::excerpt,
};

/// Why an item gives no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemProblem {
    /// openHAB has it, but its state is no value.
    #[error(transparent)]
    State(ItemStateError),
    /// openHAB does not give its state.
    #[error("openHAB answers {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// What openHAB gives is larger than a state can be, or not UTF-8.
    #[error("what openHAB answers is no state")]
    NotText,
}

/// What a status may mean to the user.
pub(super) fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            " (it wants other credentials: openhab_token_file, or basic authentication allowed in \
             openHAB; while it starts it may refuse good ones)"
        }
        StatusCode::FORBIDDEN => " (the credentials do not permit this)",
        StatusCode::NOT_FOUND => " (no such item, or openHAB is still starting)",
        _ => "",
    }
}

struct Tracked {
    item: Item,
    /// What was last wrong with it. Its kind was logged.
    problem: Option<ItemProblem>,
    /// Whether it ever had a value.
    known: bool,
    /// When the event stream last told of it.
    told: Option<Instant>,
    /// What was last read or told, with its version if that is known.
    known_state: Option<(String, Option<u64>)>,
}

/// Takes what openHAB says of items, and brings the reading up to date.
pub(super) struct Tracker {
    items: Vec<Tracked>,
    /// When the event stream last connected. What was asked before may have changed unnoticed.
    connected: Option<Instant>,
    readings: watch::Sender<Reading>,
}

impl Tracker {
    pub(super) fn new(items: Vec<Item>, readings: watch::Sender<Reading>) -> Self {
        let items = items
            .into_iter()
            .map(|item| Tracked {
                item,
                problem: None,
                known: false,
                told: None,
                known_state: None,
            })
            .collect();
        Self { items, connected: None, readings }
    }

    /// The names to ask for, each once.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.items.iter().map(|tracked| tracked.item.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A read that was asked at `asked` gave a state. Where the stream told of the item since, that
    /// is newer. Says whether the state is a value.
    pub(super) fn read(
        &mut self,
        name: &str,
        state: &str,
        version: Option<u64>,
        asked: Instant,
    ) -> bool {
        let holds = self.connected.is_none_or(|connected| connected <= asked);
        let mut good = true;
        for tracked in self.items.iter_mut().filter(|tracked| tracked.item.name == name) {
            if tracked.told.is_none_or(|told| told < asked) {
                let updated = tracked.is_update(state, version);
                tracked.known_state = Some((state.to_owned(), version));
                good &= tracked.take(state, updated, asked, &self.readings);
                if !holds {
                    let point = tracked.item.point;
                    self.readings.send_modify(|reading| reading.invalidate(point));
                }
            }
        }
        good
    }

    /// A read that was asked at `asked` gave no state.
    pub(super) fn refused(&mut self, name: &str, problem: &ItemProblem, asked: Instant) {
        for tracked in self.items.iter_mut().filter(|tracked| tracked.item.name == name) {
            if tracked.told.is_none_or(|told| told < asked) {
                tracked.doubt(problem.clone(), &self.readings);
            }
        }
    }

    /// The event stream told of an item.
    pub(super) fn told(&mut self, name: &str, state: &str, now: Instant) {
        for tracked in self.items.iter_mut().filter(|tracked| tracked.item.name == name) {
            tracked.told = Some(now);
            tracked.known_state = Some((state.to_owned(), None));
            tracked.take(state, true, now, &self.readings);
        }
    }

    /// The event stream lives, so what it did not tell of is as it was.
    pub(super) fn alive(&self, now: Instant) {
        self.readings.send_modify(|reading| reading.confirm_all(now));
    }

    /// The event stream has connected. What is known is from before, and only what is read or told
    /// from now on is sure to hold.
    pub(super) fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
        self.doubt_since(now);
    }

    /// What the stream did not tell of since `since` is not sure to hold any more.
    pub(super) fn doubt_since(&self, since: Instant) {
        self.readings.send_modify(|reading| {
            for tracked in &self.items {
                if tracked.told.is_none_or(|told| told < since) {
                    reading.invalidate(tracked.item.point);
                }
            }
        });
    }
}

impl Tracked {
    /// Whether what is read is another state than the known one, or another version of it.
    fn is_update(&self, state: &str, version: Option<u64>) -> bool {
        let Some((known, known_version)) = &self.known_state else { return true };
        known != state || (known_version.is_some() && *known_version != version)
    }

    /// Takes a state, `updated` or as before, and says whether it is a value.
    fn take(
        &mut self,
        state: &str,
        updated: bool,
        now: Instant,
        readings: &watch::Sender<Reading>,
    ) -> bool {
        let value = match parse_state(state, &self.item.unit) {
            Ok(value) => value,
            Err(error) => {
                self.doubt(ItemProblem::State(error), readings);
                return false;
            }
        };
        readings.send_modify(|reading| {
            if updated {
                reading.update(self.item.point, value, now);
            } else {
                reading.refresh(self.item.point, value, now);
            }
        });
        if self.problem.take().is_some() || !self.known {
            let (item, key) = (&self.item.name, self.item.point.measurand.key());
            tracing::info!(item, key, "{key}: item {item} has the state {}", excerpt(state.trim()));
        }
        self.known = true;
        true
    }

    /// Logs a problem once, however often it is seen; another of the same kind is the same.
    fn doubt(&mut self, problem: ItemProblem, readings: &watch::Sender<Reading>) {
        readings.send_modify(|reading| reading.invalidate(self.item.point));
        let same = self.problem.as_ref().is_some_and(|last| last.is_like(&problem));
        if !same {
            let (item, key) = (&self.item.name, self.item.point.measurand.key());
            tracing::warn!(item, key, "{key}: item {item} gives no value: {problem}");
        }
        self.problem = Some(problem);
    }
}

impl ItemProblem {
    /// Whether waiting may help, as it does not where the configuration names a wrong item.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::State(error) => {
                matches!(error, ItemStateError::NoValue(_) | ItemStateError::Implausible { .. })
            }
            Self::Status(status) => *status != StatusCode::NOT_FOUND,
            Self::NotText => false,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        use std::mem::discriminant;
        match (self, other) {
            (Self::State(one), Self::State(other)) => discriminant(one) == discriminant(other),
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{
        reading::{Measurand, Phase, Point},
        units::Quantity,
    };
    use std::time::Duration;

    const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };

    fn tracker() -> (Tracker, watch::Receiver<Reading>) {
        let (sender, receiver) = watch::channel(Reading::default());
        let unit = Quantity::Power.default_unit();
        let item = Item { name: "P".to_owned(), point: POWER, unit };
        (Tracker::new(vec![item], sender), receiver)
    }

    #[test]
    fn an_answer_older_than_an_event_loses() {
        let (mut tracker, readings) = tracker();
        let asked = Instant::now();
        let told = asked + Duration::from_millis(1);
        let later = asked + Duration::from_millis(2);
        tracker.told("P", "900 W", told);
        tracker.read("P", "800 W", None, asked);
        tracker.refused("P", &ItemProblem::NotText, asked);
        assert_eq!(readings.borrow().get(POWER).unwrap().value.to_bits(), 900_f64.to_bits());
        tracker.read("P", "700 W", None, later);
        assert_eq!(readings.borrow().get(POWER).unwrap().value.to_bits(), 700_f64.to_bits());
    }

    #[test]
    fn after_a_reconnect_signs_of_life_confirm_only_what_was_read_since() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        tracker.told("P", "900 W", start);
        tracker.connected(later);
        tracker.alive(later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start);
        tracker.read("P", "900 W", None, start);
        tracker.alive(later);
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, start, "asked too early");
        tracker.read("P", "900 W", None, later);
        tracker.alive(later + Duration::from_secs(1));
        assert_eq!(readings.borrow().get(POWER).unwrap().confirmed, later + Duration::from_secs(1));
    }

    #[test]
    fn a_state_read_again_is_updated_only_with_another_version() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        let mut updated = |seconds, version| {
            let now = start + Duration::from_secs(seconds);
            tracker.read("P", "900 W", version, now);
            readings.borrow().get(POWER).unwrap().updated - start
        };
        let times = [(0, Some(6)), (1, Some(6)), (2, Some(7)), (3, Some(7)), (4, Some(8))];
        assert_eq!(times.map(|(at, version)| updated(at, version).as_secs()), [0, 0, 2, 2, 4]);
    }

    #[test]
    fn no_value_is_never_a_zero() {
        let (mut tracker, readings) = tracker();
        let start = Instant::now();
        tracker.told("P", "900 W", start);
        for state in ["NULL", "UNDEF", "garbage", "5 kWh"] {
            tracker.told("P", state, start + Duration::from_secs(1));
            tracker.alive(start + Duration::from_secs(2));
            let sample = readings.borrow().get(POWER).unwrap();
            assert_eq!((sample.value.to_bits(), sample.confirmed), (900_f64.to_bits(), start));
        }
    }
}
