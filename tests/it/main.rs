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
mod config;
mod connections;
mod counters;
mod documents;
mod harness;
mod modbus;
mod openhab;
mod service;
mod systemd;
