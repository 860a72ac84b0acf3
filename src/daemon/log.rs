//! What is logged about a meter.

use super::running::Prefix;
use crate::meter::{Condition, Image, news::CounterEvent};

/// Logs news of a counter of this meter.
pub(crate) fn counter(meter: Option<&str>, event: &CounterEvent) {
    let (key, phase) = (event.point.measurand.key(), event.point.phase);
    let name = Prefix(meter);
    if event.news.is_good() {
        tracing::info!(meter, key, %phase, "{name}{event}");
    } else {
        tracing::warn!(meter, key, %phase, "{name}{event}");
    }
}

/// Logs that values of this meter are beyond what its model can hold, or are not any more.
pub(crate) fn saturation(meter: Option<&str>, image: &Image) {
    let name = Prefix(meter);
    if image.saturated.is_empty() {
        tracing::info!(meter, "{name}all values fit model 203 again");
    } else {
        let quantities = image.saturated.join(", ");
        tracing::warn!(
            meter,
            "{name}beyond what model 203 can hold with this max_power: {quantities}; its limit is served"
        );
    }
}

/// Logs a change of condition of this meter.
pub(crate) fn condition(meter: Option<&str>, image: &Image) {
    let name = Prefix(meter);
    let overdue = image.overdue.join(", ");
    match image.condition {
        Condition::Live => tracing::info!(meter, "{name}data is live"),
        Condition::Stale if image.overdue.is_empty() => tracing::warn!(
            meter,
            "{name}data is stale: the powers add up to more than max_power; on_stale applies"
        ),
        Condition::Stale => tracing::warn!(
            meter,
            "{name}data is stale: {overdue} not confirmed for too long; on_stale applies"
        ),
        Condition::Waiting => tracing::warn!(meter, "{name}waiting for {overdue}"),
    }
}
