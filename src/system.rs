//! What connects the service to the system it runs on.

pub mod listeners;
pub mod liveness;
pub mod logging;
pub mod notifier;
mod outbox;
pub mod signals;
pub(crate) mod sockets;
pub mod systemd;
pub mod units;
