//! Several meters in one service: each with its own values, counters and identity.

use std::{
    collections::HashMap,
    fmt::Display,
    fs,
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::{NamedTempFile, TempDir};

use crate::harness::{
    client::{Client, ILLEGAL_ADDRESS, NO_TARGET, floats},
    expected::assert_expected,
    files::{file, text},
    net::anywhere,
    openhab::{
        OpenHab,
        answers::{Answer, LISTEN, READ, events, keep_alive, state, status, stream_head},
        raw::RawOpenHab,
    },
    program::{PROGRAM, RunningProgram, command, outcome, program},
    service::listening_on,
    until,
};

const ITEMS: [(&str, &str); 12] = [
    ("E1", "1000 kWh"),
    ("E2", "2000 kWh"),
    ("E3", "3000 kWh"),
    ("P1", "100 W"),
    ("P2", "200 W"),
    ("P3", "300 W"),
    ("Out", "5000 kWh"),
    ("In", "7000 kWh"),
    ("Net", "-450 W"),
    ("E4", "40 kWh"),
    ("P4", "400 W"),
    ("E5", "50000 Wh"),
];

const METERS: [&str; 4] = ["roofs", "grid", "garage", "shed"];

/// Three roofs as one, the grid, and two that share a port.
fn house(openhab: impl Display, more: &str) -> String {
    format!(
        "openhab_host: {openhab}
{more}
meters:
  - name: roofs
    energy_counter_out: [E1, E2, E3]
    current_power: [P1, P2, P3]
    modbus_listen: 127.0.0.1:0
  - name: grid
    role: grid
    energy_counter_out: Out
    energy_counter_in: In
    current_power: {{item: Net, factor: -1}}
    modbus_listen: 127.0.0.2:0
  - name: garage
    energy_counter_out: E4
    current_power: P4
    modbus_tcp_address: 3
    modbus_listen: 127.0.0.3:0
  - name: shed
    energy_counter_out: E5
    current_power: {{item: P4, factor: 0.5}}
    modbus_tcp_address: 4
    modbus_listen: 127.0.0.3:0
"
    )
}

struct House {
    running: RunningProgram,
    ports: HashMap<IpAddr, SocketAddr>,
    _config: NamedTempFile,
}

impl House {
    async fn start(config: &str) -> Self {
        let config = file(config);
        let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
        let mut ports = HashMap::new();
        for _ in 0..3 {
            let address = listening_on(&mut running).await;
            ports.insert(address.ip(), address);
        }
        Self { running, ports, _config: config }
    }

    async fn client(&self, host: u8) -> Client {
        Client::connect(self.ports[&IpAddr::from([127, 0, 0, host])]).await
    }

    /// Waits for these values of a meter: W, `TotWhExp` and `TotWhImp`.
    async fn shows(&self, host: u8, unit: u8, expected: [f32; 3]) {
        let mut client = self.client(host).await;
        until(async || values(&mut client, unit).await == Ok(expected)).await;
    }
}

async fn values(client: &mut Client, unit: u8) -> Result<[f32; 3], u8> {
    let power = floats(&client.read_of(unit, 40_097, 2).await?)[0];
    let exported = floats(&client.read_of(unit, 40_129, 2).await?)[0];
    let imported = floats(&client.read_of(unit, 40_137, 2).await?)[0];
    Ok([power, exported, imported])
}

#[tokio::test]
async fn each_meter_has_its_own_values_at_its_own_address_or_unit() {
    let openhab = OpenHab::start(&ITEMS);
    let house = House::start(&house(openhab.address, "")).await;
    house.shows(1, 1, [-600.0, 6_000_000.0, 0.0]).await;
    house.shows(2, 1, [450.0, 5_000_000.0, 7_000_000.0]).await;
    house.shows(3, 3, [-400.0, 40_000.0, 0.0]).await;
    // A number without a unit is in kWh, one with a unit is not.
    house.shows(3, 4, [-200.0, 50_000.0, 0.0]).await;
    // A port of its own answers every unit id; on a shared one nobody knows which is meant.
    house.shows(1, 77, [-600.0, 6_000_000.0, 0.0]).await;
    let mut shared = house.client(3).await;
    for unit in [0, 1, 5, 255] {
        assert_eq!(values(&mut shared, unit).await, Err(NO_TARGET), "unit {unit}");
    }
    let mut serials = Vec::new();
    for (host, unit) in [(1, 1), (2, 1), (3, 3), (3, 4)] {
        serials.push(house.client(host).await.read_of(unit, 40_052, 16).await.unwrap());
    }
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 4, "serial numbers");
    openhab.set("P2", "UNDEF");
    openhab.set("Net", "UNDEF");
    openhab.set("P4", "500 W");
    house.shows(3, 3, [-500.0, 40_000.0, 0.0]).await;
}

#[tokio::test]
async fn each_meter_has_its_own_model() {
    let openhab = OpenHab::start(&ITEMS);
    let unit = "modbus_tcp_address: 4\n";
    let config =
        house(openhab.address, "").replace(unit, &format!("{unit}    sunspec_model: 203\n"));
    let house = House::start(&config).await;
    house.shows(3, 3, [-400.0, 40_000.0, 0.0]).await;
    let mut client = house.client(3).await;
    assert_eq!(client.read_of(3, 40_069, 2).await, Ok(vec![213, 124]));
    assert_eq!(client.read_of(4, 40_069, 2).await, Ok(vec![203, 105]));
    let watts = (-200_i16).cast_unsigned();
    until(async || client.read_of(4, 40_087, 1).await == Ok(vec![watts])).await;
    assert_eq!(client.read_of(4, 40_107, 2).await, Ok(vec![0, 50_000]));
    assert_eq!(client.read_of(3, 40_195, 2).await, Ok(vec![0xFFFF, 0]));
    assert_eq!(client.read_of(4, 40_195, 2).await, Err(ILLEGAL_ADDRESS));
}

#[tokio::test]
async fn a_client_is_that_of_the_meters_of_its_port() {
    let openhab = OpenHab::start(&ITEMS);
    let mut house = House::start(&house(openhab.address, "")).await;
    for host in [1, 3] {
        // There may be no value yet, which is refused, and is a poll as well.
        let _ = house.client(host).await.read_of(3, 40_071, 2).await;
    }
    for place in ["roofs", "garage, shed"] {
        house.running.err.find(&format!("{place}: client 127.0.0.1 polls")).await;
    }
}

#[tokio::test]
async fn each_line_about_a_meter_names_it() {
    let openhab = OpenHab::start(&ITEMS);
    let config = file(&house(openhab.address, "state_dir: /proc/none"));
    let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
    let (mut said, mut nameless) = (Vec::new(), Vec::new());
    while said.iter().filter(|line: &&String| line.ends_with("data is live")).count() < 4 {
        let line = running.err.find(" ").await;
        let text = line.split_once("INFO ").or(line.split_once("WARN ")).unwrap().1.to_owned();
        let names = text.split_once(": ").map_or("", |(names, _)| names);
        let is_named = names.split(", ").all(|name| METERS.contains(&name));
        if is_named { said.push(text) } else { nameless.push(text) }
    }
    let shared = ["fronius-smartmeter ", "event stream of ", "openHAB at "];
    let is_shared = |line: &&String| shared.iter().any(|start| line.starts_with(start));
    assert_eq!(nameless.iter().filter(is_shared).count(), nameless.len(), "{nameless:#?}");
    for about in ["listening on", "current_power: P1 has the state", "/proc/none: cannot be used"] {
        assert!(said.iter().any(|line| line.contains(about)), "{about}: {said:#?}");
    }
}

#[tokio::test]
async fn all_meters_share_one_stream_and_one_read_of_an_item() {
    let events = events();
    let _alive = keep_alive(&events);
    let sender = events.clone();
    let mut openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with(LISTEN) {
            return Answer::Dictated(stream_head(), sender.subscribe());
        }
        let item = request.split('/').nth(3).unwrap_or_default();
        match ITEMS.into_iter().find(|(name, _)| *name == item) {
            Some((_, value)) => state(value),
            None => status("404 Not Found"),
        }
    });
    let house = House::start(&house(openhab.address, "")).await;
    house.shows(3, 4, [-200.0, 50_000.0, 0.0]).await;
    openhab.asked_in_all(READ, ITEMS.len()).await;
    let heads = openhab.heads();
    let streams: Vec<_> = heads.iter().filter(|head| head.starts_with(LISTEN)).collect();
    assert_eq!(streams.len(), 1);
    for (item, _) in ITEMS {
        assert!(streams[0].contains(&format!("openhab/items/{item}/*")), "{item}");
    }
}

#[tokio::test]
async fn each_meter_keeps_its_counters() {
    let state_dir = TempDir::new().unwrap();
    let openhab = OpenHab::start(&ITEMS);
    let text = house(openhab.address, &format!("state_dir: {}", state_dir.path().display()));
    let expected = [
        (1, 1, [-600.0, 6_000_000.0, 0.0]),
        (2, 1, [450.0, 5_000_000.0, 7_000_000.0]),
        (3, 3, [-400.0, 40_000.0, 0.0]),
    ];
    let mut running = House::start(&text).await;
    for (host, unit, values) in expected {
        running.shows(host, unit, values).await;
    }
    running.running.signal(Signal::TERM);
    assert_eq!(running.running.exit_code().await, Some(0));
    let files = state_dir.path().read_dir().unwrap();
    let files = files.map(|file| file.unwrap().path());
    assert_eq!(files.filter(|path| path.extension().is_some_and(|end| end == "json")).count(), 4);

    // Nothing but the memory has a counter now.
    for item in ["E1", "E2", "E3", "E4", "Out", "In"] {
        openhab.set(item, "NULL");
    }
    let mut running = House::start(&text).await;
    for (host, unit, values) in expected {
        running.shows(host, unit, values).await;
    }
    running.running.signal(Signal::KILL);
    assert_eq!(running.running.exit_code().await, None);
    let running = House::start(&text).await;
    for (host, unit, [watts, exported, _]) in expected {
        let mut client = running.client(host).await;
        // Each counter goes on from its ceiling, of which the roofs have three.
        let ahead = exported..=exported + 1500.0;
        until(async || {
            let values = values(&mut client, unit).await;
            values.is_ok_and(|values| values[..1] == [watts] && ahead.contains(&values[1]))
        })
        .await;
    }
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_waited_for_once() {
    let state_dir = TempDir::new().unwrap();
    let openhab = OpenHab::start(&ITEMS);
    let text = house(openhab.address, &format!("state_dir: {}", state_dir.path().display()));
    let mut running = House::start(&text).await;
    running.shows(3, 4, [-200.0, 50_000.0, 0.0]).await;
    running.running.signal(Signal::TERM);
    assert_eq!(running.running.exit_code().await, Some(0));
    // To open a pipe that nobody writes to takes without end, as a dead network disk does.
    for file in state_dir.path().read_dir().unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            fs::remove_file(&path).unwrap();
            assert_eq!(outcome(command("mkfifo").arg(&path)).await.code, Some(0));
        }
    }
    let begin = Instant::now();
    let running = House::start(&text).await;
    assert!(begin.elapsed() < Duration::from_secs(6), "4 meters, of 2 s each, one after another");
    for (host, unit) in [(1, 1), (2, 1), (3, 3), (3, 4)] {
        let mut client = running.client(host).await;
        assert_eq!(values(&mut client, unit).await, Err(NO_TARGET), "unit {unit}");
    }
}

/// The service with two sockets of systemd of these names, and their addresses.
fn with_sockets(config: &str, names: &str) -> (RunningProgram, [SocketAddr; 2], NamedTempFile) {
    let config = file(config);
    let sockets = [(); 2].map(|()| TcpListener::bind(anywhere()).unwrap());
    let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    let [first, second] = sockets.map(OwnedFd::from);
    let script = r#"export LISTEN_PID=$$ LISTEN_FDS=2; exec "$0" "$@" 3<&0 4<&1 </dev/null >&2"#;
    let mut command = command("sh");
    command.args(["-c", script, PROGRAM, "--config"]).arg(config.path());
    command.stdin(Stdio::from(first)).env("LISTEN_FDNAMES", names);
    (RunningProgram::start_with_stdout(command, Stdio::from(second)), addresses, config)
}

#[tokio::test]
async fn a_socket_of_systemd_is_the_meter_of_its_name() {
    let openhab = OpenHab::start(&ITEMS);
    let (mut running, [grid, roofs], _config) =
        with_sockets(&house(openhab.address, ""), "grid:roofs");
    let (mut grid, mut roofs) = (Client::connect(grid).await, Client::connect(roofs).await);
    until(async || values(&mut grid, 1).await == Ok([450.0, 5_000_000.0, 7_000_000.0])).await;
    until(async || values(&mut roofs, 1).await == Ok([-600.0, 6_000_000.0, 0.0])).await;
    running.signal(Signal::TERM);
    let log = running.err.rest().await;
    let own = log.iter().filter(|line| line.contains("listening on 127.0.0.3:")).count();
    assert_eq!(own, 1, "those without a socket open their own: {log:#?}");
}

#[tokio::test]
async fn a_socket_of_another_name_is_refused_with_the_names_there_are() {
    let (mut running, _, _config) = with_sockets(&house("127.0.0.1", ""), "grid:roof");
    assert_eq!(running.exit_code().await, Some(78));
    let log = running.err.rest().await;
    let expected = "a socket named \"roof\", and there is no such meter; FileDescriptorName= of its \
                    unit must be one of: roofs, grid, garage, shed, status";
    assert!(log.iter().any(|line| line.contains(expected)), "{log:#?}");
}

#[tokio::test]
async fn check_shows_each_meter_by_its_name() {
    let openhab = OpenHab::start(&ITEMS);
    let config = file(&house(openhab.address, ""));
    let checked = outcome(&mut program(&["check", "--config", text(config.path())])).await;
    let shown = checked.transcript().replace(&openhab.address.to_string(), "ADDRESS");
    let young = (1..10).fold(shown, |text, age| text.replace(&format!(" {age} s "), " 0 s "));
    assert_expected("check/meters", &young);
}

#[tokio::test]
async fn a_history_is_replayed_for_one_meter() {
    let config = file(&house("oh", ""));
    let rows = "time,item,state\n0,E4,40 kWh\n0,P4,400 W\n0,E1,5 kWh\n60,P4,100 W\n";
    let history = file(rows);
    let replay = |meter: &'static [&'static str]| {
        let paths = [text(history.path()), "--config", text(config.path())];
        let mut replay = program(&[&["replay"], &paths[..], meter].concat());
        async move { outcome(&mut replay).await }
    };
    let garage = replay(&["--meter", "garage"]).await;
    assert_eq!(garage.code, Some(0), "{garage:?}");
    assert!(garage.out.contains(",-400.0,40000.000,"), "{}", garage.out);
    let none = replay(&[]).await;
    assert_eq!(none.code, Some(64));
    assert_eq!(none.err, "choose one of the meters by --meter: roofs, grid, garage, shed\n");
}
