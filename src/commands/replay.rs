//! `replay`: what would have been served for a recorded history.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use tracing::{Level, subscriber};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt};

mod history;
mod log;
mod output;
mod plant;

use history::{History, HistoryError, Row, Time};
use log::Log;
use output::Output;
use plant::Plant;

use crate::{
    config::{Config, Problem},
    meter::reading::Measurand,
};

/// Why a history cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such file.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The history is wrong.
    #[error("{}: {source}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HistoryError,
    },
    /// The configuration that is used without another is wrong.
    #[error("the configuration of replay is wrong: {0:?}")]
    Config(Vec<Problem>),
    /// One of several meters has to be chosen.
    #[error("choose one of the meters by --meter: {0}")]
    Meter(String),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Also a row at each of these intervals.
    pub every: Option<Duration>,
    /// JSON, an object a line, instead of CSV.
    pub json: bool,
}

/// Without a configuration the beginning of a history says which items there are, in bytes.
const BEGINNING: u64 = 64 * 1024;

/// The configuration where none is given: the items are named like the keys. A counter that is
/// configured must have a value, so `energy_counter_in` is only where the history begins with it.
fn default_config(beginning: &[u8]) -> Result<Config, ReplayError> {
    let has_in = String::from_utf8_lossy(beginning)
        .lines()
        .any(|line| !line.starts_with('#') && line.contains(Measurand::EnergyIn.key()));
    let keys = Measurand::ALL
        .into_iter()
        .filter(|measurand| *measurand != Measurand::EnergyIn || has_in)
        .map(|measurand| format!("{key}: {key}\n", key = measurand.key()));
    let keys: String = keys.collect();
    let text = format!("openhab_host: localhost\nserial_number: METER\n{keys}");
    Config::parse(&text).map_err(ReplayError::Config)
}

/// Replays the history in a file, or from standard input where that is `-`.
///
/// # Errors
/// Returns an error if the history cannot be read or is wrong, or nothing can be printed.
pub fn replay(
    path: &Path,
    config: Option<Config>,
    meter: Option<&str>,
    options: Options,
) -> Result<(), ReplayError> {
    let config = config.map(|config| chosen(config, meter)).transpose()?;
    let output = io::stdout().lock();
    if path == Path::new("-") {
        return replay_from(io::stdin().lock(), path, output, config, options);
    }
    let file = File::open(path)
        .map_err(|source| ReplayError::Unreadable { path: path.to_owned(), source })?;
    replay_from(file, path, output, config, options)
}

/// The configuration with the meter of this name, or the only one, before all others.
fn chosen(mut config: Config, name: Option<&str>) -> Result<Config, ReplayError> {
    let names: Vec<_> = config.meters.iter().filter_map(|meter| meter.name.clone()).collect();
    let place = match name {
        Some(name) => names.iter().position(|known| known == name),
        None => (config.meters.len() == 1).then_some(0),
    };
    let place = place.ok_or(ReplayError::Meter(names.join(", ")))?;
    config.meters.swap(0, place);
    Ok(config)
}

/// Replays the history that is read from `input`, which errors call `path`, with the first meter of
/// `config`. Rows of the others are left out.
///
/// # Errors
/// As [`replay`].
pub fn replay_from(
    mut input: impl Read,
    path: &Path,
    output: impl Write,
    config: Option<Config>,
    options: Options,
) -> Result<(), ReplayError> {
    let unreadable = |source| ReplayError::Unreadable { path: path.to_owned(), source };
    let wrong = |source| ReplayError::History { path: path.to_owned(), source };
    let mut beginning = Vec::new();
    input.by_ref().take(BEGINNING).read_to_end(&mut beginning).map_err(unreadable)?;
    let config = match config {
        Some(config) => config,
        None => default_config(&beginning)?,
    };
    let input = Cursor::new(beginning).chain(BufReader::with_capacity(64 * 1024, input));
    let history = History::new(input).map_err(wrong)?;
    let output = Output { out: BufWriter::new(output), json: options.json };
    let log = Log::default();
    let subscriber = tracing_subscriber::registry()
        .with(log.clone().with_filter(LevelFilter::from_level(Level::INFO)));
    subscriber::with_default(subscriber, || {
        Replay { log, output, every: options.every, next_row: None }.run(history, config, &wrong)
    })
}

struct Replay<W> {
    log: Log,
    output: Output<W>,
    every: Option<Duration>,
    /// When the next row of `every` is due, in ms.
    next_row: Option<i64>,
}

impl<W: Write> Replay<W> {
    fn run<R: BufRead>(
        mut self,
        mut history: History<R>,
        config: Config,
        wrong: &dyn Fn(HistoryError) -> ReplayError,
    ) -> Result<(), ReplayError> {
        self.output.header()?;
        let mut started: Option<Plant> = None;
        let mut config = Some(config);
        let mut last = None;
        while let Some(Row { time, item, state }) = history.next().map_err(wrong)? {
            let plant = match (&mut started, config.take()) {
                (Some(plant), _) => plant,
                (plant, Some(config)) => {
                    self.next_row = Some(time.millis);
                    let Some(new) = Plant::new(config, time.millis) else { break };
                    plant.insert(new)
                }
                (None, None) => break,
            };
            self.pass_rows(plant, time)?;
            if let Err((column, message)) = apply(plant, item, state) {
                return Err(wrong(history.wrong(column, message)));
            }
            self.print_log(plant, time)?;
            last = Some(time);
        }
        if let (Some(mut plant), Some(time)) = (started, last) {
            self.output.row(time, plant.served(), "")?;
        }
        Ok(self.output.out.flush()?)
    }

    /// Lets time pass, and prints a row for each line that is logged meanwhile.
    fn pass(&mut self, plant: &mut Plant, until: Time) -> Result<(), ReplayError> {
        while let Some(millis) = plant.pass(until.millis) {
            self.print_log(plant, Time { millis, ..until })?;
        }
        Ok(())
    }

    /// Lets time pass, and prints the rows of `every` too.
    fn pass_rows(&mut self, plant: &mut Plant, until: Time) -> Result<(), ReplayError> {
        if let Some(every) = self.every {
            let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
            while let Some(due) = self.next_row.filter(|due| *due < until.millis) {
                let time = Time { millis: due, ..until };
                self.pass(plant, time)?;
                self.output.row(time, plant.served(), "")?;
                self.next_row = Some(due.saturating_add(every));
            }
        }
        self.pass(plant, until)
    }

    /// Prints a row for each line of the log.
    fn print_log(&mut self, plant: &mut Plant, time: Time) -> Result<(), ReplayError> {
        for line in self.log.take() {
            self.output.row(time, plant.served(), &line)?;
        }
        Ok(())
    }
}

/// Does what a row says. The error is the column, and what is wrong with it.
fn apply(plant: &mut Plant, item: &str, state: &str) -> Result<(), (usize, String)> {
    if plant.is_of_another(item) {
        return Ok(());
    }
    if !item.is_empty() {
        if !plant.has(item) {
            let items = plant.items().join(", ");
            return Err((
                1,
                format!("found {item:?}, expected an item of the configuration: {items}"),
            ));
        }
        plant.set(item, state);
        return Ok(());
    }
    if !state.is_empty() {
        tracing::info!("{state}");
    }
    match state {
        "restart" => plant.restart(),
        "crash" => plant.crash(),
        "source down" => plant.set_source(false),
        "source up" => plant.set_source(true),
        "disk full" => plant.set_disk_full(true),
        "disk ok" => plant.set_disk_full(false),
        "" => {}
        _ => {
            return Err((
                2,
                format!(
                    "found {state:?}, expected restart, crash, source down, source up, disk full \
                     or disk ok, or an item before it"
                ),
            ));
        }
    }
    Ok(())
}
