//! `counters`: looks at the remembered counters, forgets them on purpose, or goes on from another
//! meter's.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::PathBuf,
    str::FromStr,
};

use chrono::{DateTime, Utc};

use crate::{
    config::Config,
    meter::{
        counter::CounterSnapshot,
        explained::ExplainedSnapshot,
        power::PowerSnapshot,
        reading::{Measurand, Phase},
        record::{CounterRecord, MeterRecord},
    },
    persistence::{
        directory::{self, MeterDirectory},
        error::CounterFileError,
        format::CounterFile,
        store,
    },
    text::{Kwh, printable},
    time_zone::TimeZone,
};

/// Why the counters cannot be shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// No directory is configured.
    #[error(
        "no counters are kept: the configuration has no state_dir\nAdd one, such as \
         state_dir: /home/me/counters. For those of the system service:\n  sudo env \
         STATE_DIRECTORY=/var/lib/fronius-smartmeter fronius-smartmeter counters \
         --config /etc/fronius-smartmeter/config.yaml"
    )]
    NoDirectory,
    /// They cannot be read, or written.
    #[error("{0}{hint}", hint = hint(.0))]
    File(#[from] CounterFileError),
    /// Nothing is remembered of this meter.
    #[error("no counters of a meter {meter:?}; there are: {known}")]
    Unknown {
        /// The serial number that was given.
        meter: String,
        /// Those that are known.
        known: String,
    },
    /// The counter would fall.
    #[error(
        "{}: {} were served, and a counter never falls; to begin lower, use --reset {meter} first",
        meter, Kwh(*served_wh)
    )]
    Lower {
        /// The serial number that was given.
        meter: String,
        /// What was served.
        served_wh: f64,
    },
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

fn hint(error: &CounterFileError) -> &'static str {
    match error {
        CounterFileError::InUse { .. } => {
            "; first stop the service, which would overwrite the change, and its socket, which would \
             start it again: systemctl stop fronius-smartmeter.socket fronius-smartmeter.service"
        }
        _ => "",
    }
}

/// A meter's serial number, and a reading of another meter to go on from: `METER=KWH`.
#[derive(Clone, Debug, PartialEq)]
pub struct SetCounter {
    meter: String,
    wh: f64,
}

impl FromStr for SetCounter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected METER=KWH, a serial number and a number of kWh such as 12345.678";
        let (meter, kwh) = text.rsplit_once('=').ok_or(EXPECTED)?;
        let kwh: f64 = kwh.parse().map_err(|_| EXPECTED)?;
        if meter.is_empty() || !(0.0..=1e9).contains(&kwh) {
            return Err(EXPECTED);
        }
        Ok(Self { meter: meter.to_owned(), wh: kwh * 1000.0 })
    }
}

/// Shows the remembered counters of all meters.
///
/// # Errors
/// Returns an error if they cannot be read.
pub fn show(config: &Config) -> Result<(), CountersError> {
    let files = directory::load_all(&state_dir(config)?)?;
    Ok(io::stdout().write_all(table(&files, config.time_zone).as_bytes())?)
}

/// Forgets the counters of the meter with this serial number: what its items show next will be
/// served, whatever was served before.
///
/// # Errors
/// Returns an error if nothing is known of the meter, the service runs, or the file cannot be
/// removed.
pub fn reset(config: &Config, meter: &str) -> Result<(), CountersError> {
    let state_dir = state_dir(config)?;
    if !MeterDirectory::open(&state_dir, meter)?.forget()? {
        let known = directory::load_all(&state_dir)?;
        let known: Vec<_> = known.iter().map(|file| printable(&file.serial_number)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CountersError::Unknown { meter: meter.to_owned(), known });
    }
    Ok(writeln!(io::stdout(), "The counters of meter {} are forgotten.", printable(meter))?)
}

/// Lets `energy_counter_out` of a meter go on from another meter's reading, whatever its items
/// show: they bring what they count from now on.
///
/// # Errors
/// Returns an error if that would be lower than what was served, the service runs, or the file
/// cannot be written.
pub fn set(config: &Config, SetCounter { meter, wh }: &SetCounter) -> Result<(), CountersError> {
    let directory = MeterDirectory::open(&state_dir(config)?, meter)?;
    let known = directory.load()?.record;
    let new = if known.is_some() { "" } else { "is new, and " };
    let mut record = known.unwrap_or_default();
    let out = record.counters.iter().filter(|counter| counter.key == Measurand::EnergyOut);
    let served_wh: f64 = out.map(|counter| counter.served_wh).sum();
    if *wh < served_wh {
        return Err(CountersError::Lower { meter: meter.clone(), served_wh });
    }
    add_share(&mut record, wh - served_wh);
    directory.save(&record)?;
    let meter = printable(meter);
    Ok(writeln!(io::stdout(), "Meter {meter} {new}goes on from {}.", Kwh(*wh))?)
}

/// Adds to the share that was set by hand.
fn add_share(record: &mut MeterRecord, wh: f64) {
    let is_share = |counter: &&mut CounterRecord| {
        counter.key == Measurand::EnergyOut && counter.item.is_empty()
    };
    if let Some(share) = record.counters.iter_mut().find(is_share) {
        share.served_wh += wh;
        share.counter.reached_wh = share.served_wh;
        return;
    }
    let others = record.counters.iter().find(|counter| counter.key == Measurand::EnergyOut);
    record.counters.push(CounterRecord {
        key: Measurand::EnergyOut,
        phase: others.map_or(Phase::L1, |other| other.phase),
        item: String::new(),
        served_wh: wh,
        counter: CounterSnapshot {
            reached_wh: wh,
            offset_wh: 0.0,
            free_wh: 0.0,
            explained: ExplainedSnapshot::default(),
            candidate: None,
        },
        power: PowerSnapshot::default(),
    });
}

fn state_dir(config: &Config) -> Result<PathBuf, CountersError> {
    store::directory(config.state_dir.as_deref()).ok_or(CountersError::NoDirectory)
}

fn table(files: &[CounterFile], time_zone: TimeZone) -> String {
    if files.is_empty() {
        return "Nothing is remembered yet.\n".to_owned();
    }
    let mut text = String::new();
    for file in files {
        let saved: DateTime<Utc> = file.saved().into();
        let saved = time_zone.show(saved, "%Y-%m-%d %H:%M:%S");
        let _ = writeln!(text, "meter {}, saved {saved}", printable(&file.serial_number));
        for counter in &file.record.counters {
            line(&mut text, counter);
        }
    }
    text
}

fn line(text: &mut String, record: &CounterRecord) {
    let CounterRecord { key, phase, served_wh, counter, .. } = record;
    let item = printable(record.item_or_share());
    let served = Kwh(*served_wh);
    let _ = write!(text, "  {:20}{:4}{item:24} {served:>20} served", key.key(), phase.to_string());
    // While the service runs, and after a crash, the file is ahead.
    if *served_wh > counter.reached_wh {
        text.push_str(" at most");
    }
    if counter.offset_wh != 0.0 {
        let _ = write!(text, "\n      {} is added to what the item shows", Kwh(counter.offset_wh));
    }
    if let Some(candidate) = counter.candidate {
        let last = Kwh(candidate.last_wh);
        let _ = write!(text, "\n      held: the item shows {last}, perhaps another counter");
    }
    text.push('\n');
}
