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
    service.logs("12345700 Wh are remembered").await;
    service.logs("item E gives no value").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    plant.openhab.set("E", "0.5 kWh");
    service.logs("lower than before").await;
    assert_eq!(energy(&service).await, Some(12_345_700.0));
    service.stop().await;
}

/// What is on the disk after a crash is a lower bound, and a clean end makes nothing better of it.
#[tokio::test]
async fn an_unconfirmed_counter_is_served_after_no_restart() {
    let plant = Plant::new("5000 kWh");
    plant.start_live().await.stop().await;
    let service = plant.start();
    plant.openhab.set("E", "5000.05 kWh");
    becomes(&service, 5_000_050.0).await;
    service.kill().await;
    plant.openhab.set("E", "NULL");
    for _ in 0..3 {
        let mut service = plant.start();
        service.logs("item E gives no value").await;
        assert_eq!(energy(&service).await, None);
        service.stop().await;
    }
    plant.openhab.set("E", "5001 kWh");
    let service = plant.start_live().await;
    assert_eq!(energy(&service).await, Some(5_001_000.0));
    service.stop().await;
}

#[tokio::test]
async fn a_wrong_item_name_for_once_costs_no_counter() {
    let plant = Plant::new("5000 kWh");
    plant.start_live().await.stop().await;
    let mut service = Service::start(&plant.config().replace("out: E", "out: F"));
    service.logs("remembered of item E, which is not configured").await;
    service.logs("item F gives no value").await;
    service.stop().await;
    plant.openhab.set("E", "1 kWh");
    let mut service = plant.start();
    service.logs("lower than before").await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    service.stop().await;
}

/// Sets the counters of two phases, in kWh: of both what went out, then what was drawn.
fn set(openhab: &OpenHab, counters: [f64; 4]) {
    for (item, kwh) in ["O1", "O2", "I1", "I2"].into_iter().zip(counters) {
        openhab.set(item, &format!("{kwh} kWh"));
    }
}

/// Makes the one lower value that is remembered ten minutes old.
fn age_lower_value(file: &Path) {
    let mut state: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let counters = state["meters"]["SN"]["counters"].as_array_mut().unwrap();
    let lower: Vec<_> =
        counters.iter_mut().filter_map(|counter| counter.get_mut("lower")).collect();
    assert_eq!(lower.len(), 1, "{lower:#?}");
    for lower in lower {
        lower["ago"] = 600.into();
    }
    fs::write(file, state.to_string()).unwrap();
}

/// Two phases and two directions, and one of the four counters begins from zero. Ten minutes of that
/// were before the restart.
#[tokio::test]
async fn a_reset_of_one_counter_that_began_before_a_restart_touches_no_other() {
    // Updates that come sooner than a second after one another are one and the same.
    const NEXT_UPDATE: Duration = Duration::from_millis(1100);
    let plant = Plant::new("NULL");
    let config = plant
        .config()
        .replace("energy_counter_out: E", "energy_counter_out: {l1: O1, l2: O2}")
        .replace("state_dir", "energy_counter_in: {l1: I1, l2: I2}\nstate_dir");
    set(&plant.openhab, [5000.0, 3000.0, 4000.0, 2000.0]);
    let mut service = start_live(&config).await;
    set(&plant.openhab, [5000.1, 1.0, 4000.1, 2000.1]);
    service.logs("1000 Wh is lower than before").await;
    // It grows, and that has been seen when the other one shows its new value.
    set(&plant.openhab, [5000.15, 1.05, 4000.15, 2000.15]);
    shows(&mut service.client().await, 40_137, &[6_000_300.0]).await;
    service.stop().await;
    age_lower_value(&plant.file());

    let mut service = Service::start(&config);
    service.logs("is lower than before").await;
    for step in [0.2, 0.3] {
        sleep(NEXT_UPDATE).await;
        set(&plant.openhab, [5000.0 + step, 1.0 + step, 4000.0 + step, 2000.0 + step]);
    }
    service.logs("energy_counter_out L2: 1300 Wh is a counter that began").await;
    let totals =
        &[8_000_600.0, 5_000_300.0, 3_000_300.0, 0.0, 6_000_600.0, 4_000_300.0, 2_000_300.0];
    shows(&mut service.client().await, 40_129, totals).await;
    service.stop().await;
}
