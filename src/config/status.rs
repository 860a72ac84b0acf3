//! The keys of the status page.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
};

use super::{ConfiguredMeter, app, document::Part, entries::Entries, listen, values};
use crate::status::{HostName, StatusAddress, StatusConfig};

/// The longest path of a Unix socket, in bytes.
const MAX_PATH: usize = 107;

/// Takes the keys, of a service with these meters.
pub(super) fn read(entries: &mut Entries<'_>, meters: &[ConfiguredMeter]) -> StatusConfig {
    StatusConfig { listen: addresses(entries, meters), hosts: hosts(entries) }
}

fn addresses(entries: &mut Entries<'_>, meters: &[ConfiguredMeter]) -> Vec<StatusAddress> {
    const EXPECTED: &str = "a port of localhost such as 8502, an IP address with a port, or the \
                            path of a Unix socket such as /run/fronius-smartmeter/status.sock";
    let Some(entry) = entries.take("status_listen") else {
        let ingress = app::is_here().then_some(StatusAddress::Ingress(app::INGRESS_PORT));
        return ingress.into_iter().collect();
    };
    let mut addresses: Vec<StatusAddress> = Vec::new();
    for element in entry.elements() {
        let Some(address) = entries.parse(&element, EXPECTED, address) else { continue };
        if let Some(other) = addresses.iter().find(|other| overlap(&address, other)) {
            let message = format!("overlaps with {other}, which is listed already");
            entries.note(&element, Part::Value, message);
        } else if meters.iter().any(|meter| is_among(&address, &listen::all_taken(&meter.listen))) {
            let message = "overlaps with modbus_listen, so choose another port";
            entries.note(&element, Part::Value, message.to_owned());
        }
        addresses.push(address);
    }
    addresses
}

fn address(text: &str) -> Option<StatusAddress> {
    if text.starts_with('/') {
        let fits = text.len() <= MAX_PATH && !text.ends_with('/') && !text.contains('\0');
        return fits.then(|| StatusAddress::Unix(text.into()));
    }
    let port = || values::parse::<NonZeroU16>(text);
    let address = values::parse(text).map(StatusAddress::Tcp);
    address.or_else(|| Some(StatusAddress::Loopback(port()?.get())))
}

/// Whether the system would not let one program listen on both.
fn overlap(one: &StatusAddress, other: &StatusAddress) -> bool {
    match (one, other) {
        (StatusAddress::Unix(one), StatusAddress::Unix(other)) => one == other,
        _ => is_among(one, &taken(other)),
    }
}

fn is_among(address: &StatusAddress, others: &[SocketAddr]) -> bool {
    taken(address).iter().any(|one| others.iter().any(|other| listen::overlap(*one, *other)))
}

/// The ports that it takes.
fn taken(address: &StatusAddress) -> Vec<SocketAddr> {
    match address {
        StatusAddress::Loopback(port) => {
            vec![(Ipv4Addr::LOCALHOST, *port).into(), (Ipv6Addr::LOCALHOST, *port).into()]
        }
        StatusAddress::Tcp(address) => vec![*address],
        StatusAddress::Ingress(port) => vec![(Ipv4Addr::UNSPECIFIED, *port).into()],
        StatusAddress::Unix(_) => Vec::new(),
    }
}

fn hosts(entries: &mut Entries<'_>) -> Vec<HostName> {
    const EXPECTED: &str = "a host name without a port, such as meter.example.org";
    let Some(entry) = entries.take("status_hosts") else { return Vec::new() };
    let elements = entry.elements().into_iter();
    elements.filter_map(|element| entries.parse(&element, EXPECTED, values::parse)).collect()
}
