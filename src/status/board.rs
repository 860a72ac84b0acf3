//! Where all that can be seen of the service comes together.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::time::interval;

use super::{
    history::History,
    meter_view::MeterView,
    snapshot::{FORMAT, Snapshot, SourceSnapshot, SourceState},
};
use crate::{
    meter::Condition,
    source::{Report, SourceKind, View},
};

/// How often polls are counted, for those of the last minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The looks of a minute.
const LOOKS: usize = 12;

/// The whole service.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    sources: Vec<SourceView>,
    /// Without secrets.
    configuration: String,
    /// In the order of the configuration.
    meters: Vec<MeterView>,
    /// Of each meter.
    past: Mutex<Vec<Past>>,
}

/// What one source shows.
#[derive(Debug)]
pub struct SourceView {
    /// What it is.
    pub kind: SourceKind,
    /// What it is and where, for people.
    pub name: String,
    /// How it is.
    pub view: View,
}

/// What was seen of one meter over time.
#[derive(Debug, Default)]
struct Past {
    history: History,
    /// The polls counted at each look of the last minute.
    polls: VecDeque<u64>,
}

impl Board {
    /// The board of a service that starts now.
    #[must_use]
    pub fn new(sources: Vec<SourceView>, configuration: String, meters: Vec<MeterView>) -> Self {
        let past = Mutex::new(meters.iter().map(|_| Past::default()).collect());
        Self { started: Instant::now(), sources, configuration, meters, past }
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
        let reports: Vec<_> = self.sources.iter().map(|source| source.view.report()).collect();
        let mut items: Vec<_> = reports.iter().map(|report| report.items.iter()).collect();
        let past = self.past();
        let meters = self.meters.iter().zip(past.iter()).map(|(meter, past)| {
            let place = self.sources.iter().position(|source| source.kind == meter.source);
            let items = items.get_mut(place.unwrap_or_default());
            let items = items.into_iter().flat_map(|items| items.take(meter.bindings.len()));
            let items: Vec<_> = items.collect();
            let mut snapshot = meter.snapshot(&items, now);
            snapshot.polls.per_minute = past.polls_since(meter.tally.polls());
            snapshot.history = with_history.then(|| past.history.snapshot(now, clock));
            snapshot
        });
        let meters = meters.collect();
        let sources = self.sources.iter().zip(&reports);
        let sources = sources.map(|(source, report)| source.snapshot(report, now));
        Snapshot {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            time_s: seconds_since_1970(clock),
            uptime_s: seconds(self.started, now),
            sources: sources.collect(),
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

impl SourceView {
    fn snapshot(&self, report: &Report, now: Instant) -> SourceSnapshot {
        SourceSnapshot {
            kind: self.kind,
            name: self.name.clone(),
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
}

/// From one time to a later one.
pub(super) fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

/// As Unix has it.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
