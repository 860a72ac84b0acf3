//! The command line.
#![expect(clippy::doc_markdown, reason = "doc comments are help texts here")]

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use tracing::Level;

use crate::{
    commands::{check, counters, demo, read, simulate},
    config::Config,
    daemon::Daemon,
    system::{
        logging::{self, Logging},
        systemd::{Inherited, SocketError},
    },
    time_zone::TimeZone,
};

mod error;

use error::{CliError, exit};

/// Where the add-on of Home Assistant puts its options.
const ADDON_OPTIONS: &str = "/data/options.json";

/// What a man page tells too.
const AFTER_HELP: &str = "\
Files:
  /etc/fronius-smartmeter/config.yaml     configuration of the system service
  /etc/fronius-smartmeter/openhab_token   its token for openHAB, if that wants one
  /var/lib/fronius-smartmeter/            its energy counters

Exit codes:
  0   done, or ended by SIGTERM, SIGINT or SIGHUP
  64  wrong usage
  69  openHAB, a meter or an address is not available
  70  a fault of this program
  78  wrong configuration";

/// Serves the values of any generator in openHAB as a Fronius Smart Meter (Modbus TCP, SunSpec
/// models 1 and 213).
///
/// Without a command it runs the service.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_long_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The definition of the command line, for what is generated from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Run(ConfigArgs),
    /// Check the configuration, ask openHAB for every item and show what would be served
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Only check the file
        #[arg(long, conflicts_with = "json")]
        offline: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a meter, this one or a real one, and show its values
    Read {
        /// Where it is; the port is 502 unless given
        #[arg(value_name = "HOST[:PORT]")]
        address: String,
        /// Its unit id
        #[arg(long, value_name = "N", default_value_t = 1)]
        unit: u8,
        /// Read again every second until interrupted
        #[arg(long)]
        watch: bool,
        /// Print JSON, one line per reading
        #[arg(long)]
        json: bool,
    },
    /// Show the energy counters that are remembered beyond a restart, or forget them
    Counters {
        #[command(flatten)]
        config: ConfigArgs,
        /// Forget those of the meter with this serial number, so that what its items show next is
        /// served, even if it is lower than before. The service must be stopped
        #[arg(long, value_name = "METER")]
        reset: Option<String>,
    },
    /// Show everything at work on this machine alone: a simulated openHAB with a solar day, the
    /// meter, and what an inverter would see
    Demo {
        /// Where the meter listens
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5020")]
        listen: SocketAddr,
    },
    /// Play an openHAB server: the same REST API and events. Set states by PUT, as in openHAB:
    /// curl -X PUT -H 'Content-Type: text/plain' -d '800 W' http://ADDRESS/rest/items/NAME/state
    #[command(verbatim_doc_comment)]
    Simulate(simulate::SimulateArgs),
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// The configuration, YAML or JSON [default: /data/options.json if it exists, else config.yaml]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn path(self) -> PathBuf {
        self.config.unwrap_or_else(|| {
            let addon = Path::new(ADDON_OPTIONS);
            if addon.exists() { addon.to_owned() } else { "config.yaml".into() }
        })
    }
}

/// Runs the program. `sockets` are those that systemd passed on.
#[must_use]
pub fn main(sockets: Result<Vec<Inherited>, SocketError>) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no error.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, sockets) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, such as head, has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // What ends the service is in the log.
            if !matches!(error, CliError::Daemon(_)) {
                eprintln!("{error}");
            }
            error.exit_code().into()
        }
    }
}

fn run(cli: Cli, sockets: Result<Vec<Inherited>, SocketError>) -> Result<(), CliError> {
    let command = cli.command.unwrap_or(Command::Run(cli.config));
    // One thread is enough, and the fastest for this work.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let ended = runtime.block_on(execute(command, sockets));
    // A look-up of a host name may still hang in a thread; nobody waits for it.
    runtime.shutdown_background();
    ended
}

async fn execute(
    command: Command,
    sockets: Result<Vec<Inherited>, SocketError>,
) -> Result<(), CliError> {
    match command {
        Command::Run(config) => serve(&config.path(), sockets).await,
        Command::Check { config, offline, json } => {
            let config = Config::load(&config.path())?;
            if offline {
                return Ok(writeln!(io::stdout(), "The configuration is valid.")?);
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
        Command::Counters { config, reset } => {
            let config = Config::load(&config.path())?;
            let done = match reset {
                Some(meter) => counters::reset(&config, &meter),
                None => counters::show(&config),
            };
            Ok(done?)
        }
        Command::Demo { listen } => {
            let _logging = start_logging(Level::WARN, TimeZone::UTC);
            Ok(demo::demo(listen).await?)
        }
        Command::Simulate(args) => {
            let _logging = start_logging(Level::INFO, TimeZone::UTC);
            Ok(simulate::simulate(args).await?)
        }
    }
}

/// Runs the service.
async fn serve(path: &Path, sockets: Result<Vec<Inherited>, SocketError>) -> Result<(), CliError> {
    let config = Config::load(path)?;
    let sockets = sockets?;
    let logging = start_logging(config.log_level, config.time_zone);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, "fronius-smartmeter {version} with {}", path.display());
    let ended = async { Daemon::start(config, sockets).await?.run().await }.await;
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    drop(logging);
    Ok(ended?)
}

/// Logging can only be set up twice by a mistake of ours, and is no reason not to serve.
fn start_logging(level: Level, time_zone: TimeZone) -> Option<Logging> {
    logging::init(level, time_zone).inspect_err(|error| eprintln!("no logging: {error}")).ok()
}
