//! Where a meter listens.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
};

use crate::modbus;

use super::{document::Part, entries::Entries, values};

/// Takes the addresses. None given means port 502 on all of them.
pub(super) fn read(entries: &mut Entries<'_>) -> Vec<SocketAddr> {
    const EXPECTED: &str =
        "a port from 1 to 65535, or an IP address with a port, such as 0.0.0.0:502 or [::]:502";
    let Some(entry) = entries.take("modbus_listen") else { return Vec::new() };
    let mut addresses = Vec::new();
    for element in entry.elements() {
        let Some(address) = entries.parse(&element, EXPECTED, address) else { continue };
        if let Some(other) = addresses.iter().find(|other| overlap(address, **other)) {
            let message = format!("overlaps with {other}, which is listed already");
            entries.note(&element, Part::Value, message);
        }
        addresses.push(address);
    }
    addresses
}

/// All that a meter's addresses take: `[::]` includes IPv4 where that is not listed for the same port.
pub(super) fn all_taken(listed: &[SocketAddr]) -> Vec<SocketAddr> {
    let any_v6 = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let mut taken = listed.to_vec();
    if taken.is_empty() {
        taken.push(any_v6(modbus::PORT));
    }
    let is_v4 = |port| listed.iter().any(|other| other.is_ipv4() && other.port() == port);
    let both = taken.iter().map(SocketAddr::port).filter(|port| !is_v4(*port));
    let both: Vec<_> = both.filter(|port| taken.contains(&any_v6(*port))).collect();
    taken.extend(both.into_iter().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))));
    taken
}

/// A port alone is meant on all addresses.
fn address(text: &str) -> Option<SocketAddr> {
    let port = || values::parse::<NonZeroU16>(text);
    values::parse(text).or_else(|| Some((Ipv6Addr::UNSPECIFIED, port()?.get()).into()))
}

/// Whether the system would not let one program listen on both. `[::]` gives way to IPv4 addresses.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_port = one.port() == other.port() && one.is_ipv4() == other.is_ipv4();
    let either_is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is another one each time.
    one.port() != 0 && (one == other || same_port && either_is_any)
}
