//! The signals that end the program: SIGTERM (from systemd), SIGINT (from Ctrl-C) and SIGHUP (from
//! a terminal that is closed). None of them reloads anything.

use std::{fs, future::pending, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives these signals from its creation on.
#[derive(Debug)]
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Option<Signal>,
    hang_up: Option<Signal>,
}

impl ShutdownSignals {
    /// Installs the handlers. From then on, the signals do not end the process by themselves.
    ///
    /// SIGINT and SIGHUP stay ignored where they are: `nohup` means the program to outlive its
    /// terminal, and a shell means a job in the background to outlive Ctrl-C. SIGTERM ends it always.
    ///
    /// # Errors
    /// Returns an error if the system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let ignored = ignored();
        let unless_ignored = |kind: SignalKind| {
            let bit = kind.as_raw_value().saturating_sub(1).unsigned_abs();
            let is_ignored = ignored.checked_shr(bit).is_some_and(|mask| mask & 1 == 1);
            (!is_ignored).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            interrupt: unless_ignored(SignalKind::interrupt())?,
            hang_up: unless_ignored(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of the signals, and returns its name.
    pub async fn requested(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            () = received(&mut self.interrupt) => "SIGINT",
            () = received(&mut self.hang_up) => "SIGHUP",
        }
    }
}

/// Waits for the signal, which never comes if it is ignored.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => pending().await,
    }
}

/// The signals that the process ignores, bit 0 being signal 1. None where the system does not say.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
