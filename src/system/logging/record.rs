//! A log record, taken from where it arises to the thread that writes it.

use std::fmt;

use chrono::{DateTime, Utc};
use tracing::{
    Dispatch, Event, Level, Metadata,
    callsite::Identifier,
    field::{Field, Value, Visit},
    span::Id,
};

use super::about::MeterSpan;

/// The field that people read.
const MESSAGE: &str = "message";

/// The field of whoever connects: there may be any number of them.
const CLIENT: &str = "client";

/// The field of one connection.
const PEER: &str = "peer";

/// An event of tracing that owns its values.
#[derive(Clone, Debug)]
pub(super) struct Record {
    metadata: &'static Metadata<'static>,
    pub(super) time: DateTime<Utc>,
    /// In the order of the fields.
    values: Vec<Option<String>>,
    /// Of the meters it is about.
    spans: Vec<MeterSpan>,
}

/// What records have in common that say the same of the same thing: the place in the code, and the
/// meters, and all fields but the message and the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind(Identifier, Vec<String>, Vec<Option<String>>);

impl Record {
    pub(super) fn of(event: &Event<'_>, spans: Vec<MeterSpan>, time: DateTime<Utc>) -> Self {
        let metadata = event.metadata();
        let mut values = Values(vec![None; metadata.fields().len()]);
        event.record(&mut values);
        let mut record = Self { metadata, time, values: values.0, spans };
        let meters = record.meters().join(", ");
        if let Some(message) = record.message_mut().filter(|_| !meters.is_empty()) {
            message.insert_str(0, &format!("{meters}: "));
        }
        record
    }

    pub(super) fn level(&self) -> Level {
        *self.metadata.level()
    }

    pub(super) fn message(&self) -> &str {
        self.message_place()
            .and_then(|place| self.values.get(place)?.as_deref())
            .unwrap_or_default()
    }

    /// Whether it says what one connection does.
    pub(super) fn is_of_connection(&self) -> bool {
        self.metadata.fields().field(PEER).is_some()
    }

    /// Adds a remark to the message.
    pub(super) fn remark(&mut self, text: &str) {
        if let Some(message) = self.message_mut() {
            message.push_str(text);
        }
    }

    pub(super) fn kind(&self) -> Kind {
        let mut fields = self.values.clone();
        for (field, value) in self.metadata.fields().iter().zip(&mut fields) {
            if [MESSAGE, CLIENT].contains(&field.name()) {
                *value = None;
            }
        }
        Kind(self.metadata.callsite(), self.meters(), fields)
    }

    /// The kind of all records from the same place in the code.
    pub(super) fn callsite(&self) -> Kind {
        Kind(self.metadata.callsite(), Vec::new(), Vec::new())
    }

    /// Hands it on as the event it was, in its spans. A span that closes looks for the one around it
    /// in the default subscriber, so that must be theirs. While an event is under way, as where lost
    /// lines are reported, the default cannot be changed; there are no spans then.
    pub(super) fn replay(&self, to: &Dispatch) {
        if self.spans.is_empty() {
            self.replay_in_spans(to);
        } else {
            tracing::dispatcher::with_default(to, || self.replay_in_spans(to));
        }
    }

    fn replay_in_spans(&self, to: &Dispatch) {
        let mut spans: Vec<Id> = Vec::new();
        for span in &self.spans {
            let span = span.open(to, spans.last());
            // The journal's layer looks at the span it is in, not at that of the event.
            to.enter(&span);
            spans.push(span);
        }
        let values: Vec<_> = self
            .values
            .iter()
            .map(|value| value.as_ref().map(|value| value as &dyn Value))
            .collect();
        let values = self.metadata.fields().value_set_all(&values);
        to.event(&Event::new(self.metadata, &values));
        for span in spans.into_iter().rev() {
            to.exit(&span);
            to.try_close(span);
        }
    }

    /// The names of the meters it is about.
    fn meters(&self) -> Vec<String> {
        self.spans.iter().map(|span| span.meter.clone()).collect()
    }

    fn message_mut(&mut self) -> Option<&mut String> {
        let place = self.message_place()?;
        self.values.get_mut(place)?.as_mut()
    }

    fn message_place(&self) -> Option<usize> {
        self.metadata.fields().field(MESSAGE).map(|field| field.index())
    }
}

struct Values(Vec<Option<String>>);

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(place) = self.0.get_mut(field.index()) {
            *place = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
