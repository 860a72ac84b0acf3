//! What the command line may be, and its help.
#![expect(clippy::doc_markdown, reason = "doc comments are help texts here")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

use crate::commands::{address, counters::SetCounter, setup, simulate};

/// Where the Home Assistant add-on puts its options.
const ADDON_OPTIONS: &str = "/data/options.json";

/// Like all texts at the end of a help, it is a part of the man page, and fits 80 columns there.
const AFTER_HELP: &str = "\
Files:
  /etc/fronius-smartmeter/config.yaml
      configuration of the system service
  /etc/fronius-smartmeter/openhab_token
      API token for openHAB, if it requires one
  /etc/fronius-smartmeter/homeassistant_token
      long-lived access token of Home Assistant
  /var/lib/fronius-smartmeter/
      energy counters

Exit codes:
  0   success, or stopped by SIGTERM, SIGINT or SIGHUP
  64  usage error
  65  a history that cannot be replayed
  69  the source, a meter, an address or the counters are not available
  70  internal error
  78  configuration error
  130 setup was cancelled";

const SETUP_EXAMPLES: &str = "\
An ITEM is the name of an item, or the id of an entity, with its unit if
its states have none; or several of a list, or one for each phase.

Examples:
  Choose among what there is:
      fronius-smartmeter setup openhab 192.168.1.31
      fronius-smartmeter setup homeassistant https://ha.local:8123
  Without questions, for a script:
      fronius-smartmeter setup 192.168.1.31 --yes \\
        --energy inverter_energy:Wh --power inverter_power
      fronius-smartmeter setup 192.168.1.31 --yes \\
        --energy roof_kwh,shed_kwh --power l1=p1,l2=p2,l3=p3";

const RUN_EXAMPLES: &str = "\
Examples:
  As the system service does:
      fronius-smartmeter run --config /etc/fronius-smartmeter/config.yaml
  With config.yaml in this folder:
      fronius-smartmeter";

const CHECK_EXAMPLES: &str = "\
Examples:
  Try all that the service will meet:
      fronius-smartmeter check
  Only look for mistakes in the file:
      fronius-smartmeter check --offline --config new.yaml";

const READ_EXAMPLES: &str = "\
Examples:
  The meter on this machine:
      fronius-smartmeter read 127.0.0.1
  Another one, every second:
      fronius-smartmeter read 192.168.1.20:1502 --watch
  One with unit id 2, for a program:
      fronius-smartmeter read 192.168.1.20 --unit 2 --json";

const COUNTERS_EXAMPLES: &str = "\
Examples:
  What is remembered:
      fronius-smartmeter counters
  Serve what the items of this meter show next, whatever was served:
      fronius-smartmeter counters --reset 01699275001
  Go on from 20000 kWh:
      fronius-smartmeter counters --set 01699275001=20000

The counters are in state_dir. For those of the system service, as root:
  env STATE_DIRECTORY=/var/lib/fronius-smartmeter \\
    fronius-smartmeter counters \\
    --config /etc/fronius-smartmeter/config.yaml";

const REPLAY_EXAMPLES: &str = "\
Examples:
  With items named like the keys:
      fronius-smartmeter replay history.csv
  With those of a configuration, and a row every ten minutes:
      fronius-smartmeter replay history.csv -c config.yaml --every 10m";

const HEALTH_EXAMPLES: &str = "\
Examples:
  Of the service with config.yaml in this folder:
      fronius-smartmeter health
  Of the system service, for a script:
      fronius-smartmeter health -c /etc/fronius-smartmeter/config.yaml";

const DEMO_EXAMPLES: &str = "\
Examples:
  On this machine alone:
      fronius-smartmeter demo
  For an inverter in the network:
      fronius-smartmeter demo --listen 0.0.0.0:1502";

const SIMULATE_EXAMPLES: &str = "\
Examples:
  A solar day:
      fronius-smartmeter simulate
  One item, with this state:
      fronius-smartmeter simulate --item power='800 W'

Set a state with PUT, as in openHAB:
  curl -X PUT -H 'Content-Type: text/plain' -d '900 W' \\
    http://127.0.0.1:8080/rest/items/power/state

Add or edit an item or a group with PUT, too, and remove it with DELETE:
  curl -X PUT -H 'Content-Type: application/json' \\
    -d '{\"type\":\"Number:Power\",\"name\":\"power\"}' \\
    http://127.0.0.1:8080/rest/items/power
  curl -X DELETE http://127.0.0.1:8080/rest/items/power";

/// Serves the values of any generator in openHAB or Home Assistant as a Fronius Smart Meter (Modbus
/// TCP, SunSpec models 1 and 213, or 203).
///
/// Without a command, it runs the service.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_long_help = AFTER_HELP)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the service
    #[command(after_help = RUN_EXAMPLES)]
    Run(ConfigArgs),
    /// Write a configuration: list what openHAB or Home Assistant has, ask what of it is meant, and
    /// try that
    #[command(after_help = SETUP_EXAMPLES)]
    #[command(override_usage = "fronius-smartmeter setup [OPTIONS] [openhab|homeassistant] HOST")]
    Setup(Box<setup::SetupArgs>),
    /// Try all that the service will meet, and say whether the inverter will get sensible values
    ///
    /// It asks the source for every item and shows what the inverter would read, and tries the ports
    /// and state_dir as this user. The last line says what to do first, if anything
    #[command(after_help = CHECK_EXAMPLES)]
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
    #[command(after_help = READ_EXAMPLES)]
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
    #[command(after_help = COUNTERS_EXAMPLES)]
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
    #[command(after_help = REPLAY_EXAMPLES)]
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
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(ConfigArgs),
    /// Show everything working together on this machine: a simulated openHAB with a solar day, the
    /// meter, and what an inverter would see
    #[command(after_help = DEMO_EXAMPLES)]
    Demo {
        /// Address that the meter listens on, or a port of this machine
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5020", value_parser = address::to_listen)]
        listen: SocketAddr,
    },
    /// Simulate an openHAB server, with its REST API and events
    #[command(after_help = SIMULATE_EXAMPLES)]
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
