//! What the command line may say of `setup`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::value::Value;
use crate::{
    meter::{Role, reading::Measurand},
    source::SourceKind,
    system::units::{self, Unit},
};

/// The configuration of the system service, if that is installed and may be written.
pub(super) const SYSTEM_CONFIG: &str = "/etc/fronius-smartmeter/config.yaml";

/// What is given instead of asked for.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Address of the server, as in the configuration; which of the two it is need only be said if it
    /// is not recognised
    #[arg(required = true, num_args = 1..=2, value_name = "HOST")]
    target: Vec<String>,
    /// Configuration file to write [default: that of the system service if it is installed and this
    /// is root, else config.yaml]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask nothing. What no option gives must have a default, or exactly one item that fits
    #[arg(long)]
    pub(super) yes: bool,
    /// Replace the file if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// File with the API token of openHAB, or the long-lived access token of Home Assistant
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// PEM file with the certificates to trust for https://
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// What the meter measures
    #[arg(long, value_enum)]
    pub(super) role: Option<RoleArg>,
    /// Item with the energy generated; with --role grid, the energy exported
    #[arg(long, value_name = "ITEM")]
    pub(super) energy: Option<Value>,
    /// Item with the energy consumed; with --role grid, the energy imported
    #[arg(long, value_name = "ITEM")]
    pub(super) energy_in: Option<Value>,
    /// Item with the power
    #[arg(long, value_name = "ITEM")]
    pub(super) power: Option<Value>,
    /// Item with the voltage
    #[arg(long, value_name = "ITEM")]
    pub(super) voltage: Option<Value>,
    /// Item with the current
    #[arg(long, value_name = "ITEM")]
    pub(super) current: Option<Value>,
    /// Item with the frequency
    #[arg(long, value_name = "ITEM")]
    pub(super) frequency: Option<Value>,
    /// Phase the device is connected to
    #[arg(long, value_name = "1|2|3", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(super) phase: Option<u8>,
    /// The most power that can flow, in W
    #[arg(long, value_name = "WATTS", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub(super) max_power: Option<u32>,
    /// Port to serve the meter on, unless systemd opens one [default: 1502]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
}

/// The roles, as the configuration has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleArg {
    /// A generator, such as another inverter
    Producer,
    /// The grid connection
    Grid,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Producer => Self::Producer,
            RoleArg::Grid => Self::Grid,
        }
    }
}

/// Who will run the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// The system service, whose configuration is written.
    System,
    /// The system service, once its configuration is installed there.
    SystemLater,
    /// The user.
    User,
}

impl SetupArgs {
    /// The kind of the source, if it is given, and its address.
    pub(super) fn target(&self) -> Result<(Option<SourceKind>, &str), String> {
        match self.target.as_slice() {
            [host] => Ok((None, host)),
            [kind, host] => {
                let kinds = [SourceKind::OpenHab, SourceKind::HomeAssistant];
                let kind = kinds.into_iter().find(|known| known.key() == kind);
                let kind =
                    kind.ok_or("expected `setup openhab HOST` or `setup homeassistant HOST`")?;
                Ok((Some(kind), host))
            }
            _ => Err("expected the address of openHAB or Home Assistant".to_owned()),
        }
    }

    /// The file to write, and who will use it.
    pub(super) fn config(&self) -> (PathBuf, Host) {
        let system = Path::new(SYSTEM_CONFIG);
        // On NixOS it comes from the system's configuration.
        let is_installed =
            !Path::new("/etc/NIXOS").exists() && units::meter_socket() != Unit::Missing;
        let host = |path: &Path| match is_installed {
            true if path == system => Host::System,
            true => Host::SystemLater,
            false => Host::User,
        };
        let path = self.config.clone().unwrap_or_else(|| {
            let is_root = rustix::process::geteuid().is_root();
            if is_installed && is_root { system.to_owned() } else { "config.yaml".into() }
        });
        let host = host(&path);
        (path, host)
    }

    /// What is given for a measurand.
    pub(super) fn value(&self, measurand: Measurand) -> Option<&Value> {
        match measurand {
            Measurand::EnergyOut => self.energy.as_ref(),
            Measurand::EnergyIn => self.energy_in.as_ref(),
            Measurand::Power => self.power.as_ref(),
            Measurand::Voltage => self.voltage.as_ref(),
            Measurand::Current => self.current.as_ref(),
            Measurand::Frequency => self.frequency.as_ref(),
        }
    }
}

/// The option that gives a measurand.
pub(super) fn option(measurand: Measurand) -> &'static str {
    match measurand {
        Measurand::EnergyOut => "--energy",
        Measurand::EnergyIn => "--energy-in",
        Measurand::Power => "--power",
        Measurand::Voltage => "--voltage",
        Measurand::Current => "--current",
        Measurand::Frequency => "--frequency",
    }
}
