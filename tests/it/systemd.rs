//! What systemd and the service say to each other: sockets, credentials, readiness, status and
//! watchdog.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::Stdio,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{net::UnixDatagram, process::Command, time::timeout};

use crate::harness::{
    client::Client,
    files::{directory, file},
    net::{anywhere, unused_address},
    openhab::OpenHab,
    program::{PROGRAM, RunningProgram, command},
    service::{ITEMS, Service, example, listening_on},
    until, within,
};

/// The end of systemd at which the service reports.
struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        Self { socket, directory }
    }

    /// The command will report to it.
    fn hears(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
    }

    async fn next(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).await.unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_owned()
    }

    /// The next report that begins so.
    #[track_caller]
    fn find(&self, start: &str) -> impl Future<Output = String> {
        within(async move {
            loop {
                let next = self.next().await;
                if next.starts_with(start) {
                    return next;
                }
            }
        })
    }
}

#[tokio::test]
async fn readiness_status_and_the_end_are_reported() {
    let openhab = OpenHab::start(&ITEMS);
    let manager = Manager::new();
    // Nobody has an address of this network: to listen there fails, and is not tried.
    let config = format!("{}modbus_listen: 192.0.2.1:502\n", example(openhab.address));
    let mut service = Service::start_with(&config, |command| manager.hears(command));
    assert_eq!(within(manager.next()).await, "READY=1", "the first report");
    assert_eq!(service.client().await.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    let unused = "modbus_listen is not used: ListenStream= of the socket unit";
    service.logs(unused).await;
    let status = manager.find("STATUS=").await;
    assert!(status.contains(" requests, "), "{status}");
    service.stop().await;
    manager.find("STOPPING=1").await;
}

#[tokio::test]
async fn the_watchdog_is_fed_while_openhab_is_away_or_silent_and_not_while_the_process_stands_still()
 {
    let (_held, nobody) = unused_address();
    // It takes connections, and never says a word.
    let listener = TcpListener::bind(anywhere()).unwrap();
    let config = |(update, openhab)| format!("{}update: {update}\n", example(openhab));
    let silent = listener.local_addr().unwrap();
    let [a, b, c, d] =
        [("events", nobody), ("poll", nobody), ("events", silent), ("poll", silent)].map(config);
    tokio::join!(
        assert_watchdog(&a),
        assert_watchdog(&b),
        assert_watchdog(&c),
        assert_watchdog(&d)
    );
}

async fn assert_watchdog(config: &str) {
    // Shorter than the pauses between two attempts to reach openHAB.
    const LIMIT: Duration = Duration::from_millis(600);
    let manager = Manager::new();
    let service = Service::start_with(config, |command| {
        manager.hears(command);
        command.env("WATCHDOG_USEC", LIMIT.as_micros().to_string());
    });
    for _ in 0..12 {
        let fed = timeout(LIMIT, manager.find("WATCHDOG=1")).await;
        fed.expect("systemd would have killed it");
    }
    service.running.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", service.running.id());
    until(async || fs::read_to_string(&stat).unwrap().contains(") T ")).await;
    // What was on its way.
    while timeout(Duration::from_millis(100), manager.next()).await.is_ok() {}
    assert!(timeout(LIMIT, manager.find("WATCHDOG=1")).await.is_err());
    service.running.signal(Signal::CONT);
    manager.find("WATCHDOG=1").await;
}

#[tokio::test]
async fn the_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::new();
    let service = Service::start_with(&example("127.0.0.1"), |command| {
        manager.hears(command);
        command.env("WATCHDOG_USEC", "100000").env("WATCHDOG_PID", "1");
    });
    assert_eq!(within(manager.next()).await, "READY=1");
    manager.find("STATUS=").await;
    // Were it fed, it would be four times until then.
    let fed = timeout(Duration::from_millis(100), manager.find("WATCHDOG=1")).await;
    assert!(fed.is_err());
    service.stop().await;
    assert_eq!(within(manager.next()).await, "STOPPING=1");
}

#[tokio::test]
async fn all_inherited_sockets_are_served() {
    let openhab = OpenHab::start(&ITEMS);
    let config = file(&example(openhab.address));
    let sockets = [(); 2].map(|()| TcpListener::bind(anywhere()).unwrap());
    let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    let [first, second] = sockets.map(OwnedFd::from);
    let mut with_both = command("sh");
    with_both
        .args([
            "-c",
            r#"export LISTEN_PID=$$; exec "$0" "$@" 3<&0 4<&1 </dev/null >/dev/null"#,
            PROGRAM,
            "--config",
        ])
        .arg(config.path())
        .stdin(first)
        .stdout(second)
        .stderr(Stdio::null())
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "modbus:another");
    let _running = with_both.spawn().unwrap();
    for address in addresses {
        let mut client = Client::connect(address).await;
        assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    }
}

#[tokio::test]
async fn sockets_for_another_process_and_numbers_of_none_are_left_alone() {
    for variables in [
        "LISTEN_FDS=1",
        "LISTEN_FDS=1 LISTEN_PID=",
        "LISTEN_FDS=1 LISTEN_PID=1",
        "LISTEN_PID=$$",
        "LISTEN_FDS=-1 LISTEN_PID=$$",
        "LISTEN_FDS=x LISTEN_PID=$$",
        "LISTEN_FDS=1000000 LISTEN_PID=$$",
        "LISTEN_FDS=2147483647 LISTEN_PID=$$",
    ] {
        let socket = TcpListener::bind(anywhere()).unwrap();
        let (_held, address) = unused_address();
        let config = file(&format!("{}modbus_listen: {address}\n", example("127.0.0.1")));
        let script = format!(r#"export {variables}; exec "$0" "$@" 3<&0 </dev/null"#);
        let mut command = command("sh");
        command
            .args(["-c", &script, PROGRAM, "--config"])
            .arg(config.path())
            .stdin(OwnedFd::from(socket));
        let mut running = RunningProgram::start(command);
        assert_eq!(listening_on(&mut running).await, address, "{variables}");
    }
}

#[tokio::test]
async fn a_descriptor_that_is_no_listening_tcp_socket_is_refused_by_name() {
    let listener = TcpListener::bind(anywhere()).unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let directory = TempDir::new().unwrap();
    let unix = UnixListener::bind(directory.path().join("socket")).unwrap();
    let others: [OwnedFd; 4] = [
        connected.into(),
        unix.into(),
        UdpSocket::bind(anywhere()).unwrap().into(),
        File::open("/dev/null").unwrap().into(),
    ];
    for other in others {
        let mut service = Service::start_with(&example("127.0.0.1"), |command| {
            command.stdin(Stdio::from(other)).env("LISTEN_FDNAMES", "modbus");
        });
        assert_eq!(service.running.exit_code().await, Some(78));
        let complaint = service.running.err.rest().await;
        let expected = "the inherited descriptor 3 (modbus) is not a listening TCP socket: ";
        assert!(complaint.len() == 1 && complaint[0].starts_with(expected), "{complaint:?}");
    }
}

#[tokio::test]
async fn a_token_of_systemd_is_used_and_a_blank_one_is_not() {
    const TOKEN: &str = "oh.meter.canary";
    let openhab = OpenHab::locked(TOKEN, &ITEMS);
    for (token, expected) in [(TOKEN, "data is live"), ("\n", "openHAB answers 401")] {
        let credentials = directory("openhab_token", token);
        let mut service = Service::start_with(&example(openhab.address), |command| {
            command.env("CREDENTIALS_DIRECTORY", credentials.path());
        });
        service.logs(expected).await;
    }
}

/// What a unit has in [Socket].
fn socket_settings(unit: &str) -> BTreeSet<String> {
    let path = format!("{}/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("\n[Socket]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let settings = section.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    settings.map(str::to_owned).collect()
}

#[test]
fn the_socket_of_a_further_meter_is_like_the_first_one() {
    let first = socket_settings("fronius-smartmeter.socket");
    let further = socket_settings("fronius-smartmeter@.socket");
    let only_in = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).cloned().collect::<Vec<_>>()
    };
    assert_eq!(only_in(&first, &further), ["FileDescriptorName=modbus", "ListenStream=502"]);
    let own = ["FileDescriptorName=%i", "Service=fronius-smartmeter.service"];
    assert_eq!(only_in(&further, &first), own);
}
