//! The units of systemd that may open our ports.

use std::{env, path::PathBuf};

/// The socket unit of the first meter, as every package installs it.
pub const METER_SOCKET: &str = "fronius-smartmeter.socket";

/// The command that starts the service now and at every boot, for root.
pub const ENABLE: &str =
    "systemctl enable --now fronius-smartmeter.socket fronius-smartmeter.service";

/// Where systemd looks for units by default.
const UNIT_PATH: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether systemd has a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// It has none.
    Missing,
    /// It has one that nobody has enabled.
    Disabled,
    /// It starts the unit at boot.
    Enabled,
}

/// How it is with [`METER_SOCKET`].
#[must_use]
pub fn meter_socket() -> Unit {
    socket(METER_SOCKET)
}

/// How it is with this socket unit. A masked one is a link to `/dev/null`.
#[must_use]
pub fn socket(name: &str) -> Unit {
    let folders = folders();
    // An instance is made of the template.
    let file = match name.split_once('@') {
        Some((unit, _)) => format!("{unit}@.socket"),
        None => name.to_owned(),
    };
    if !folders.iter().any(|folder| folder.join(&file).is_file()) {
        return Unit::Missing;
    }
    let wants = |folder: &PathBuf| folder.join("sockets.target.wants").join(name).is_file();
    if folders.iter().any(wants) { Unit::Enabled } else { Unit::Disabled }
}

/// The folders with units: systemd's own, or those that its variable names.
fn folders() -> Vec<PathBuf> {
    match env::var_os("SYSTEMD_UNIT_PATH") {
        Some(path) => env::split_paths(&path).filter(|folder| folder.is_absolute()).collect(),
        None => UNIT_PATH.map(PathBuf::from).to_vec(),
    }
}
