//! The commands as processes: what they print, and with which code they end.

mod check;
mod demo;
mod read;
mod simulate;

use crate::harness::{
    files::{directory, text},
    program::{Outcome, outcome, program},
    service::example,
};

const SUCCESS: i32 = 0;
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const CONFIG: i32 = 78;

async fn run(arguments: &[&str]) -> Outcome {
    outcome(&mut program(arguments)).await
}

/// The line of a table that begins so, cut at its spaces.
#[track_caller]
fn row<'a>(table: &'a str, start: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.starts_with(start));
    line.unwrap_or_else(|| panic!("no line {start:?} in\n{table}")).split_whitespace().collect()
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
