//! The sockets of the status page.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::UnixListener,
        },
    },
    path::Path,
    process::Stdio,
};

use fronius_smartmeter::{
    status::{
        StatusAddress,
        listener::{self, StatusListenError, StatusListener},
    },
    system::listeners::StreamListener,
};
use tempfile::{NamedTempFile, TempDir};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
    process::Child,
};

use super::{rest, start, status};
use crate::harness::{
    client::Client,
    files::file,
    net::anywhere,
    program::{PROGRAM, command},
    service::{Service, example},
    until, within,
};

fn open(addresses: &[StatusAddress]) -> Result<Vec<StatusListener>, StatusListenError> {
    listener::open(addresses, Vec::new())
}

fn open_unix(path: &Path) -> Result<Vec<StatusListener>, StatusListenError> {
    open(&[StatusAddress::Unix(path.to_owned())])
}

async fn ask(path: &Path, host: &str) -> String {
    let mut stream = within(UnixStream::connect(path)).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    within(stream.write_all(request.as_bytes())).await.unwrap();
    rest(&mut stream).await
}

#[test]
fn nothing_given_is_nothing_opened() {
    assert!(open(&[]).unwrap().is_empty());
}

#[tokio::test]
async fn a_port_alone_is_on_loopback_addresses_alone() {
    let opened = open(&[StatusAddress::Loopback(0)]).unwrap();
    let addresses: Vec<_> = opened.iter().map(|one| one.address().unwrap()).collect();
    assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
    assert!(addresses.iter().any(SocketAddr::is_ipv4), "{addresses:?}");
    assert_eq!(addresses.len(), if TcpListener::bind("[::1]:0").is_ok() { 2 } else { 1 });
    let _server = start(opened);
    for address in addresses {
        let mut stream = within(TcpStream::connect(address)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(status(&rest(&mut stream).await), 200);
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_the_key_to_set() {
    let taken = TcpListener::bind(anywhere()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = open(&[StatusAddress::Tcp(address)]).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address} for the status page: ")),
        "{error}"
    );
    assert!(error.contains("set status_listen to another address"), "{error}");
    let loopback = open(&[StatusAddress::Loopback(address.port())]).unwrap_err().to_string();
    assert!(loopback.contains(&format!("on localhost:{} for", address.port())), "{loopback}");
}

#[tokio::test]
async fn an_inherited_socket_takes_the_place_of_the_configured_ones() {
    let socket = TcpListener::bind(anywhere()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    // Nobody has an address of this network.
    let elsewhere = StatusAddress::Tcp("192.0.2.1:80".parse().unwrap());
    let opened = listener::open(&[elsewhere], vec![StreamListener::Tcp(socket)]).unwrap();
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].address(), Some(address));
    assert_eq!(opened[0].to_string(), format!("http://{address}/"));
}

#[tokio::test]
async fn a_unix_socket_takes_every_host_and_goes_with_the_server() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("status.sock");
    let opened = open_unix(&path).unwrap();
    assert_eq!(opened[0].to_string(), format!("the Unix socket {}", path.display()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let server = start(opened);
    for host in ["localhost", "anything.example.org", ""] {
        assert_eq!(status(&ask(&path, host).await), 200, "{host}");
    }
    drop(server);
    assert!(!path.exists());
    // Whoever has the path opens it again.
    let _server = start(open_unix(&path).unwrap());
    assert_eq!(status(&ask(&path, "localhost").await), 200);
}

#[tokio::test]
async fn a_unix_socket_that_a_crash_has_left_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("status.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    let _server = start(open_unix(&path).unwrap());
    assert_eq!(status(&ask(&path, "localhost").await), 200);
}

#[test]
fn a_unix_socket_that_is_in_use_or_another_file_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let used = directory.path().join("used.sock");
    let _other = UnixListener::bind(&used).unwrap();
    let error = open_unix(&used).unwrap_err().to_string();
    assert!(error.contains("another program listens there"), "{error}");
    assert!(used.exists());

    let precious = directory.path().join("precious");
    fs::write(&precious, "content").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&used, &link).unwrap();
    for path in [&precious, &link, &directory.path().to_owned()] {
        let error = open_unix(path).unwrap_err().to_string();
        assert!(
            error.contains("it exists, and is no socket (set status_listen to another"),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "content");

    let nowhere = directory.path().join("nowhere/status.sock");
    let error = open_unix(&nowhere).unwrap_err().to_string();
    assert!(error.ends_with("(its directory must exist)"), "{error}");
}

#[test]
fn what_was_opened_before_an_error_is_removed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("status.sock");
    let elsewhere = StatusAddress::Tcp("192.0.2.1:80".parse().unwrap());
    let addresses = [StatusAddress::Unix(path.clone()), elsewhere];
    assert!(open(&addresses).is_err());
    assert!(!path.exists());
}

#[tokio::test]
async fn a_server_that_is_dropped_listens_no_more() {
    let served = super::Served::start();
    let address = served.address;
    let mut open = served.connect().await;
    within(super::exchange(&mut open, "localhost")).await;
    drop(served);
    until(async || TcpStream::connect(address).await.is_err()).await;
    assert_eq!(rest(&mut open).await, "");
}

/// Beside an only meter, every other name would be its own.
#[tokio::test]
async fn a_socket_named_status_has_the_page_and_not_the_meter() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("status.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let (_running, _config, modbus) = inheriting(unix.into());
    let mut client = Client::connect(modbus).await;
    assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    assert_eq!(status(&ask(&path, "anything.example.org").await), 200);

    let tcp = TcpListener::bind(anywhere()).unwrap();
    let page = tcp.local_addr().unwrap();
    let (_running, _config, modbus) = inheriting(tcp.into());
    let mut client = Client::connect(modbus).await;
    assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    for (host, expected) in [("localhost", 200), ("anything.example.org", 403)] {
        let mut stream = within(TcpStream::connect(page)).await.unwrap();
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        within(stream.write_all(request.as_bytes())).await.unwrap();
        assert_eq!(status(&rest(&mut stream).await), expected, "{host}");
    }
}

#[tokio::test]
async fn the_service_removes_its_unix_socket_and_replaces_that_of_a_crash() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("status.sock");
    let config = format!("{}status_listen: {}\n", example("127.0.0.1"), path.display());
    let mut crashing = Service::start(&config);
    crashing.logs("the status page is on the Unix socket").await;
    crashing.kill().await;
    assert!(path.exists());
    let mut service = Service::start(&config);
    service.logs("the status page is on the Unix socket").await;
    assert_eq!(status(&ask(&path, "anything.example.org").await), 200);
    service.stop().await;
    assert!(!path.exists());
}

/// The service with this socket for its page, and the address of another for its meter.
fn inheriting(page: OwnedFd) -> (Child, NamedTempFile, SocketAddr) {
    let modbus = TcpListener::bind(anywhere()).unwrap();
    let address = modbus.local_addr().unwrap();
    // It is not used: nobody has an address of this network.
    let config = format!("{}status_listen: 192.0.2.1:80\n", example("127.0.0.1"));
    let config = file(&config);
    let script = r#"export LISTEN_PID=$$; exec "$0" --config "$1" 3<&0 4<&1 </dev/null >/dev/null"#;
    let mut service = command("sh");
    service
        .args(["-c", script, PROGRAM])
        .arg(config.path())
        .stdin(page)
        .stdout(OwnedFd::from(modbus))
        .stderr(Stdio::null())
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "status:modbus");
    (service.spawn().unwrap(), config, address)
}

#[tokio::test]
async fn a_descriptor_named_status_that_does_not_listen_is_refused_by_name() {
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let udp = std::net::UdpSocket::bind(anywhere()).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    for other in [OwnedFd::from(one), udp.into(), file.into()] {
        let mut service = Service::start_with(&example("127.0.0.1"), |command| {
            command.stdin(Stdio::from(other)).env("LISTEN_FDNAMES", "status");
        });
        assert_eq!(service.running.exit_code().await, Some(78));
        let complaint = service.running.err.rest().await;
        let expected =
            "the inherited descriptor 3 (status) is not a listening TCP or Unix socket: ";
        assert!(complaint.len() == 1 && complaint[0].starts_with(expected), "{complaint:?}");
    }
}
