//! Where all that can be seen of the service comes together.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::{sync::watch, time::interval};

use super::{
    history::History,
    registers,
    snapshot::{
        FORMAT, GuardSnapshot, LastPoll, MeterSnapshot, Phases, Polls, Refused, Served, Snapshot,
        SourceSnapshot, SourceState, ValueSnapshot,
    },
};
use crate::{
    meter::{
        Availability, Condition, Image, Role,
        binding::Binding,
        measurements::{Measurements, ThreePhase},
        news::CounterEvent,
        reading::{Freshness, Reading},
        sunspec::{Identity, MeterModel},
    },
    modbus::{connections::Connections, tally::Tally},
    source::{ItemReport, Report, View},
};

/// How often polls are counted, for those of the last minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The looks of a minute.
const LOOKS: usize = 12;

/// What there is to know of a meter besides its image.
#[derive(Clone, Debug)]
pub struct MeterStatus {
    /// The counters that stand.
    pub stands: Vec<CounterEvent>,
    /// Values are on disk before they are served.
    pub has_disk: bool,
}

impl Default for MeterStatus {
    fn default() -> Self {
        Self { stands: Vec::new(), has_disk: true }
    }
}

/// What one meter shows.
#[derive(Debug)]
pub struct MeterView {
    /// Its name, where there may be several.
    pub name: Option<String>,
    /// The sign convention.
    pub role: Role,
    /// Who it says it is.
    pub identity: Identity,
    /// The addresses where it is polled.
    pub listens: Vec<String>,
    /// The items it is made of.
    pub bindings: Vec<Binding>,
    /// Until when their values are fresh.
    pub freshness: Freshness,
    /// Their values.
    pub readings: watch::Receiver<Reading>,
    /// What is served of them.
    pub images: watch::Receiver<Arc<Image>>,
    /// Its status besides.
    pub status: watch::Receiver<MeterStatus>,
    /// What it was asked.
    pub tally: Arc<Tally>,
    /// Who is connected to its port.
    pub connections: Connections,
}

/// The whole service.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    source_name: String,
    source: View,
    /// Without secrets.
    configuration: String,
    /// In the order of the configuration.
    meters: Vec<MeterView>,
    /// Of each meter.
    past: Mutex<Vec<Past>>,
}

/// What was seen of one meter over time.
#[derive(Debug, Default)]
struct Past {
    history: History,
    /// The polls counted at each look of the last minute.
    polls: VecDeque<u64>,
}

impl Board {
    /// The board of a service that starts now, with a source of this name.
    #[must_use]
    pub fn new(
        (source_name, source): (String, View),
        configuration: String,
        meters: Vec<MeterView>,
    ) -> Self {
        let past = Mutex::new(meters.iter().map(|_| Past::default()).collect());
        Self { started: Instant::now(), source_name, source, configuration, meters, past }
    }

    /// Keeps looking, so that there is a past to show. Never returns.
    pub async fn look(&self) {
        let mut looks = interval(LOOK_INTERVAL);
        loop {
            looks.tick().await;
            let now = Instant::now();
            let mut past = self.past();
            for (past, meter) in past.iter_mut().zip(&self.meters) {
                past.note(meter, now);
            }
        }
    }

    /// Everything as it is now; the history only if it is wanted.
    #[must_use]
    pub fn snapshot(&self, with_history: bool) -> Snapshot {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let report = self.source.report();
        let mut items = report.items.iter();
        let past = self.past();
        let meters = self.meters.iter().enumerate().map(|(place, meter)| {
            let items: Vec<_> = items.by_ref().take(meter.bindings.len()).collect();
            let mut snapshot = meter.snapshot(&items, now);
            if let Some(past) = past.get(place) {
                snapshot.polls.per_minute = past.polls_since(meter.tally.polls());
                snapshot.history = with_history.then(|| past.history.snapshot(now, clock));
            }
            snapshot
        });
        let meters = meters.collect();
        Snapshot {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            time_s: seconds_since_1970(clock),
            uptime_s: seconds(self.started, now),
            source: source(&self.source_name, &report, now),
            meters,
            configuration: self.configuration.clone(),
        }
    }

    fn past(&self) -> MutexGuard<'_, Vec<Past>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    fn note(&mut self, meter: &MeterView, now: Instant) {
        let image = meter.images.borrow();
        let live = image.measurements.filter(|_| image.condition == Condition::Live);
        self.history.note(live.as_ref(), now);
        if self.polls.len() >= LOOKS {
            self.polls.pop_front();
        }
        self.polls.push_back(meter.tally.polls());
    }

    /// The polls since a minute ago.
    fn polls_since(&self, now: u64) -> u64 {
        self.polls.front().map_or(0, |before| now.saturating_sub(*before))
    }
}

impl MeterView {
    fn snapshot(&self, items: &[&ItemReport], now: Instant) -> MeterSnapshot {
        let image = Arc::clone(&self.images.borrow());
        let status = self.status.borrow().clone();
        let reading = self.readings.borrow().clone();
        let values = self.bindings.iter().zip(items);
        MeterSnapshot {
            name: self.name.clone(),
            serial_number: self.identity.serial_number.clone(),
            role: match self.role {
                Role::Producer => "producer",
                Role::Grid => "grid",
            },
            unit: self.identity.address,
            model: match image.model {
                MeterModel::Float => 213,
                MeterModel::Integer => 203,
            },
            listens: self.listens.clone(),
            condition: match image.condition {
                Condition::Waiting => "waiting",
                Condition::Live => "live",
                Condition::Stale => "stale",
            },
            answer: match image.availability {
                Availability::Registers => "registers",
                Availability::Exception => "exception",
                Availability::Disconnect => "disconnect",
            },
            age_s: image.confirmed.map(|at| seconds(at, now)),
            overdue: image.overdue.clone(),
            polls: self.polls(now),
            served: image.measurements.as_ref().map(served),
            values: values
                .map(|(binding, item)| self.value(binding, item, &reading, now))
                .collect(),
            guard: status.stands.iter().map(guard).collect(),
            is_saved: status.has_disk,
            registers: registers::points(&image),
            history: None,
        }
    }

    fn polls(&self, now: Instant) -> Polls {
        let last = self.tally.last().map(|poll| LastPoll {
            client: poll.client.ip().to_string(),
            age_s: seconds(poll.at, now),
            start: poll.start,
            count: poll.count,
        });
        Polls {
            connections: self.connections.usage().connections,
            answered: self.tally.answered(),
            refused: self.tally.refused().map(|(code, count)| Refused { code, count }).collect(),
            per_minute: 0,
            last,
        }
    }

    fn value(
        &self,
        binding: &Binding,
        item: &ItemReport,
        reading: &Reading,
        now: Instant,
    ) -> ValueSnapshot {
        let sample = reading.get(binding.channel());
        let expiry = sample.and_then(|sample| self.freshness.expiry(sample));
        let measurand = binding.point.measurand;
        ValueSnapshot {
            key: measurand.key(),
            phase: binding.point.phase.to_string(),
            item: binding.item.clone(),
            state: item.state.clone(),
            value: sample.map(|sample| sample.value),
            unit: measurand.quantity().base_symbol(),
            age_s: sample.map(|sample| seconds(sample.confirmed, now)),
            is_fresh: expiry.is_some_and(|at| now < at),
            problem: item.problem.clone(),
        }
    }
}

fn source(name: &str, report: &Report, now: Instant) -> SourceSnapshot {
    SourceSnapshot {
        name: name.to_owned(),
        state: match report.answers {
            None => SourceState::Unknown,
            Some(true) => SourceState::Answers,
            Some(false) => SourceState::Away,
        },
        since_s: seconds(report.since, now),
        has_events: report.has_events,
        fault: report.outage.as_ref().map(|(fault, _)| fault.clone()),
        next_try_s: report.outage.as_ref().map(|(_, at)| seconds(now, *at)),
    }
}

fn guard(event: &CounterEvent) -> GuardSnapshot {
    GuardSnapshot {
        key: event.point.measurand.key(),
        phase: event.point.phase.to_string(),
        item: event.item.clone(),
        text: event.to_string(),
    }
}

fn served(values: &Measurements) -> Served {
    Served {
        power_w: phases(values.power),
        voltage_v: phases(values.voltage),
        current_a: phases(values.current),
        frequency_hz: values.frequency,
        exported_wh: phases(values.exported),
        imported_wh: phases(values.imported),
    }
}

/// Adding zero turns −0 into 0, as in the registers.
fn phases(values: ThreePhase) -> Phases {
    let [total, l1, l2, l3] = values.fields().map(|value| value + 0.0);
    Phases { total, l1, l2, l3 }
}

/// From one time to a later one.
fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

/// As Unix has it.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
