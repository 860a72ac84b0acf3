//! The waits between attempts to reach a source.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// Half a second at first, and 4 s at most; the jitter adds up to as much again. A refused
/// connection costs nothing, and nobody should wait longer than that for values.
pub(super) fn new_backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .without_max_times()
        .with_jitter()
        .build()
}

/// The end of a pause that begins at `time`.
pub(super) fn later(time: Instant, pause: Duration) -> Instant {
    time.checked_add(pause).unwrap_or(time)
}
