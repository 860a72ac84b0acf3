//! Why a command failed, and the exit code for it.

use std::io;

use crate::{
    commands::{
        check::CheckError, counters::CountersError, demo::DemoError, health::HealthError,
        read::ReadError, replay::ReplayError, setup::SetupError, simulate::SimulateError,
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
    Setup(#[from] SetupError),
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
            | Self::Check(CheckError::Configuration)
            | Self::Setup(SetupError::Source(_) | SetupError::Config(_) | SetupError::Check(_)) => {
                exit::CONFIG
            }
            Self::Replay(ReplayError::Meter(_))
            | Self::Setup(
                SetupError::Usage(_)
                | SetupError::NoTerminal
                | SetupError::Address(..)
                | SetupError::NoToken(_)
                | SetupError::Ambiguous { .. },
            ) => exit::USAGE,
            Self::Setup(SetupError::Cancelled) => exit::CANCELLED,
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
            | Self::Setup(
                SetupError::Nobody { .. }
                | SetupError::Unreachable(_)
                | SetupError::NothingFits { .. }
                | SetupError::Exists(_)
                | SetupError::Write { .. },
            )
            | Self::Simulate(SimulateError::Listen { .. })
            | Self::Daemon(
                DaemonError::Port(PortError::Listen(_) | PortError::NoSocket { .. })
                | DaemonError::StatusListen(_)
                | DaemonError::InUse(_),
            )
            | Self::Demo(DemoError::Daemon(DaemonError::Port(_)))
            | Self::Check(CheckError::Unavailable) => exit::UNAVAILABLE,
            Self::Daemon(_)
            | Self::Check(CheckError::Print(_))
            | Self::Counters(CountersError::Print(_))
            | Self::Read(ReadError::Signals(_) | ReadError::Print(_))
            | Self::Health(HealthError::Print(_))
            | Self::Demo(_)
            | Self::Replay(ReplayError::Config(_) | ReplayError::Print(_))
            | Self::Setup(SetupError::Ask(_) | SetupError::Print(_))
            | Self::Simulate(SimulateError::Signals(_) | SimulateError::Print(_))
            | Self::Runtime(_)
            | Self::Print(_) => exit::INTERNAL,
        }
    }

    /// Whether somebody has said it already: the log what ended the service, and `check` its verdict.
    pub(super) fn is_said(&self) -> bool {
        matches!(
            self,
            Self::Daemon(_) | Self::Check(CheckError::Configuration | CheckError::Unavailable)
        )
    }

    /// Whether the reader of the output, such as `head`, has seen enough. The verdict of `check` is an
    /// error of its own then.
    pub(super) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Print(error)
            | Self::Check(CheckError::Print(error))
            | Self::Counters(CountersError::Print(error))
            | Self::Demo(DemoError::Print(error))
            | Self::Replay(ReplayError::Print(error))
            | Self::Setup(SetupError::Print(error))
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
    /// As shells have it for Ctrl-C.
    pub(in crate::cli) const CANCELLED: u8 = 130;
}
