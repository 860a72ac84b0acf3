//! The counters' memory: what outlives a restart.

pub mod directory;
pub mod format;
pub mod store;
