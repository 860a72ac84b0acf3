//! `simulate`: plays an openHAB server, for trying things out.
#![expect(clippy::doc_markdown, reason = "doc comments are help texts here")]

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use tokio::net::TcpListener;

use crate::{
    commands::address,
    simulator::{Dialect, Simulator, house},
    system::signals::ShutdownSignals,
};

/// Speed of the simulated day: an hour passes in a minute.
const MINUTE_PER_HOUR: u32 = 60;

/// Why the simulator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// Error of the system.
        source: io::Error,
    },
    /// The file with the token cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Token {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Signal handlers cannot be installed.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// What to simulate, and where.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// Address to listen on, or a port of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address::to_listen)]
    listen: SocketAddr,
    /// An item and its initial state, such as inverter_power='800 W'; repeat it for more. Without
    /// any, inverter_energy, inverter_power, inverter_voltage, inverter_current and
    /// inverter_frequency show a solar day in 24 minutes
    #[arg(long = "item", value_name = "NAME=STATE", value_parser = item)]
    items: Vec<(String, String)>,
    /// Behave like openHAB 3.0: no stateupdated and no alive events
    #[arg(long)]
    legacy: bool,
    /// Answer 404 for so many seconds first, as openHAB does while it starts
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    starting: u32,
    /// Require the API token in this file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

fn item(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, state)) if !name.is_empty() => Ok((name.to_owned(), state.to_owned())),
        _ => Err("expected NAME=STATE"),
    }
}

/// Runs the simulator until SIGINT or SIGTERM.
///
/// # Errors
/// Returns an error if it cannot listen, or the token cannot be read.
pub async fn simulate(args: SimulateArgs) -> Result<(), SimulateError> {
    let token = match args.token_file {
        None => None,
        Some(path) => match fs::read_to_string(&path) {
            Ok(token) => Some(token.trim().to_owned()),
            Err(source) => return Err(SimulateError::Token { path, source }),
        },
    };
    let dialect = if args.legacy { Dialect::Legacy } else { Dialect::Current };
    let cannot_listen = |source| SimulateError::Listen { address: args.listen, source };
    let listener = TcpListener::bind(args.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // Before the address is printed, since whoever reads it may stop us at once.
    let mut signals = ShutdownSignals::install().map_err(SimulateError::Signals)?;
    writeln!(io::stdout(), "simulated openHAB at http://{address}")?;
    let plays_house = args.items.is_empty();
    let items = if plays_house { house::items() } else { args.items };
    let simulator = Simulator::new(items, dialect, token);
    simulator.start_slowly(Duration::from_secs(args.starting.into()));
    let play = async {
        if plays_house {
            house::play(&simulator, MINUTE_PER_HOUR).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = simulator.serve(listener) => ended.map_err(cannot_listen),
        () = play => Ok(()),
        _ = signals.requested() => Ok(()),
    }
}
