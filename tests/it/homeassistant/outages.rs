//! Home Assistant goes away, restarts, and answers what it should not: the source gets over it by
//! itself, and says what happened once.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::harness::{
    clock::{FastClock, LEAP},
    homeassistant::{
        Act, Heard, HomeAssistant, QUICK,
        answers::{AUTH_OK, AUTH_REQUIRED, NOT_RUNNING, changed, home, house, say},
        frames,
    },
    log::Log,
    source::{ENERGY, POWER, RunningMeter, RunningSource, confirmed},
};

fn status(line: &str) -> Vec<Act> {
    vec![Act::Send(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())]
}

#[tokio::test]
async fn while_it_refuses_connections_that_is_said_once() {
    let _clock = FastClock::start_by(LEAP);
    let log = Log::start(Level::INFO);
    let mut homeassistant = HomeAssistant::start(house());
    let mut meter = RunningMeter::start(homeassistant.config(QUICK)).await;
    meter.is_live_at(-800.0).await;
    log.clear();
    homeassistant.stop().await;
    meter.is_stale().await;
    sleep(Duration::from_mins(3)).await;
    let lines = log.source_lines("WARN");
    // First the end of the connection, and what has lasted since.
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("; trying again")), "{lines:#?}");
    log.clear();
    homeassistant.restart();
    meter.is_live_at(-800.0).await;
    let lines = log.source_lines("");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("Home Assistant at") && lines[0].contains("answers"), "{lines:#?}");
}

#[tokio::test]
async fn a_proxy_before_it_that_says_502_is_waited_for() {
    let _clock = FastClock::start_by(LEAP);
    let log = Log::start(Level::INFO);
    let mut homeassistant = HomeAssistant::start(|_| status("502 Bad Gateway"));
    let mut source = RunningSource::start(&homeassistant.config(""));
    let started = Instant::now();
    for count in 1..=10 {
        homeassistant.hears_in_all("request", count).await;
    }
    let took = started.elapsed();
    assert!((15..90).contains(&took.as_secs()), "{took:?}");
    let lines = log.source_lines("WARN");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("502 Bad Gateway (it may be starting); trying again"), "{lines:#?}");
    homeassistant.behave(house());
    source.power(800.0).await;
}

#[tokio::test]
async fn a_farewell_is_answered_and_the_connection_closed_at_once() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(""));
    source.power(800.0).await;
    let mut healthy = house();
    homeassistant.behave(move |heard| match heard {
        // Waits for who is at the other end, as Home Assistant does before it stops.
        Heard::Control(_) => vec![],
        other => healthy(other),
    });
    let said = Instant::now();
    homeassistant.send(frames::close(1000));
    homeassistant.hears_in_all("close", 1).await;
    homeassistant.hears_in_all("end", 1).await;
    assert!(said.elapsed() < Duration::from_secs(2), "{:?}", said.elapsed());
}

#[tokio::test]
async fn one_that_ends_each_session_at_once_is_not_stormed_and_costs_few_lines() {
    let _clock = FastClock::start_by(LEAP);
    // At once, after the login, after the entities; with a farewell and without.
    let ends: [fn(&Heard) -> Vec<Act>; 4] = [
        |_| vec![Act::Close],
        |heard| match heard {
            Heard::Request(head) => vec![Act::Send(frames::switching(head)), Act::Close],
            _ => vec![],
        },
        |heard| match heard {
            Heard::Request(head) => vec![Act::Send(frames::switching(head)), say(AUTH_REQUIRED)],
            Heard::Message(_) => vec![say(AUTH_OK), Act::Send(frames::close(1000)), Act::Close],
            _ => vec![],
        },
        |heard| {
            let mut acts = house()(heard);
            if heard.kind() == "get_config" {
                acts.push(Act::Close);
            }
            acts
        },
    ];
    for end in ends {
        let log = Log::start(Level::INFO);
        let homeassistant = HomeAssistant::start(end);
        let _source = RunningSource::start(&homeassistant.config(""));
        sleep(Duration::from_mins(5)).await;
        let sessions = homeassistant.heard("request").len();
        assert!((30..100).contains(&sessions), "{sessions} sessions");
        let lines = log.source_lines("");
        assert!((1..=6).contains(&lines.len()), "{lines:#?}");
    }
}

#[tokio::test]
async fn values_are_certain_again_only_once_it_has_said_them_again() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    homeassistant.stop().await;
    // It has started, but the platform of the power has not.
    let energy = r#"{"a":{"sensor.e":{"s":"12345.7","a":{"unit_of_measurement":"kWh"}}}}"#;
    homeassistant.behave(home(energy, NOT_RUNNING, "[]"));
    homeassistant.restart();
    source.energy(12_345_700.0).await;
    let restarted = Instant::now();
    homeassistant.hears("ping", 3).await;
    assert!(source.confirmed(POWER) < restarted);
    assert!(source.confirmed(ENERGY) > restarted);
    assert_eq!(source.value(POWER), Some(800.0));
    // A difference to what was never said is not guessed at.
    homeassistant.event(&changed("sensor.p", "7"));
    homeassistant.hears("ping", 2).await;
    assert_eq!(source.value(POWER), Some(800.0));
    homeassistant.event(r#"{"a":{"sensor.p":{"s":"0.9","a":{"unit_of_measurement":"kW"}}}}"#);
    source.power(900.0).await;
    let again = Instant::now();
    source.shows(|reading| confirmed(reading, POWER) > again).await;
}
