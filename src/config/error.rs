//! What is wrong with a configuration, and where.

use std::{fmt, io, path::PathBuf};

use super::document::Position;
use crate::text::printable;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file was read, and is wrong in one or more places.
    #[error("{}", Listing { path, problems })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong, in the order of the file.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub(super) position: Position,
    /// The path of keys, empty for the file as a whole.
    pub(super) key: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Problem {
    /// One of the file as a whole, rather than of a key.
    pub(super) fn of_file(position: Position, message: String) -> Self {
        Self { position, key: String::new(), message }
    }
}

struct Listing<'a> {
    path: &'a PathBuf,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { position, key, message }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}:{}: ", self.path.display(), position.line, position.column)?;
            if !key.is_empty() {
                write!(f, "{}: ", printable(key))?;
            }
            f.write_str(&printable(message))?;
        }
        Ok(())
    }
}
