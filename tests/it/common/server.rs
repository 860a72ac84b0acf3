//! The server in this process, with images made by the meter.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use fronius_smartmeter::{
    meter::{
        Image, Meter, MeterConfig, OnStale, Role,
        reading::{Measurand, Phase, Point, Reading},
        sunspec::Identity,
    },
    modbus::{self, Server, UnitIds, connections::Connections},
    system::liveness::Liveness,
};
use tokio::{net::TcpListener, sync::watch};

const STALE_AFTER: Duration = Duration::from_secs(30);

/// What the meter of these tests measures, on L2.
const VALUES: [(Measurand, f64); 5] = [
    (Measurand::EnergyOut, 12_345_678.0),
    (Measurand::Power, 800.0),
    (Measurand::Voltage, 231.4),
    (Measurand::Current, 3.46),
    (Measurand::Frequency, 49.98),
];

fn point(measurand: Measurand) -> Point {
    Point { measurand, phase: Phase::L2 }
}

fn meter(on_stale: OnStale) -> Meter {
    Meter::new(MeterConfig {
        role: Role::Producer,
        identity: Identity {
            manufacturer: "Fronius".to_owned(),
            model: "Smart Meter IP".to_owned(),
            options: "<secondary>".to_owned(),
            version: "2.9".to_owned(),
            serial_number: "28491337002".to_owned(),
            address: 2,
        },
        stale_after: STALE_AFTER,
        item_max_age: None,
        on_stale,
        min_energy_wh: 100.0,
        points: VALUES.map(|(measurand, _)| point(measurand)).to_vec(),
    })
}

/// All values known and fresh.
pub(crate) fn live() -> Image {
    at_age(OnStale::Zero, Duration::ZERO)
}

/// All values known, and too old.
pub(crate) fn stale(on_stale: OnStale) -> Image {
    at_age(on_stale, STALE_AFTER)
}

fn at_age(on_stale: OnStale, age: Duration) -> Image {
    let mut meter = meter(on_stale);
    let now = Instant::now();
    let mut reading = Reading::default();
    for (measurand, value) in VALUES {
        reading.update(point(measurand), value, now);
    }
    meter.count(&reading);
    // What is held later must have been served once.
    meter.image(&reading, now);
    meter.image(&reading, now + age)
}

/// Everything but the counter, which openHAB does not have yet.
pub(crate) fn waiting() -> Image {
    let mut meter = meter(OnStale::Zero);
    let now = Instant::now();
    let mut reading = Reading::default();
    for (measurand, value) in VALUES.into_iter().skip(1) {
        reading.update(point(measurand), value, now);
    }
    meter.count(&reading);
    meter.image(&reading, now)
}

pub(crate) fn server_config() -> modbus::ServerConfig {
    modbus::ServerConfig {
        listen: Vec::new(),
        unit_ids: UnitIds::Any,
        max_connections: 8,
        idle_timeout: Duration::from_secs(60),
        vendor: "Fronius".to_owned(),
        product: "Smart Meter IP".to_owned(),
    }
}

/// A server that runs as long as the runtime of its test.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) images: watch::Sender<Arc<Image>>,
    pub(crate) connections: Connections,
}

impl Served {
    pub(crate) fn show(&self, image: Image) {
        self.images.send_replace(Arc::new(image));
    }
}

pub(crate) async fn serve(server_config: modbus::ServerConfig, image: Image) -> Served {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (images, receiver) = watch::channel(Arc::new(image));
    let server = Server::new(server_config, receiver);
    let connections = server.connections().clone();
    let closer = server.clone();
    tokio::spawn(async move { server.serve(listener, Liveness::default().of("accept")).await });
    tokio::spawn(async move { closer.close_unwanted().await });
    Served { address, images, connections }
}
