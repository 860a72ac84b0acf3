//! The sections into which the Home Assistant add-on sorts its options since its version 1.0.

/// Section, key, and the name by which the key is taken: that of the flat file, or one with a dot
/// where the flat file has no such key.
const KEYS: [(&str, &str, &str); 14] = [
    ("data", "source", "data.source"),
    ("data", "host", "data.host"),
    ("data", "access_token", "data.access_token"),
    ("modbus", "modbus_tcp_address", "modbus_tcp_address"),
    ("modbus", "connected_phase", "connected_phase"),
    ("smartmeter_energy", "energy_counter_out", "energy_counter_out"),
    ("smartmeter_energy", "min_energy_threshold", "min_energy_threshold"),
    ("smartmeter_livedata", "current_voltage", "current_voltage"),
    ("smartmeter_livedata", "current_current", "current_current"),
    ("smartmeter_livedata", "current_power", "current_power"),
    ("smartmeter_livedata", "current_frequency", "current_frequency"),
    ("general", "loglevel", "loglevel"),
    ("general", "time_zone", "time_zone"),
    ("debug", "modbus_requests", "debug.modbus_requests"),
];

/// The section that a key at the root opens, if it does.
pub(super) fn named(key: &str) -> Option<&'static str> {
    KEYS.iter().map(|(section, ..)| *section).find(|section| *section == key)
}

/// The keys of a section, each with the name by which it is taken.
pub(super) fn keys(section: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().filter(move |(known, ..)| *known == section).map(|(_, key, name)| (*key, *name))
}
