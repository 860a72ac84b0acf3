//! The readers of the log and of the reports to systemd: nobody waits for them.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Stdio,
    time::Duration,
};

use fronius_smartmeter::{daemon::Daemon, system::systemd::InheritedSockets};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::UnixDatagram,
    process::Child,
    time::sleep,
};
use tracing::Level;

use crate::harness::{
    client::{Client, floats},
    clock::FastClock,
    files::{file, text},
    log::Log,
    net::unused_address,
    openhab::{HOUSE, OpenHab},
    program::program,
    service::{ITEMS, Service, example, example_at},
    source::config,
    task::Task,
    until, within,
};

/// At the level of the example, each request is a line.
const REQUESTS: usize = 5000;

/// The service with this standard error, after so many lines that no pipe holds them.
struct Chatty {
    child: Child,
    client: Client,
    _openhab: OpenHab,
}

impl Chatty {
    async fn start(stderr: OwnedFd) -> Self {
        let openhab = OpenHab::start(&ITEMS);
        let (held, address) = unused_address();
        let config = file(&format!("{}modbus_listen: {address}\n", example(openhab.address)));
        let mut command = program(&["run", "--config", text(config.path())]);
        let child = command.stderr(Stdio::from(stderr)).spawn().unwrap();
        until(async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        drop(held);
        let client = Client::connect(address).await;
        let mut chatty = Self { child, client, _openhab: openhab };
        chatty.ask(REQUESTS).await;
        chatty
    }

    async fn ask(&mut self, requests: usize) {
        for _ in 0..requests {
            self.client.read(40_000, 4).await.unwrap();
        }
    }

    async fn ends_well(mut self) {
        let id = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        assert_eq!(within(self.child.wait()).await.unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_answers_nor_the_end() {
    // The other end is held, and never read.
    let (stderr, _unread) = UnixStream::pair().unwrap();
    Chatty::start(stderr.into()).await.ends_well().await;
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_stops_neither_answers_nor_the_end() {
    let (stderr, gone) = UnixStream::pair().unwrap();
    drop(gone);
    Chatty::start(stderr.into()).await.ends_well().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_learns_how_many_lines_are_lost() {
    let (stderr, unread) = UnixStream::pair().unwrap();
    let mut service = Chatty::start(stderr.into()).await;
    unread.set_nonblocking(true).unwrap();
    let unread = tokio::net::UnixStream::from_std(unread).unwrap();
    let mut lines = BufReader::new(unread).lines();
    let mut requests = 0;
    let lost = loop {
        let line = within(lines.next_line()).await.unwrap().unwrap();
        requests += usize::from(line.contains("ReadHoldingRegisters(40000, 4)"));
        if let Some((_, lost)) =
            line.split_once("log lines lost because they were not written in time: ")
        {
            break lost.parse::<usize>().unwrap();
        }
    };
    assert_eq!(requests + lost, REQUESTS, "{lost} lost");
    service.ask(1).await;
    let next = within(lines.next_line()).await.unwrap().unwrap();
    assert!(next.contains("ReadHoldingRegisters(40000, 4)"), "{next}");
    service.ends_well().await;
}

#[tokio::test]
async fn a_systemd_that_does_not_listen_stops_neither_answers_nor_the_end() {
    let openhab = OpenHab::start(&ITEMS);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notify");
    let unread = UnixDatagram::bind(&path).unwrap();
    let mut service = Service::start_with(&example(openhab.address), |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "4000");
    });
    // The kernel holds but a few datagrams for it.
    let another = UnixDatagram::unbound().unwrap();
    another.connect(&path).unwrap();
    until(async || another.try_send(b"").is_err()).await;
    let mut client = service.client().await;
    // Longer than a thousand reports take.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    let hears_again = async {
        loop {
            unread.recv(&mut [0; 1024]).await.unwrap();
        }
    };
    tokio::select! {
        () = hears_again => {}
        line = service.logs("reports to systemd lost because it did not take them") => {
            assert!(!line.ends_with(": 0"), "{line}");
        }
    }
    until(async || another.try_send(b"").is_err()).await;
    service.stop().await;
}

#[tokio::test]
async fn an_item_that_comes_and_goes_does_not_fill_the_log() {
    const POWER: &str = "inverter2_Grid_P";
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::start(&example_at("info", openhab.address));
    service.is_live().await;
    for watts in 0..500 {
        openhab.set(POWER, "UNDEF");
        openhab.set(POWER, &format!("{watts} W"));
    }
    // It has all of that then.
    let mut client = service.client().await;
    until(async || floats(&client.read(40_097, 2).await.unwrap()) == [-499.0]).await;
    let log = service.stop().await;
    let of_power: Vec<_> = log.iter().filter(|line| line.contains(POWER)).collect();
    assert!((4..=15).contains(&of_power.len()), "{of_power:#?}");
    assert!(of_power.iter().any(|line| line.contains("more of this kind")), "{of_power:#?}");
}

#[tokio::test]
async fn a_summary_comes_once_an_hour_and_little_else() {
    let _clock = FastClock::start_by(Duration::from_millis(500));
    let log = Log::start(Level::INFO);
    let openhab = OpenHab::start(&HOUSE);
    let config = config(openhab.address, "");
    let daemon = Daemon::start(config, InheritedSockets::default()).await.unwrap();
    let address = daemon.address().unwrap();
    let _service = Task::spawn(async { daemon.run().await.unwrap() });
    let mut client = Client::connect(address).await;
    sleep(Duration::from_mins(1)).await;
    for _ in 0..3 {
        client.read(40_071, 58).await.unwrap();
    }
    openhab.set("E", "12345.778 kWh");
    sleep(Duration::from_mins(121)).await;
    let lines = log.lines();
    let summaries: Vec<_> = lines.iter().filter(|line| line.contains("in this hour")).collect();
    let [first, second] = summaries[..] else { panic!("{lines:#?}") };
    for (summary, parts) in [
        (first, ["generated (0.100 kWh in this hour); data up to ", " old; 3 polls by 127.0.0.1"]),
        (second, ["generated (0.000 kWh in this hour); data up to ", " old; no polls"]),
    ] {
        assert!(summary.contains("live, generates 800.0 W; 12 345.778 kWh "), "{summary}");
        assert!(parts.iter().all(|part| summary.contains(part)), "{summary}");
    }
    // The start, the items, and a client that comes and goes.
    assert!(lines.len() <= 10, "{lines:#?}");
}

#[tokio::test]
async fn who_logs_warnings_alone_sees_an_outage_begin_and_end() {
    let mut openhab = OpenHab::start(&ITEMS);
    let config = format!("{}stale_after: 4s\n", example_at("warning", openhab.address));
    let mut service = Service::start(&config);
    service.logs("no state_dir: after a restart the counters begin").await;
    until(async || service.client().await.read(40_071, 58).await.is_ok()).await;
    openhab.stop().await;
    let line = service.logs("WARN data is stale").await;
    assert!(line.ends_with("for too long; 0 W is served (on_stale)"), "{line}");
    openhab.restart();
    service.logs("WARN data is live").await;
    let log = service.stop().await;
    assert!(!log.iter().any(|line| line.contains(" INFO ")), "{log:#?}");
}
