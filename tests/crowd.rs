//! Crowds: a thousand clients at once, more clients than descriptors, and what is logged of them. A
//! program of its own, since it runs itself again with more descriptors.
#![allow(clippy::restriction, reason = "a broken expectation is how a test fails")]

use std::{
    fs,
    net::SocketAddr,
    process::{self, Stdio},
    sync::Arc,
    time::Duration,
};

use fronius_smartmeter::modbus::ServerConfig;
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::{
    net::TcpSocket,
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

#[path = "it/harness/mod.rs"]
mod harness;

use harness::{
    client::{Client, READ_HOLDING, floats, frame, read_request},
    openhab::OpenHab,
    server::{live, serve, server_config},
    service::{ITEMS, Service, example_at},
    task::Task,
    until, wait_for, within,
};

/// As many as `max_connections` allows.
const CROWD: usize = 1000;

/// Two crowds at once, with both ends in this process, need no more.
const DESCRIPTORS: usize = 4096;

/// What an inverter asks in its cycle, and when it looks whether the meter is still the same.
const POLL: [(u16, u16); 4] = [(40_000, 2), (40_069, 2), (40_071, 58), (40_129, 32)];

/// The power in 40071/58.
const POWER: usize = 13;

/// How many descriptors this process may have.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    soft.parse().unwrap_or(usize::MAX)
}

/// Runs a test again, as a process with enough descriptors for a crowd, where this one may not have
/// so many. Gives the size of the crowd, or none where the test has been run already.
fn crowd_of(test: &str) -> Option<usize> {
    const AGAIN: &str = "CROWD_TEST_AGAIN";
    let have = descriptors();
    if have >= DESCRIPTORS {
        return Some(CROWD);
    }
    if std::env::var_os(AGAIN).is_some() {
        let size = CROWD.min(have.saturating_sub(500) / 2);
        if size < CROWD {
            eprintln!("ONLY {size} CLIENTS, since only {have} descriptors are allowed here");
        }
        return Some(size);
    }
    // Where even that is forbidden, it goes on with what there is.
    let script = r#"ulimit -S -n "$0" 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"; exec "$@""#;
    let status = process::Command::new("sh")
        .args(["-c", script, &DESCRIPTORS.to_string()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(AGAIN, "1")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{test} with more descriptors: {status}");
    None
}

/// All that an inverter asks for.
async fn poll(client: &mut Client) -> Vec<Vec<u16>> {
    let mut answers = Vec::new();
    for (start, count) in POLL {
        answers.push(client.read(start, count).await.expect("measured values are refused"));
    }
    answers
}

/// So many clients, all connected in the end.
async fn crowd(size: usize, address: SocketAddr) -> Vec<Client> {
    let connecting: JoinSet<_> = (0..size).map(|_| Client::connect(address)).collect();
    within(connecting.join_all()).await
}

#[tokio::test]
async fn a_thousand_clients_at_once_all_get_right_answers() {
    let Some(size) = crowd_of("a_thousand_clients_at_once_all_get_right_answers") else { return };
    let served = serve(&ServerConfig { max_connections: size, ..server_config() }, live());
    let address = served.address;
    let mut first = Client::connect(address).await;
    let expected = Arc::new(poll(&mut first).await);
    assert_eq!(floats(&expected[2])[POWER..=POWER], [-800.0]);
    assert_eq!(floats(&expected[3])[0..1], [12_345_678.0]);

    let mut crowd = crowd(size - 1, address).await;
    crowd.push(first);
    for round in 1..=3 {
        let mut polling = JoinSet::new();
        for mut client in crowd {
            let expected = Arc::clone(&expected);
            polling.spawn(async move {
                assert_eq!(poll(&mut client).await, *expected, "round {round}");
                client
            });
        }
        crowd = within(polling.join_all()).await;
        assert_eq!(
            served.connections.usage().connections,
            size,
            "none may be lost in round {round}"
        );
    }
    assert_eq!(served.connections.usage().requests, (4 * (3 * size + 1)) as u64);
}

/// Polls every 20 ms, and counts the rounds. The connection must stay, and every answer come.
async fn poll_on(mut client: Client, expected: Vec<Vec<u16>>, rounds: watch::Sender<usize>) {
    let mut tick = interval(Duration::from_millis(20));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        assert_eq!(poll(&mut client).await, expected, "after {} rounds", *rounds.borrow());
        rounds.send_modify(|rounds| *rounds += 1);
    }
}

/// Waits for two more rounds, of which one has begun after this.
async fn goes_on(rounds: &mut watch::Receiver<usize>) {
    let wanted = *rounds.borrow() + 2;
    wait_for(rounds, |rounds| *rounds >= wanted).await;
}

/// A client with an address of its own among those of this machine.
async fn neighbour(address: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    Client::of(within(socket.connect(address)).await.unwrap())
}

/// The address that has most connections gives one up, so a neighbour does not have to ask slowly.
#[tokio::test]
async fn a_crowd_past_the_limit_never_starves_a_client_that_polls() {
    let Some(size) = crowd_of("a_crowd_past_the_limit_never_starves_a_client_that_polls") else {
        return;
    };
    let max_connections = 64;
    let served = serve(&ServerConfig { max_connections, ..server_config() }, live());
    let address = served.address;
    let mut inverter = Client::connect(address).await;
    let expected = poll(&mut inverter).await;
    let (count, mut rounds) = watch::channel(0);
    let _polling = Task::spawn(poll_on(inverter, expected, count));

    // As fast as they come, and none gets as far as a whole request.
    let mut silent = crowd(size, address).await;
    let request = frame(1, 1, &read_request(READ_HOLDING, 40_000, 2));
    for client in &mut silent {
        // It may be closed already.
        let _ = client.send(&request[..7]).await;
    }
    goes_on(&mut rounds).await;
    // As fast as they come, each asks, and all stay: 20 times as many as there is room for.
    let mut asking = Vec::new();
    for _ in 0..20 * max_connections {
        let mut client = neighbour(address).await;
        assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
        asking.push(client);
    }
    assert_eq!(served.connections.usage().connections, max_connections);
    goes_on(&mut rounds).await;
    drop((silent, asking));
}

#[tokio::test]
async fn a_lack_of_descriptors_is_survived_and_logged_once() {
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::listening(&example_at("info", openhab.address)).await;
    service.is_live().await;
    // It has seen to it that there are enough, so they must be taken away later.
    let few = Rlimit { current: Some(30), maximum: Some(30) };
    prlimit(Some(service.running.id()), Resource::Nofile, few).unwrap();
    for round in 0..2 {
        let mut crowd = Vec::new();
        for _ in 0..100 {
            crowd.push(service.client().await);
        }
        if round == 0 {
            service.logs("cannot accept clients: Too many open files").await;
        }
        drop(crowd);
        // A connection of the crowd's time may be closed with it, so another one may be needed.
        let power = [&[READ_HOLDING, 4], &(-800_f32).to_be_bytes()[..]].concat();
        let request = read_request(READ_HOLDING, 40_097, 2);
        until(async || service.client().await.try_ask(1, &request).await.is_ok_and(|a| a == power))
            .await;
    }
    let log = service.stop().await;
    assert!(!log.iter().any(|line| line.contains("cannot accept")), "logged again: {log:#?}");
}

/// What the system says of a connection from `remote` to `local`: its timer, 02 being that of
/// keepalive, with the time left in hundredths of a second.
fn timer(local: SocketAddr, remote: SocketAddr) -> String {
    let [local, remote] = [local, remote].map(|address| format!(":{:04X}", address.port()));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let timer = table.lines().find_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let ours = columns[1].ends_with(&local) && columns[2].ends_with(&remote);
        ours.then(|| columns[5].to_owned())
    });
    timer.expect("no such connection")
}

/// A peer that has lost its power is found out only so.
#[tokio::test]
async fn a_silent_connection_is_probed_after_half_a_minute() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    poll(&mut client).await;
    let timer = || timer(served.address, client.stream.local_addr().unwrap());
    // Until the last answer is acknowledged, there is another timer.
    until(async || timer().starts_with("02:")).await;
    let left = u32::from_str_radix(timer().trim_start_matches("02:"), 16).unwrap();
    assert!((1..=3000).contains(&left), "the first probe comes after {left} / 100 s");
}

#[tokio::test]
async fn a_client_that_comes_and_goes_is_logged_but_once() {
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::start(&example_at("info", openhab.address));
    service.is_live().await;
    for _ in 0..200 {
        assert_eq!(service.client().await.read(40_071, 2).await.unwrap().len(), 2);
    }
    let mut log = service.stop().await;
    // It is live before the last items are read.
    log.retain(|line| !line.ends_with("stopped by SIGTERM") && !line.contains("has the state"));
    assert!(log.len() <= 2, "{log:#?}");
    assert!(log.iter().any(|line| line.ends_with("client 127.0.0.1 polls")), "{log:#?}");
}
