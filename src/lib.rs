//! A Fronius Smart Meter on Modbus TCP, with the values of any generator in openHAB or Home Assistant.
//!
//! Data flows one way:
//!
//! ```text
//! source  →  reading  →  meter  →  image  →  Modbus
//! ```
//!
//! - [`config`] turns a file into settings that need no further check.
//! - [`source`] keeps a [`meter::reading`] up to date.
//! - [`meter`] decides what may be served, and encodes it as registers.
//! - [`modbus`] answers every request from the latest image.
//! - [`persistence`] keeps the counters across restarts.
//! - [`status`] shows what is going on, as a page and for programs.
//! - [`daemon`] wires these together; [`system`] connects it to the operating system.
//! - [`time_zone`] and [`text`] are for output that people read.
//! - [`cli`] is the command line, and [`commands`] has its commands besides `run`. [`client`] and
//!   [`simulator`] are what some of these are built on.
//!
//! [`meter`] does no I/O, and the time is passed in.

pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod meter;
pub mod modbus;
pub mod persistence;
pub mod simulator;
pub mod source;
pub mod status;
pub mod system;
pub mod text;
pub mod time_zone;
