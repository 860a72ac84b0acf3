//! `simulate`: an openHAB that `check` takes for one.

use rustix::process::Signal;

use super::{SUCCESS, UNAVAILABLE, run};
use crate::harness::{
    files::{directory, file, text},
    program::{RunningProgram, program},
    service::{ITEMS, example},
};

/// Starts `simulate`, and gives its host and port.
async fn simulate(arguments: &[&str]) -> (RunningProgram, String) {
    let mut command = program(&["simulate", "--listen", "127.0.0.1:0"]);
    command.args(arguments);
    let mut simulate = RunningProgram::start(command);
    let line = simulate.out.find("simulated openHAB at http://127.0.0.1:").await;
    let (_, address) = line.split_once("http://").unwrap();
    let address = address.to_owned();
    (simulate, address)
}

#[tokio::test]
async fn a_simulated_openhab_ends_on_sigint() {
    let (mut simulate, _) = simulate(&[]).await;
    simulate.signal(Signal::INT);
    assert_eq!(simulate.exit_code().await, Some(SUCCESS));
}

#[tokio::test]
async fn a_simulated_openhab_gives_its_items_to_those_who_have_the_token() {
    let secrets = directory("token", "oh.meter.canary");
    let token = secrets.path().join("token");
    let items = ITEMS.map(|(name, state)| format!("{name}={state}"));
    let mut arguments = vec!["--token-file", text(&token)];
    for item in &items {
        arguments.extend(["--item", item]);
    }
    let (_simulate, address) = simulate(&arguments).await;
    let keys = format!("openhab_token_file: {}\n", token.display());
    for (keys, code) in [(keys.as_str(), SUCCESS), ("", UNAVAILABLE)] {
        let config = file(&format!("{}modbus_listen: 0.0.0.0:0\n{keys}", example(&address)));
        let checked = run(&["check", "--config", text(config.path())]).await;
        assert_eq!(checked.code, Some(code), "{checked:?}");
    }
}
