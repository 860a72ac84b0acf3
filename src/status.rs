//! What can be seen of the running service: a page, metrics, and health, over HTTP.
//!
//! It runs on a thread of its own, and only looks: whatever is asked of it, no poll waits.

pub mod answer;
pub mod api;
pub mod board;
pub mod content;
mod format;
pub mod health;
mod history;
pub mod hosts;
pub mod language;
pub mod listener;
pub mod meter_view;
pub mod metrics;
pub mod page;
mod registers;
pub mod request;
#[cfg(test)]
mod sample;
pub mod server;
pub mod site;
pub mod snapshot;
pub mod verdict;

mod connection;
mod connections;

pub use hosts::HostName;
pub use listener::StatusAddress;

/// Where the service can be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusConfig {
    /// Where it listens if no socket is inherited; nowhere if empty.
    pub listen: Vec<StatusAddress>,
    /// Further names by which it may be called, besides those of the machine.
    pub hosts: Vec<HostName>,
}
