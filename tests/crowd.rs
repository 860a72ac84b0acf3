//! Crowds: a thousand clients at once, more clients than descriptors, and what is logged of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a broken expectation is how a test fails"
)]

use std::{
    fs,
    net::SocketAddr,
    process::{self, Stdio},
    sync::Arc,
    time::Duration,
};

use fronius_smartmeter::modbus::ServerConfig;
use rustix::process::{Pid, Resource, Rlimit};
use tokio::{
    net::TcpSocket,
    sync::oneshot,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

#[path = "it/harness/mod.rs"]
mod harness;

use harness::{
    client::{Client, READ_HOLDING, floats, frame, read_request},
    program::{ITEMS, OpenHab, Running, Service, example, file, text},
    server::{live, serve, server_config},
    within,
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

async fn join_all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = within(tasks.join_next()).await {
        results.push(result.unwrap());
    }
    results
}

/// So many clients, all connected in the end. The listener of the tests lets 128 wait; to a further
/// one the system would give a second's wait, and then a longer one.
async fn crowd(size: usize, address: SocketAddr) -> Vec<Client> {
    let mut crowd = Vec::new();
    while crowd.len() < size {
        let mut connecting = JoinSet::new();
        for _ in 0..(size - crowd.len()).min(100) {
            connecting.spawn(Client::connect(address));
        }
        crowd.extend(join_all(connecting).await);
    }
    crowd
}

#[tokio::test]
async fn a_thousand_clients_at_once_all_get_right_answers() {
    let Some(size) = crowd_of("a_thousand_clients_at_once_all_get_right_answers") else { return };
    let served = serve(ServerConfig { max_connections: size, ..server_config() }, live()).await;
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
        crowd = join_all(polling).await;
        assert_eq!(
            served.connections.usage().connections,
            size,
            "none may be lost in round {round}"
        );
    }
    assert_eq!(served.connections.usage().requests, (4 * (3 * size + 1)) as u64);
}

/// Polls every 100 ms until it is told to end. The connection must stay, and every answer come.
/// Gives how many did.
async fn poll_on(
    mut client: Client,
    expected: Vec<Vec<u16>>,
    mut end: oneshot::Receiver<()>,
) -> usize {
    let mut tick = interval(Duration::from_millis(100));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered = 0;
    while end.try_recv().is_err() {
        tick.tick().await;
        assert_eq!(poll(&mut client).await, expected, "after {answered} rounds");
        answered += 1;
    }
    answered
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
    let served = serve(ServerConfig { max_connections, ..server_config() }, live()).await;
    let address = served.address;
    let mut inverter = Client::connect(address).await;
    let expected = poll(&mut inverter).await;
    let (end, ended) = oneshot::channel();
    let polling = tokio::spawn(poll_on(inverter, expected, ended));

    // As fast as they come, and none gets as far as a whole request.
    let mut silent = crowd(size, address).await;
    let request = frame(1, 1, &read_request(READ_HOLDING, 40_000, 2));
    for client in &mut silent {
        // It may be closed already.
        let _ = client.send(&request[..7]).await;
    }
    // As fast as they come, each asks, and all stay: 20 times as many as there is room for.
    let mut asking = Vec::new();
    for _ in 0..20 * max_connections {
        let mut client = neighbour(address).await;
        assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
        asking.push(client);
    }
    assert_eq!(served.connections.usage().connections, max_connections);
    end.send(()).expect("the inverter was starved");
    let answered = within(polling).await.unwrap();
    assert!(answered >= 5, "only {answered} rounds, so nothing was tried");
    drop((silent, asking));
}

/// The service as a process whose id is known, and where it listens.
async fn start_with_id(config: &str) -> (Running, String, SocketAddr) {
    let config = file(&format!("{config}modbus_listen: 127.0.0.1:0\n"));
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", r#"echo "process $$" >&2; exec "$0" "$@""#])
        .args([env!("CARGO_BIN_EXE_fronius-smartmeter"), "run", "--config", text(config.path())])
        .env_remove("LISTEN_FDS")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let mut running = Running::start(command);
    let id = running.err.find("process ").await.replace("process ", "");
    let line = running.err.find("listening on").await;
    let (_, address) = line.rsplit_once(' ').unwrap();
    (running, id, address.parse().unwrap())
}

fn quiet_example(openhab: &OpenHab) -> String {
    example(&openhab.address).replace("loglevel: debug", "loglevel: info")
}

#[tokio::test]
async fn a_lack_of_descriptors_is_survived_and_told_once() {
    let openhab = OpenHab::start(&ITEMS).await;
    let (mut service, id, address) = start_with_id(&quiet_example(&openhab)).await;
    service.err.find("data is live").await;
    // It has seen to it that there are enough, so they must be taken away later.
    let few = Rlimit { current: Some(30), maximum: Some(30) };
    let id = Pid::from_raw(id.parse().unwrap());
    rustix::process::prlimit(id, Resource::Nofile, few).unwrap();
    for round in 0..2 {
        let mut crowd = Vec::new();
        for _ in 0..100 {
            crowd.push(Client::connect(address).await);
        }
        if round == 0 {
            service.err.find("cannot accept clients: Too many open files").await;
        }
        drop(crowd);
        // A connection of the crowd's time may be closed with it, so another one may be needed.
        let power = within(async {
            loop {
                let mut client = Client::connect(address).await;
                let request = read_request(READ_HOLDING, 40_097, 2);
                if let Ok(answer) = client.try_ask(1, &request).await {
                    break answer;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        assert_eq!(power.await, [&[READ_HOLDING, 4], &(-800_f32).to_be_bytes()[..]].concat());
    }
    service.signal("TERM").await;
    assert_eq!(service.exit_code().await, Some(0));
    let log = service.err.rest().await;
    assert!(!log.iter().any(|line| line.contains("cannot accept")), "told again: {log:#?}");
}

/// A peer that has lost its power is found out only so. The system shows a connection's timer: 02
/// is that of keepalive, with the time left in hundredths of a second.
#[tokio::test]
async fn a_silent_connection_is_probed_after_half_a_minute() {
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
    poll(&mut client).await;
    let local = format!(":{:04X}", served.address.port());
    let remote = format!(":{:04X}", client.stream.local_addr().unwrap().port());
    let left = within(async {
        loop {
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            let timer = table.lines().find_map(|line| {
                let columns: Vec<_> = line.split_whitespace().collect();
                let ours = columns[1].ends_with(&local) && columns[2].ends_with(&remote);
                ours.then(|| columns[5].to_owned())
            });
            // Until the last answer is acknowledged, there is another timer.
            if let Some(left) = timer.expect("no such connection").strip_prefix("02:") {
                break u32::from_str_radix(left, 16).unwrap();
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let left = left.await;
    assert!((1..=3000).contains(&left), "the first probe comes after {left} / 100 s");
}

#[tokio::test]
async fn a_client_that_comes_and_goes_is_logged_but_once() {
    let openhab = OpenHab::start(&ITEMS).await;
    let mut service = Service::start(&quiet_example(&openhab));
    service.running.err.find("data is live").await;
    for _ in 0..200 {
        let mut client = Client::connect(service.address).await;
        assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    }
    service.running.signal("TERM").await;
    assert_eq!(service.running.exit_code().await, Some(0));
    let mut log = service.running.err.rest().await;
    log.retain(|line| !line.ends_with("stopped by SIGTERM"));
    assert!(log.len() <= 2, "{log:#?}");
    assert!(log.iter().any(|line| line.ends_with("client 127.0.0.1 polls")), "{log:#?}");
}
