//! What the command line may be, and its help.
#![expect(clippy::doc_markdown, reason = "doc comments are help texts here")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

use super::help;
use crate::commands::{address, counters::SetCounter, setup, simulate};

/// Where the Home Assistant add-on puts its options.
const ADDON_OPTIONS: &str = "/data/options.json";

/// Serves the values of any generator in openHAB or Home Assistant as a Fronius Smart Meter (Modbus
/// TCP, SunSpec models 1 and 213, or 203).
///
/// Without a command, it runs the service.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_long_help = help::AFTER_HELP)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service
    #[command(after_help = help::RUN_EXAMPLES)]
    Run(ConfigArgs),
    /// Write a configuration: list the items of openHAB or Home Assistant, ask which to use, and test
    /// them
    #[command(after_help = help::SETUP_EXAMPLES)]
    #[command(override_usage = "fronius-smartmeter setup [OPTIONS] [openhab|homeassistant] HOST")]
    Setup(Box<setup::SetupArgs>),
    /// Try all that the service will meet, and say whether the inverter will get sensible values
    ///
    /// It asks the source for every item and shows what the inverter would read, and tries the ports
    /// and state_dir as this user. The last line says what to do first, if anything
    #[command(after_help = help::CHECK_EXAMPLES)]
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Only check the file, without asking the source or looking at this machine
        #[arg(long)]
        offline: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a meter, this one or a real one, and print its values
    #[command(after_help = help::READ_EXAMPLES)]
    Read {
        /// Address of the meter; the port is 502 unless given
        #[arg(value_name = "HOST[:PORT]", value_parser = address::of_meter)]
        address: String,
        /// Unit id of the meter
        #[arg(long, value_name = "N", default_value_t = 1)]
        unit: u8,
        /// Read every second until interrupted
        #[arg(long)]
        watch: bool,
        /// Print JSON, one line per reading
        #[arg(long)]
        json: bool,
    },
    /// Show the energy counters kept across restarts, forget them, or go on from a reading
    #[command(after_help = help::COUNTERS_EXAMPLES)]
    Counters {
        #[command(flatten)]
        config: ConfigArgs,
        /// Forget the counters of the meter with this serial number, so that the next reading of
        /// its items is served even if it is lower than before. Stop the service and its socket first
        #[arg(long, value_name = "METER")]
        reset: Option<String>,
        /// Let energy_counter_out of a meter go on from this, such as the reading of the meter that
        /// it replaces; never lower than what was served. Stop the service and its socket first
        #[arg(long, value_name = "METER=KWH", conflicts_with = "reset")]
        set: Option<SetCounter>,
    },
    /// Show what would have been served through a recorded history, and why a counter stood
    ///
    /// The history is CSV with the header time,item,state: a time in RFC 3339 or in seconds, and
    /// item and state as openHAB has them. Rows without an item are events: restart, crash, source
    /// down, source up, disk full, disk ok. Lines that begin with # are comments. Without --config
    /// the items are named like the keys of the configuration: energy_counter_out, current_power and
    /// so on
    #[command(after_help = help::REPLAY_EXAMPLES)]
    Replay {
        /// The file with the history; - is standard input
        #[arg(value_name = "HISTORY")]
        history: PathBuf,
        /// The configuration, YAML or JSON
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The meter, where the configuration has several
        #[arg(long, value_name = "NAME", requires = "config")]
        meter: Option<String>,
        /// Print a row at each interval too, such as 10m
        #[arg(long, value_name = "DURATION", value_parser = interval)]
        every: Option<Duration>,
        /// Print JSON, one object per row
        #[arg(long)]
        json: bool,
    },
    /// Ask the running service whether it serves; ends with exit code 0 or 69
    ///
    /// It asks the status page, or the meter if there is no page, and waits up to 2 seconds. An
    /// outage of the source is not a failure: the service is still running
    #[command(after_help = help::HEALTH_EXAMPLES)]
    Health(ConfigArgs),
    /// Show everything working together on this machine: a simulated openHAB with a solar day, the
    /// meter, and what an inverter would see
    #[command(after_help = help::DEMO_EXAMPLES)]
    Demo {
        /// Address that the meter listens on, or a port of this machine
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5020", value_parser = address::to_listen)]
        listen: SocketAddr,
    },
    /// Simulate an openHAB server, with its REST API and events
    #[command(after_help = help::SIMULATE_EXAMPLES)]
    Simulate(simulate::SimulateArgs),
}

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    /// Configuration file, YAML or JSON [default: /data/options.json if it exists, else
    /// config.yaml]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    pub(super) fn path(self) -> PathBuf {
        self.config.unwrap_or_else(|| {
            let addon = Path::new(ADDON_OPTIONS);
            if addon.exists() { addon.to_owned() } else { "config.yaml".into() }
        })
    }
}

/// A duration that is not 0, or rows would have no end.
fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("expected more than 0".to_owned()),
        duration => duration.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The words of a shell command.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (place, part) in line.split('\'').enumerate() {
            let mut pieces = part.split(' ');
            if place % 2 == 0 {
                words.last_mut().unwrap().push_str(pieces.next().unwrap());
                words.extend(pieces.map(str::to_owned));
            } else {
                words.last_mut().unwrap().push_str(part);
            }
        }
        words
    }

    #[test]
    fn each_command_has_examples_that_are_accepted() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().unwrap().to_string();
            // A backslash goes on with the next line.
            let parts = help.split("\\\n").enumerate();
            let examples: String =
                parts.map(|(i, part)| if i == 0 { part } else { part.trim_start() }).collect();
            let mut count = 0;
            for line in examples.lines().map(str::trim) {
                if line.starts_with("fronius-smartmeter") {
                    let parsed = Cli::try_parse_from(words(line));
                    assert!(parsed.is_ok(), "{line}: {parsed:?}");
                    count += 1;
                }
            }
            assert!(count >= 2, "{help}");
        }
    }

    #[test]
    fn the_end_of_a_help_fits_a_man_page_of_80_columns() {
        let root = Cli::command();
        let all = root.get_subcommands().filter_map(|command| command.get_after_help());
        for help in all.chain(root.get_after_long_help()) {
            let help = help.to_string();
            assert!(help.lines().all(|line| line.len() <= 73), "{help}");
        }
    }
}
