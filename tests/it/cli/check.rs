//! `check`: what it shows of each item, and its verdict.

use serde_json::{Value, json};

use super::{CONFIG, SUCCESS, UNAVAILABLE, row, run};
use crate::harness::{
    files::{file, text},
    net::unused_address,
    openhab::OpenHab,
    program::Outcome,
    service::{ITEMS, example},
};

/// `check` of the example, against an openHAB with these items.
async fn check(items: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let openhab = OpenHab::start(items);
    let config = file(&example(openhab.address));
    run(&[&["check", "--config", text(config.path())], arguments].concat()).await
}

/// The items of the example, one of them with another state.
fn items_with<'a>(item: &str, state: &'a str) -> Vec<(&'a str, &'a str)> {
    ITEMS.map(|(name, usual)| (name, if name == item { state } else { usual })).to_vec()
}

/// What `check` has to say against an item: it stands below its line.
#[track_caller]
fn problem<'o>(out: &'o str, key: &str) -> &'o str {
    let mut lines = out.lines().skip_while(|line| !line.starts_with(key));
    lines.nth(1).filter(|line| line.starts_with("    ")).unwrap_or_else(|| panic!("none in {out}"))
}

#[tokio::test]
async fn check_shows_where_each_item_goes() {
    let checked = check(&ITEMS, &[]).await;
    assert_eq!((checked.code, checked.err.as_str()), (Some(SUCCESS), ""), "{checked:?}");
    assert!(checked.out.starts_with("openHAB at "), "{}", checked.out);
    for (key, state, value, place) in [
        ("energy_counter_out", "12345.678 kWh", "12345678 Wh", "40133 TotWhExpPhB"),
        ("current_power", "800 W", "800 W", "40101 WphB"),
        ("current_voltage", "231.4 V", "231.4 V", "40083 PhVphB"),
        ("current_current", "3.46 A", "3.46 A", "40075 AphB"),
    ] {
        let row = row(&checked.out, key).join(" ");
        assert!(row.contains(&format!(" {state} {value} ")), "{row}");
        assert!(row.ends_with(place), "{row}");
    }
}

#[tokio::test]
async fn check_gives_the_same_as_json() {
    let checked = check(&ITEMS, &["--json"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (Some(SUCCESS), ""), "{checked:?}");
    let lines: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(lines.as_array().map(Vec::len), Some(4), "{lines}");
    let energy = &lines[0];
    assert_eq!(energy["key"], "energy_counter_out");
    assert_eq!(energy["item"], "inverter2_PV_E_total");
    assert_eq!(energy["state"], "12345.678 kWh");
    assert_eq!((&energy["value"], &energy["unit"]), (&json!(12_345_678.0), &json!("Wh")));
    assert_eq!((&energy["register"], &energy["point"]), (&json!(40_133), &json!("TotWhExpPhB")));
    assert_eq!(energy["problem"], Value::Null);
}

#[tokio::test]
async fn check_ends_with_78_where_an_item_does_not_exist() {
    let without_power: Vec<_> =
        ITEMS.into_iter().filter(|(name, _)| *name != "inverter2_Grid_P").collect();
    let checked = check(&without_power, &[]).await;
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    assert!(problem(&checked.out, "current_power").contains("404"), "{}", checked.out);
    assert!(checked.err.contains("1 item cannot be read"), "{}", checked.err);
}

#[tokio::test]
async fn check_ends_with_78_where_a_unit_is_of_something_else() {
    let checked = check(&items_with("inverter2_Grid_P", "800 V"), &[]).await;
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
}

#[tokio::test]
async fn check_ends_with_69_where_a_required_item_is_null() {
    let checked = check(&items_with("inverter2_PV_E_total", "NULL"), &["--json"]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert!(checked.err.contains("1 item without a usable value"), "{}", checked.err);
    let lines: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!((&lines[0]["state"], &lines[0]["value"]), (&json!("NULL"), &Value::Null));
    assert!(lines[0]["problem"].is_string(), "{lines}");
}

#[tokio::test]
async fn check_ends_with_69_where_a_counter_is_below_its_threshold() {
    let checked = check(&items_with("inverter2_PV_E_total", "0 kWh"), &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert!(
        problem(&checked.out, "energy_counter_out").contains("min_energy_threshold"),
        "{checked:?}"
    );
}

#[tokio::test]
async fn check_names_the_item_whose_state_is_no_text() {
    let image = "x".repeat(100_000);
    let checked = check(&items_with("inverter2_Grid_I", &image), &[]).await;
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    assert!(problem(&checked.out, "current_current").contains("no state"), "{checked:?}");
    assert!(row(&checked.out, "current_power").join(" ").contains("800 W"), "{checked:?}");
}

#[tokio::test]
async fn check_accepts_that_an_optional_item_is_null() {
    let checked = check(&items_with("inverter2_Grid_U", "NULL"), &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
}

#[tokio::test]
async fn check_ends_with_69_where_openhab_is_away() {
    let (_held, nobody) = unused_address();
    let config = file(&example(nobody));
    let checked = run(&["check", "--config", text(config.path())]).await;
    assert_eq!((checked.code, checked.out.as_str()), (Some(UNAVAILABLE), ""), "{checked:?}");
    let message = format!("cannot connect to {nobody}");
    assert!(checked.err.replace("http://", "").contains(&message), "{}", checked.err);
}
