//! What `check` says of values that are possible, and hardly right.

use serde_json::json;

use super::{
    super::{CONFIG, SUCCESS, UNAVAILABLE},
    check_at, check_of, items_with, verdict,
};
use crate::harness::{
    expected::assert_expected,
    homeassistant::{HomeAssistant, answers::home},
    openhab::{
        OpenHab,
        answers::{self, Answer},
        raw::RawOpenHab,
    },
    service::ITEMS,
};

const LOOK: &str = "The inverter will get values, but look at this first: ";

/// `check` with one item in another state must end with this code and this verdict.
async fn assert_verdict(item: &str, state: &str, code: i32, expected: &str) {
    let openhab = OpenHab::start(&items_with(item, state));
    let checked = check_at(openhab.address, "", &[]).await;
    assert_eq!(checked.code, Some(code), "{checked:?}");
    let verdict = verdict(&checked);
    assert!(verdict.starts_with(expected), "{verdict}");
}

#[tokio::test]
async fn a_producer_that_consumes_is_asked_about_its_sign() {
    let consumes = format!(
        "{LOOK}current_power: item inverter2_Grid_P means -800 W, which the inverter reads as 800 W \
         consumed; if the device generates that, write {{item: inverter2_Grid_P, factor: -1}}."
    );
    assert_verdict("inverter2_Grid_P", "-800 W", SUCCESS, &consumes).await;
    // At night an inverter takes a little.
    let good = "The inverter will get sensible values.";
    let openhab = OpenHab::start(&items_with("inverter2_Grid_P", "-12 W"));
    let checked = check_at(openhab.address, "", &[]).await;
    assert!(!checked.out.contains("consumed"), "{checked:?}");
    // A grid connection has both directions.
    let openhab = OpenHab::start(&items_with("inverter2_Grid_P", "-800 W"));
    let checked = check_at(openhab.address, "role: grid", &[]).await;
    assert_eq!(verdict(&checked), good, "{checked:?}");
    assert!(checked.out.contains("-3.46 A"), "its current has the sign of its power: {checked:?}");
}

#[tokio::test]
async fn a_current_must_fit_to_its_power_and_voltage() {
    let small = format!(
        "{LOOK}current_current: on L2 1.1 A at 231.4 V are 254.54 VA, and the power is 800 W; see"
    );
    assert_verdict("inverter2_Grid_I", "1.1 A", SUCCESS, &small).await;
    let large = format!("{LOOK}current_current: on L2 3460 A at 231.4 V");
    assert_verdict("inverter2_Grid_I", "3460 A", SUCCESS, &large).await;
}

#[tokio::test]
async fn a_voltage_or_frequency_that_no_grid_has_is_doubted() {
    let line = format!(
        "{LOOK}current_voltage: item inverter2_Grid_U shows 400 V, which no household has; name the \
         voltage between line and neutral, about 230 V (and 1 more above)."
    );
    // The current does not fit any more either.
    let openhab = OpenHab::start(&ITEMS.map(|(name, state)| match name {
        "inverter2_Grid_U" => (name, "400 V"),
        "inverter2_Grid_I" => (name, "6.2 A"),
        _ => (name, state),
    }));
    let checked = check_at(openhab.address, "", &[]).await;
    assert_eq!(verdict(&checked), line);
    let frequency = [&ITEMS[..], &[("F", "42 Hz")]].concat();
    let openhab = OpenHab::start(&frequency);
    let checked = check_at(openhab.address, "current_frequency: F", &[]).await;
    let found = verdict(&checked);
    assert!(found.contains("item F shows 42 Hz, which no grid has"), "{found}");
    // A device that sleeps measures nothing.
    let openhab = OpenHab::start(&items_with("inverter2_Grid_U", "0 V"));
    let checked = check_at(openhab.address, "", &[]).await;
    assert!(checked.out.contains("note: current_voltage: item inverter2_Grid_U shows 0 V, as of"));
    assert_eq!(verdict(&checked), "The inverter will get sensible values.");
}

#[tokio::test]
async fn a_power_beyond_the_device_is_a_failure() {
    let above =
        "Not yet: current_power: item inverter2_Grid_P: 1200 W is implausible, more than max_power";
    assert_verdict("inverter2_Grid_P", "1200 W", UNAVAILABLE, above).await;
    let items = [&ITEMS[..], &[("P2", "700 W")]].concat();
    let openhab = OpenHab::start(&items);
    let config = "openhab_host: HOST\nenergy_counter_out: inverter2_PV_E_total\n\
                  current_power: {l1: inverter2_Grid_P, l2: P2}\nmax_power: 1000\n\
                  modbus_listen: 0.0.0.0:0\n";
    let config = config.replace("HOST", &openhab.address.to_string());
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let found = verdict(&checked);
    let expected =
        "Not yet: current_power: the powers add up to 1500 W, more than max_power (1000 W)";
    assert!(found.starts_with(expected), "{found}");
}

#[tokio::test]
async fn an_energy_beyond_the_device_is_a_unit_that_is_mistaken() {
    let energy = "Not yet: energy_counter_out: item inverter2_PV_E_total: 12 345 678.000 kWh is \
                  implausible, more than 40000 hours of max_power (1000 W): a device without a value, \
                  or Wh taken for kWh, which {item: …, unit: Wh} puts right.";
    assert_verdict("inverter2_PV_E_total", "12345678 kWh", CONFIG, energy).await;
}

#[tokio::test]
async fn a_max_power_that_nobody_has_set_is_mentioned() {
    let openhab = OpenHab::start(&ITEMS);
    let config = format!("{}max_power: 50000\n", crate::harness::service::example(openhab.address));
    let config = format!("{config}modbus_listen: 0.0.0.0:0\n");
    let checked = check_of(&config, openhab.address, &[]).await;
    let words = checked.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let note = "note: max_power is 50000 W, the default, far above the present power: even a counter of \
                2000 MWh is accepted; set it to what the device can deliver at most";
    assert!(words.contains(note), "{words}");
    assert_eq!(verdict(&checked), "The inverter will get sensible values.");
}

/// An openHAB 5 whose items were updated so many seconds ago.
fn updated(seconds: u64) -> RawOpenHab {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let updated = (now.as_secs() - seconds) * 1000;
    RawOpenHab::start(move |request: &str| {
        let item = request.split('/').nth(3).unwrap().split('?').next().unwrap();
        let state = ITEMS.into_iter().find(|(name, _)| *name == item).unwrap().1;
        answers::state(&json!({ "state": state, "lastStateUpdate": updated }).to_string())
    })
}

#[tokio::test]
async fn a_power_that_is_old_is_doubted() {
    let openhab = updated(7200);
    let checked = check_at(openhab.address, "", &[]).await;
    let expected =
        format!("{LOOK}current_power: item inverter2_Grid_P was last updated 2 h ago; see");
    assert!(verdict(&checked).starts_with(&expected), "{checked:?}");
    let checked = check_at(openhab.address, "item_max_age: 1m", &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert!(verdict(&checked).contains("longer than item_max_age"), "{checked:?}");
}

/// An item that is answered has nothing to fear from many that are not: all are asked within a limit,
/// some at a time.
#[tokio::test]
async fn items_that_hang_are_asked_side_by_side() {
    let openhab = RawOpenHab::start(|request: &str| {
        let item = request.split('/').nth(3).unwrap().split('?').next().unwrap();
        match ITEMS.into_iter().find(|(name, _)| *name == item) {
            Some((_, state)) => answers::state(&json!({ "state": state }).to_string()),
            None => Answer::Silent(Vec::new()),
        }
    });
    let hanging = (0..20).map(|number| format!("Hangs{number}"));
    let hanging = hanging.collect::<Vec<_>>().join(", ");
    let config = format!(
        "openhab_host: {}\nenergy_counter_out: [{hanging}, inverter2_PV_E_total]\n\
         current_power: inverter2_Grid_P\nmodbus_listen: 0.0.0.0:0\npoll_interval: 1s\n\
         stale_after: 2s\n",
        openhab.address
    );
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert!(checked.out.contains("12345678 Wh") && checked.out.contains("-800 W"), "{checked:?}");
    assert!(verdict(&checked).contains("(and 19 more above)"), "{checked:?}");
}

const LONG_ENERGY: &str = "Balkonkraftwerk_Hoymiles_Wechselrichter_Gesamtertrag";

#[tokio::test]
async fn the_table_fits_a_terminal_whatever_the_items_are_called() {
    let long = |kind: &str, number: u32| {
        format!("Balkonkraftwerk_Hoymiles_Wechselrichter_{kind}_L{number}")
    };
    let mut items = vec![(LONG_ENERGY.to_owned(), "812.345 kWh".to_owned())];
    let mut keys = String::new();
    for (key, kind, state) in [
        ("current_power", "Leistung", "312.666667 W"),
        ("current_voltage", "Netzspannung", "231.39999389648438 V"),
        ("current_current", "Netzstrom", "1.353 A"),
    ] {
        let phases: Vec<_> = (1..4).map(|n| format!("l{n}: {}", long(kind, n))).collect();
        keys.extend([key, ": {", &phases.join(", "), "}\n"]);
        items.extend((1..4).map(|n| (long(kind, n), state.to_owned())));
    }
    let items: Vec<_> = items.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    let openhab = OpenHab::start(&[&items[..], &ITEMS].concat());
    let config = format!(
        "openhab_host: {}\nenergy_counter_out: [{LONG_ENERGY}, inverter2_PV_E_total]\n{keys}\
         modbus_listen: 0.0.0.0:0\nmax_power: 2000\nserial_number: BKW\n",
        openhab.address
    );
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    assert_expected("check/long-names", &checked.transcript());
}

#[tokio::test]
async fn entities_of_home_assistant_fit_as_well() {
    const HOUSE: &str = r#"{"a":{
        "sensor.balkonkraftwerk_hoymiles_wechselrichter_gesamtertrag":
            {"s":"812.345","a":{"unit_of_measurement":"kWh"},"c":"01M8","lc":1795713124.5},
        "sensor.balkonkraftwerk_hoymiles_wechselrichter_leistung":
            {"s":"312.8","a":{"unit_of_measurement":"W"},"c":"01M8","lc":1795713124.5}}}"#;
    let home_assistant = HomeAssistant::start(home(HOUSE, "{}", r#""sun.sun""#));
    let config = format!(
        "{}energy_counter_out: sensor.balkonkraftwerk_hoymiles_wechselrichter_gesamtertrag\n\
         current_power: sensor.balkonkraftwerk_hoymiles_wechselrichter_leistung\n\
         modbus_listen: 0.0.0.0:0\nmax_power: 2000\n",
        home_assistant.keys()
    );
    let checked = check_of(&config, home_assistant.address, &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    assert!(checked.out.starts_with("Home Assistant at http://ADDRESS answers.\n"), "{checked:?}");
    assert!(checked.out.contains("…"), "{checked:?}");
    for cell in ["812345 Wh", "-312.8 W", "40131 TotWhExpPhA", "40099 WphA"] {
        assert!(checked.out.contains(cell), "{cell}: {checked:?}");
    }
}

#[tokio::test]
async fn a_part_of_a_producer_may_sleep_while_another_is_awake() {
    let openhab = OpenHab::start(&[("E", "5 kWh"), ("P1", "NULL"), ("P2", "300 W")]);
    let config = format!(
        "openhab_host: {}\nenergy_counter_out: E\ncurrent_power: [P1, P2]\nmax_power: 1000\n\
         modbus_listen: 0.0.0.0:0\n",
        openhab.address
    );
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(verdict(&checked), "The inverter will get sensible values.", "{checked:?}");
    assert!(checked.out.contains("    it has no value (NULL)\n"), "{checked:?}");
    // Of the grid every part counts.
    let checked = check_of(&format!("{config}role: grid\n"), openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
}
