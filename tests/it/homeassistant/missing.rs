//! An entity that is not there: which was meant, said once, and not while Home Assistant starts.

use std::time::Duration;

use tokio::time::sleep;
use tracing::Level;

use crate::harness::{
    clock::{FastClock, LEAP},
    homeassistant::{
        HomeAssistant, QUICK,
        answers::{HOUSE, NOT_RUNNING, RUNNING, home},
    },
    log::Log,
    source::{POWER, RunningSource},
};

const ENERGY_ONLY: &str =
    r#"{"a":{"sensor.e":{"s":"12345.678","a":{"unit_of_measurement":"kWh"}}}}"#;
const NAMES: &str = r#""sensor.energy sensor.pv sun.sun""#;

/// What was said of the power.
fn said(log: &Log) -> Vec<String> {
    let mut lines = log.source_lines("WARN");
    lines.retain(|line| line.contains("sensor.p gives no value"));
    lines
}

#[tokio::test]
async fn it_is_named_once_with_the_nearest() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut homeassistant = HomeAssistant::start(home(ENERGY_ONLY, RUNNING, NAMES));
    let source = RunningSource::start(&homeassistant.config(QUICK));
    homeassistant.hears("ping", 10).await;
    let lines = said(&log);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let expected = "Home Assistant has no such entity; did you mean sensor.pv?";
    assert!(lines[0].contains(expected), "{lines:#?}");
    assert_eq!(homeassistant.heard("render_template").len(), 1);
    assert_eq!(homeassistant.heard("unsubscribe_events").len(), 1);
    assert_eq!(source.value(POWER), None);
}

#[tokio::test]
async fn it_is_not_missed_before_home_assistant_has_started() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut homeassistant = HomeAssistant::start(home(ENERGY_ONLY, NOT_RUNNING, NAMES));
    let _source = RunningSource::start(&homeassistant.config(QUICK));
    homeassistant.hears("get_config", 10).await;
    assert_eq!(said(&log), Vec::<String>::new());
    homeassistant.behave(home(ENERGY_ONLY, RUNNING, NAMES));
    homeassistant.hears("render_template", 1).await;
    homeassistant.hears("ping", 2).await;
    assert_eq!(said(&log).len(), 1, "{}", log.text());
}

#[tokio::test]
async fn after_an_outage_it_gets_some_time() {
    let _clock = FastClock::start_by(LEAP);
    let mut homeassistant = HomeAssistant::start(home(HOUSE, RUNNING, NAMES));
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    homeassistant.stop().await;
    homeassistant.behave(home(ENERGY_ONLY, RUNNING, NAMES));
    let log = Log::start(Level::INFO);
    sleep(Duration::from_secs(5)).await;
    homeassistant.restart();
    sleep(Duration::from_secs(90)).await;
    assert_eq!(said(&log), Vec::<String>::new());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(said(&log).len(), 1, "{}", log.text());
}

#[tokio::test]
async fn one_that_goes_is_said_to_be_gone_and_may_come_back() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(home(HOUSE, RUNNING, NAMES));
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    for _ in 0..3 {
        let log = Log::start(Level::INFO);
        homeassistant.event(r#"{"r":["sensor.p"]}"#);
        homeassistant.hears("ping", 3).await;
        assert_eq!(said(&log).len(), 1, "{}", log.text());
        log.clear();
        homeassistant.event(HOUSE.replace('\n', "").as_str());
        homeassistant.hears("ping", 1).await;
        assert!(log.text().contains("sensor.p has the state 800 W"), "{}", log.text());
    }
}

/// A template may give 256 KiB, and fails without a word if it would be more.
#[tokio::test]
async fn in_a_house_with_too_many_names_it_is_said_without_one() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut healthy = home(ENERGY_ONLY, RUNNING, NAMES);
    let mut homeassistant = HomeAssistant::start(move |heard| {
        let mut acts = healthy(heard);
        if heard.kind() == "render_template" {
            acts.truncate(1);
        }
        acts
    });
    let _source = RunningSource::start(&homeassistant.config(QUICK));
    homeassistant.hears("ping", 10).await;
    let lines = said(&log);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("Home Assistant has no such entity item="), "{lines:#?}");
    let asked = homeassistant.heard("render_template").len();
    assert!(asked <= 2, "asked {asked} times");
}

#[tokio::test]
async fn one_that_cannot_be_read_is_not_missing() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let unreadable = r#"{"a":{"sensor.e":{"s":"1"},"sensor.p":{"s":5}}}"#;
    let mut homeassistant = HomeAssistant::start(home(unreadable, RUNNING, NAMES));
    let _source = RunningSource::start(&homeassistant.config(QUICK));
    homeassistant.hears("ping", 5).await;
    let lines = said(&log);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("the answer is not a state"), "{lines:#?}");
}
