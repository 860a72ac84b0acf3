//! What the service reports to systemd: that it is ready, how it is, that it lives.
//!
//! A thread sends it, since systemd may be too busy to take it. If so, reports are lost.

use std::io;

use sd_notify::NotifyState;

use super::outbox::{Inbox, Outbox, Taken};

/// Reports that may wait. There is one every few seconds.
const MAX_WAITING: usize = 16;

/// Reports to systemd, if it started the service and wants to know. When it is dropped, what still
/// waits is sent, if systemd takes it.
#[derive(Debug)]
pub struct Notifier(Outbox<Report>);

#[derive(Debug)]
enum Report {
    Ready,
    Status(String),
    Watchdog,
    Stopping,
}

impl Notifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns an error if the system gives no thread.
    pub fn start() -> io::Result<Self> {
        Outbox::start("notifier", MAX_WAITING, send_all).map(Self)
    }

    /// Reports that the configuration is valid and the sockets are open. The source may still be
    /// away.
    pub fn ready(&self) {
        self.0.put(Report::Ready);
    }

    /// Reports the state of the service in one line, for `systemctl status`.
    pub fn status(&self, text: String) {
        self.0.put(Report::Status(text));
    }

    /// Reports that the service makes progress.
    pub fn watchdog(&self) {
        self.0.put(Report::Watchdog);
    }

    /// Reports that the service is stopping on purpose.
    pub fn stopping(&self) {
        self.0.put(Report::Stopping);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn send_all(inbox: &Inbox<Report>) {
    loop {
        match inbox.take(None) {
            Taken::Item(report) => send(&report),
            Taken::Lost(lost) => {
                tracing::warn!(
                    lost,
                    "reports to systemd lost because it did not take them: {lost}"
                );
            }
            Taken::Late => {}
            Taken::Closed => break,
        }
    }
}

/// Does nothing if nobody listens.
fn send(report: &Report) {
    let state = match report {
        Report::Ready => NotifyState::Ready,
        Report::Status(text) => NotifyState::Status(text),
        Report::Watchdog => NotifyState::Watchdog,
        Report::Stopping => NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!("cannot notify systemd: {error}");
    }
}
