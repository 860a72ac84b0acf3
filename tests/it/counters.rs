//! The counters over restarts of the real program: ended, killed, lied to, and out of disk.

mod command;
mod disk;
mod kills;
mod restarts;

use std::path::{Path, PathBuf};

use fronius_smartmeter::persistence::directory;
use tempfile::TempDir;

use crate::harness::{
    client::{Client, NO_TARGET, floats},
    files::text,
    openhab::OpenHab,
    service::Service,
    until,
};

/// An openHAB in this process, and a directory for the counters.
struct Plant {
    openhab: OpenHab,
    directory: TempDir,
}

impl Plant {
    fn new(energy: &str) -> Self {
        let items = [("E", energy), ("P", "800 W")];
        let others = ["O1", "O2", "I1", "I2"].map(|item| (item, "NULL"));
        let openhab = OpenHab::start(&[&items[..], &others].concat());
        Self { openhab, directory: TempDir::new().unwrap() }
    }

    fn config(&self) -> String {
        self.config_in(self.directory.path())
    }

    fn config_in(&self, state_dir: &Path) -> String {
        format!(
            "openhab_host: {}\nenergy_counter_out: E\ncurrent_power: P\nserial_number: SN\n\
             state_dir: {}\n",
            self.openhab.address,
            text(state_dir)
        )
    }

    fn start(&self) -> Service {
        Service::start(&self.config())
    }

    async fn start_live(&self) -> Service {
        start_live(&self.config()).await
    }

    /// Where the counters are.
    fn file(&self) -> PathBuf {
        self.directory.path().join("meter-SN.json")
    }
}

async fn start_live(config: &str) -> Service {
    let mut service = Service::start(config);
    service.is_live().await;
    service
}

/// The counter that is on the disk, in Wh. The file must be whole.
fn remembered(path: &Path) -> Option<f64> {
    let restored = directory::load(path, "SN").unwrap_or_else(|error| panic!("{error}"));
    Some(restored.record?.counters[0].served_wh)
}

/// The total exported energy, or none while the meter has none to give.
async fn energy(service: &Service) -> Option<f32> {
    match service.client().await.read(40_129, 2).await {
        Ok(words) => Some(floats(&words)[0]),
        Err(exception) => {
            assert_eq!(exception, NO_TARGET);
            None
        }
    }
}

/// Waits until this is the total exported energy.
#[track_caller]
fn becomes(service: &Service, watt_hours: f32) -> impl Future<Output = ()> {
    until(async move || energy(service).await == Some(watt_hours))
}

/// Waits until the registers from `start` on hold these floats.
#[track_caller]
fn shows(client: &mut Client, start: u16, values: &'static [f32]) -> impl Future<Output = ()> {
    let count = u16::try_from(2 * values.len()).unwrap();
    until(async move || floats(&client.read(start, count).await.unwrap()) == values)
}
