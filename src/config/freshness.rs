//! The keys that say until when a value is fresh.

use std::time::Duration;

use super::{entries::Entries, values};
use crate::meter::reading::Freshness;

/// Takes the keys. Values polled at this interval must be able to stay fresh.
pub(super) fn read(entries: &mut Entries<'_>, poll_interval: Duration) -> Freshness {
    let least = poll_interval.saturating_mul(2).max(Duration::from_secs(1));
    let millis = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
    let stale_after = values::duration(entries, "stale_after", millis, 86_400);
    Freshness {
        stale_after: stale_after.unwrap_or(Freshness::default().stale_after.max(least)),
        item_max_age: values::duration(entries, "item_max_age", 10_000, 604_800),
    }
}
