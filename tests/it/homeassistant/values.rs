//! What is no value is never one: it costs its entity that moment, and no other.

use fronius_smartmeter::meter::Condition;
use tokio::time::Instant;
use tracing::Level;

use crate::harness::{
    clock::FastClock,
    homeassistant::{
        HomeAssistant, QUICK,
        answers::{changed, house},
    },
    log::Log,
    source::{ENERGY, POWER, RunningMeter, RunningSource, confirmed, power, same},
};

/// Changes of the power to something that is no value.
fn losses() -> Vec<String> {
    let states = [
        "unavailable",
        "unknown",
        "nan",
        "inf",
        "-inf",
        "None",
        "",
        " ",
        "on",
        "1,5",
        "+5",
        "1_000",
        "0x10",
        "١٢",
        "5 W",
        "-32768",
        "1e9",
    ];
    let mut losses = states.map(|state| changed("sensor.p", state)).to_vec();
    let what = [
        r#""+":{"s":5}"#,
        r#""+":7"#,
        r#""-":{"a":"unit_of_measurement"}"#,
        r#""-":{"a":["unit_of_measurement"]}"#,
        r#""+":{"s":"5"},"-":{"a":["unit_of_measurement"]}"#,
        r#""+":{"s":"5","a":{"unit_of_measurement":"kWh"}}"#,
        r#""+":{"s":"5","a":{"unit_of_measurement":"horses"}}"#,
    ];
    losses.extend(what.map(|what| format!(r#"{{"c":{{"sensor.p":{{{what}}}}}}}"#)));
    losses.push(r#"{"a":{"sensor.p":{}}}"#.to_owned());
    losses.push(r#"{"a":{"sensor.p":"800"}}"#.to_owned());
    losses.push(r#"{"r":["sensor.p"]}"#.to_owned());
    losses
}

#[tokio::test]
async fn what_is_no_value_is_not_confirmed_and_costs_no_other() {
    let _clock = FastClock::start();
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    for (watts, loss) in (801_u32..).zip(losses()) {
        println!("{loss}");
        homeassistant.event(&loss);
        homeassistant.hears("ping", 1).await;
        let lost = Instant::now();
        source.shows(|reading| confirmed(reading, ENERGY) > lost).await;
        homeassistant.hears("ping", 1).await;
        assert!(source.confirmed(POWER) < lost);
        assert_eq!(source.value(POWER), Some(f64::from(watts) - 1.0));
        let again = format!(
            r#"{{"a":{{"sensor.p":{{"s":"{watts}","a":{{"unit_of_measurement":"W"}},"lc":1.5}}}}}}"#
        );
        homeassistant.event(&again);
        source.power(watts.into()).await;
    }
    assert_eq!(homeassistant.heard("request").len(), 1, "one connection all the time");
}

#[tokio::test]
async fn a_meter_whose_power_is_unavailable_is_stale_and_recovers() {
    let _clock = FastClock::start();
    let homeassistant = HomeAssistant::start(house());
    let more = format!("{QUICK}\non_stale: exception");
    let mut meter = RunningMeter::start(homeassistant.config(&more)).await;
    meter.is_live_at(-800.0).await;
    homeassistant.event(&changed("sensor.p", "unavailable"));
    meter
        .shows(|image| {
            let live = image.condition == Condition::Live;
            assert!(!live || same(power(image), -800.0), "{}", power(image));
            !live
        })
        .await;
    homeassistant.event(&changed("sensor.p", "0.0"));
    meter.is_live_at(0.0).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_entity_is_said_once() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    for _ in 0..5 {
        homeassistant.event(&changed("sensor.p", "unavailable"));
        homeassistant.event(&changed("sensor.p", "unknown"));
        homeassistant.event(r#"{"c":{"sensor.p":{"+":{"a":{"x":1}}}}}"#);
        homeassistant.hears("ping", 2).await;
    }
    homeassistant.event(r#"{"a":{"sensor.p":{}}}"#);
    homeassistant.hears("ping", 2).await;
    let lines = log.source_lines("WARN");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("sensor.p gives no value: it has no value (unavailable)"));
    assert!(lines[1].contains("sensor.p gives no value: the answer is not a state"));
}
