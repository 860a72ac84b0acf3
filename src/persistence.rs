//! The counters' memory: what outlives a restart.

pub mod format;
pub mod store;
pub mod task;
