//! The commands as processes: what they print, and with which code they end.

mod check;
mod demo;
mod pipes;
mod read;
mod setup;
mod simulate;

use crate::harness::{
    expected::{assert_all_expected, assert_expected, expected},
    files::{Secrets, directory, file, text},
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

/// The help of a command, on a terminal of usual width.
async fn help(arguments: &[&str]) -> String {
    let ended = outcome(program(arguments).arg("--help").env("COLUMNS", "100")).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(SUCCESS), ""), "{arguments:?}");
    ended.out
}

/// The commands that a help text lists, but for `help` itself.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.take_while(|line| !line.is_empty()).filter_map(|line| {
        let name = line.strip_prefix("  ")?;
        // Further lines of a text are indented.
        name.split(' ').next().filter(|name| !name.is_empty())
    });
    names.filter(|name| *name != "help")
}

#[tokio::test]
async fn each_command_has_its_help() {
    let main = help(&[]).await;
    let mut texts = Vec::new();
    for command in commands(&main) {
        texts.push((command, help(&[command]).await));
    }
    assert!(texts.len() > 5, "{main}");
    texts.push(("fronius-smartmeter", main.clone()));
    assert_all_expected(
        texts.into_iter().map(|(name, text)| (expected(&format!("help/{name}")), text)),
    );
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let version = run(&["--version"]).await;
    assert_eq!((version.code, version.err.as_str()), (Some(SUCCESS), ""));
    assert_eq!(version.out, concat!("fronius-smartmeter ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn wrong_usage_ends_with_64() {
    for arguments in [
        &["rum"][..],
        &["--watch"],
        &["read"],
        &["read", "127.0.0.1", "--unit", "256"],
        &["demo", "--listen", "here"],
        &["simulate", "--item", "power"],
        &["replay", "-", "--every", "0s"],
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

/// That nothing shows the secret is seen to wherever output is taken in.
#[tokio::test]
async fn a_secret_in_the_wrong_place_ends_with_78() {
    let secrets = Secrets::new();
    let host = "openhab_host: 127.0.0.1:1";
    for (host, secret) in [
        ("openhab_host: me:Xk3canary@oh", String::new()),
        ("openhab_host: http://me:Xk3canary@oh", String::new()),
        (host, "openhab_token_file: oh.meter.Zq7canary".to_owned()),
        (host, "openhab_password: Xk3canary".to_owned()),
        (host, "openhab_username: me\nopenhab_password_file: Xk3canary".to_owned()),
        (host, secrets.login("Xk3canary").replace(": me\n", ": me:Xk3canary\n")),
        (host, "openhab_username: Xk3canary".to_owned()),
    ] {
        let items = "energy_counter_out: E\ncurrent_power: P\nmodbus_listen: 127.0.0.1:0";
        let config = file(&format!("{host}\n{items}\n{}\n", secret.trim_start()));
        for command in ["run", "check"] {
            let refused = run(&[command, "--config", text(config.path())]).await;
            assert_eq!(refused.code, Some(CONFIG), "{secret}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn the_config_is_looked_for_in_the_current_directory() {
    let config = directory("config.yaml", &example("127.0.0.1"));
    let ended = outcome(program(&["check", "--offline"]).current_dir(config.path())).await;
    assert_expected("check/offline", &ended.transcript());
}
