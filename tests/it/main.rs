//! Everything that is tried from outside, one theme a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a broken expectation is how a test fails"
)]

mod cli;
mod common;
mod config;
mod connections;
mod counters;
mod documents;
mod modbus;
mod openhab;
mod openhab_access;
mod openhab_events;
mod openhab_freshness;
mod openhab_log;
mod service;
mod systemd;
