//! The server in this process, with images made by the meter.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use fronius_smartmeter::{
    meter::{
        Image, Meter, MeterConfig, OnStale, Role,
        binding::Binding,
        reading::{Freshness, Measurand, Phase, Point, Reading},
        sunspec::Identity,
    },
    modbus::{self, Server, UnitIds, connections::Connections},
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

fn identity() -> Identity {
    Identity {
        manufacturer: "Fronius".to_owned(),
        model: "Smart Meter IP".to_owned(),
        options: "<secondary>".to_owned(),
        version: "2.9".to_owned(),
        serial_number: "28491337002".to_owned(),
        address: 2,
    }
}

fn meter(on_stale: OnStale) -> Meter {
    let config =
        MeterConfig { role: Role::Producer, identity: identity(), on_stale, min_energy_wh: 100.0 };
    let freshness = Freshness { stale_after: STALE_AFTER, item_max_age: None };
    let bindings = VALUES.map(|(measurand, _)| Binding {
        point: point(measurand),
        item: "I".to_owned(),
        unit: measurand.quantity().default_unit(),
    });
    let mut meter = Meter::new(config, freshness, &bindings);
    meter.restore(&[], Duration::ZERO, Instant::now());
    meter
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
    // What is held later must have been served once.
    meter.observe(&reading, now);
    meter.observe(&reading, now + age).0
}

/// Everything but the counter, which openHAB does not have yet.
pub(crate) fn waiting() -> Image {
    let mut meter = meter(OnStale::Zero);
    let now = Instant::now();
    let mut reading = Reading::default();
    for (measurand, value) in VALUES.into_iter().skip(1) {
        reading.update(point(measurand), value, now);
    }
    meter.observe(&reading, now).0
}

pub(crate) fn server_config() -> modbus::ServerConfig {
    modbus::ServerConfig {
        listen: Vec::new(),
        unit_ids: UnitIds::Any,
        max_connections: 8,
        idle_timeout: Duration::from_secs(60),
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
    let server = Server::new(&server_config, identity(), receiver);
    let connections = server.connections().clone();
    let closer = server.clone();
    tokio::spawn(async move { server.serve(listener).await });
    tokio::spawn(async move { closer.close_unwanted().await });
    Served { address, images, connections }
}
