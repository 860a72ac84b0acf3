//! `counters`: looks at the remembered counters, and forgets them on purpose.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::PathBuf,
};

use chrono::DateTime;

use crate::{
    config::Config,
    persistence::{
        directory::{self, StateDirectory},
        format::{CounterFile, CounterFileError},
        store,
    },
    text::printable,
    time_zone::TimeZone,
};

/// Why the counters cannot be shown or reset.
#[derive(Debug, thiserror::Error)]
pub enum CountersError {
    /// Nobody said where they are.
    #[error(
        "there is no state_dir in the configuration, and no $STATE_DIRECTORY; for the system service \
         set STATE_DIRECTORY=/var/lib/fronius-smartmeter, as root"
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
    /// Nowhere to print to.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

fn hint(error: &CounterFileError) -> &'static str {
    match error {
        CounterFileError::InUse { .. } => {
            "; stop the service first, which would write them anew, and its socket, or the next poll \
             starts it again"
        }
        _ => "",
    }
}

/// Shows the remembered counters of all meters.
///
/// # Errors
/// Where they cannot be read.
pub fn show(config: &Config) -> Result<(), CountersError> {
    let state = directory::load(&state_dir(config)?)?;
    Ok(io::stdout().write_all(table(&state, config.time_zone).as_bytes())?)
}

/// Forgets the counters of the meter with this serial number: what its items show next will be
/// served, whatever was served before.
///
/// # Errors
/// Where nothing is known of the meter, the service runs, or the file cannot be written.
pub fn reset(config: &Config, meter: &str) -> Result<(), CountersError> {
    let store = StateDirectory::open(&state_dir(config)?)?;
    let mut state = store.load()?;
    if state.meters.remove(meter).is_none() {
        let known: Vec<_> = state.meters.keys().map(|known| printable(known)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CountersError::Unknown { meter: meter.to_owned(), known });
    }
    store.save(&state)?;
    Ok(writeln!(io::stdout(), "The counters of meter {} are forgotten.", printable(meter))?)
}

fn state_dir(config: &Config) -> Result<PathBuf, CountersError> {
    store::directory(config.state_dir.as_deref()).ok_or(CountersError::NoDirectory)
}

fn table(state: &CounterFile, time_zone: TimeZone) -> String {
    if state.meters.is_empty() {
        return "Nothing is remembered yet.\n".to_owned();
    }
    let mut text = String::new();
    for (serial_number, meter) in &state.meters {
        let saved = i64::try_from(meter.saved).ok().and_then(|at| DateTime::from_timestamp(at, 0));
        let saved = saved
            .map_or("at an unknown time".to_owned(), |at| time_zone.show(at, "%Y-%m-%d %H:%M:%S"));
        let _ = writeln!(text, "meter {}, saved {saved}", printable(serial_number));
        for counter in &meter.counters {
            let (key, phase, item) =
                (printable(&counter.key), printable(&counter.phase), printable(&counter.item));
            let (served, offset) = (counter.served_wh, counter.offset_wh);
            let _ = write!(text, "  {key:20}{phase:4}{item:30}{served:>14.0} Wh served");
            if offset != 0.0 {
                let _ = write!(text, ", {offset:+.0} Wh to what the item shows");
            }
            text.push('\n');
        }
    }
    text
}
