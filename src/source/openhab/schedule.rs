//! Which item is read next, and when.
//!
//! Pure: the clock is passed in.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    meter::{binding::Binding, reading::Measurand},
    source::Watched,
};

/// When each item is to be read.
#[derive(Debug)]
pub(super) struct Schedule {
    items: Vec<Scheduled>,
    /// The turn is with the urgent ones, rather than with the others.
    urgent_next: bool,
}

/// An item, and when it is to be read.
#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    pub(super) item: String,
    /// It gives a power. That decides whether the meter is live.
    pub(super) is_power: bool,
    /// It gives a value that the meter cannot do without.
    pub(super) is_required: bool,
    due: Instant,
    /// When the event stream last gave a reason to read it.
    touched: Option<Instant>,
    /// How long the last read took.
    took: Duration,
}

impl Scheduled {
    /// It goes before the others: the meter is live with it, or it is known to be out of date.
    fn is_urgent(&self) -> bool {
        self.is_power || self.touched.is_some()
    }
}

impl Schedule {
    /// All items of these meters, each once, to be read at once.
    pub(super) fn new(meters: &[Watched], now: Instant) -> Self {
        let mut items: Vec<Scheduled> = Vec::new();
        for Binding { point, item, .. } in meters.iter().flat_map(|meter| &meter.bindings) {
            let (is_power, is_required) =
                (point.measurand == Measurand::Power, point.measurand.is_required());
            if let Some(known) = items.iter_mut().find(|known| known.item == *item) {
                known.is_power |= is_power;
                known.is_required |= is_required;
            } else {
                let item = item.clone();
                let took = Duration::ZERO;
                let touched = None;
                items.push(Scheduled { item, is_power, is_required, due: now, touched, took });
            }
        }
        Self { items, urgent_next: true }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The item to read now. Of those that are due, an urgent one and another take turns: where
    /// answers are slow, the power is read more often than the rest.
    pub(super) fn next(&mut self, now: Instant) -> Option<Scheduled> {
        let due = self.items.iter().filter(|item| item.due <= now);
        let next = due.min_by_key(|item| (item.is_urgent() != self.urgent_next, item.due))?.clone();
        self.urgent_next = !next.is_urgent();
        Some(next)
    }

    /// When the next item is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.items.iter().map(|item| item.due).min()
    }

    /// Notes that there is a reason to read an item now.
    pub(super) fn touch(&mut self, item: &str, now: Instant) {
        if let Some(known) = self.items.iter_mut().find(|known| known.item == item) {
            known.due = known.due.min(now);
            known.touched = Some(now);
        }
    }

    /// Notes that an item was read at `asked`, how long that took, and when it is due again. If there
    /// was a reason to read it meanwhile, it is due at once.
    pub(super) fn done(&mut self, item: &str, asked: Instant, took: Duration, due: Instant) {
        if let Some(known) = self.items.iter_mut().find(|known| known.item == item) {
            known.took = took;
            known.touched = known.touched.filter(|touched| *touched > asked);
            known.due = known.touched.unwrap_or(due);
        }
    }

    /// Makes another item due, of the other kind if possible: whether that can be read shows whose
    /// fault a failure is.
    pub(super) fn try_another(
        &mut self,
        failed: &Scheduled,
        is_failing: impl Fn(&str) -> bool,
        now: Instant,
    ) {
        let others = self.items.iter_mut().filter(|other| !is_failing(&other.item));
        let other = others.min_by_key(|other| (other.is_power == failed.is_power, other.due));
        if let Some(other) = other {
            other.due = other.due.min(now);
        }
    }

    /// Lets all items be read at once.
    pub(super) fn all_due(&mut self, now: Instant) {
        for item in &mut self.items {
            item.due = item.due.min(now);
        }
    }

    /// How long it takes to read every item once.
    pub(super) fn round(&self) -> Duration {
        self.items.iter().fold(Duration::ZERO, |sum, item| sum.saturating_add(item.took))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::meter::{
        reading::{Phase, Point, Reading},
        units::Quantity,
    };

    /// A power `P`, and `A`, `B`, `C` beside it.
    fn schedule(now: Instant) -> Schedule {
        let binding = |(item, measurand): (&str, Measurand)| Binding {
            point: Point { measurand, phase: Phase::L1 },
            member: 0,
            item: item.to_owned(),
            unit: Quantity::Power.default_unit(),
            factor: 1.0,
            max_power_w: 50_000.0,
        };
        let items = [
            ("A", Measurand::EnergyOut),
            ("P", Measurand::Power),
            ("B", Measurand::Voltage),
            ("C", Measurand::Current),
        ];
        let bindings = items.map(binding).to_vec();
        let (readings, _) = watch::channel(Reading::default());
        Schedule::new(&[Watched { bindings, readings, span: tracing::Span::none() }], now)
    }

    /// Reads what is due, each time in no time, until that is so many items.
    fn reads(schedule: &mut Schedule, count: usize, now: Instant, pause: Duration) -> String {
        let read = |_| {
            let next = schedule.next(now).unwrap().item;
            // Only the power is due again at once.
            let due = if next == "P" { now } else { now.checked_add(pause).unwrap() };
            schedule.done(&next, now, Duration::ZERO, due);
            next
        };
        (0..count).map(read).collect()
    }

    const LATER: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_power_and_another_take_turns() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        assert_eq!(reads(&mut schedule, 8, now, LATER), "PAPBPCPP");
    }

    #[tokio::test]
    async fn what_an_event_touches_is_urgent_and_read_once_more_if_that_comes_meanwhile() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        for item in ["P", "A", "B", "C"] {
            schedule.done(item, now, Duration::ZERO, now + LATER);
        }
        assert_eq!(schedule.next_due(), Some(now + LATER));
        let touched = now + Duration::from_secs(1);
        schedule.touch("C", touched);
        assert_eq!(schedule.next(touched).unwrap().item, "C");
        let meanwhile = now + Duration::from_secs(2);
        schedule.touch("C", meanwhile);
        schedule.done("C", touched, Duration::ZERO, now + LATER);
        assert_eq!(schedule.next(meanwhile).unwrap().item, "C");
        schedule.done("C", meanwhile, Duration::ZERO, now + LATER);
        assert_eq!(schedule.next_due(), Some(now + LATER));
    }

    #[tokio::test]
    async fn a_failure_makes_one_item_due_that_has_not_failed() {
        let now = Instant::now();
        let mut schedule = schedule(now);
        for item in ["P", "A", "B", "C"] {
            schedule.done(item, now, Duration::from_secs(1), now + LATER);
        }
        assert_eq!(schedule.round(), Duration::from_secs(4));
        let of = |item: &str| schedule.items.iter().find(|known| known.item == item).unwrap();
        let (power, voltage) = (of("P").clone(), of("B").clone());
        schedule.try_another(&voltage, |item| item == "B", now);
        assert_eq!(schedule.next(now).unwrap().item, "P");
        schedule.done("P", now, Duration::ZERO, now + LATER);
        schedule.try_another(&power, |item| ["P", "A", "B"].contains(&item), now);
        assert_eq!(schedule.next(now).unwrap().item, "C");
    }
}
