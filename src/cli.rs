//! The command line.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use tracing::Level;

use crate::{
    commands::{check, counters, demo, health, read, replay, screen::Screen, setup, simulate},
    config::Config,
    daemon::Daemon,
    persistence::store,
    system::{
        logging::{self, Logging},
        systemd::{InheritedSockets, SocketError},
    },
    time_zone::TimeZone,
};

mod args;
mod error;
mod help;

use args::{Cli, Command};
use error::{CliError, exit};

/// The definition of the command line, from which man pages and completions are generated.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program. `sockets` are those that systemd passed to it.
#[must_use]
pub fn main(sockets: Result<InheritedSockets, SocketError>) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is not an error.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, sockets) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output, such as `head`, has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_said() {
                complain(&error);
            }
            error.exit_code().into()
        }
    }
}

/// Prints to standard error. Where that cannot be written, there is nobody left to tell.
fn complain(error: &impl Display) {
    let _ = writeln!(io::stderr(), "{error}");
}

fn run(cli: Cli, sockets: Result<InheritedSockets, SocketError>) -> Result<(), CliError> {
    let command = cli.command.unwrap_or(Command::Run(cli.config));
    // One thread is enough, and the fastest choice for this work.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let ended = runtime.block_on(execute(command, sockets));
    // A host name lookup may still hang in a thread; do not wait for it.
    runtime.shutdown_background();
    ended
}

async fn execute(
    command: Command,
    sockets: Result<InheritedSockets, SocketError>,
) -> Result<(), CliError> {
    match command {
        Command::Run(config) => serve(&config.path(), sockets).await,
        Command::Setup(args) => Ok(setup::setup(&args).await?),
        Command::Check { config, offline, json } => {
            let config = Config::load(&config.path())?;
            if offline {
                return Ok(check::offline(&config, json)?);
            }
            Ok(check::check(config, json).await?)
        }
        Command::Read { address, unit, watch, json } => {
            let done = if watch {
                read::watch(&address, unit, json).await
            } else {
                read::once(&address, unit, json).await
            };
            Ok(done?)
        }
        Command::Counters { config, reset, set } => {
            let config = Config::load(&config.path())?;
            let done = match (reset, set) {
                (Some(meter), _) => counters::reset(&config, &meter),
                (None, Some(counter)) => counters::set(&config, &counter),
                (None, None) => counters::show(&config),
            };
            Ok(done?)
        }
        Command::Replay { history, config, meter, every, json } => {
            let config = config.map(|path| Config::load(&path)).transpose()?;
            let options = replay::Options { every, json };
            Ok(replay::replay(&history, config, meter.as_deref(), options)?)
        }
        Command::Health(config) => Ok(health::health(&Config::load(&config.path())?).await?),
        Command::Demo { listen } => {
            // In a picture, lines of the log would be in the way; it says the same.
            let level = if Screen::is_possible() { Level::ERROR } else { Level::WARN };
            let _logging = start_logging(level, TimeZone::UTC);
            Ok(demo::demo(listen).await?)
        }
        Command::Simulate(args) => {
            let _logging = start_logging(Level::INFO, TimeZone::UTC);
            Ok(simulate::simulate(args).await?)
        }
    }
}

/// Runs the service.
async fn serve(
    path: &Path,
    sockets: Result<InheritedSockets, SocketError>,
) -> Result<(), CliError> {
    let config = Config::load(path)?;
    let sockets = sockets?;
    let logging = start_logging(config.log_level, config.time_zone);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, "fronius-smartmeter {version} with {}", path.display());
    if store::directory(config.state_dir.as_deref()).is_none() {
        tracing::warn!(
            "no state_dir: after a restart the counters begin with what the source shows, even if that is \
             lower; set state_dir to a folder where this user can write"
        );
    }
    let ended = async { Daemon::start(config, sockets).await?.run().await }.await;
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    drop(logging);
    Ok(ended?)
}

/// Only a bug could set up logging twice, and that is no reason not to serve.
fn start_logging(level: Level, time_zone: TimeZone) -> Option<Logging> {
    logging::init(level, time_zone)
        .inspect_err(|error| complain(&format_args!("cannot set up logging: {error}")))
        .ok()
}
