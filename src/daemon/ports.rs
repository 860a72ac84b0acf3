//! Which meters are served where.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::{
    config::ConfiguredMeter,
    system::{
        listeners::{self, ListenError},
        logging,
        systemd::Inherited,
    },
};

/// The sockets of one or more meters. Several are told apart by unit id.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) listeners: Vec<TcpListener>,
    /// Places in the list of meters.
    pub(super) meters: Vec<usize>,
}

/// Why meters cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The other meters have sockets of systemd, and this one cannot open its own.
    #[error(
        "{error}\nThe meter {name} has no socket from systemd: enable fronius-smartmeter@{name}.socket, \
         with a ListenStream= of its own"
    )]
    NoSocket {
        /// The name of the meter.
        name: String,
        /// Why it cannot open one.
        error: ListenError,
    },
    /// A socket of systemd is for nobody.
    #[error(
        "systemd has passed a socket named {name:?}, and there is no such meter; FileDescriptorName= \
         of its unit must be one of: {known}"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// The names that there may be.
        known: String,
    },
}

/// The name of the shipped socket, which is that of the first meter.
const SHIPPED: &str = "modbus";

/// Opens the ports of these meters: those passed by systemd, by the meter's name, and for the others
/// the configured addresses. If there is only one meter, every socket passed is its own.
///
/// # Errors
/// Returns an error if a socket cannot be opened, or has another name than every meter.
pub(super) fn open(
    meters: &[ConfiguredMeter],
    inherited: Vec<Inherited>,
) -> Result<Vec<Port>, PortError> {
    let is_inherited = !inherited.is_empty();
    let mut ports: Vec<Port> = Vec::new();
    for (place, meter) in meters.iter().enumerate() {
        let shared = |port: &&mut Port| {
            let first = port.meters.first().and_then(|first| meters.get(*first));
            first.is_some_and(|first| first.listen == meter.listen)
        };
        match ports.iter_mut().find(shared) {
            Some(port) => port.meters.push(place),
            None => ports.push(Port { listeners: Vec::new(), meters: vec![place] }),
        }
    }
    for Inherited { name, listener } in inherited {
        tracing::debug!(name, "systemd has passed a socket named {name:?}");
        let listener = listeners::adopt(listener)?;
        let port = match ports.as_mut_slice() {
            [only] if meters.len() == 1 => Some(only),
            all => all.iter_mut().find(|port| {
                port.meters.iter().any(|place| {
                    let own = meters.get(*place).and_then(|meter| meter.name.as_ref());
                    own == Some(&name) || *place == 0 && name == SHIPPED
                })
            }),
        };
        match port {
            Some(port) => port.listeners.push(listener),
            None => return Err(PortError::Unknown { name, known: names(meters) }),
        }
    }
    for port in &ports {
        warn_of_unused(port, meters);
    }
    for port in ports.iter_mut().filter(|port| port.listeners.is_empty()) {
        if let Some(first) = port.meters.first().and_then(|first| meters.get(*first)) {
            port.listeners = match (listeners::open(&first.listen), &first.name) {
                (Err(error), Some(name)) if is_inherited => {
                    return Err(PortError::NoSocket { name: name.clone(), error });
                }
                (opened, _) => opened?,
            };
        }
    }
    Ok(ports)
}

/// Warns of addresses that are configured, and not used because systemd has passed other sockets.
fn warn_of_unused(port: &Port, meters: &[ConfiguredMeter]) {
    let own = || port.meters.iter().filter_map(|place| meters.get(*place));
    let passed: Vec<_> = port.listeners.iter().flat_map(TcpListener::local_addr).collect();
    let is_unused = |address: &SocketAddr| !passed.is_empty() && !passed.contains(address);
    if own().flat_map(|meter| &meter.listen).any(is_unused) {
        let passed = passed.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
        logging::about(own().filter_map(|meter| meter.name.as_deref())).in_scope(|| {
            tracing::warn!(
                "modbus_listen is not used: ListenStream= of the socket unit says where to listen, which \
                 is {passed}"
            );
        });
    }
}

fn names(meters: &[ConfiguredMeter]) -> String {
    let names = meters.iter().filter_map(|meter| meter.name.as_deref());
    names.chain(["status"]).collect::<Vec<_>>().join(", ")
}
