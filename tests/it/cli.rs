//! The commands as processes: what they print, and with which code they end.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::harness::{
    program::{
        ITEMS, OpenHab, Outcome, Running, Service, directory, example, file, outcome, program,
        text, unused_address,
    },
    server::{live, serve, server_config, waiting},
    within,
};

const SUCCESS: i32 = 0;
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const CONFIG: i32 = 78;

async fn run(arguments: &[&str]) -> Outcome {
    outcome(&mut program(arguments)).await
}

/// `check` of the example, against an openHAB with these items.
async fn check(items: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    let openhab = OpenHab::start(items).await;
    let config = file(&example(&openhab.address));
    run(&[&["check", "--config", text(config.path())], arguments].concat()).await
}

/// The items of the example, one of them with another state.
fn items_with<'a>(item: &str, state: &'a str) -> Vec<(&'a str, &'a str)> {
    ITEMS.map(|(name, usual)| (name, if name == item { state } else { usual })).to_vec()
}

/// The line of a table that begins so, cut at its spaces.
#[track_caller]
fn row<'a>(table: &'a str, start: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no line {start:?} in\n{table}")).split_whitespace().collect()
}

/// What `check` has to say against an item: it stands below its line.
#[track_caller]
fn problem<'o>(out: &'o str, key: &str) -> &'o str {
    let mut lines = out.lines().skip_while(|line| !line.starts_with(key));
    lines.nth(1).filter(|line| line.starts_with("    ")).unwrap_or_else(|| panic!("none in {out}"))
}

#[tokio::test]
async fn help_and_version_are_no_errors() {
    let help = run(&["--help"]).await;
    assert_eq!((help.code, help.err.as_str()), (Some(SUCCESS), ""));
    for command in ["run", "check", "read", "demo", "simulate"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{}", help.out);
        let help = run(&[command, "--help"]).await;
        assert_eq!((help.code, help.err.as_str()), (Some(SUCCESS), ""), "{command}");
        assert!(help.out.contains("Usage: fronius-smartmeter"), "{}", help.out);
    }
    let version = run(&["--version"]).await;
    assert_eq!(version.code, Some(SUCCESS));
    assert_eq!(version.out, concat!("fronius-smartmeter ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn wrong_usage_ends_with_64() {
    for arguments in [
        &["rum"][..],
        &["--watch"],
        &["read"],
        &["read", "127.0.0.1", "--unit", "256"],
        &["check", "--offline", "--json"],
        &["demo", "--listen", "here"],
        &["simulate", "--item", "power"],
    ] {
        let ended = run(arguments).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(USAGE), ""), "{arguments:?}");
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_config_that_is_missing_or_wrong_ends_with_78() {
    let config = directory("config.yaml", "openhab_host: h\ncurrent_pwoer: P\n");
    let path = config.path().join("config.yaml");
    for command in [&["run"][..], &["check"], &["check", "--offline"]] {
        let wrong = run(&[command, &["--config", text(&path)]].concat()).await;
        assert_eq!((wrong.code, wrong.out.as_str()), (Some(CONFIG), ""), "{wrong:?}");
        let typo = format!("{}:2:1: current_pwoer: unknown key", path.display());
        assert!(wrong.err.contains(&typo), "{}", wrong.err);
        assert!(wrong.err.contains("did you mean current_power?"), "{}", wrong.err);
        assert!(wrong.err.contains("energy_counter_out: missing"), "{}", wrong.err);

        let nowhere = config.path().join("nowhere.yaml");
        let missing = run(&[command, &["--config", text(&nowhere)]].concat()).await;
        assert_eq!(missing.code, Some(CONFIG), "{missing:?}");
        assert!(missing.err.contains("nowhere.yaml: cannot be read"), "{}", missing.err);
    }
}

#[tokio::test]
async fn the_config_is_looked_for_in_the_current_directory() {
    let config = directory("config.yaml", &example("127.0.0.1"));
    let ended = outcome(program(&["check", "--offline"]).current_dir(config.path())).await;
    assert_eq!(ended.code, Some(SUCCESS), "{ended:?}");
    assert_eq!(ended.out, "The configuration is valid.\n");
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
    let config = file(&example(&nobody.to_string()));
    let checked = run(&["check", "--config", text(config.path())]).await;
    assert_eq!((checked.code, checked.out.as_str()), (Some(UNAVAILABLE), ""), "{checked:?}");
    let message = format!("cannot connect to {nobody}");
    assert!(checked.err.replace("http://", "").contains(&message), "{}", checked.err);
}

#[tokio::test]
async fn read_shows_a_meter_as_a_table_and_as_json() {
    let served = serve(server_config(), live()).await;
    let address = served.address.to_string();
    let table = run(&["read", &address]).await;
    assert_eq!((table.code, table.err.as_str()), (Some(SUCCESS), ""), "{table:?}");
    let about = "Fronius Smart Meter IP, <secondary>, 2.9\nserial number 28491337002, address 2, ";
    assert!(table.out.starts_with(about), "{}", table.out);
    assert!(table.out.lines().all(|line| line.len() <= 80), "{}", table.out);
    assert_eq!(row(&table.out, "power   "), ["power", "W", "-800.00", "0.00", "-800.00", "0.00"]);
    assert_eq!(row(&table.out, "frequency"), ["frequency", "Hz", "49.98"]);
    let energy = row(&table.out, "exported energy");
    assert_eq!(energy[2..], ["Wh", "12345678", "0", "12345678", "0"]);

    let line = run(&["read", &address, "--unit", "7", "--json"]).await;
    assert_eq!((line.code, line.err.as_str()), (Some(SUCCESS), ""), "{line:?}");
    assert_eq!(line.out.lines().count(), 1, "{}", line.out);
    let report: Value = serde_json::from_str(&line.out).unwrap();
    for (point, value) in [
        ("Mn", json!("Fronius")),
        ("SN", json!("28491337002")),
        ("ID", json!(213)),
        ("W", json!(-800.0)),
        ("PhVphC", json!(231.4)),
        ("TotWhExp", json!(12_345_678.0)),
    ] {
        assert_eq!(report[point], value, "{point}");
    }
}

#[tokio::test]
async fn read_ends_with_69_where_no_meter_answers() {
    let (_held, nobody) = unused_address();
    let refused = run(&["read", &nobody.to_string()]).await;
    assert_eq!((refused.code, refused.out.as_str()), (Some(UNAVAILABLE), ""), "{refused:?}");
    assert!(refused.err.contains(&format!("cannot connect to {nobody}")), "{}", refused.err);

    let served = serve(server_config(), waiting()).await;
    let withheld = run(&["read", &served.address.to_string()]).await;
    assert_eq!((withheld.code, withheld.out.as_str()), (Some(UNAVAILABLE), ""), "{withheld:?}");
    assert!(withheld.err.contains("no (fresh) values"), "{}", withheld.err);
}

#[tokio::test]
async fn a_watching_read_ends_quietly_when_its_reader_goes() {
    let openhab = OpenHab::start(&ITEMS).await;
    let mut service = Service::start(&example(&openhab.address));
    service.running.err.find("data is live").await;
    let mut command = program(&["read", &service.address.to_string(), "--watch", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        let mut line = String::new();
        within(out.read_line(&mut line)).await.unwrap();
        assert!(line.contains(r#""W":-800.0"#), "{line}");
    }
    drop(out);
    assert_eq!(within(child.wait()).await.unwrap().code(), Some(SUCCESS));
    let mut complaint = String::new();
    within(child.stderr.take().unwrap().read_to_string(&mut complaint)).await.unwrap();
    assert_eq!(complaint, "");
}

#[tokio::test]
async fn a_demo_without_a_terminal_prints_plain_lines_until_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let (_held, address) = unused_address();
        let mut demo = Running::start(program(&["demo", "--listen", &address.to_string()]));
        demo.out.find(&format!("The meter is at {address}")).await;
        for _ in 0..2 {
            let line = demo.out.find(" W ").await;
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(words[0].len(), "06:00".len(), "{line}");
            for unit in ["W", "A", "V", "Hz", "Wh"] {
                let place = words.iter().rposition(|word| *word == unit).unwrap();
                assert!(words[place - 1].parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            }
            assert!(!line.contains('\x1b'), "{line:?}");
        }
        demo.signal(signal).await;
        assert_eq!(demo.exit_code().await, Some(SUCCESS), "SIG{signal}");
        assert_eq!(demo.err.rest().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_demo_whose_port_is_taken_says_how_to_choose_another() {
    let served = serve(server_config(), live()).await;
    let ended = run(&["demo", "--listen", &served.address.to_string()]).await;
    assert_eq!(ended.code, Some(UNAVAILABLE), "{ended:?}");
    assert!(ended.err.contains("--listen"), "{}", ended.err);
}

#[tokio::test]
async fn a_simulated_openhab_ends_on_sigint() {
    let mut simulate = Running::start(program(&["simulate", "--listen", "127.0.0.1:0"]));
    simulate.out.find("simulated openHAB at http://127.0.0.1:").await;
    simulate.signal("INT").await;
    let ended = tokio::time::timeout(Duration::from_secs(5), simulate.exit_code()).await;
    assert_eq!(ended.expect("it goes on"), Some(SUCCESS));
}
