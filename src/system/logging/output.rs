//! Where lines are written to.

use std::{
    env,
    io::{self, Write},
    os::unix::fs::MetadataExt,
};

use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::record::Record;
use crate::time_zone::TimeZone;

/// The journal, or standard error. Both may block.
#[derive(Debug)]
pub(super) enum Output {
    /// With all fields.
    Journal(Dispatch),
    /// Lines of text, with times of this zone.
    Text(TimeZone),
}

impl Output {
    /// The journal if standard error is connected to it, else standard error itself.
    pub(super) fn choose(time_zone: TimeZone) -> Self {
        journal().map_or(Self::Text(time_zone), Self::Journal)
    }

    /// Writes a record, if that is possible: a log that fails has nowhere to say so.
    pub(super) fn write(&self, record: &Record) {
        match self {
            Self::Journal(journal) => record.replay(journal),
            Self::Text(time_zone) => {
                let time = time_zone.show(record.time, "%Y-%m-%d %H:%M:%S%.3f");
                let line = format!("{time} {:>5} {}\n", record.level(), record.message());
                let _ = io::stderr().write_all(line.as_bytes());
            }
        }
    }
}

fn journal() -> Option<Dispatch> {
    // systemd passes device and inode of the stream, so that a redirected stderr can be recognised.
    let stream = env::var("JOURNAL_STREAM").ok()?;
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    if stream != format!("{}:{}", stderr.dev(), stderr.ino()) {
        return None;
    }
    let journal = tracing_journald::layer().ok()?.with_field_prefix(None).with_priority_mappings(
        PriorityMappings { info: Priority::Informational, ..PriorityMappings::new() },
    );
    // It gets what was let through already. A subscriber without a filter would make the whole
    // program gather records that nobody wants.
    Some(Registry::default().with(journal).with(LevelFilter::OFF).into())
}
