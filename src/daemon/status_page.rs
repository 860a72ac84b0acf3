//! The status page: what it looks at, and where it is.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use tokio::task::JoinSet;

use crate::{
    status::{
        HostName,
        board::{Board, MeterView},
        content,
        hosts::Hosts,
        listener::StatusListener,
        server::{self, StatusServer},
    },
    source::View,
};

/// The running page, and where it is.
#[derive(Debug)]
pub(super) struct StatusPage {
    pub(super) addresses: Vec<SocketAddr>,
    /// Serves until it is dropped.
    _server: StatusServer,
}

/// What the page shows besides the meters.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) source_name: String,
    pub(super) source: View,
    pub(super) configuration: String,
}

impl StatusPage {
    /// Starts the page, and looks at the meters from now on.
    ///
    /// # Errors
    /// Returns an error if the system gives no thread for it.
    pub(super) fn start(
        tasks: &mut JoinSet<&'static str>,
        listeners: Vec<StatusListener>,
        hosts: Vec<HostName>,
        Shown { source_name, source, configuration }: Shown,
        meters: Vec<MeterView>,
    ) -> io::Result<Self> {
        let addresses = listeners.iter().filter_map(StatusListener::address).collect();
        let board = Arc::new(Board {
            started: Instant::now(),
            source_name,
            source,
            configuration,
            meters,
            past: std::sync::Mutex::default(),
        });
        let looking = Arc::clone(&board);
        tasks.spawn(async move {
            looking.look().await;
            "status"
        });
        let answer = move |asked: &_| content::answer(&board, asked);
        let server = server::start(listeners, Hosts::of_this_machine(hosts), answer)?;
        Ok(Self { addresses, _server: server })
    }
}
