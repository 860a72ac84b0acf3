//! A look at one meter.

use std::{sync::Arc, time::Instant};

use tokio::sync::watch;

use super::{
    board::seconds,
    registers,
    snapshot::{
        GuardSnapshot, LastPoll, MeterSnapshot, Phases, Polls, Refused, Served, ValueSnapshot,
    },
};
use crate::{
    meter::{
        Image, Role,
        binding::Binding,
        measurements::{Measurements, ThreePhase},
        news::CounterEvent,
        reading::{Freshness, Reading},
        sunspec::Identity,
    },
    modbus::{connections::Connections, tally::Tally},
    source::{ItemReport, SourceKind},
};

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
    /// Which source it has.
    pub source: SourceKind,
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

impl MeterView {
    /// How it is now, as far as it shows in the moment.
    pub(super) fn snapshot(&self, items: &[&ItemReport], now: Instant) -> MeterSnapshot {
        let image = Arc::clone(&self.images.borrow());
        let status = self.status.borrow().clone();
        let reading = self.readings.borrow().clone();
        let values = self.bindings.iter().zip(items);
        MeterSnapshot {
            name: self.name.clone(),
            serial_number: self.identity.serial_number.clone(),
            role: self.role,
            source: self.source,
            unit: self.identity.address,
            model: image.model.number(),
            listens: self.listens.clone(),
            condition: image.condition,
            answer: image.availability,
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
