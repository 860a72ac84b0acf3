//! What is valid, and probably not meant.

use super::Finding;
use crate::{
    config::{Config, ConfiguredMeter},
    meter::binding,
    persistence::store,
    system::units::{self, Unit},
};

/// The ports where an inverter accepts a meter. 0 is any free one, which is for trials.
const PORTS: [u16; 3] = [0, 502, 1502];

/// What shows in the configuration alone.
pub(super) fn of_the_file(config: &Config) -> Vec<Finding> {
    let each = config.meters.iter().flat_map(|meter| {
        let phases = binding::warning(&meter.bindings).map(Finding::warning);
        [phases, port(meter)].into_iter().flatten().map(|finding| finding.at(meter))
    });
    each.collect()
}

/// An address where no inverter would find the meter.
fn port(meter: &ConfiguredMeter) -> Option<Finding> {
    let remedy = "set modbus_listen: 0.0.0.0:1502, or leave it out for port 502";
    let other = meter.listen.iter().find(|address| !PORTS.contains(&address.port()));
    if let Some(address) = other {
        let text =
            format!("{address}: Fronius inverters accept a meter on ports 502 and 1502 only");
        return Some(Finding::warning(text).remedy(remedy));
    }
    let is_local = !meter.listen.is_empty() && meter.listen.iter().all(|a| a.ip().is_loopback());
    let text = || {
        format!(
            "{}: only this machine can reach that",
            meter.listen.first().map_or(String::new(), ToString::to_string)
        )
    };
    is_local.then(|| Finding::warning(text()).remedy(remedy))
}

/// What shows in the configuration and on this machine.
pub(super) fn of_the_place(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if store::directory(config.state_dir.as_deref()).is_none()
        && units::meter_socket() == Unit::Missing
    {
        let text = "there is no state_dir, so the counters do not survive a restart";
        findings.push(Finding::warning(text).remedy("set one, such as state_dir: state"));
    }
    findings.extend(config.meters.iter().filter_map(serial));
    findings
}

/// Where the serial number comes from, unless the configuration gives it.
fn serial(meter: &ConfiguredMeter) -> Option<Finding> {
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
