//! What can be seen of the running service: a page, metrics, and health, over HTTP.
//!
//! It runs on a thread of its own, and only looks: whatever is asked of it, no poll waits.

pub mod api;
mod format;
pub mod language;
pub mod page;
#[cfg(test)]
mod sample;
pub mod snapshot;
pub mod verdict;
