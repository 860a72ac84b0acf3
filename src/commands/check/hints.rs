//! What is valid, and probably not meant.

use super::Finding;
use crate::{
    config::{Config, ConfiguredMeter},
    meter::binding,
    modbus,
    persistence::store,
    system::units::{self, Unit},
};

/// Energy and power of different phases.
pub(super) fn phases(config: &Config) -> impl Iterator<Item = Finding> {
    config
        .meters
        .iter()
        .filter_map(|meter| Some(Finding::warning(binding::warning(&meter.bindings)?).at(meter)))
}

/// Addresses where no inverter would find a meter.
pub(super) fn ports(config: &Config) -> impl Iterator<Item = Finding> {
    config.meters.iter().filter_map(port)
}

fn port(meter: &ConfiguredMeter) -> Option<Finding> {
    // 0 is any free one, which is for trials.
    let is_odd = |port: u16| port != 0 && !modbus::is_accepted(port);
    let odd = meter.listen.iter().find(|address| is_odd(address.port()));
    let is_local =
        meter.listen.iter().all(|address| address.ip().is_loopback() && address.port() != 0);
    let local = meter.listen.first().filter(|_| is_local);
    let text = match (odd, local) {
        (Some(odd), _) => {
            format!("Fronius inverters accept a meter on ports 502 and 1502 only, not at {odd}")
        }
        (None, Some(local)) => format!("nobody but this machine can reach {local}"),
        (None, None) => return None,
    };
    let remedy = match meter.name {
        None => "set modbus_listen: 0.0.0.0:1502, or leave it out for port 502",
        Some(_) => "give it an address of its own, such as 192.168.1.21:502",
    };
    Some(Finding::warning(text).at(meter).remedy(remedy))
}

/// Without a directory there is nothing to go on from after a restart. Under systemd the unit makes one.
pub(super) fn state_dir(config: &Config) -> Option<Finding> {
    let has_directory = store::directory(config.state_dir.as_deref()).is_some();
    let is_remembered = has_directory || units::meter_socket() != Unit::Missing;
    let text = "there is no state_dir, so the counters do not survive a restart";
    let warning = || Finding::warning(text).remedy("set one, such as state_dir: state");
    (!is_remembered).then(warning)
}

/// Where the serial number comes from, unless the configuration gives it.
pub(super) fn serial(meter: &ConfiguredMeter) -> Option<Finding> {
    let (names, remedy) = match meter.serial_items().as_slice() {
        [] => return None,
        [item] => (format!("the name of {item}"), "set serial_number before you rename it"),
        items => {
            let items = items.join(", ");
            (format!("the names of {items}"), "set serial_number before you rename one")
        }
    };
    let serial = &meter.config.identity.serial_number;
    let note = Finding::note(format!("serial number {serial} comes from {names}"));
    Some(note.at(meter).remedy(remedy))
}
