//! What several targets have in common.

use std::fmt;

use tokio::runtime::{Builder, Runtime};

/// A byte that no honest answer has: what stands between two of them is sent many times over.
const REPEAT: u8 = 0x1D;

/// More than any limit of the program.
const REPEATED: usize = 72 * 1024;

/// No input grows beyond this.
const MAX_INPUT: usize = 384 * 1024;

/// A runtime to be used for all runs; to make one takes longer than most runs.
///
/// # Panics
/// Where the system gives none.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A small input, made large: every second part between two `0x1D` fills 72 KiB.
#[must_use]
pub fn expand(input: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    for (place, part) in input.split(|byte| *byte == REPEAT).enumerate() {
        let times = if place % 2 == 0 { 1 } else { REPEATED.div_ceil(part.len().max(1)) };
        let room = MAX_INPUT.saturating_sub(output.len());
        output.extend(part.iter().cycle().take((part.len() * times).min(room)));
    }
    output
}

/// What is shown to a human must not steer a terminal or begin a log line of its own.
///
/// # Panics
/// Where it would.
pub fn assert_printable(shown: &impl fmt::Display) {
    let shown = shown.to_string();
    assert!(!shown.chars().any(char::is_control), "control characters in {shown:?}");
}
