//! openHAB is restarted: the log says it in few lines, and later what has not come back.

use std::time::Duration;

use tokio::time::sleep;
use tracing::Level;

use super::log::{assert_each_once, connected_house};
use crate::harness::{
    clock::FastClock,
    log::Log,
    openhab::{
        HOUSE_ENERGY,
        answers::{Answer, Events, LISTEN, READ, events, house, state, status},
        raw::RawOpenHab,
    },
    source::{QUICK, RunningSource, config},
};

/// An openHAB that is stopped and started: it ends its streams and refuses connections, then knows no
/// item, then none has a value.
async fn restart(openhab: &mut RawOpenHab, stream: Events) -> Events {
    openhab.behave(|_| Answer::Close(Vec::new()));
    drop(stream);
    openhab.asked(READ, 4).await;
    openhab.behave(|_| status("404 Not Found"));
    openhab.asked(LISTEN, 2).await;
    let events = events();
    let mut started = house("800 W", Some(&events));
    openhab.behave(
        move |request| {
            if request.starts_with(READ) { state("NULL") } else { started(request) }
        },
    );
    openhab.asked(LISTEN, 1).await;
    events
}

#[tokio::test]
async fn a_restart_of_openhab_is_one_line_when_it_goes_and_one_when_it_is_back() {
    let _clock = FastClock::start();
    let (mut openhab, stream, mut source) = connected_house().await;
    let log = Log::start(Level::INFO);
    let events = restart(&mut openhab, stream).await;
    openhab.asked(READ, 8).await;
    openhab.behave(house("800 W", Some(&events)));
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    assert_each_once(&log.source_lines("WARN"), &["trying again"]);
    assert_each_once(&log.source_lines("INFO"), &["openHAB at"]);
}

#[tokio::test]
async fn an_item_that_has_no_value_long_after_a_restart_is_logged() {
    let _clock = FastClock::start();
    let (mut openhab, stream, mut source) = connected_house().await;
    let log = Log::start(Level::INFO);
    let _events = restart(&mut openhab, stream).await;
    sleep(Duration::from_secs(100)).await;
    assert_each_once(&log.source_lines("WARN"), &["trying again"]);
    sleep(Duration::from_secs(25)).await;
    let gone = ["trying again", "item E gives no value", "item P gives no value"];
    assert_each_once(&log.source_lines("WARN"), &gone);
    openhab.behave(house("800 W", None));
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    openhab.asked(READ, 4).await;
    let lines = log.source_lines("INFO");
    assert_each_once(&lines, &["openHAB at", "item E has the state", "item P has the state"]);
}

#[tokio::test]
async fn another_fault_of_an_outage_is_logged_if_it_lasts() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut openhab = RawOpenHab::start(|_: &str| Answer::Close(Vec::new()));
    let _source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked(READ, 4).await;
    openhab.behave(|_| status("401 Unauthorized"));
    openhab.asked(READ, 4).await;
    let lines = log.source_lines("WARN");
    assert!(!lines.iter().any(|line| line.contains("401")), "{lines:#?}");
    sleep(Duration::from_secs(130)).await;
    assert_each_once(&log.source_lines("WARN"), &["no valid answer", "401 Unauthorized"]);
}
