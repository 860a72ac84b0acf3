//! A steady value sends nothing: what confirms it is that the connection lives.

use std::time::Duration;

use fronius_smartmeter::meter::Condition;
use tokio::time::{Instant, sleep};

use crate::harness::{
    clock::FastClock,
    homeassistant::{
        HomeAssistant, QUICK, QUICKLY_STALE,
        answers::{HOUSE_ENERGY, changed, house},
        frames,
    },
    source::{POWER, RunningMeter, RunningSource, confirmed, exported, same},
};

#[tokio::test]
async fn a_steady_value_stays_fresh_by_pongs_alone_and_ages_in_silence() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut meter = RunningMeter::start(homeassistant.config(QUICK)).await;
    meter.is_live_at(-800.0).await;
    assert!(same(exported(&meter.image()), HOUSE_ENERGY));
    for _ in 0..60 {
        homeassistant.hears("ping", 1).await;
        assert_eq!(meter.image().condition, Condition::Live);
    }
    homeassistant.behave(|_| vec![]);
    meter.is_stale().await;
    let age = Instant::from_std(meter.image().confirmed.unwrap()).elapsed();
    assert!((QUICKLY_STALE..QUICKLY_STALE * 2).contains(&age), "stale after {age:?}");
    assert!(same(exported(&meter.image()), HOUSE_ENERGY));
}

#[tokio::test]
async fn a_connection_that_has_died_is_given_up_and_another_made() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(""));
    source.power(800.0).await;
    homeassistant.hears("ping", 1).await;
    homeassistant.behave(|_| vec![]);
    let silent_since = Instant::now();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(homeassistant.heard("end").len(), 0);
    homeassistant.hears("end", 1).await;
    // Home Assistant may be too busy to answer for some seconds.
    let given_up = silent_since.elapsed();
    assert!((30..60).contains(&given_up.as_secs()), "{given_up:?}");
    homeassistant.behave(house());
    let before = Instant::now();
    source.shows(|reading| confirmed(reading, POWER) > before).await;
}

#[tokio::test]
async fn pings_are_no_more_frequent_than_need_be() {
    let _clock = FastClock::start();
    let homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config("stale_after: 10m"));
    source.power(800.0).await;
    sleep(Duration::from_mins(2)).await;
    let pings = homeassistant.heard("ping").len();
    assert!((7..=9).contains(&pings), "{pings}");
    assert_eq!(homeassistant.heard("request").len(), 1);
}

#[tokio::test]
async fn pings_of_home_assistant_are_answered() {
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    homeassistant.send(frames::frame(0x89, b"p"));
    homeassistant.hears("pong frame", 1).await;
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message() {
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    let message = format!(r#"{{"id":1,"type":"event","event":{}}}"#, changed("sensor.p", "900"));
    let (start, rest) = message.as_bytes().split_at(50);
    let pieces =
        [frames::frame(0x01, start), frames::frame(0x89, b"between"), frames::frame(0x80, rest)];
    for byte in pieces.concat() {
        homeassistant.send(vec![byte]);
    }
    source.power(900.0).await;
    homeassistant.hears_in_all("pong frame", 1).await;
}
