//! The ports: whether the service could open them, and who else has.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use sunspec::models::model1::Model1;
use tokio::time::timeout;

use super::Finding;
use crate::{
    client::MeterClient,
    config::{Config, ConfiguredMeter},
    meter::OnStale,
    status::listener,
    system::{
        listeners::{self, ListenError, reachable},
        units::{self, Unit},
    },
};

/// The most time for a meter to say what it is.
const LIMIT: Duration = Duration::from_secs(3);

/// What is to be said of all ports.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let unit = units::meter_socket();
    let mut findings = Vec::new();
    let mut is_running = false;
    for (place, meter) in config.meters.iter().enumerate() {
        if config.meters.iter().take(place).any(|before| before.listen == meter.listen) {
            continue;
        }
        let finding = match listeners::check(&meter.listen) {
            Err(error) if error.source.kind() == io::ErrorKind::AddrInUse => {
                let sharing: Vec<_> =
                    config.meters.iter().filter(|other| other.listen == meter.listen).collect();
                let (is_own, finding) = taken(error.address, meter, &sharing, unit).await;
                is_running |= is_own;
                Some(finding)
            }
            _ if unit == Unit::Enabled => systemd(meter, place == 0),
            checked => checked.err().map(|error| refused(&error, unit)),
        };
        findings.extend(finding.map(|finding| finding.at(meter)));
    }
    findings.extend(status(config, is_running));
    findings
}

/// Socket units of systemd open the ports.
fn systemd(meter: &ConfiguredMeter, is_first: bool) -> Option<Finding> {
    let shipped = units::METER_SOCKET;
    if is_first {
        return Some(Finding::note(if meter.listen.is_empty() {
            format!("systemd opens port 502 ({shipped})")
        } else {
            format!("{shipped} opens the port, so modbus_listen is not used")
        }));
    }
    let name = format!("fronius-smartmeter@{}.socket", meter.name.as_deref()?);
    let text = "systemd opens no port for this meter";
    let remedy = format!("enable {name}, with a ListenStream= of its own");
    let is_missing = units::socket(&name) != Unit::Enabled;
    is_missing.then(|| Finding::warning(text).remedy(remedy))
}

/// The system does not let this user open it.
fn refused(ListenError { address, source }: &ListenError, unit: Unit) -> Finding {
    let text = format!("{address} cannot be opened: {source}");
    if unit == Unit::Disabled {
        let remedy = format!("let systemd open the port: {}", units::ENABLE);
        return Finding::warning(text).remedy(remedy);
    }
    match source.kind() {
        io::ErrorKind::PermissionDenied => Finding::failure(text).remedy(
            "set modbus_listen: 0.0.0.0:1502, which Fronius inverters also accept, or install the \
             systemd units, which open port 502",
        ),
        io::ErrorKind::AddrNotAvailable => {
            Finding::failure(text).remedy("set modbus_listen to an address that this machine has")
        }
        _ => Finding::failure(text),
    }
}

/// Somebody listens there. Also says whether it is probably this service.
async fn taken(
    address: SocketAddr,
    meter: &ConfiguredMeter,
    sharing: &[&ConfiguredMeter],
    unit: Unit,
) -> (bool, Finding) {
    match who(address, meter.config.identity.address).await {
        Some(found) => {
            if sharing.iter().any(|meter| meter.config.identity.serial_number == found.sn) {
                let text = format!("the service runs already: its meter answers at {address}");
                return (true, Finding::note(text));
            }
            by_meter(address, &found, unit)
        }
        None => by_stranger(address, meter.config.on_stale, unit),
    }
}

const STOP_IT: &str = "stop it, or set modbus_listen to another address or port";

/// A meter of another serial number has the address.
fn by_meter(
    address: SocketAddr,
    Model1 { mn, md, sn, .. }: &Model1,
    unit: Unit,
) -> (bool, Finding) {
    let text =
        format!("another meter ({mn} {md}, serial number {sn}) already answers at {address}");
    if unit == Unit::Missing {
        return (false, Finding::failure(text).remedy(STOP_IT));
    }
    let remedy = "if it is the service with its old configuration, restart it";
    (true, Finding::warning(text).remedy(remedy))
}

/// What has the address does not answer as a meter. Nor does a service that does not start, or that
/// closes each connection while its data is stale.
fn by_stranger(address: SocketAddr, on_stale: OnStale, unit: Unit) -> (bool, Finding) {
    if on_stale != OnStale::Disconnect && unit == Unit::Missing {
        let text = format!("another program listens at {address}, and does not answer as a meter");
        return (false, Finding::failure(text).remedy(STOP_IT));
    }
    let text = format!("{address} is taken, and no meter answers there");
    let remedy =
        "see in the log of the service whether it is that, or whether another program has it";
    (true, Finding::warning(text).remedy(remedy))
}

/// The meter that answers there, if one does in time.
async fn who(address: SocketAddr, unit: u8) -> Option<Model1> {
    // What has only the IPv4 half of all addresses is in the way of both.
    let both = address.is_ipv6() && address.ip().is_unspecified();
    let v4 = both.then(|| (Ipv4Addr::LOCALHOST, address.port()).into());
    for address in [Some(reachable(address)), v4].into_iter().flatten() {
        let ask = async { MeterClient::connect(&address.to_string(), unit).await?.common().await };
        if let Ok(Ok(found)) = timeout(LIMIT, ask).await {
            return Some(found);
        }
    }
    None
}

/// The addresses of the status page. They are those of the service itself while it runs.
fn status(config: &Config, is_running: bool) -> Option<Finding> {
    let error = listener::open(&config.status.listen, Vec::new()).err()?;
    let is_own = is_running && error.source.kind() == io::ErrorKind::AddrInUse;
    (!is_own).then(|| Finding::failure(error.to_string()))
}
