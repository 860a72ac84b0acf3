//! An integration is dead, and Home Assistant lives: `item_max_age` notices it by the times of the
//! last reports, which have to be asked for.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use fronius_smartmeter::meter::Condition;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{
    clock::FastClock,
    homeassistant::{
        Heard, HomeAssistant,
        answers::{RUNNING, changed, home, house},
    },
    source::{POWER, RunningMeter},
};

const KEYS: &str = "stale_after: 4s\nitem_max_age: 10s";

/// All messages of a kind.
fn messages(homeassistant: &HomeAssistant, kind: &str) -> Vec<Value> {
    let messages = homeassistant.heard(kind).into_iter().map(|(heard, _)| match heard {
        Heard::Message(message) => message,
        other => panic!("{other:?}"),
    });
    messages.collect()
}

#[tokio::test]
async fn a_value_that_is_reported_again_and_again_is_as_good_as_new() {
    let _clock = FastClock::start();
    let is_dead = Arc::new(AtomicBool::new(false));
    let power_is_dead = Arc::clone(&is_dead);
    // In the order in which the entities were asked for.
    let mut alive = home(crate::harness::homeassistant::answers::HOUSE, RUNNING, "[0.5, 1.25]");
    let mut dead = home(crate::harness::homeassistant::answers::HOUSE, RUNNING, "[0.5, 4000.0]");
    let mut homeassistant =
        HomeAssistant::start(
            move |heard| {
                if power_is_dead.load(Relaxed) { dead(heard) } else { alive(heard) }
            },
        );
    let mut meter = RunningMeter::start(homeassistant.config(KEYS)).await;
    meter.is_live_at(-800.0).await;
    for _ in 0..20 {
        homeassistant.hears("ping", 1).await;
        assert_eq!(meter.image().condition, Condition::Live);
    }
    let asked = messages(&homeassistant, "render_template");
    assert!(asked.len() >= 15, "{}", asked.len());
    let template = asked[0]["template"].as_str().unwrap();
    assert!(template.contains("['sensor.e','sensor.p']"), "{template}");
    // Each question is another subscription; none but the last may be left.
    let ended: Vec<_> = messages(&homeassistant, "unsubscribe_events")
        .into_iter()
        .map(|message| message["subscription"].clone())
        .collect();
    let ids: Vec<_> = asked.iter().map(|message| message["id"].clone()).collect();
    assert!(ids.starts_with(&ended) && ids.len() - ended.len() <= 1, "{ids:?} {ended:?}");

    is_dead.store(true, Relaxed);
    meter.shows(|image| image.overdue == [POWER.to_string()]).await;
    let age = Instant::from_std(meter.image().confirmed.unwrap()).elapsed();
    assert!(age.as_secs() < 20, "Home Assistant itself still answers: {age:?}");
    homeassistant.event(&changed("sensor.p", "900"));
    meter.is_live_at(-900.0).await;
}

#[tokio::test]
async fn ages_that_are_none_confirm_nothing() {
    let _clock = FastClock::start();
    for ages in
        ["[null, null]", "[]", "[1e300, 1e300]", "\"none\"", "[0.5]", "{}", "[\"1\", \"1\"]"]
    {
        println!("{ages}");
        let homeassistant = HomeAssistant::start(home(
            crate::harness::homeassistant::answers::HOUSE,
            RUNNING,
            ages,
        ));
        let mut meter = RunningMeter::start(homeassistant.config(KEYS)).await;
        meter.is_live_at(-800.0).await;
        meter.is_stale().await;
    }
}

#[tokio::test]
async fn nobody_asks_for_reports_without_a_maximum_age() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut meter = RunningMeter::start(homeassistant.config("stale_after: 4s")).await;
    meter.is_live_at(-800.0).await;
    homeassistant.hears("ping", 10).await;
    assert_eq!(homeassistant.heard("render_template").len(), 0);
    assert_eq!(homeassistant.heard("get_config").len(), 1);
    assert_eq!(meter.image().condition, Condition::Live);
}
