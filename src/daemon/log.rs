//! What is logged about a meter. The end of a fault has the level of its beginning.

use crate::{
    meter::{Availability, Condition, Image, news::CounterEvent},
    system::logging::log_end,
};

/// Logs news of a counter.
pub(crate) fn counter(event: &CounterEvent) {
    let (key, phase) = (event.point.measurand.key(), event.point.phase);
    tracing::warn!(key, %phase, "{event}");
}

/// Logs that values are beyond what the meter's model can hold, or are not any more.
pub(crate) fn saturation(image: &Image) {
    if image.saturated.is_empty() {
        tracing::warn!("all values fit model 203 again");
    } else {
        let quantities = image.saturated.join(", ");
        tracing::warn!(
            "beyond what model 203 can hold with this max_power: {quantities}; its limit is served"
        );
    }
}

/// Logs a change of condition from another one. At first the meter only waits, which is no fault.
pub(crate) fn condition(image: &Image, before: Condition) {
    let overdue = image.overdue.join(", ");
    let consequence = consequence(image);
    match image.condition {
        Condition::Live => log_end!(before == Condition::Stale, "data is live"),
        Condition::Stale if image.overdue.is_empty() => tracing::warn!(
            "data is stale: the powers add up to more than max_power; {consequence} (on_stale)"
        ),
        Condition::Stale => tracing::warn!(
            "data is stale: {overdue} not confirmed for too long; {consequence} (on_stale)"
        ),
        Condition::Waiting => tracing::warn!("waiting for {overdue}"),
    }
}

/// What a client gets of stale data.
fn consequence(image: &Image) -> &'static str {
    let has_power = image.measurements.is_some_and(|values| values.power.total != 0.0);
    match image.availability {
        Availability::Registers if has_power => "the last values are served",
        Availability::Registers => "0 W is served",
        Availability::Exception => "reads are refused",
        Availability::Disconnect => "connections are closed",
    }
}
