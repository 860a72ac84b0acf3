//! Which meters a line is about.

use tracing::{
    Dispatch, Metadata, Span,
    field::{Field, Value, Visit},
    span::{Attributes, Id},
};

/// The span of what concerns these meters. Lines in it begin with their names, and in the journal have
/// the field `METER=` for each. An only meter has no name, and its lines none.
pub fn about<'a>(meters: impl IntoIterator<Item = &'a str>) -> Span {
    // Of the highest level, so that no `loglevel` leaves it out.
    let inner = |outer: Span, meter| tracing::error_span!(parent: &outer, "meter", meter);
    meters.into_iter().fold(Span::none(), inner)
}

/// The span of one meter.
#[derive(Clone, Debug)]
pub(super) struct MeterSpan {
    metadata: &'static Metadata<'static>,
    pub(super) meter: String,
}

impl MeterSpan {
    /// The span that is created, if it is one of a meter.
    pub(super) fn of(attributes: &Attributes<'_>) -> Option<Self> {
        let mut meter = Meter(None);
        attributes.record(&mut meter);
        meter.0.map(|meter| Self { metadata: attributes.metadata(), meter })
    }

    /// Creates it again.
    pub(super) fn open(&self, to: &Dispatch, outer: Option<&Id>) -> Id {
        let meter: &dyn Value = &self.meter;
        let values = [Some(meter)];
        let values = self.metadata.fields().value_set_all(&values);
        to.new_span(&match outer {
            Some(outer) => Attributes::child_of(outer.clone(), self.metadata, &values),
            None => Attributes::new_root(self.metadata, &values),
        })
    }
}

struct Meter(Option<String>);

impl Visit for Meter {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "meter" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
