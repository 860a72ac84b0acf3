//! A binding is dead, and openHAB lives: `item_max_age` notices it, without a clock in common.

use std::time::Duration;

use fronius_smartmeter::meter::Condition;
use tokio::time::Instant;

use crate::harness::{
    clock::FastClock,
    openhab::{Dialect, HOUSE, OpenHab},
    source::{POWER, RunningMeter, config},
};

/// `again` are states that come when the binding works again.
async fn notices_a_dead_binding(dialect: Dialect, update: &str, again: [(&str, &str); 2]) {
    let _clock = FastClock::start();
    let openhab = OpenHab::start_as(dialect, &HOUSE);
    let keys = format!("poll_interval: 100ms\nitem_max_age: 10s\nupdate: {update}");
    let mut meter = RunningMeter::start(config(openhab.address, &keys)).await;
    meter.is_live().await;
    // One item may be too old a moment before the other.
    meter.shows(|image| image.overdue == [POWER.to_string()]).await;
    let image = meter.image();
    assert_eq!(image.condition, Condition::Stale);
    let age = Instant::from_std(image.confirmed.unwrap()).elapsed();
    assert!(age < Duration::from_secs(20), "openHAB itself still answers: {age:?}");

    for (item, state) in again {
        openhab.set(item, state);
    }
    meter.is_live().await;
}

#[tokio::test]
async fn by_events() {
    notices_a_dead_binding(Dialect::Current, "events", HOUSE).await;
}

#[tokio::test]
async fn by_polling_the_time_of_the_last_update() {
    notices_a_dead_binding(Dialect::Current, "poll", HOUSE).await;
}

#[tokio::test]
async fn by_polling_an_openhab_without_that_time() {
    let others = [("E", "12345.7 kWh"), ("P", "801 W")];
    notices_a_dead_binding(Dialect::Legacy, "poll", others).await;
}
