//! Runs a hot path a number of times, for callgrind to count: `paths run PATH COUNT`. What a path
//! costs is the difference between two counts.

use std::{
    env,
    hint::black_box,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Instant, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use fronius_smartmeter::{
    config::Config,
    meter::{
        Condition, Image, Meter,
        reading::{Measurand, Phase, Point, Reading},
        record::Restored,
        units::Quantity,
    },
    modbus::{Device, Server},
    source::{openhab::events::EventReader, state::parse_state},
};
use fronius_smartmeter_benches::{Query, bare, block::Block, request};
use hyper::body::Bytes;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{oneshot, watch},
};

const CONFIG: &str = "\
openhab_host: 127.0.0.1
energy_counter_out: energy
current_power: power
current_voltage: voltage
current_current: current
current_frequency: frequency
modbus_listen: 127.0.0.1:0
";

const VALUES: [(Measurand, f64); 5] = [
    (Measurand::EnergyOut, 12_345_678.0),
    (Measurand::Power, 800.0),
    (Measurand::Voltage, 231.4),
    (Measurand::Current, 3.46),
    (Measurand::Frequency, 49.98),
];

const STATES: [(Quantity, &str); 5] = [
    (Quantity::Energy, "1.23456789E7 Wh"),
    (Quantity::Power, "800.5 W"),
    (Quantity::Voltage, "231.4 V"),
    (Quantity::Current, "3.46 A"),
    (Quantity::Frequency, "49.98"),
];

/// An event as openHAB 5 writes it.
const EVENT: &str = concat!(
    "event: message\n",
    r#"data: {"topic":"openhab/items/power/statechanged","payload":"{\"type\":\"Quantity\",\"value\":\"800.5 W\",\"oldType\":\"Quantity\",\"oldValue\":\"799 W\",\"lastStateUpdate\":\"2026-11-22T07:00:00.123456789+01:00[Europe/Vienna]\"}","type":"ItemStateChangedEvent"}"#,
    "\n\n",
);

/// Requests that arrive together.
const PIPELINED: u32 = 8;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run a path COUNT times
    Run { path: HotPath, count: u32 },
    /// Send COUNT requests to a server, PIPELINE of them at once
    Ask { address: SocketAddr, count: u32, pipeline: u32 },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HotPath {
    /// The inverter's poll, answered by the server, from epoll to write
    Request,
    /// The same in batches of eight
    RequestPipelined,
    /// The inverter's poll, answered by tokio-modbus alone
    RequestBare,
    /// A reading becomes an image
    Image,
    /// The text of a state becomes a number
    State,
    /// The bytes of an event become a state
    Event,
}

fn config() -> Result<Config> {
    Config::parse(CONFIG).map_err(|problems| anyhow!("{problems:?}"))
}

fn live() -> Result<(Meter, Reading, Instant)> {
    let now = Instant::now();
    let mut reading = Reading::default();
    for (measurand, value) in VALUES {
        reading.update(Point { measurand, phase: Phase::L1 }, value, now);
    }
    let Config { freshness, meters, .. } = config()?;
    let configured = meters.into_iter().next().context("no meter")?;
    let mut meter = Meter::new(configured.config, freshness, &configured.bindings, now);
    meter.restore(Restored::nothing(), false, now);
    Ok((meter, reading, now))
}

fn image(count: u32) -> Result<Image> {
    let (mut meter, reading, now) = live()?;
    let (image, _) = meter.observe(&reading, now, UNIX_EPOCH);
    ensure!(image.condition == Condition::Live, "not live");
    for _ in 0..count {
        black_box(meter.observe(black_box(&reading), now, UNIX_EPOCH));
    }
    Ok(image)
}

fn state(count: u32) -> Result<()> {
    let states = STATES.map(|(quantity, state)| (quantity.default_unit(), state));
    for (unit, state) in states.iter().cycle().take(usize::try_from(count)?) {
        black_box(parse_state(black_box(state), unit)?);
    }
    Ok(())
}

fn event(count: u32) -> Result<()> {
    let bytes = Bytes::from_static(EVENT.as_bytes());
    let mut reader = EventReader::default();
    for _ in 0..count {
        ensure!(black_box(reader.push(&bytes)?).len() == 1, "not one event");
    }
    Ok(())
}

/// Serves a client in a process of its own, so that only the server's side is counted.
fn serve(path: HotPath, count: u32) -> Result<()> {
    let image = image(0)?;
    let pipeline = if matches!(path, HotPath::RequestPipelined) { PIPELINED } else { 1 };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = Command::new(env::current_exe()?);
        client.args(["ask", &listener.local_addr()?.to_string()]);
        client.args([count, pipeline].map(|number| number.to_string()));
        if matches!(path, HotPath::RequestBare) {
            let block = Block::from(image.registers.map(u16::from_be_bytes).to_vec());
            tokio::spawn(async move { bare::serve(listener, block, false).await });
        } else {
            let model = image.model;
            let (images, receiver) = watch::channel(Arc::new(image));
            let config = config()?;
            let configured = config.meters.into_iter().next().context("no meter")?;
            let identity = configured.config.identity;
            let device = Device { identity, model, images: receiver, tally: Arc::default() };
            let server = Server::new(&config.modbus, vec![device]);
            tokio::spawn(async move {
                let _images = images;
                server.serve(listener).await
            });
        }
        let (ended, end) = oneshot::channel();
        thread::spawn(move || ended.send(client.status()));
        let status = end.await.context("the client's thread has ended")??;
        ensure!(status.success(), "the client has failed");
        Ok(())
    })
}

fn ask(address: SocketAddr, count: u32, pipeline: u32) -> Result<()> {
    let (start, registers) = Query::Poll.range();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let requests = request(1, start, registers).repeat(usize::try_from(pipeline)?);
    let mut answers = vec![0; (9 + 2 * usize::from(registers)) * usize::try_from(pipeline)?];
    for _ in 0..count / pipeline {
        stream.write_all(&requests)?;
        stream.read_exact(&mut answers)?;
        if answers[7] != 3 {
            bail!("an exception");
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        What::Run { path: HotPath::Image, count } => image(count).map(drop),
        What::Run { path: HotPath::State, count } => state(count),
        What::Run { path: HotPath::Event, count } => event(count),
        What::Run { path, count } => serve(path, count),
        What::Ask { address, count, pipeline } => ask(address, count, pipeline),
    }
}
