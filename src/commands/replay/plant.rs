//! The service, as it would have lived through a history: the parts of the daemon, with the clock
//! of the history and a disk in memory.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::{
    config::{Config, ConfiguredMeter},
    daemon::log,
    meter::{
        Condition, Meter,
        binding::Binding,
        reading::{Freshness, Measurand, Reading},
        record::{MeterRecord, Restored},
    },
    persistence::{saving::Saving, store::log_restored},
    source::{Watched, item::ItemReply, tracker::Tracker},
};

/// How often a living event stream gives a sign of life, in ms.
const ALIVE_MS: i64 = 10_000;

/// What is served at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Served {
    pub(super) condition: Condition,
    /// As in the register; none where reads are refused.
    pub(super) watts: Option<f64>,
    pub(super) exported_wh: Option<f64>,
    pub(super) imported_wh: Option<f64>,
}

/// The service, its source and its disk.
pub(super) struct Plant {
    configured: ConfiguredMeter,
    freshness: Freshness,
    /// The items of other meters.
    others: Vec<String>,
    begin: (Instant, i64),
    now_ms: i64,
    meter: Meter,
    tracker: Tracker,
    readings: watch::Receiver<Reading>,
    /// The last state of each item that had one.
    states: Vec<(String, String)>,
    source_is_up: bool,
    next_alive_ms: i64,
    /// What was written last, and when.
    disk: Option<(MeterRecord, SystemTime)>,
    disk_is_full: bool,
    saving: Saving,
    condition: Condition,
    next_expiry: Option<Instant>,
}

impl Plant {
    /// The first meter of the configuration, if there is one.
    pub(super) fn new(config: Config, begin_ms: i64) -> Option<Self> {
        let begin = Instant::now();
        let freshness = config.freshness;
        let mut meters = config.meters.into_iter();
        let configured = meters.next()?;
        let others = meters.flat_map(|meter| meter.bindings).map(|binding| binding.item).collect();
        let (meter, tracker, readings) = started(&configured, freshness, begin);
        let mut plant = Self {
            configured,
            freshness,
            others,
            begin: (begin, begin_ms),
            now_ms: begin_ms,
            meter,
            tracker,
            readings,
            states: Vec::new(),
            source_is_up: true,
            next_alive_ms: begin_ms.saturating_add(ALIVE_MS),
            disk: None,
            disk_is_full: false,
            saving: Saving::default(),
            condition: Condition::Waiting,
            next_expiry: None,
        };
        plant.restore();
        Some(plant)
    }

    /// Whether there is an item of this name, but of another meter.
    pub(super) fn is_of_another(&self, item: &str) -> bool {
        !self.has(item) && self.others.iter().any(|other| other == item)
    }

    /// Whether there is an item of this name.
    pub(super) fn has(&self, item: &str) -> bool {
        self.bindings().iter().any(|binding| binding.item == item)
    }

    /// The items there are.
    pub(super) fn items(&self) -> Vec<&str> {
        self.bindings().iter().map(|binding| binding.item.as_str()).collect()
    }

    fn bindings(&self) -> &[Binding] {
        &self.configured.bindings
    }

    /// Lets time pass until the next thing happens by itself, and returns when that was, in ms. If
    /// that is not before `until_ms`, lets time pass until then, and returns none.
    pub(super) fn pass(&mut self, until_ms: i64) -> Option<i64> {
        let alive = self.source_is_up.then_some(self.next_alive_ms);
        let expiry = self.next_expiry.map(|at| self.millis(at));
        let next = alive.into_iter().chain(expiry).min().unwrap_or(i64::MAX);
        if next >= until_ms {
            self.now_ms = until_ms.max(self.now_ms);
            return None;
        }
        self.now_ms = next.max(self.now_ms);
        if alive == Some(next) {
            self.next_alive_ms = next.saturating_add(ALIVE_MS);
            self.tracker.on_sign_of_life(self.now());
        }
        self.judge();
        Some(self.now_ms)
    }

    /// The source has a state for an item.
    pub(super) fn set(&mut self, item: &str, state: &str) {
        match self.states.iter_mut().find(|(known, _)| known == item) {
            Some((_, known)) => state.clone_into(known),
            None => self.states.push((item.to_owned(), state.to_owned())),
        }
        if self.source_is_up {
            let now = self.now();
            self.tracker.on_event(item, state, now);
            self.tracker.on_sign_of_life(now);
        }
        self.judge();
    }

    /// The service is stopped in order, and started again.
    pub(super) fn restart(&mut self) {
        if let Some(record) = self.meter.last_record(self.now(), self.clock())
            && !self.disk_is_full
        {
            self.disk = Some((record, self.clock()));
        }
        self.crash();
    }

    /// The service is killed, and started again.
    pub(super) fn crash(&mut self) {
        (self.meter, self.tracker, self.readings) =
            started(&self.configured, self.freshness, self.now());
        self.saving = Saving::default();
        self.condition = Condition::Waiting;
        self.restore();
        if self.source_is_up {
            self.read_all();
        }
        self.judge();
    }

    pub(super) fn set_source(&mut self, is_up: bool) {
        if is_up && !self.source_is_up {
            let now = self.now();
            self.tracker.on_connected(now);
            self.read_all();
            self.next_alive_ms = self.now_ms.saturating_add(ALIVE_MS);
        }
        self.source_is_up = is_up;
        self.judge();
    }

    pub(super) fn set_disk_full(&mut self, is_full: bool) {
        self.disk_is_full = is_full;
        self.judge();
    }

    /// What is served now.
    pub(super) fn served(&mut self) -> Served {
        let reading = self.readings.borrow().clone();
        let image = self.meter.image(&reading, self.now());
        Served {
            condition: image.condition,
            // Adding zero turns −0 into 0, as in the register.
            watts: image.measurements.map(|values| values.power.total + 0.0),
            exported_wh: self.meter.energy_wh(Measurand::EnergyOut),
            imported_wh: self.meter.energy_wh(Measurand::EnergyIn),
        }
    }

    fn read_all(&mut self) {
        let now = self.now();
        for (item, state) in &self.states {
            let reply = ItemReply { state: state.clone(), ..ItemReply::default() };
            self.tracker.on_read(item, &reply, now);
        }
    }

    fn restore(&mut self) {
        let restored = match self.disk.clone() {
            Some((record, saved)) => Restored { record: Some(record), saved, is_legacy: false },
            None => Restored::nothing(),
        };
        log_restored(&restored);
        self.meter.restore(restored, true, self.now());
    }

    fn judge(&mut self) {
        let (now, clock) = (self.now(), self.clock());
        let reading = self.readings.borrow_and_update();
        let events = self.meter.judge(&reading, now, clock);
        for event in &events {
            log::counter(event);
        }
        if self.saving.may_begin(now)
            && let Some(record) = self.meter.unsaved(now, clock)
        {
            self.saving = if self.disk_is_full {
                if self.saving == Saving::Idle {
                    tracing::warn!("state_dir takes no writes; trying again every minute");
                }
                self.meter.set_disk(false);
                Saving::failed(now)
            } else {
                if self.saving != Saving::Idle {
                    tracing::warn!("the counters are saved again");
                }
                self.meter.saved(&record, now);
                self.meter.set_disk(true);
                self.disk = Some((record, clock));
                Saving::Idle
            };
        }
        let condition = self.meter.condition(&reading, now);
        let before = std::mem::replace(&mut self.condition, condition);
        if before != condition {
            log::condition(&self.meter.image(&reading, now), before);
        }
        self.next_expiry = self.meter.next_expiry(&reading, now);
    }

    fn now(&self) -> Instant {
        let (begin, begin_ms) = self.begin;
        let passed = u64::try_from(self.now_ms.saturating_sub(begin_ms)).unwrap_or_default();
        begin.checked_add(Duration::from_millis(passed)).unwrap_or(begin)
    }

    fn clock(&self) -> SystemTime {
        let millis = u64::try_from(self.now_ms).unwrap_or_default();
        UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
    }

    fn millis(&self, at: Instant) -> i64 {
        let (begin, begin_ms) = self.begin;
        let passed = at.saturating_duration_since(begin).as_millis();
        begin_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

fn started(
    configured: &ConfiguredMeter,
    freshness: Freshness,
    now: Instant,
) -> (Meter, Tracker, watch::Receiver<Reading>) {
    let ConfiguredMeter { config, bindings, .. } = configured;
    let meter = Meter::new(config.clone(), freshness, bindings, now);
    let (sender, readings) = watch::channel(Reading::default());
    let watched =
        Watched { bindings: bindings.clone(), readings: sender, span: tracing::Span::none() };
    (meter, Tracker::new(vec![watched], now), readings)
}
