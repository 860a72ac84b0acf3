//! The Modbus TCP side: who is connected, and what each request gets.

pub mod connections;
pub mod frame_guard;
mod server;
mod service;
pub mod tally;

pub use server::{Server, ServerConfig, UnitIds};
pub use service::Device;

/// The port of Modbus TCP, where a Fronius inverter looks for a meter.
pub const PORT: u16 = 502;

/// The other one where it accepts a meter.
pub const SECOND_PORT: u16 = 1502;

/// Whether a Fronius inverter accepts a meter at this port.
#[must_use]
pub fn is_accepted(port: u16) -> bool {
    [PORT, SECOND_PORT].contains(&port)
}
