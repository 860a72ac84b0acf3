//! Why no configuration was written.

use std::{io, path::PathBuf};

use inquire::InquireError;

use crate::{
    commands::check::CheckError,
    config::Problem,
    meter::units::Quantity,
    source::{
        ProbeError, SetupError as SourceError, SourceKind, Stranger, endpoint::InvalidEndpoint,
    },
};

/// Why no configuration was written.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// There is nobody to ask.
    #[error(
        "setup asks questions, and this is not a terminal. Give --yes and the answers as options; \
         `fronius-smartmeter setup --help` lists them"
    )]
    NoTerminal,
    /// The user has had enough.
    #[error("Nothing was written.")]
    Cancelled,
    /// The terminal cannot be used.
    #[error("cannot ask: {0}")]
    Ask(InquireError),
    /// The address is not one.
    #[error("{0:?} is not an address; {1}")]
    Address(String, InvalidEndpoint),
    /// Nothing that is known answers.
    #[error(
        "neither openHAB nor Home Assistant answers at {host}.\n  openHAB: {}\n  Home Assistant: {}", .openhab.reason, .homeassistant.reason
    )]
    Nobody {
        /// The address that was tried.
        host: String,
        /// Why it is not openHAB.
        openhab: Box<Stranger>,
        /// Why it is not Home Assistant.
        homeassistant: Box<Stranger>,
    },
    /// Secrets or certificates cannot be loaded.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source does not list its items.
    #[error(transparent)]
    Unreachable(#[from] ProbeError),
    /// The source needs a token, and none was given.
    #[error("{} wants a token: create one there, and give its file with --token-file", .0.title())]
    NoToken(SourceKind),
    /// The source has nothing that a meter needs.
    #[error("{} has no item with {quantity}, and a meter needs one", .source_kind.title())]
    NothingFits {
        /// The source that was asked.
        source_kind: SourceKind,
        /// What is needed.
        quantity: Quantity,
    },
    /// Without a question it cannot be known which is meant.
    #[error("several items may be meant. Choose one with {option}:\n{candidates}")]
    Ambiguous {
        /// The option that says which.
        option: &'static str,
        /// A line for each.
        candidates: String,
    },
    /// There is a configuration already.
    #[error("{} exists; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// What was given makes no configuration.
    #[error("what was given is not right:\n{}", lines(.0))]
    Config(Vec<Problem>),
    /// What was chosen gives no values.
    #[error("Nothing was written: {0}.")]
    Check(CheckError),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {}", problem.message)).collect::<Vec<_>>().join("\n")
}

impl From<InquireError> for SetupError {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationCanceled | InquireError::OperationInterrupted => Self::Cancelled,
            InquireError::NotTTY => Self::NoTerminal,
            other => Self::Ask(other),
        }
    }
}
