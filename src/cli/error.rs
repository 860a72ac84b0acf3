//! Why a command failed, and the exit code for it.

use std::io;

use crate::{
    commands::{
        check::CheckError, counters::CountersError, demo::DemoError, health::HealthError,
        read::ReadError, replay::ReplayError, simulate::SimulateError,
    },
    config::ConfigError,
    daemon::{DaemonError, PortError},
    system::systemd::SocketError,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("{0}{hint}", hint = config_hint(.0))]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Counters(#[from] CountersError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Sockets(#[from] SocketError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

fn config_hint(error: &ConfigError) -> &'static str {
    match error {
        ConfigError::Unreadable { path, .. } if path.starts_with("~") => {
            "\nYour shell did not replace the ~; write --config FILE, with a space."
        }
        ConfigError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "\nName your file with --config, or try `fronius-smartmeter demo`, which needs none."
        }
        _ => "",
    }
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Simulate(SimulateError::Token { .. })
            | Self::Counters(CountersError::NoDirectory)
            | Self::Sockets(_)
            | Self::Daemon(DaemonError::Setup(_) | DaemonError::Port(PortError::Unknown { .. }))
            | Self::Check(CheckError::Setup(_) | CheckError::Items(_)) => exit::CONFIG,
            Self::Replay(ReplayError::Meter(_)) => exit::USAGE,
            Self::Replay(ReplayError::History { .. }) => exit::DATA,
            Self::Read(ReadError::Client(_))
            | Self::Health(
                HealthError::Silent(_)
                | HealthError::Connect(..)
                | HealthError::NotHttp(..)
                | HealthError::Status(..)
                | HealthError::Meter(_),
            )
            | Self::Replay(ReplayError::Unreadable { .. })
            | Self::Counters(
                CountersError::File(_)
                | CountersError::Unknown { .. }
                | CountersError::Lower { .. },
            )
            | Self::Simulate(SimulateError::Listen { .. })
            | Self::Daemon(
                DaemonError::Port(PortError::Listen(_) | PortError::NoSocket { .. })
                | DaemonError::StatusListen(_)
                | DaemonError::InUse(_),
            )
            | Self::Demo(DemoError::Daemon(DaemonError::Port(_)))
            | Self::Check(
                CheckError::Unreachable(_) | CheckError::Silent(..) | CheckError::NoValue(_),
            ) => exit::UNAVAILABLE,
            Self::Daemon(_)
            | Self::Check(CheckError::Print(_))
            | Self::Counters(CountersError::Print(_))
            | Self::Read(ReadError::Print(_))
            | Self::Health(HealthError::Print(_))
            | Self::Demo(_)
            | Self::Replay(ReplayError::Config(_) | ReplayError::Print(_))
            | Self::Simulate(SimulateError::Signals(_) | SimulateError::Print(_))
            | Self::Runtime(_)
            | Self::Print(_) => exit::INTERNAL,
        }
    }

    /// Whether the reader of the output, such as `head`, has seen enough. `check` goes on to its
    /// verdict then.
    pub(super) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Print(error)
            | Self::Counters(CountersError::Print(error))
            | Self::Demo(DemoError::Print(error))
            | Self::Replay(ReplayError::Print(error))
            | Self::Simulate(SimulateError::Print(error))
            | Self::Health(HealthError::Print(error))
            | Self::Read(ReadError::Print(error)) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

/// Exit codes of `sysexits.h`.
pub(super) mod exit {
    pub(in crate::cli) const USAGE: u8 = 64;
    pub(in crate::cli) const DATA: u8 = 65;
    pub(in crate::cli) const UNAVAILABLE: u8 = 69;
    pub(in crate::cli) const INTERNAL: u8 = 70;
    pub(in crate::cli) const CONFIG: u8 = 78;
}
