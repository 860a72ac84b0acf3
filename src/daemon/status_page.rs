//! The status page: what it looks at, and where it is.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::task::JoinSet;

use crate::status::{
    HostName,
    board::Board,
    content,
    hosts::Hosts,
    listener::StatusListener,
    server::{self, StatusServer},
};

/// The status page while it is served.
#[derive(Debug)]
pub(super) struct StatusPage {
    address: Option<SocketAddr>,
    /// Serves until it is dropped.
    _server: StatusServer,
}

impl StatusPage {
    /// Starts the page, and has the board keep looking.
    ///
    /// # Errors
    /// Returns an error if the system gives no thread for it.
    pub(super) fn start(
        tasks: &mut JoinSet<&'static str>,
        listeners: Vec<StatusListener>,
        hosts: Vec<HostName>,
        board: Board,
    ) -> io::Result<Self> {
        let address = listeners.iter().find_map(StatusListener::address);
        let board = Arc::new(board);
        let looking = Arc::clone(&board);
        tasks.spawn(async move {
            looking.look().await;
            "status"
        });
        let answer = move |asked: &_| content::answer(&board, asked);
        let server = server::start(listeners, Hosts::of_this_machine(hosts), answer)?;
        Ok(Self { address, _server: server })
    }

    /// Where it is, if it has an address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}
