//! Home Assistant beside openHAB, and inside the app.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;

use crate::harness::{
    client::{Client, floats},
    files::{directory, file, text},
    homeassistant::{
        HomeAssistant, TOKEN,
        answers::{changed, house},
    },
    openhab::{self, OpenHab},
    program::{Outcome, RunningProgram, outcome, program},
    service::listening_on,
    until,
};

async fn power(client: &mut Client) -> Result<f32, u8> {
    Ok(floats(&client.read(40_097, 2).await?)[0])
}

#[tokio::test]
async fn each_meter_follows_its_own_source_whatever_becomes_of_the_other() {
    let mut openhab = OpenHab::start(&openhab::HOUSE);
    let mut homeassistant = HomeAssistant::start(house());
    let config = file(&format!(
        "{}openhab_host: {}
poll_interval: 100ms
stale_after: 2s
meters:
  - name: roof
    source: openhab
    energy_counter_out: E
    current_power: P
    modbus_listen: 127.0.0.1:0
  - name: garage
    source: homeassistant
    energy_counter_out: sensor.e
    current_power: sensor.p
    modbus_listen: 127.0.0.2:0
",
        homeassistant.keys(),
        openhab.address
    ));
    let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
    let mut addresses = [listening_on(&mut running).await, listening_on(&mut running).await];
    addresses.sort();
    let [roof, garage] = addresses.map(Client::connect);
    let (roof, garage) = (&mut roof.await, &mut garage.await);
    until(async || power(roof).await == Ok(-800.0)).await;
    until(async || power(garage).await == Ok(-800.0)).await;
    openhab.set("P", "100 W");
    homeassistant.event(&changed("sensor.p", "200"));
    until(async || power(roof).await == Ok(-100.0)).await;
    until(async || power(garage).await == Ok(-200.0)).await;

    openhab.stop().await;
    running.err.find("roof: data is stale").await;
    homeassistant.event(&changed("sensor.p", "300"));
    until(async || power(garage).await == Ok(-300.0)).await;
    openhab.restart();
    running.err.find("roof: data is live").await;
    homeassistant.stop().await;
    running.err.find("garage: data is stale").await;
    openhab.set("P", "400 W");
    until(async || power(roof).await == Ok(-400.0)).await;
    assert_eq!(power(garage).await, Ok(0.0));
    homeassistant.restart();
    running.err.find("garage: data is live").await;
    until(async || power(garage).await == Ok(-800.0)).await;
}

/// `check` of such options, as the Supervisor writes them for the app.
async fn checked(options: &serde_json::Value) -> Outcome {
    let mut options = options.clone();
    options["modbus_listen"] = json!("0.0.0.0:0");
    let data = directory("options.json", &options.to_string());
    let path = data.path().join("options.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut check = program(&["check", "--config", text(&path)]);
    outcome(check.env("SUPERVISOR_TOKEN", "canary")).await
}

/// The address of the Supervisor means something only inside the app: that it was tried is seen by
/// what went wrong.
#[tokio::test]
async fn inside_the_app_the_supervisor_leads_to_home_assistant() {
    let options = json!({
        "energy_counter_out": "sensor.e", "current_power": "sensor.p", "openhab_host": "",
        "homeassistant_host": null, "meters": [],
    });
    let checked = checked(&options).await;
    assert_eq!(checked.code, Some(69), "{checked:?}");
    assert!(checked.out.contains("cannot connect to http://supervisor/core: "), "{checked:?}");
}

#[tokio::test]
async fn inside_the_app_openhab_is_the_source_if_its_host_is_given() {
    let openhab = OpenHab::start(&openhab::HOUSE);
    let options = json!({
        "energy_counter_out": "E", "current_power": "P", "openhab_host": openhab.address.to_string(),
    });
    let checked = checked(&options).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.out.contains("800 W"), "{checked:?}");
}

#[tokio::test]
async fn inside_the_app_another_home_assistant_may_be_given() {
    let homeassistant = HomeAssistant::start(house());
    let host = homeassistant.address.to_string();
    let flat = json!({
        "homeassistant_host": host, "homeassistant_token": TOKEN,
        "energy_counter_out": "sensor.e", "current_power_l1": "sensor.p",
        "current_power_unit": "W", "current_power_factor": 1,
    });
    let sections = json!({
        "data": {"source": "homeassistant", "host": host, "access_token": TOKEN},
        "modbus": {"modbus_tcp_address": 0, "connected_phase": 1},
        "smartmeter_energy": {"energy_counter_out": "sensor.e", "min_energy_threshold": 0.1},
        "smartmeter_livedata": {"current_power": "sensor.p"},
    });
    for options in [flat, sections] {
        let checked = checked(&options).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(
            checked.out.contains("800 W") && checked.out.contains("12345.678 kWh"),
            "{checked:?}"
        );
    }
    assert_eq!(homeassistant.heard("auth").len(), 2);
}

#[tokio::test]
async fn check_says_which_entity_is_not_there_and_which_is_refused() {
    let homeassistant = HomeAssistant::start(house());
    let options = json!({
        "homeassistant_host": homeassistant.address.to_string(), "homeassistant_token": TOKEN,
        "energy_counter_out": "sensor.e", "current_power": "sensor.pp",
    });
    let one_is_missing = checked(&options).await;
    // The stand-in has the others whatever is asked for.
    assert_eq!(one_is_missing.code, Some(78), "{one_is_missing:?}");
    assert!(one_is_missing.out.contains("did you mean sensor.p?"), "{one_is_missing:?}");
    let wrong = json!({
        "homeassistant_host": homeassistant.address.to_string(), "homeassistant_token": "x.canary",
        "energy_counter_out": "sensor.e", "current_power": "sensor.p",
    });
    let refused = checked(&wrong).await;
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.out.contains("refuses the token"), "{refused:?}");
}
