//! openHAB is restarted: the log says it in few lines, and later what has not come back.

use std::time::Duration;

use tokio::time::sleep;
use tracing::Level;

use super::{
    log::{assert_each_once, connected_house},
    simulator::define,
};
use crate::harness::{
    clock::FastClock,
    log::Log,
    openhab::{
        HOUSE_ENERGY, OpenHab,
        answers::{Answer, Events, LISTEN, READ, events, house, state, status},
        raw::RawOpenHab,
    },
    source::{QUICK, RunningMeter, RunningSource, config, exported, same},
    until,
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
    assert_each_once(&log.source_lines("WARN"), &["trying again", "openHAB at"]);
    assert_each_once(&log.source_lines("INFO"), &[]);
}

#[tokio::test]
async fn an_item_that_has_no_value_long_after_a_restart_is_logged() {
    let _clock = FastClock::start();
    let (mut openhab, stream, mut source) = connected_house().await;
    let log = Log::start(Level::INFO);
    let _events = restart(&mut openhab, stream).await;
    sleep(Duration::from_secs(100)).await;
    assert_each_once(&log.source_lines("WARN"), &["trying again", "openHAB at"]);
    sleep(Duration::from_secs(25)).await;
    let gone = ["trying again", "openHAB at", "E gives no value", "P gives no value"];
    assert_each_once(&log.source_lines("WARN"), &gone);
    log.clear();
    openhab.behave(house("800 W", None));
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    openhab.asked(READ, 4).await;
    assert_each_once(&log.source_lines("WARN"), &["E has the state", "P has the state"]);
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
    sleep(Duration::from_mins(5)).await;
    assert_each_once(&log.source_lines("WARN"), &["no valid answer", "401 Unauthorized"]);
}

/// An openHAB whose energy is the sum of two items, and a meter that listens to it.
async fn sum_of_two(log: &Log) -> (OpenHab, RunningMeter) {
    let openhab = OpenHab::start(&[("P", "800 W")]);
    let sum = r#""type":"Group","groupType":"Number:Energy","function":{"name":"SUM"}"#;
    define(&openhab, "E", sum).await;
    for (member, state) in [("A", "1000 kWh"), ("B", "2000 kWh")] {
        define(&openhab, member, r#""type":"Number:Energy","groupNames":["E"]"#).await;
        openhab.set(member, state);
    }
    // So long that no pause between two attempts makes data stale.
    let more = "poll_interval: 100ms\nstale_after: 60s";
    let mut meter = RunningMeter::start(config(openhab.address, more)).await;
    meter.is_live().await;
    until(async || log.text().contains("event stream of")).await;
    (openhab, meter)
}

/// Restarts it, so that no item has a value; then the power comes back, and one of the two.
async fn one_of_two_is_back(openhab: &mut OpenHab, meter: &mut RunningMeter) {
    openhab.stop().await;
    sleep(Duration::from_secs(5)).await;
    for item in ["P", "A", "B"] {
        openhab.set(item, "NULL");
    }
    openhab.start_slowly(Duration::from_secs(5));
    openhab.restart();
    sleep(Duration::from_secs(10)).await;
    openhab.set("A", "1000 kWh");
    openhab.set("P", "700 W");
    meter.is_live_at(-700.0).await;
}

/// The other one is back too, and what is served goes on.
async fn both_are_back(openhab: &OpenHab, meter: &mut RunningMeter) {
    assert_eq!(exported(&meter.image()).to_bits(), 3e6_f64.to_bits());
    openhab.set("B", "2000.1 kWh");
    meter.shows(|image| same(exported(image), 3_000_100.0)).await;
}

#[tokio::test]
async fn a_restart_is_two_lines_also_where_a_counter_is_a_sum_that_comes_back_in_parts() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let (mut openhab, mut meter) = sum_of_two(&log).await;
    log.clear();
    one_of_two_is_back(&mut openhab, &mut meter).await;
    sleep(Duration::from_secs(90)).await;
    both_are_back(&openhab, &mut meter).await;
    assert_each_once(&log.lines(), &["trying again", "openHAB at"]);
}

#[tokio::test]
async fn a_sum_that_lacks_a_part_long_after_a_restart_is_logged() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let (mut openhab, mut meter) = sum_of_two(&log).await;
    log.clear();
    one_of_two_is_back(&mut openhab, &mut meter).await;
    // Two minutes, and until the next sign of life.
    sleep(Duration::from_secs(140)).await;
    let lacking = "E shows 1 000.000 kWh, 2 000.000 kWh less than before";
    assert_each_once(&log.lines(), &["trying again", "openHAB at", lacking]);
    log.clear();
    both_are_back(&openhab, &mut meter).await;
    assert_each_once(&log.lines(), &["E is followed again, at 3 000.100 kWh"]);
}
