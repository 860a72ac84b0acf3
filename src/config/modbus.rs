//! The keys of the Modbus server.

use std::time::Duration;

use super::{entries::Entries, values};
use crate::modbus::{ServerConfig, UnitIds};

const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

pub(super) fn read(entries: &mut Entries<'_>) -> ServerConfig {
    let unit_ids =
        values::choice(entries, "unit_ids", &[("any", UnitIds::Any), ("strict", UnitIds::Strict)]);
    let max_connections = entries.value("max_connections", "a number from 1 to 1000", |text| {
        values::parse::<usize>(text).filter(|count| (1..=1000).contains(count))
    });
    ServerConfig {
        unit_ids: unit_ids.unwrap_or(UnitIds::Any),
        max_connections: max_connections.unwrap_or(64),
        idle_timeout: values::duration(entries, "idle_timeout", 1000, 86_400)
            .unwrap_or(IDLE_TIMEOUT),
    }
}
