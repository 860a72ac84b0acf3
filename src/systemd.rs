//! All that systemd and the service say to each other.

use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The listening sockets that were inherited.
///
/// To be called before the runtime starts: it takes the `LISTEN_*` variables out of the
/// environment, which is unsound once there are threads.
///
/// # Errors
/// Where a descriptor is no listening TCP socket.
pub fn inherited_sockets() -> std::io::Result<Vec<TcpListener>> {
    let mut sockets = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..sockets.len() {
        if let Some(listener) = sockets.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

/// The configuration is sound and the sockets are open. openHAB may still be away.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// One line on how things are, for `systemctl status`.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

/// The service is about to end on purpose.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Does nothing where nobody listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd not notified: {error}");
    }
}
