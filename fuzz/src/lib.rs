//! What several targets have in common.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::runtime::{Builder, Runtime};

/// A byte that no honest answer has. What is between two of them is sent many times over.
const REPEAT: u8 = 0x1D;

/// Size of a repeated part, in bytes: more than any limit of the program.
const REPEATED: usize = 72 * 1024;

/// No input grows beyond this many bytes.
const MAX_INPUT: usize = 384 * 1024;

/// A runtime to use for all runs: making one takes longer than most runs.
///
/// # Panics
/// Panics if the system cannot provide one.
#[must_use]
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A runtime whose clock leaps to the next timer when every task waits. It is for targets without
/// sockets: no time limit takes any time.
///
/// # Panics
/// Panics if the system cannot provide one.
#[must_use]
pub fn leaping_runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// Makes a small input large: every second part between `0x1D` bytes is repeated to fill 72 KiB.
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

/// Asserts that what is shown to people can neither control a terminal nor begin a log line of its
/// own.
///
/// # Panics
/// Panics if it could.
pub fn assert_printable(shown: &impl fmt::Display) {
    let shown = shown.to_string();
    assert!(!shown.chars().any(char::is_control), "control characters in {shown:?}");
}

/// The system's allocator, which counts what is allocated: nothing else shows how much is kept.
#[derive(Default)]
pub struct Counting {
    allocated: AtomicUsize,
}

impl Counting {
    /// One that has not allocated anything.
    #[must_use]
    pub const fn new() -> Self {
        Self { allocated: AtomicUsize::new(0) }
    }

    /// What is allocated at present, in bytes.
    pub fn allocated(&self) -> usize {
        self.allocated.load(Relaxed)
    }
}

// SAFETY: everything is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocated.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.allocated.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}
