//! The counters over restarts of the real program: ended, killed, lied to, and out of disk.

use std::{fs, path::Path, time::Duration};

use fronius_smartmeter::{
    persistence::directory,
    simulator::{Dialect, Simulator},
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::harness::{
    client::{Client, NO_TARGET, floats},
    program::{Service, file, outcome, program, text},
    within,
};

/// An openHAB in this process, and a directory for the counters.
struct Plant {
    openhab: Simulator,
    address: std::net::SocketAddr,
    server: JoinHandle<()>,
    directory: TempDir,
}

impl Plant {
    async fn new(energy: &str) -> Self {
        let others = ["O1", "O2", "I1", "I2"].map(|item| (item, "NULL"));
        let items = [("E", energy), ("P", "800 W")].into_iter().chain(others);
        let items = items.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let openhab = Simulator::new(items, Dialect::Current, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = openhab.clone();
        let server = tokio::spawn(async move { serving.serve(listener).await.unwrap() });
        Self { openhab, address, server, directory: TempDir::new().unwrap() }
    }

    fn config(&self) -> String {
        format!(
            "openhab_host: {}\nenergy_counter_out: E\ncurrent_power: P\nserial_number: SN\n\
             state_dir: {}\n",
            self.address,
            text(self.directory.path())
        )
    }

    fn start(&self) -> Service {
        Service::start(&self.config())
    }

    fn remembered(&self) -> Option<f64> {
        let state = directory::load(self.directory.path()).unwrap();
        Some(state.meters.get("SN")?.counters[0].served_wh)
    }

    async fn counters(&self, arguments: &[&str]) -> crate::harness::program::Outcome {
        let config = file(&self.config());
        let mut command = program(&["counters", "--config", text(config.path())]);
        outcome(command.args(arguments)).await
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The total exported energy, or none while the meter has none to give.
async fn energy(service: &Service) -> Option<f32> {
    let mut client = Client::connect(service.address).await;
    match client.read(40_129, 2).await {
        Ok(words) => Some(floats(&words)[0]),
        Err(exception) => {
            assert_eq!(exception, NO_TARGET);
            None
        }
    }
}

/// The total exported energy, once there is one.
async fn first_energy(service: &Service) -> f32 {
    within(async {
        loop {
            if let Some(energy) = energy(service).await {
                return energy;
            }
        }
    })
    .await
}

async fn stop(mut service: Service) {
    service.running.signal("TERM").await;
    assert_eq!(service.running.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_counter_is_served_after_a_restart_before_openhab_answers() {
    let plant = Plant::new("12345.678 kWh").await;
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(12_345_678.0));
    plant.openhab.set("E", "12345.7 kWh");
    within(async {
        while energy(&service).await != Some(12_345_700.0) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stop(service).await;
    assert_eq!(plant.remembered(), Some(12_345_700.0));

    plant.openhab.set("E", "NULL");
    let mut service = plant.start();
    service.running.err.find("12345700 Wh are remembered").await;
    service.running.err.find("item E gives no value").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    plant.openhab.set("E", "0.5 kWh");
    service.running.err.find("lower than before").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    stop(service).await;
}

/// What is on the disk after a crash is a lower bound, and a clean end makes nothing better of it.
#[tokio::test]
async fn an_unconfirmed_counter_is_served_after_no_restart() {
    let plant = Plant::new("5000 kWh").await;
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    stop(service).await;
    let service = plant.start();
    plant.openhab.set("E", "5000.05 kWh");
    within(async {
        while energy(&service).await != Some(5_000_050.0) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    service.running.signal("KILL").await;
    drop(service);
    plant.openhab.set("E", "NULL");
    for _ in 0..3 {
        let mut service = plant.start();
        service.running.err.find("item E gives no value").await;
        assert_eq!(energy(&service).await, None);
        stop(service).await;
    }
    plant.openhab.set("E", "5001 kWh");
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(5_001_000.0));
    stop(service).await;
}

#[tokio::test]
async fn a_wrong_item_name_for_once_costs_no_counter() {
    let plant = Plant::new("5000 kWh").await;
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    stop(service).await;
    let mut service = Service::start(&plant.config().replace("out: E", "out: F"));
    service.running.err.find("remembered of item E, which is not configured").await;
    service.running.err.find("item F gives no value").await;
    stop(service).await;
    plant.openhab.set("E", "1 kWh");
    let mut service = plant.start();
    service.running.err.find("lower than before").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    stop(service).await;
}

#[tokio::test]
async fn a_directory_that_answers_late_is_waited_for() {
    let plant = Plant::new("5000 kWh").await;
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    stop(service).await;
    let saved = fs::read_to_string(plant.directory.path().join("counters.json")).unwrap();
    fs::remove_file(plant.directory.path().join("counters.json")).unwrap();
    // Lower than what is remembered: nobody may see it.
    plant.openhab.set("E", "1000 kWh");

    // To open a pipe that nobody writes to takes for ever, as a dead network disk does.
    let path = plant.directory.path().join("counters.json");
    let made = outcome(tokio::process::Command::new("mkfifo").arg(&path)).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut service = plant.start();
    service.running.err.find("state_dir does not answer").await;
    service.running.err.find("item E has the state 1000 kWh").await;
    assert_eq!(energy(&service).await, None);
    fs::write(&path, saved).unwrap();
    service.running.err.find("5000000 Wh are remembered").await;
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    fs::remove_file(&path).unwrap();
    stop(service).await;
}

#[tokio::test]
async fn a_directory_that_comes_later_brings_its_counters_with_it() {
    let mut plant = Plant::new("5000 kWh").await;
    let disk = TempDir::new().unwrap();
    let mount = disk.path().join("mount");
    let root = std::mem::replace(&mut plant.directory, disk);
    let config = plant.config().replace(text(plant.directory.path()), text(&mount));
    fs::rename(root.path(), &mount).unwrap();
    let mut service = Service::start(&config);
    service.running.err.find("data is live").await;
    stop(service).await;

    let away = plant.directory.path().join("away");
    fs::rename(&mount, &away).unwrap();
    fs::write(&mount, "in the way").unwrap();
    plant.openhab.set("E", "NULL");
    let mut service = Service::start(&config);
    service.running.err.find("cannot be used").await;
    service.running.err.find("item E gives no value").await;
    assert_eq!(energy(&service).await, None);
    fs::remove_file(&mount).unwrap();
    fs::rename(&away, &mount).unwrap();
    // The first value to be saved is the first occasion to try again.
    plant.openhab.set("E", "1 kWh");
    service.running.err.find("5000000 Wh are remembered").await;
    within(async {
        while energy(&service).await != Some(5_000_000.0) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stop(service).await;
    let state = directory::load(&mount).unwrap();
    assert_eq!(state.meters["SN"].counters[0].served_wh.to_bits(), 5e6_f64.to_bits());
}

/// Two phases and two directions, and one of the four counters begins anew. Ten minutes of that were
/// before the restart.
#[tokio::test]
async fn a_reset_of_one_counter_that_began_before_a_restart_touches_no_other() {
    let kwh = |out: [f64; 2], drawn: [f64; 2]| {
        let items = [("O1", out[0]), ("O2", out[1]), ("I1", drawn[0]), ("I2", drawn[1])];
        items.map(|(item, kwh)| (item, format!("{kwh} kWh")))
    };
    let plant = Plant::new("NULL").await;
    let set = |out, drawn| {
        for (item, state) in kwh(out, drawn) {
            plant.openhab.set(item, &state);
        }
    };
    let config = plant
        .config()
        .replace("energy_counter_out: E", "energy_counter_out: {l1: O1, l2: O2}")
        .replace("state_dir", "energy_counter_in: {l1: I1, l2: I2}\nstate_dir");
    set([5000.0, 3000.0], [4000.0, 2000.0]);
    let mut service = Service::start(&config);
    service.running.err.find("data is live").await;
    set([5000.1, 1.0], [4000.1, 2000.1]);
    service.running.err.find("1000 Wh is lower than before").await;
    // It grows, and that has been seen when the other one shows its new value.
    set([5000.15, 1.05], [4000.15, 2000.15]);
    let mut client = Client::connect(service.address).await;
    within(async {
        while floats(&client.read(40_137, 2).await.unwrap()) != [6_000_300.0] {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stop(service).await;

    let path = plant.directory.path().join("counters.json");
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(saved.matches("\"lower\"").count(), 1, "{saved}");
    let (before, lower) = saved.split_once("\"lower\"").unwrap();
    let (lower, after) = lower.split_once('}').unwrap();
    let ago = lower.rfind(':').unwrap();
    fs::write(&path, format!("{before}\"lower\"{}: 600}}{after}", &lower[..ago])).unwrap();

    let mut service = Service::start(&config);
    service.running.err.find("is lower than before").await;
    for step in [0.2, 0.3] {
        sleep(Duration::from_millis(1200)).await;
        set([5000.0 + step, 1.0 + step], [4000.0 + step, 2000.0 + step]);
    }
    service.running.err.find("energy_counter_out L2: 1300 Wh is a counter that began anew").await;
    let mut client = Client::connect(service.address).await;
    let totals =
        [8_000_600.0, 5_000_300.0, 3_000_300.0, 0.0, 6_000_600.0, 4_000_300.0, 2_000_300.0];
    within(async {
        while floats(&client.read(40_129, 14).await.unwrap()) != totals {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    stop(service).await;
}

/// The counter grows all the time, and now and then openHAB lies at the wrong moment.
#[tokio::test]
async fn a_counter_never_falls_however_often_the_service_is_killed() {
    const KILLS: u32 = 200;
    let plant = Plant::new("5000 kWh").await;
    let openhab = plant.openhab.clone();
    let growing = tokio::spawn(async move {
        for step in 0_u32.. {
            let lie = match step % 40 {
                20 => "0 kWh".to_owned(),
                21 => "1000 kWh".to_owned(),
                22 => "NULL".to_owned(),
                _ => format!("{:.4} kWh", 5000.0 + f64::from(step) * 0.002),
            };
            openhab.set("E", &lie);
            sleep(Duration::from_millis(3)).await;
        }
    });
    let mut last = 0.0_f32;
    let mut answered = 0;
    for kill in 0..KILLS {
        let service = plant.start();
        // Killed at any moment: before it has read the file, while it writes it, or later.
        let mut life = Duration::from_millis(u64::from(kill * 7 % 60));
        // A busy machine may answer nothing in that time, so some are waited for.
        let patient = kill % 4 == 0;
        if patient {
            life = Duration::from_secs(10);
        }
        let polling = async {
            let mut client = Client::connect(service.address).await;
            loop {
                if let Ok(words) = client.read(40_129, 2).await {
                    let served = floats(&words)[0];
                    assert!(served >= last, "{served} after {last}, kill {kill}");
                    last = served;
                    answered += 1;
                    if patient {
                        return;
                    }
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = timeout(life, polling).await;
        service.running.signal("KILL").await;
        drop(service);
        if let Err(error) = directory::load(plant.directory.path()) {
            panic!("kill {kill}: {error}");
        }
    }
    growing.abort();
    assert!(answered >= KILLS / 4, "only {answered} answers, so nothing was tried");
    assert!(last > 5_000_000.0);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_service_goes_on() {
    let plant = Plant::new("5000 kWh").await;
    let path = plant.directory.path().join("counters.json");
    fs::write(&path, "{\"version\":1,\"meters\":{\"SN\":{").unwrap();
    let mut service = plant.start();
    service.running.err.find("set aside as").await;
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    stop(service).await;
    assert_eq!(plant.remembered(), Some(5_000_000.0));
    assert!(plant.directory.path().join("counters.json.damaged").exists());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_the_memory_alone() {
    let plant = Plant::new("5000 kWh").await;
    // Every write fails, even root's: the new file's name is a directory's.
    fs::create_dir(plant.directory.path().join("counters.json.new")).unwrap();
    let mut service = plant.start();
    service.running.err.find("cannot be written").await;
    assert_eq!(first_energy(&service).await.to_bits(), 5_000_000_f32.to_bits());
    stop(service).await;

    let nowhere = Path::new("/proc/no/such/directory");
    let config = plant.config().replace(text(plant.directory.path()), text(nowhere));
    let mut service = Service::start(&config);
    service.running.err.find("cannot be used").await;
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    stop(service).await;
}

#[tokio::test]
async fn counters_are_shown_and_reset_on_purpose() {
    let plant = Plant::new("5000 kWh").await;
    let empty = plant.counters(&[]).await;
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), "Nothing is remembered yet.\n"));

    let mut service = plant.start();
    service.running.err.find("data is live").await;
    let running = plant.counters(&["--reset", "SN"]).await;
    assert_eq!(running.code, Some(69), "{running:?}");
    assert!(running.err.contains("stop the service first"), "{}", running.err);
    stop(service).await;

    let shown = plant.counters(&[]).await;
    assert!(shown.out.starts_with("meter SN, saved 20"), "{}", shown.out);
    assert!(shown.out.contains("energy_counter_out  L1  E "), "{}", shown.out);
    assert!(shown.out.contains(" 5000000 Wh served"), "{}", shown.out);

    let unknown = plant.counters(&["--reset", "other"]).await;
    assert_eq!(unknown.code, Some(69), "{unknown:?}");
    assert!(unknown.err.contains("there are: SN"), "{}", unknown.err);

    plant.openhab.set("E", "10 kWh");
    let reset = plant.counters(&["--reset", "SN"]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let mut service = plant.start();
    service.running.err.find("data is live").await;
    assert_eq!(energy(&service).await, Some(10_000.0));
    stop(service).await;
}
