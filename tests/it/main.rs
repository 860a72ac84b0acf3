//! Everything that is tried from outside, one theme a file or folder.
//!
//! What runs itself again, or changes its whole process, is a program of its own beside this folder,
//! with the same harness. The tests of one theme: `cargo test --locked --test it openhab::`.
#![allow(clippy::restriction, reason = "a broken expectation is how a test fails")]

mod app;
mod cli;
mod config;
mod connections;
mod counters;
mod documents;
mod harness;
mod histories;
mod homeassistant;
mod log;
mod meters;
mod modbus;
mod openhab;
mod service;
mod status;
mod systemd;
