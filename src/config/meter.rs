//! The keys of the meter.

use super::{entries::Entries, values};
use crate::meter::{
    MeterConfig, OnStale, Role,
    binding::Binding,
    reading::Measurand,
    sunspec::{Identity, MeterModel},
};

/// Takes the SunSpec model of the values.
pub(super) fn model(entries: &mut Entries<'_>) -> MeterModel {
    let models = [("213", MeterModel::Float), ("203", MeterModel::Integer)];
    values::choice(entries, "sunspec_model", &models).unwrap_or(MeterModel::Float)
}

/// Takes the size of the plant, in W.
pub(super) fn max_power_w(entries: &mut Entries<'_>, model: MeterModel) -> f64 {
    let watts = entries.take("max_power").and_then(|entry| {
        let fits = |watts| (100.0..=1e7).contains(&watts);
        values::number(entries, &entry, "W, from 100 to 10000000", fits)
    });
    watts.unwrap_or(model.default_max_power_w())
}

/// Takes the keys of the meter whose values come from there.
pub(super) fn read(
    entries: &mut Entries<'_>,
    bindings: &[Binding],
    model: MeterModel,
    max_power_w: f64,
    serial_number: Option<String>,
) -> MeterConfig {
    let role =
        values::choice(entries, "role", &[("producer", Role::Producer), ("grid", Role::Grid)]);
    let role = role.unwrap_or(Role::Producer);
    let on_stale = values::choice(
        entries,
        "on_stale",
        &[
            ("zero", OnStale::Zero),
            ("exception", OnStale::Exception),
            ("hold", OnStale::Hold),
            ("disconnect", OnStale::Disconnect),
        ],
    );
    // An inverter asleep is the daily case of a producer; a grid meter that is silent is a fault.
    let default_on_stale = match role {
        Role::Producer => OnStale::Zero,
        Role::Grid => OnStale::Exception,
    };
    let min_energy_kwh = entries.take("min_energy_threshold").and_then(|entry| {
        values::number(entries, &entry, "kWh, 0 or more", |kwh| (0.0..=1e6).contains(&kwh))
    });
    MeterConfig {
        role,
        identity: identity(entries, role, bindings, serial_number),
        model,
        on_stale: on_stale.unwrap_or(default_on_stale),
        min_energy_wh: min_energy_kwh.unwrap_or(0.1) * 1000.0,
        max_power_w,
    }
}

fn identity(
    entries: &mut Entries<'_>,
    role: Role,
    bindings: &[Binding],
    serial_number: Option<String>,
) -> Identity {
    // As real meters have them; `Opt` is the place of the meter in the plant.
    let options = match role {
        Role::Producer => "<secondary>",
        Role::Grid => "<primary>",
    };
    let address = entries
        .value("modbus_tcp_address", "a number from 0 to 247", |text| {
            values::parse(text).filter(|address| *address <= 247)
        })
        .unwrap_or(1);
    Identity {
        manufacturer: values::text(entries, "manufacturer", 32).unwrap_or("Fronius".to_owned()),
        model: values::text(entries, "model", 32).unwrap_or("Smart Meter IP".to_owned()),
        options: values::text(entries, "options", 16).unwrap_or(options.to_owned()),
        version: values::text(entries, "version", 16).unwrap_or("2.9".to_owned()),
        serial_number: serial_number.unwrap_or_else(|| default_serial(address, bindings)),
        address,
    }
}

/// Eleven digits that stay the same over restarts and moves, and differ between two meters of a
/// plant: FNV-1a of the energy items' names, of a list the first one's, and the address.
fn default_serial(address: u8, bindings: &[Binding]) -> String {
    let hash = serial_items(bindings)
        .flat_map(str::bytes)
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:08}{address:03}", hash.checked_rem(100_000_000).unwrap_or_default())
}

/// The items whose names are in the default serial number.
pub(super) fn serial_items(bindings: &[Binding]) -> impl Iterator<Item = &str> {
    bindings
        .iter()
        .filter(|binding| binding.point.measurand == Measurand::EnergyOut && binding.member == 0)
        .map(|binding| binding.item.as_str())
}
