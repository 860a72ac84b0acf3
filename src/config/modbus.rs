//! The keys of the Modbus server.

use std::{net::SocketAddr, time::Duration};

use super::{document::Part, entries::Entries, values};
use crate::modbus::{ServerConfig, UnitIds};

const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

pub(super) fn read(entries: &mut Entries<'_>) -> ServerConfig {
    let unit_ids =
        values::choice(entries, "unit_ids", &[("any", UnitIds::Any), ("strict", UnitIds::Strict)]);
    let max_connections = entries.value("max_connections", "a number from 1 to 1000", |text| {
        values::parse::<usize>(text).filter(|count| (1..=1000).contains(count))
    });
    ServerConfig {
        listen: listen(entries),
        unit_ids: unit_ids.unwrap_or(UnitIds::Any),
        max_connections: max_connections.unwrap_or(64),
        idle_timeout: values::duration(entries, "idle_timeout", 1000, 86_400)
            .unwrap_or(IDLE_TIMEOUT),
    }
}

fn listen(entries: &mut Entries<'_>) -> Vec<SocketAddr> {
    const EXPECTED: &str = "address:port, such as 0.0.0.0:502 or [::]:502";
    let Some(entry) = entries.take("modbus_listen") else { return Vec::new() };
    let mut addresses = Vec::new();
    for element in entry.elements() {
        let Some(address) = entries.parse(&element, EXPECTED, values::parse) else { continue };
        if let Some(other) = addresses.iter().find(|other| overlap(address, **other)) {
            let message = format!("overlaps with {other}, which is listed already");
            entries.note(&element, Part::Value, message);
        }
        addresses.push(address);
    }
    addresses
}

/// Whether the system would not let one program listen on both. `[::]` gives way to IPv4 addresses.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_port = one.port() == other.port() && one.is_ipv4() == other.is_ipv4();
    let either_is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is another one each time.
    one.port() != 0 && (one == other || same_port && either_is_any)
}
