//! A binding is dead, and openHAB lives: `item_max_age` notices it, without a clock in common.

use std::time::Duration;

use fronius_smartmeter::{
    daemon::Daemon,
    meter::Condition,
    simulator::Dialect,
    source::{SourceConfig, openhab::Update},
};

use crate::harness::openhab::{ENERGY, POWER, anywhere, config, serve, simulator, wait_for};

/// Shorter than the configuration allows, lest the test takes as long.
const MAX_AGE: Duration = Duration::from_secs(1);

async fn notices_a_dead_binding(dialect: Dialect, update: Update, same_value_counts: bool) {
    let openhab = simulator("12345.678 kWh", "800 W", dialect);
    let (address, _server) = serve(&openhab, anywhere()).await;
    let mut config = config(address, "poll_interval: 100ms");
    let SourceConfig::OpenHab(source) = &mut config.source;
    source.update = update;
    config.freshness.item_max_age = Some(MAX_AGE);
    let daemon = Daemon::start(config, Vec::new()).await.unwrap();
    let mut images = daemon.images();
    wait_for(&mut images, "live data", |image| image.condition == Condition::Live).await;
    // One item may be too old a moment before the other.
    wait_for(&mut images, "stale data", |image| image.overdue == [ENERGY, POWER]).await;
    let image = images.borrow().clone();
    assert_eq!(image.condition, Condition::Stale);
    let age = image.confirmed.unwrap().elapsed();
    assert!(age < Duration::from_secs(20), "openHAB itself still answers: {age:?}");

    let (energy, power) =
        if same_value_counts { ("12345.678 kWh", "800 W") } else { ("12345.7 kWh", "801 W") };
    openhab.set("E", energy);
    openhab.set("P", power);
    wait_for(&mut images, "live data again", |image| image.condition == Condition::Live).await;
}

#[tokio::test]
async fn by_events() {
    notices_a_dead_binding(Dialect::Current, Update::Events, true).await;
}

#[tokio::test]
async fn by_polling_the_time_of_the_last_update() {
    notices_a_dead_binding(Dialect::Current, Update::Poll, true).await;
}

#[tokio::test]
async fn by_polling_an_openhab_that_does_not_tell_that_time() {
    notices_a_dead_binding(Dialect::Legacy, Update::Poll, false).await;
}
