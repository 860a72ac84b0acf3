//! The HTTP server, on a thread of its own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{LocalSet, spawn_local, yield_now},
    time::sleep,
};

use super::{
    answer::Answer,
    connection,
    connections::Connections,
    hosts::Hosts,
    listener::{SocketFile, StatusListener},
    request::Asked,
    site::Site,
};
use crate::system::{listeners::StreamListener, sockets};

/// The most connections, of all listeners together.
pub const MAX_CONNECTIONS: usize = 32;

/// The pause after an accept error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server. It stops when this is dropped, without anybody waiting for that, and the Unix sockets
/// that it has made are removed.
#[derive(Debug)]
pub struct StatusServer {
    _stop: oneshot::Sender<()>,
    _files: Vec<SocketFile>,
}

/// Starts a thread that serves on `listeners`. There `handler` answers each request that comes by one
/// of `hosts`, or over a Unix socket. It must not wait for anything.
///
/// # Errors
/// Returns an error if the system gives no thread, or not what that needs.
pub fn start(
    listeners: Vec<StatusListener>,
    hosts: Hosts,
    handler: impl Fn(&Asked) -> Answer + Send + 'static,
) -> io::Result<StatusServer> {
    let places: Vec<_> = listeners.iter().map(ToString::to_string).collect();
    let (listeners, files): (Vec<_>, Vec<_>) = listeners
        .into_iter()
        .map(|listener| ((listener.socket, listener.is_ingress), listener.file))
        .unzip();
    let (stop, stopped) = oneshot::channel();
    let (report, started) = mpsc::sync_channel(1);
    thread::Builder::new().name("status".to_owned()).spawn(move || {
        // Whoever starts it waits for the report.
        match prepare(listeners) {
            Ok((runtime, listeners)) => {
                let _ = report.send(Ok(()));
                run(&runtime, listeners, &Site::new(hosts, handler), stopped);
            }
            Err(error) => drop(report.send(Err(error))),
        }
    })?;
    started.recv().map_err(io::Error::other)??;
    for place in places {
        tracing::info!("the status page is on {place}");
    }
    Ok(StatusServer { _stop: stop, _files: files.into_iter().flatten().collect() })
}

/// A listening socket of the runtime.
enum Listener {
    Tcp(TcpListener),
    Ingress(TcpListener),
    Unix(UnixListener),
}

fn prepare(listeners: Vec<(StreamListener, bool)>) -> io::Result<(Runtime, Vec<Listener>)> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let context = runtime.enter();
    let adopt = |(listener, is_ingress)| match listener {
        StreamListener::Tcp(listener) => {
            let kind = if is_ingress { Listener::Ingress } else { Listener::Tcp };
            TcpListener::from_std(listener).map(kind)
        }
        StreamListener::Unix(listener) => UnixListener::from_std(listener).map(Listener::Unix),
    };
    let listeners = listeners.into_iter().map(adopt).collect::<io::Result<_>>()?;
    drop(context);
    Ok((runtime, listeners))
}

/// Serves until the other end of `stopped` is dropped.
fn run(runtime: &Runtime, listeners: Vec<Listener>, site: &Site, stopped: oneshot::Receiver<()>) {
    LocalSet::new().block_on(runtime, async {
        let connections = Rc::new(Connections::new(MAX_CONNECTIONS));
        for listener in listeners {
            let connections = Rc::clone(&connections);
            match listener {
                Listener::Tcp(listener) => {
                    let accept = async move || accept_tcp(&listener, |_| true).await;
                    spawn_local(serve(accept, site.clone(), connections));
                }
                Listener::Ingress(listener) => {
                    let accept = async move || accept_tcp(&listener, brings_ingress).await;
                    spawn_local(serve(accept, site.by_any_name(), connections));
                }
                Listener::Unix(listener) => {
                    let accept = async move || listener.accept().await.map(|(stream, _)| stream);
                    spawn_local(serve(accept, site.by_any_name(), connections));
                }
            }
        }
        // An error, which is what comes, says that the server is dropped.
        let _ = stopped.await;
    });
}

/// The Supervisor of Home Assistant, in the network of its containers.
const SUPERVISOR: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 30, 32, 2));

/// Whether what comes from this address was asked by a user of Home Assistant, who has logged in
/// there, or by this machine.
fn brings_ingress(peer: IpAddr) -> bool {
    peer == SUPERVISOR || peer.is_loopback()
}

/// Waits for a connection from an address that may have one. Others are closed at once.
async fn accept_tcp(
    listener: &TcpListener,
    may_connect: impl Fn(IpAddr) -> bool,
) -> io::Result<TcpStream> {
    loop {
        let (stream, peer) = listener.accept().await?;
        if may_connect(peer.ip()) {
            sockets::configure_stream(&stream);
            return Ok(stream);
        }
        tracing::debug!("status: {} may not connect", peer.ip());
    }
}

/// Serves whoever connects, and never returns.
async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    accept: impl AsyncFn() -> io::Result<S>,
    site: Site,
    connections: Rc<Connections>,
) {
    loop {
        match accept().await {
            Ok(stream) => {
                let (place, closed) = connections.admit();
                let site = site.clone();
                spawn_local(async move {
                    tokio::select! {
                        () = connection::serve(&site, || place.is_used(), stream) => {}
                        _ = closed => tracing::debug!("status: connection closed to make room"),
                    }
                });
                // A connection that had to make room closes before the next one is accepted.
                yield_now().await;
            }
            Err(error) => {
                tracing::warn!("cannot accept readers of the status page: {error}; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
