//! The meters: one, whose keys stand at the root, or a list of them.

use std::net::SocketAddr;

use super::{
    ConfiguredMeter, bindings, document::Part, entries::Entries, entry::Entry, listen, meter,
    sources::Sources, values,
};

/// What the list of meters may be.
const EXPECTED: &str = "a list of meters, each with a name and the keys of a meter";

/// The most meters. An inverter takes seven.
const MAX_METERS: usize = 32;

/// Names that mean something else among the sockets of systemd.
const RESERVED: [&str; 2] = ["modbus", "status"];

/// Takes the keys of all meters.
pub(super) fn read(entries: &mut Entries<'_>, sources: &Sources) -> Vec<ConfiguredMeter> {
    let Some(list) = entries.take("meters") else { return vec![one(entries, sources, None)] };
    let whole = list.place();
    let elements = if list.is_map() { Vec::new() } else { list.elements() };
    if elements.is_empty() || elements.len() > MAX_METERS {
        let message = format!("expected {EXPECTED}, at most {MAX_METERS}");
        entries.note(&whole, Part::Value, message);
        return Vec::new();
    }
    let mut meters: Vec<ConfiguredMeter> = Vec::new();
    let mut keys = Vec::new();
    for element in elements {
        let place = element.place();
        let meter = entries.map(element, EXPECTED, |entries| {
            let name = name(entries);
            let meter = one(entries, sources, Some(name.unwrap_or_default()));
            keys = entries.asked();
            meter
        });
        let Some(meter) = meter else { continue };
        if let Some(message) = meters.iter().find_map(|other| collision(&meter, other)) {
            entries.note(&place, Part::Key, message);
        }
        meters.push(meter);
    }
    entries.misplaced(&keys, "belongs to a meter: give it in the entries of meters");
    meters
}

fn one(entries: &mut Entries<'_>, sources: &Sources, name: Option<String>) -> ConfiguredMeter {
    let source = sources.of_meter(entries);
    let model = meter::model(entries);
    let max_power_w = meter::max_power_w(entries, model);
    let bindings = bindings::read(entries, source, max_power_w);
    let serial_number = values::text(entries, "serial_number", 32);
    let has_default_serial = serial_number.is_none();
    let config = meter::read(entries, &bindings, model, max_power_w, serial_number);
    let listen = listen::read(entries);
    ConfiguredMeter { name, config, has_default_serial, source, bindings, listen }
}

fn name(entries: &mut Entries<'_>) -> Option<String> {
    let expected = format!(
        "a name of a-z, 0-9, _ and -, of at most 32 characters, other than {}",
        RESERVED.join(" and ")
    );
    let entry: Entry = entries.require("name", &expected)?;
    entries.parse(&entry, &expected, |name| {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        let fits = (1..=32).contains(&name.len()) && name.chars().all(valid);
        (fits && !RESERVED.contains(&name)).then(|| name.to_owned())
    })
}

/// Why two meters cannot stand beside each other, if they cannot.
fn collision(meter: &ConfiguredMeter, other: &ConfiguredMeter) -> Option<String> {
    let name = other.name.as_deref().unwrap_or_default();
    let (own, its) = (&meter.config.identity, &other.config.identity);
    if meter.name == other.name && !name.is_empty() {
        return Some(format!("there is a meter {name} already; each needs a name of its own"));
    }
    if own.serial_number == its.serial_number {
        let serial = &own.serial_number;
        return Some(format!("has the serial_number {serial} of {name}; give it another"));
    }
    let is_shared = meter.listen == other.listen;
    let taken = listen::all_taken(&other.listen);
    let is_taken = |one: SocketAddr| taken.iter().any(|other| listen::overlap(one, *other));
    if !is_shared && listen::all_taken(&meter.listen).into_iter().any(is_taken) {
        return Some(format!(
            "listens partly where {name} does; give both the same modbus_listen, or none in common"
        ));
    }
    let addresses = [own.address, its.address];
    if is_shared && (own.address == its.address || addresses.contains(&0)) {
        return Some(format!(
            "listens where {name} does; give it another modbus_listen, or each a modbus_tcp_address of \
             its own, from 1 to 247"
        ));
    }
    None
}
