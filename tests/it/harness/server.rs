//! The server in this process, with images made by the meter.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use fronius_smartmeter::{
    meter::{
        Image, Meter, MeterConfig, OnStale, Role,
        binding::Binding,
        reading::{Freshness, Measurand, Phase, Point, Reading},
        record::Restored,
        sunspec::{Identity, MeterModel},
    },
    modbus::{Device, Server, ServerConfig, UnitIds, connections::Connections},
};
use tokio::sync::watch;

use super::{
    client::Client,
    net::{anywhere, listen},
    task::Task,
};

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
    let config = MeterConfig {
        role: Role::Producer,
        identity: identity(),
        model: MeterModel::Float,
        on_stale,
        min_energy_wh: 100.0,
        max_power_w: 50_000.0,
    };
    let freshness = Freshness { stale_after: STALE_AFTER, item_max_age: None };
    let bindings = VALUES.map(|(measurand, _)| Binding {
        point: point(measurand),
        member: 0,
        item: "I".to_owned(),
        unit: measurand.quantity().default_unit(),
        factor: 1.0,
        max_power_w: 50_000.0,
    });
    let now = Instant::now();
    let mut meter = Meter::new(config, freshness, &bindings, now);
    meter.restore(Restored::nothing(), false, now);
    meter
}

/// All values known and fresh.
pub(crate) fn live() -> Image {
    image(OnStale::Zero, &VALUES, Duration::ZERO)
}

/// All values known, and too old.
pub(crate) fn stale(on_stale: OnStale) -> Image {
    image(on_stale, &VALUES, STALE_AFTER)
}

/// Everything but the counter, which openHAB does not have yet.
pub(crate) fn waiting() -> Image {
    image(OnStale::Zero, &VALUES[1..], Duration::ZERO)
}

/// What is served of these values at this age.
fn image(on_stale: OnStale, values: &[(Measurand, f64)], age: Duration) -> Image {
    let mut meter = meter(on_stale);
    let now = Instant::now();
    let mut reading = Reading::default();
    for &(measurand, value) in values {
        reading.update(point(measurand), value, now);
    }
    // What is held later must have been served once.
    meter.observe(&reading, now, UNIX_EPOCH);
    meter.observe(&reading, now + age, UNIX_EPOCH).0
}

pub(crate) fn server_config() -> ServerConfig {
    ServerConfig {
        unit_ids: UnitIds::Any,
        max_connections: 8,
        idle_timeout: Duration::from_secs(60),
    }
}

/// A running server, and the images it serves.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) images: watch::Sender<Arc<Image>>,
    pub(crate) connections: Connections,
    _tasks: [Task; 2],
}

impl Served {
    pub(crate) fn show(&self, image: Image) {
        self.images.send_replace(Arc::new(image));
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

pub(crate) fn serve(server_config: &ServerConfig, image: Image) -> Served {
    let listener = listen(anywhere());
    let address = listener.local_addr().unwrap();
    let model = image.model;
    let (images, receiver) = watch::channel(Arc::new(image));
    let device = Device { identity: identity(), model, images: receiver, tally: Arc::default() };
    let server = Server::new(server_config, vec![device]);
    let connections = server.connections().clone();
    let closer = server.clone();
    let tasks = [
        Task::spawn(async move { match server.serve(listener).await {} }),
        Task::spawn(async move { closer.close_unwanted().await }),
    ];
    Served { address, images, connections, _tasks: tasks }
}
