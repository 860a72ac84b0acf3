//! `check`: what it shows of each item, and its verdict.

use std::{fs, net::SocketAddr};

use serde_json::{Value, json};
use tempfile::TempDir;

mod place;
mod values;

use super::{CONFIG, SUCCESS, UNAVAILABLE, run};
use crate::harness::{
    expected::assert_expected,
    files::{Secrets, file, text},
    net::unused_address,
    openhab::{
        OpenHab,
        answers::{self, Answer},
        raw::RawOpenHab,
    },
    program::{Outcome, outcome, program},
    service::{ITEMS, example},
};

/// `check` of the example, against an openHAB with these items.
async fn check(items: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let openhab = OpenHab::start(items);
    check_at(openhab.address, "", arguments).await
}

/// What the example needs besides, so that there is nothing to complain of.
const COMPLETE: &str = "modbus_listen: 0.0.0.0:0\nmax_power: 1000\n";

/// `check` of the example with more keys, against the openHAB at `address`.
async fn check_at(address: SocketAddr, more: &str, arguments: &[&str]) -> Outcome {
    check_of(&format!("{}{COMPLETE}{more}\n", example(address)), address, arguments).await
}

/// `check` of a configuration whose source is at `address`. In what it prints that is `ADDRESS`, its
/// directory for the counters is `STATE`, and all ages are 0 s.
async fn check_of(config: &str, address: SocketAddr, arguments: &[&str]) -> Outcome {
    let state = TempDir::new().unwrap();
    let config = file(config);
    let mut command = program(&["check", "--config", text(config.path())]);
    let checked = outcome(command.args(arguments).env("STATE_DIRECTORY", state.path())).await;
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "something was left");
    if !arguments.contains(&"--json") {
        assert_fits(&checked.out);
    }
    let shown = |text: String| text.replace(&address.to_string(), "ADDRESS");
    let young =
        |text| (1..10).fold(text, |text: String, age| text.replace(&format!(" {age} s "), " 0 s "));
    Outcome { out: young(shown(checked.out)), err: shown(checked.err), ..checked }
}

/// No line is wider than a terminal.
#[track_caller]
fn assert_fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// What the last lines say: the verdict.
fn verdict(checked: &Outcome) -> String {
    let verdict = checked.out.rsplit("\n\n").next().unwrap();
    verdict.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `check` must end with this code, and print what is expected.
async fn assert_check(items: &[(&str, &str)], code: i32, name: &str) {
    let checked = check(items, &[]).await;
    assert_eq!(checked.code, Some(code), "{checked:?}");
    assert_expected(&format!("check/{name}"), &checked.transcript());
}

/// The items of the example, one of them with another state.
fn items_with<'a>(item: &str, state: &'a str) -> Vec<(&'a str, &'a str)> {
    ITEMS.map(|(name, usual)| (name, if name == item { state } else { usual })).to_vec()
}

#[tokio::test]
async fn check_shows_where_each_item_goes() {
    assert_check(&ITEMS, SUCCESS, "all-well").await;
}

#[tokio::test]
async fn check_gives_the_same_as_json() {
    let checked = check(&ITEMS, &["--json"]).await;
    assert_eq!((checked.code, checked.err.as_str()), (Some(SUCCESS), ""), "{checked:?}");
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(report["verdict"]["ok"], true);
    assert_eq!(report["verdict"]["text"], "The inverter will get sensible values.");
    let source = json!({"kind": "openhab", "name": "openHAB at http://ADDRESS", "answers": true});
    assert_eq!(report["sources"], json!([source]));
    let meter = &report["meters"][0];
    assert_eq!((&meter["name"], &meter["serial_number"]), (&Value::Null, &json!("27901134002")));
    assert_eq!(meter["items"].as_array().map(Vec::len), Some(4), "{meter}");
    let energy = &meter["items"][0];
    assert_eq!((&energy["key"], &energy["phase"]), (&json!("energy_counter_out"), &json!("L2")));
    assert_eq!(energy["item"], "inverter2_PV_E_total");
    assert_eq!(energy["state"], "12345.678 kWh");
    assert_eq!((&energy["value"], &energy["unit"]), (&json!(12_345_678.0), &json!("Wh")));
    assert_eq!((&energy["register"], &energy["point"]), (&json!(40_133), &json!("TotWhExpPhB")));
    assert_eq!(energy["problem"], Value::Null);
    let power = &meter["items"][1];
    assert_eq!((&power["value"], &power["served"]), (&json!(800.0), &json!(-800.0)));
    let finding = &report["findings"][0];
    assert_eq!((&finding["severity"], &finding["meter"]), (&json!("note"), &Value::Null));
    assert!(
        finding["text"].as_str().unwrap().starts_with("serial number 27901134002"),
        "{finding}"
    );
}

#[tokio::test]
async fn check_of_the_file_alone_has_the_same_form() {
    let config = file(&example("oh"));
    let checked = run(&["check", "--offline", "--json", "--config", text(config.path())]).await;
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    let valid = json!({"ok": true, "text": "The configuration is valid."});
    assert_eq!((checked.code, &report["verdict"]), (Some(SUCCESS), &valid), "{report}");
    assert_eq!(report["meters"], json!([]));
}

#[tokio::test]
async fn check_warns_of_an_energy_and_a_power_on_different_phases() {
    let config = "openhab_host: oh\nenergy_counter_out: {l1: E}\ncurrent_power: {l2: P}\n";
    let config = file(config);
    let checked = run(&["check", "--offline", "--config", text(config.path())]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    assert_expected("check/different-phases", &checked.transcript());
}

#[tokio::test]
async fn check_ends_with_78_where_an_item_does_not_exist() {
    let without_power: Vec<_> =
        ITEMS.into_iter().filter(|(name, _)| *name != "inverter2_Grid_P").collect();
    assert_check(&without_power, CONFIG, "no-such-item").await;
}

#[tokio::test]
async fn check_ends_with_78_where_a_unit_is_of_something_else() {
    assert_check(&items_with("inverter2_Grid_P", "800 V"), CONFIG, "wrong-unit").await;
}

#[tokio::test]
async fn check_ends_with_69_where_a_required_item_is_null() {
    let items = items_with("inverter2_PV_E_total", "NULL");
    assert_check(&items, UNAVAILABLE, "null").await;

    let checked = check(&items, &["--json"]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    let energy = &report["meters"][0]["items"][0];
    assert_eq!((&energy["state"], &energy["value"]), (&json!("NULL"), &Value::Null));
    assert!(energy["problem"].is_string(), "{energy}");
    assert_eq!(report["verdict"]["ok"], false, "{report}");
}

#[tokio::test]
async fn check_ends_with_69_where_a_counter_is_below_its_threshold() {
    let items = items_with("inverter2_PV_E_total", "0 kWh");
    assert_check(&items, UNAVAILABLE, "below-threshold").await;
}

#[tokio::test]
async fn check_names_the_item_whose_state_is_no_text() {
    let image = "x".repeat(100_000);
    assert_check(&items_with("inverter2_Grid_I", &image), CONFIG, "no-text").await;
}

#[tokio::test]
async fn check_shows_no_control_character_of_a_state() {
    for arguments in [&[][..], &["--json"]] {
        let items = items_with("inverter2_Grid_I", "\u{1b}[2J\u{7f}\u{9b}31m");
        let checked = check(&items, arguments).await;
        assert!(checked.out.contains("31m"), "{checked:?}");
        assert!(!checked.out.chars().any(|c| c.is_control() && c != '\n'), "{checked:?}");
    }
}

#[tokio::test]
async fn check_accepts_that_an_optional_item_is_null() {
    assert_check(&items_with("inverter2_Grid_U", "NULL"), SUCCESS, "optional-null").await;
}

/// `check` against an openHAB that answers nothing about these items.
async fn check_silent(silent: &[&'static str]) -> Outcome {
    let silent = silent.to_vec();
    let openhab = RawOpenHab::start(move |request: &str| {
        let item = request.split('/').nth(3).unwrap().split('?').next().unwrap();
        match ITEMS.into_iter().find(|(name, _)| *name == item && !silent.contains(name)) {
            Some((_, state)) => answers::state(&json!({ "state": state }).to_string()),
            None => Answer::Silent(Vec::new()),
        }
    });
    check_at(openhab.address, "poll_interval: 1s\nstale_after: 2s", &[]).await
}

#[tokio::test]
async fn check_goes_on_after_an_item_that_is_not_answered() {
    let checked = check_silent(&["inverter2_PV_E_total"]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert_expected("check/unanswered", &checked.transcript());
    let optional = check_silent(&["inverter2_Grid_U", "inverter2_Grid_I"]).await;
    assert_eq!(optional.code, Some(SUCCESS), "{optional:?}");
}

/// Groups as openHAB 4.3 has them: one that adds up, and one that does nothing with its members.
#[tokio::test]
async fn check_advises_a_list_in_place_of_a_sum() {
    let openhab = RawOpenHab::start(|request: &str| {
        let item = request.split('/').nth(3).unwrap().split('?').next().unwrap();
        let state = ITEMS.into_iter().find(|(name, _)| *name == item).unwrap().1;
        let group = match item {
            "inverter2_PV_E_total" => {
                r#""members":[],"groupType":"Number:Energy","function":{"name":"SUM"},"type":"Group","#
            }
            "inverter2_Grid_P" => r#""members":[],"type":"Group","#,
            _ => r#""type":"Number","#,
        };
        answers::state(&format!("{{{group}\"state\":\"{state}\"}}"))
    });
    let checked = check_at(openhab.address, "", &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    assert_expected("check/group", &checked.transcript());
}

#[tokio::test]
async fn check_ends_with_69_where_nothing_is_answered() {
    let checked = check_silent(&ITEMS.map(|(name, _)| name)).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert_expected("check/silent", &checked.transcript());
}

/// While it starts, openHAB refuses good credentials too: no verdict on the configuration.
#[tokio::test]
async fn check_ends_with_69_where_credentials_are_refused() {
    let secrets = Secrets::new();
    let openhab = OpenHab::locked("oh.meter.canary", &ITEMS);
    let wrong = secrets.token("oh.meter.other-canary");
    let checked = check_at(openhab.address, &wrong, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    assert_expected("check/refused", &checked.transcript());
}

#[tokio::test]
async fn check_ends_with_69_where_openhab_is_away() {
    let (_held, nobody) = unused_address();
    let checked = check_at(nobody, "", &[]).await;
    assert_eq!((checked.code, checked.err.as_str()), (Some(UNAVAILABLE), ""), "{checked:?}");
    let verdict = verdict(&checked);
    assert!(verdict.starts_with("Not yet: cannot connect to http://ADDRESS: "), "{verdict}");
    assert!(verdict.ends_with("see that openHAB runs, and that openhab_host is its address."));
}
