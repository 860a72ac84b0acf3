//! Why counters cannot be remembered.

use std::{io, path::PathBuf};

use super::format::VERSION;

/// Why counters cannot be remembered.
#[derive(Debug, thiserror::Error)]
pub enum CounterFileError {
    /// The directory cannot be used.
    #[error("{}: cannot be used: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has the counters of this meter.
    #[error("{}: in use by another fronius-smartmeter{}", path.display(), holder(*.pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its process id, if it is known.
        pid: Option<u32>,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file was read, and does not hold counters.
    #[error("{}: damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is that of a newer program, and stays as it is.
    #[error("{}: has version {version}, of a newer fronius-smartmeter; expected {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The file was copied from another meter's.
    #[error("{}: holds the counters of meter {found}", path.display())]
    OtherMeter {
        /// The file.
        path: PathBuf,
        /// The serial number in it.
        found: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", process {pid}"))
}
