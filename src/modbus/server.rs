//! The Modbus TCP server: every request is answered from the current image, in memory.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    connections::Connections,
    frame_guard::FrameGuard,
    service::{Device, Devices, MeterService},
};
use crate::{meter::Availability, system::sockets};

/// How many times in `idle_timeout` idle connections are looked for. So one lives at most a
/// twentieth longer than that.
const IDLE_CHECKS: f64 = 20.0;

/// The pause after an accept error, such as too many open files, which ends tokio-modbus's loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An accept error this soon after the last one is not logged again.
const SAME_FAILURE: Duration = Duration::from_secs(60);

/// Which unit ids are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitIds {
    /// Every unit id, as most emulators do.
    Any,
    /// Only the meter's own, and 0 and 255, which mean the device at the other end of the connection;
    /// requests to others get exception 0x0B.
    Strict,
}

/// How meters are served.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// Which unit ids are answered.
    pub unit_ids: UnitIds,
    /// The most connections; beyond that, one has to go (see [`Connections`]).
    pub max_connections: usize,
    /// A connection without a request for this long is closed.
    pub idle_timeout: Duration,
}

/// Serves images to Modbus clients.
#[derive(Clone, Debug)]
pub struct Server {
    devices: Arc<Devices>,
    idle_timeout: Duration,
    connections: Connections,
}

impl Server {
    /// Serves these devices on one port. Several are told apart by unit id.
    #[must_use]
    pub fn new(config: &ServerConfig, devices: Vec<Device>) -> Self {
        Self {
            devices: Arc::new(Devices { all: devices, unit_ids: config.unit_ids }),
            idle_timeout: config.idle_timeout,
            connections: Connections::new(config.max_connections),
        }
    }

    /// The connections of this server.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Accepts clients and never returns. An accept error closes the open connections, since it
    /// ends tokio-modbus's loop; clients can connect again after a short pause.
    pub async fn serve(&self, listener: TcpListener) -> Infallible {
        let server = tokio_modbus::server::tcp::Server::new(listener);
        let on_connected = |stream, peer| async move {
            let connected = self.connect(stream, peer);
            // A connection that had to make room closes before the next one is accepted. Otherwise
            // a crowd of newcomers could take more descriptors than there are.
            yield_now().await;
            Ok(connected)
        };
        let on_error = |error: io::Error| tracing::debug!("connection ended: {error}");
        let mut last_failure: Option<Instant> = None;
        loop {
            if let Err(error) = server.serve(&on_connected, on_error).await {
                let again = last_failure.is_some_and(|last| last.elapsed() < SAME_FAILURE);
                if !again {
                    tracing::warn!("cannot accept clients: {error}; trying again");
                }
                last_failure = Some(Instant::now());
            }
            sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Closes idle connections, and all connections whenever the image asks for it. Never returns.
    /// A connection to several meters is kept; one that asks for a closed connection then refuses
    /// reads.
    pub async fn close_unwanted(&self) {
        tokio::join!(self.close_idle(), self.close_stale());
    }

    async fn close_idle(&self) {
        let timeout = self.idle_timeout;
        loop {
            sleep(timeout.div_f64(IDLE_CHECKS)).await;
            self.connections.close_idle(timeout);
        }
    }

    async fn close_stale(&self) {
        let [device] = self.devices.all.as_slice() else { return };
        let mut images = device.images.clone();
        while images.wait_for(|image| image.availability == Availability::Disconnect).await.is_ok()
        {
            self.connections.close_all();
            if images.changed().await.is_err() {
                break;
            }
        }
    }

    fn connect(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(MeterService, FrameGuard<TcpStream>)> {
        // On a socket for both families, an IPv4 client would show up as ::ffff:192.0.2.1.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.devices.disconnect() {
            tracing::debug!(%peer, "{peer} refused because the data is stale");
            return None;
        }
        sockets::configure_stream(&stream);
        let (connection, closed) = self.connections.admit(peer);
        let service = MeterService { devices: Arc::clone(&self.devices), connection };
        Some((service, FrameGuard::new(stream, closed)))
    }
}
