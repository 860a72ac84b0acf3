//! The signals that end the program: SIGTERM (from systemd), SIGINT (from Ctrl-C) and SIGHUP (from
//! a terminal that is closed). None of them reloads anything.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives these signals from its creation on.
#[derive(Debug)]
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl ShutdownSignals {
    /// Installs the handlers. From then on, the signals do not end the process by themselves.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hang_up = signal(SignalKind::hangup())?;
        Ok(Self { terminate, interrupt, hang_up })
    }

    /// Waits for one of the signals, and returns its name.
    pub async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}
