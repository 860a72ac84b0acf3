//! What is logged about a meter.

use crate::meter::{Condition, Image, news::CounterEvent};

/// Logs news of a counter.
pub(crate) fn counter(event: &CounterEvent) {
    let (key, phase) = (event.point.measurand.key(), event.point.phase);
    if event.news.is_good() {
        tracing::info!(key, %phase, "{event}");
    } else {
        tracing::warn!(key, %phase, "{event}");
    }
}

/// Logs that values are beyond what the meter's model can hold, or are not any more.
pub(crate) fn saturation(image: &Image) {
    if image.saturated.is_empty() {
        tracing::info!("all values fit model 203 again");
    } else {
        let quantities = image.saturated.join(", ");
        tracing::warn!(
            "beyond what model 203 can hold with this max_power: {quantities}; its limit is served"
        );
    }
}

/// Logs a change of condition.
pub(crate) fn condition(image: &Image) {
    let overdue = image.overdue.join(", ");
    match image.condition {
        Condition::Live => tracing::info!("data is live"),
        Condition::Stale if image.overdue.is_empty() => tracing::warn!(
            "data is stale: the powers add up to more than max_power; on_stale applies"
        ),
        Condition::Stale => {
            tracing::warn!("data is stale: {overdue} not confirmed for too long; on_stale applies");
        }
        Condition::Waiting => tracing::warn!("waiting for {overdue}"),
    }
}
