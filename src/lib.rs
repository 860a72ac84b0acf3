//! A Fronius Smart Meter on Modbus TCP, with the values of any generator in openHAB.
//!
//! Data flows one way:
//!
//! ```text
//! source  →  reading  →  meter  →  image  →  Modbus
//! ```
//!
//! - [`config`] turns a file into settings that need no further check.
//! - [`source`] keeps a [`reading`] up to date; [`units`] understands the states it reads.
//! - [`meter`] decides what may be served, and encodes it as registers.
//! - [`modbus`] answers every request from the latest image.
//! - [`keeper`] remembers the counters beyond a restart, in the file of [`state`].
//! - [`daemon`] wires these together, and watches their [`pulse`]; [`listen`], [`systemd`], [`logging`] and [`termination`] connect
//!   it to the system.
//! - [`time_zone`] and [`text`] are for what people read.
//! - [`cli`] is the program. Its other commands are [`check`], [`counters`], [`read`] and [`demo`],
//!   made of [`client`], [`report`], [`screen`] and [`simulator`].
//!
//! [`units`], [`reading`] and [`meter`] do no I/O and get the time passed in.

pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod counters;
pub mod daemon;
pub mod demo;
pub mod keeper;
pub mod listen;
pub mod logging;
pub mod meter;
pub mod modbus;
mod net;
pub mod pulse;
pub mod read;
pub mod reading;
pub mod report;
pub mod screen;
pub mod simulator;
pub mod source;
pub mod state;
pub mod systemd;
pub mod termination;
pub mod text;
pub mod time_zone;
pub mod units;
