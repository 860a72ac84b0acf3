//! The counters' memory: what outlives a restart.

pub mod directory;
pub mod error;
pub mod format;
mod legacy;
pub mod saving;
pub mod store;
