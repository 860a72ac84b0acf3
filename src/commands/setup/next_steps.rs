//! What to do with a new configuration: start the service, and add the meter to the inverter.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::Path,
};

use super::{
    answers::Answers,
    args::{Host, SYSTEM_CONFIG},
    file::{Files, shell_word},
};
use crate::{meter::Role, modbus, system::units};

/// What to do next.
pub(super) fn next_steps(files: &Files<'_>) -> String {
    let Files { path, host, answers, .. } = files;
    let mut text = format!("\n{} is written.\n\n", shell_word(path));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", start(files));
    text.push_str(&inverter(answers, *host));
    text
}

/// How to start the service with it.
fn start(files: &Files<'_>) -> String {
    let enable = format!("  sudo {}\n", units::ENABLE);
    let path = shell_word(files.path);
    match files.host {
        Host::User => format!("Start it:\n\n  fronius-smartmeter --config {path}\n"),
        Host::System => format!("Start the service, now and at every boot:\n\n{enable}"),
        Host::SystemLater => {
            let token = files.token_to_install();
            let token = token.map(|(from, to)| install(600, &from, &to)).unwrap_or_default();
            let config = install(644, files.path, Path::new(SYSTEM_CONFIG));
            format!(
                "Install it, and start the service, now and at every boot:\n\n{config}{token}{enable}"
            )
        }
    }
}

/// The command that installs a file with these permissions, as digits.
fn install(mode: u16, from: &Path, to: &Path) -> String {
    format!("  sudo install -Dm {mode} {} {}\n", shell_word(from), to.display())
}

/// What to type into the inverter.
fn inverter(answers: &Answers, host: Host) -> String {
    let (place, unit) = match answers.role {
        Role::Producer => {
            ("secondary meter, for a producer", "2 to 14: keep what the dialog offers")
        }
        Role::Grid => ("primary meter, at the feed-in point", "1"),
    };
    let port = answers.port.filter(|_| host == Host::User).unwrap_or(modbus::PORT);
    let address = own_address().map_or("that of this machine".to_owned(), |own| own.to_string());
    format!(
        "Then add the meter in the inverter's web interface, under\n\
         Device configuration → Components → Add → Smart Meter IP:\n\n  \
         place            {place}\n  \
         IP address       {address}\n  \
         port             {port}\n  \
         Modbus address   {unit}\n\n\
         Soon the log says that the inverter polls.\n"
    )
}

/// The address of this machine in its network: the one it would send from. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    // An address of the documentation, which is as far away as the inverter's maker.
    const FAR: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(FAR).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}
