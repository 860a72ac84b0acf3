//! What is remembered beyond an end in order, and what comes of it.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tokio::time::sleep;

use super::{Plant, becomes, energy, remembered, shows, start_live};
use crate::harness::{openhab::OpenHab, service::Service};

#[tokio::test]
async fn a_counter_is_served_after_a_restart_before_openhab_answers() {
    let plant = Plant::new("12345.678 kWh");
    let service = plant.start_live().await;
    assert_eq!(energy(&service).await, Some(12_345_678.0));
    plant.openhab.set("E", "12345.7 kWh");
    becomes(&service, 12_345_700.0).await;
    service.stop().await;
    assert_eq!(remembered(plant.directory.path()), Some(12_345_700.0));

    plant.openhab.set("E", "NULL");
    let mut service = plant.start();
    service.logs("goes on from 12 345.700 kWh").await;
    service.logs("E gives no value").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    plant.openhab.set("E", "0.5 kWh");
    service.logs("E has the state 0.5 kWh").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    service.stop().await;
}

/// After a crash what may have been served is served at once, whatever the source shows, and
/// stays until the source has passed it.
#[tokio::test]
async fn after_a_crash_nothing_lower_is_served() {
    let plant = Plant::new("5000 kWh");
    plant.start_live().await.stop().await;
    let service = plant.start();
    plant.openhab.set("E", "5000.18 kWh");
    becomes(&service, 5_000_180.0).await;
    service.kill().await;
    plant.openhab.set("E", "NULL");
    let mut ceiling = None;
    for state in ["NULL", "0 kWh", "5000.05 kWh"] {
        plant.openhab.set("E", state);
        let service = plant.start();
        let served = energy(&service).await.unwrap();
        assert!((5_000_180.0..=5_000_680.0).contains(&served), "{served} with {state}");
        let first = *ceiling.get_or_insert(served);
        assert_eq!(served.to_bits(), first.to_bits(), "a loop of crashes adds nothing");
        service.kill().await;
    }
    let service = plant.start();
    plant.openhab.set("E", "5000.9 kWh");
    becomes(&service, 5_000_900.0).await;
    service.stop().await;
    assert_eq!(remembered(plant.directory.path()), Some(5_000_900.0));
}

#[tokio::test]
async fn a_wrong_item_name_for_once_costs_no_counter() {
    let plant = Plant::new("5000 kWh");
    plant.start_live().await.stop().await;
    let mut service = Service::start(&plant.config().replace("out: E", "out: F"));
    service.logs("E goes on from 5 000.000 kWh").await;
    service.logs("F gives no value").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    service.stop().await;
    plant.openhab.set("E", "1 kWh");
    let mut service = plant.start();
    service.logs("E has the state 1 kWh").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    service.stop().await;
}

/// The file of version 0.1 is read, and nothing falls. It remembers more than it served.
#[tokio::test]
async fn the_counters_of_version_0_1_go_on() {
    let plant = Plant::new("NULL");
    let legacy = r#"{"version": 1, "meters": {"SN": {"saved": 1800000000, "counters": [
        {"key": "energy_counter_out", "phase": "L1", "item": "E", "served_wh": 5000000.0,
         "offset_wh": 4000000.0, "certain": true},
        {"key": "energy_counter_out", "phase": "L2", "item": "E", "served_wh": 9000000.0,
         "offset_wh": 8000000.0, "certain": true},
        {"key": "energy_counter_out", "phase": "L1", "item": "Renamed", "served_wh": 700000.0,
         "offset_wh": 0.0, "certain": true}]}}}"#;
    fs::write(plant.directory.path().join("counters.json"), legacy).unwrap();
    fs::write(plant.directory.path().join("ended"), "").unwrap();
    let service = plant.start();
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    plant.openhab.set("E", "1000.5 kWh");
    becomes(&service, 5_000_500.0).await;
    service.stop().await;
    assert_eq!(remembered(plant.directory.path()), Some(5_000_500.0));
}

/// The second of two processes would undo what the first saves.
#[tokio::test]
async fn a_second_process_of_the_same_meter_is_refused() {
    let plant = Plant::new("5000 kWh");
    let first = plant.start_live().await;
    let mut second = plant.start();
    assert_eq!(second.running.exit_code().await, Some(69));
    let line = second.running.err.rest().await.concat();
    assert!(line.contains("in use by another fronius-smartmeter, process "), "{line}");
    assert_eq!(energy(&first).await, Some(5_000_000.0));
    first.stop().await;
}

/// Sets the counters of two phases, in kWh: of both what went out, then what was drawn.
fn set(openhab: &OpenHab, counters: [f64; 4]) {
    for (item, kwh) in ["O1", "O2", "I1", "I2"].into_iter().zip(counters) {
        openhab.set(item, &format!("{kwh} kWh"));
    }
}

/// Makes the one candidate that is remembered ten minutes old.
fn age_candidate(file: &Path) {
    let mut state: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let counters = state["counters"].as_array_mut().unwrap();
    let candidates: Vec<_> =
        counters.iter_mut().filter_map(|counter| counter.get_mut("candidate")).collect();
    assert_eq!(candidates.len(), 1, "{candidates:#?}");
    for candidate in candidates {
        candidate["life_s"] = 600.into();
    }
    fs::write(file, state.to_string()).unwrap();
}

/// Two phases and two directions, and one of the four counters begins from zero. Ten minutes of that
/// were before the restart.
#[tokio::test]
async fn an_exchange_of_one_counter_that_began_before_a_restart_touches_no_other() {
    // Updates that come sooner than a second after one another are one and the same.
    const NEXT_UPDATE: Duration = Duration::from_millis(1100);
    let plant = Plant::new("NULL");
    let config = plant
        .config()
        .replace("energy_counter_out: E", "energy_counter_out: {l1: O1, l2: O2}")
        .replace("state_dir", "energy_counter_in: {l1: I1, l2: I2}\nstate_dir");
    set(&plant.openhab, [5000.0, 3000.0, 4000.0, 2000.0]);
    let service = start_live(&config).await;
    set(&plant.openhab, [5000.1, 1.0, 4000.1, 2000.1]);
    shows(&mut service.client().await, 40_137, &[6_000_200.0]).await;
    // It grows, and that has been seen when the other one shows its new value.
    set(&plant.openhab, [5000.15, 1.05, 4000.15, 2000.15]);
    shows(&mut service.client().await, 40_137, &[6_000_300.0]).await;
    service.stop().await;
    age_candidate(&plant.file());

    let mut service = Service::start(&config);
    service.logs("O2 has the state 1.05 kWh").await;
    for step in [0.2, 0.3] {
        sleep(NEXT_UPDATE).await;
        set(&plant.openhab, [5000.0 + step, 1.0 + step, 4000.0 + step, 2000.0 + step]);
    }
    service.logs("energy_counter_out L2: O2 shows another counter").await;
    let totals =
        &[8_000_600.0, 5_000_300.0, 3_000_300.0, 0.0, 6_000_600.0, 4_000_300.0, 2_000_300.0];
    shows(&mut service.client().await, 40_129, totals).await;
    service.stop().await;
}
