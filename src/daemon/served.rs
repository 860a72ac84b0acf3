//! How meters are served: at their ports, within the limit of open files.

use std::net::SocketAddr;

use tokio::{net::TcpListener, task::JoinSet};

use super::{ports::Port, running::RunningMeter};
use crate::{
    modbus::{Server, ServerConfig},
    system::{logging, sockets},
};

/// How a meter is served. Those of one port share it.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) server: Server,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Starts serving these meters at their ports, and says how each is served.
pub(super) fn serve(
    tasks: &mut JoinSet<&'static str>,
    ports: Vec<Port>,
    meters: &[RunningMeter],
    config: ServerConfig,
) -> Vec<Served> {
    let mut all = Vec::new();
    for Port { listeners, meters: places } in ports {
        let own = || places.iter().filter_map(|place| meters.get(*place));
        let _about = logging::about(own().filter_map(RunningMeter::name)).entered();
        let server = Server::new(&config, own().map(RunningMeter::device).collect());
        let addresses = spawn_server(tasks, &server, listeners);
        let how = Served { server, addresses };
        all.extend(places.into_iter().map(|place| (place, how.clone())));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, served)| served).collect()
}

/// Starts serving on these sockets, and returns their addresses.
fn spawn_server(
    tasks: &mut JoinSet<&'static str>,
    server: &Server,
    listeners: Vec<TcpListener>,
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening on {address}");
            addresses.push(address);
        }
        let server = server.clone();
        tasks.spawn(async move { match server.serve(listener).await {} });
    }
    let closer = server.clone();
    tasks.spawn(async move {
        closer.close_unwanted().await;
        "closing"
    });
    addresses
}

/// Limits the connections of each port to what the limit of open files allows, beside `others`: if
/// accepting one fails, tokio-modbus drops every client.
pub(super) fn limited(config: ServerConfig, ports: usize, others: usize) -> ServerConfig {
    let wanted = config.max_connections.saturating_mul(ports).saturating_add(others);
    let room = sockets::raise_fd_limit(wanted).saturating_sub(others);
    let room = room.checked_div(ports).unwrap_or_default().max(1);
    ServerConfig { max_connections: config.max_connections.min(room), ..config }
}
