//! The directory of the counters.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

use super::{Finding, Row, problem};
use crate::{
    config::{Config, ConfiguredMeter},
    meter::record::{CounterRecord, Restored},
    persistence::{directory, error::CounterFileError, store},
    system::units::{self, Unit},
    text::Kwh,
};

/// The most time for the disk.
const LIMIT: Duration = Duration::from_secs(3);

/// What falls behind by less than this, in Wh, is rounding.
const BEHIND_WH: f64 = 1000.0;

/// What is to be said of the counters of a meter.
pub(super) async fn findings(
    config: &Config,
    meter: &ConfiguredMeter,
    rows: &[Row],
) -> Vec<Finding> {
    let serial_number = &meter.config.identity.serial_number;
    let (restored, trouble) = match store::directory(config.state_dir.as_deref()) {
        Some(path) => examine(path, serial_number.clone()).await,
        None => (Restored::nothing(), None),
    };
    let counters = restored.record.map(|record| record.counters).unwrap_or_default();
    // The threshold holds for the first value ever.
    let of_counters = if counters.is_empty() {
        problem::below(meter, rows)
    } else {
        behind(&counters, rows, serial_number)
    };
    trouble.into_iter().chain(of_counters).map(|finding| finding.at(meter)).collect()
}

/// Looks into the directory, on a thread, since that may hang. Gives what is remembered, and what is wrong.
async fn examine(path: PathBuf, serial_number: String) -> (Restored, Option<Finding>) {
    let silent = format!("{}: the disk does not answer", path.display());
    let examined = spawn_blocking(move || match directory::examine(&path, &serial_number) {
        Ok(restored) => (restored, None),
        // What cannot be taken can perhaps be read.
        Err(error) => {
            let restored = directory::load(&path, &serial_number);
            (restored.unwrap_or(Restored::nothing()), Some(unusable(&error)))
        }
    });
    timeout(LIMIT, examined).await.ok().and_then(Result::ok).unwrap_or_else(|| {
        let failure = Finding::failure(silent).remedy("give state_dir another directory");
        (Restored::nothing(), Some(failure))
    })
}

fn unusable(error: &CounterFileError) -> Finding {
    match error {
        CounterFileError::InUse { .. } => {
            let note = Finding::note(error.to_string());
            note.remedy("that is fine if it is the running service")
        }
        CounterFileError::Damaged { .. } => Finding::warning(error.to_string()).remedy(
            "the service will set it aside, and its counters begin with what the items show",
        ),
        CounterFileError::Newer { .. } | CounterFileError::OtherMeter { .. } => {
            Finding::failure(error.to_string()).remedy("give state_dir another directory")
        }
        CounterFileError::Directory { path, source }
        | CounterFileError::Unreadable { path, source }
        | CounterFileError::Unwritable { path, source } => denied(error, path, source),
    }
}

/// The system does not let this user in. The service under systemd has a user of its own.
fn denied(error: &CounterFileError, path: &Path, source: &io::Error) -> Finding {
    let is_refused = source.kind() == io::ErrorKind::PermissionDenied;
    if is_refused && units::meter_socket() != Unit::Missing {
        let text = format!("{}: this user may not look at the counters there", path.display());
        return Finding::note(text).remedy("run check as root to include them");
    }
    Finding::failure(error.to_string())
        .remedy("give state_dir a directory in which the service may write")
}

/// Counters that show less than was served before, as another device does, or another unit.
fn behind(counters: &[CounterRecord], rows: &[Row], serial_number: &str) -> Vec<Finding> {
    let behind = counters.iter().filter_map(|counter| {
        let is_that = |row: &&Row| row.measurand == counter.key && row.item == counter.item;
        let row = rows.iter().find(is_that)?;
        let (shown, served) = (row.value?, counter.served_wh - counter.counter.offset_wh);
        let text = format!(
            "item {} shows {}, and has shown {} before: what was served stays until it has caught up, \
             or has grown as another counter",
            row.item,
            Kwh(shown),
            Kwh(served)
        );
        let remedy = format!(
            "see that item and unit are right; `counters --reset {serial_number}` begins with what it \
             shows"
        );
        (shown + BEHIND_WH < served)
            .then(|| Finding::warning(text).of(row.measurand).remedy(remedy))
    });
    behind.collect()
}
