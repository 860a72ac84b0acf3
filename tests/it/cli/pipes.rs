//! Pipes that nobody reads any more: output that is not wanted ends a command quietly, and what it
//! complains of is its exit code.

use std::{io, process::Stdio};

use tokio::process::Command;

use super::{CONFIG, SUCCESS, UNAVAILABLE, USAGE};
use crate::harness::{
    files::{directory, file, text},
    net::{anywhere, listen, unused_address},
    openhab::OpenHab,
    program::{Outcome, program},
    server::{live, serve, server_config},
    service::{ITEMS, example},
    within,
};

/// The end of a pipe whose reader has gone, as that of `true` in `… | true`.
fn broken_pipe() -> Stdio {
    let (_, writer) = io::pipe().unwrap();
    writer.into()
}

/// What is left of a command whose output nobody reads.
async fn unread(command: &mut Command) -> Outcome {
    let child = command.stdout(broken_pipe()).stderr(Stdio::piped()).spawn().unwrap();
    let output = within(child.wait_with_output()).await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    Outcome { code: output.status.code(), out: String::new(), err }
}

#[tokio::test]
async fn a_command_whose_output_nobody_reads_ends_quietly() {
    let openhab = OpenHab::start(&ITEMS);
    let served = serve(&server_config(), live());
    let meter = served.address.to_string();
    let state = directory("unused", "");
    let more = format!("state_dir: {}\nmodbus_listen: 0.0.0.0:0\n", text(state.path()));
    let config = file(&format!("{}{more}", example(openhab.address)));
    let config = text(config.path());
    let history = file("time,item,state\n0,energy_counter_out,5 kWh\n0,current_power,800 W\n");
    let (_held, free) = unused_address();
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["--version"],
        &["check", "--config", config],
        &["check", "--config", config, "--json"],
        &["check", "--config", config, "--offline"],
        &["counters", "--config", config],
        &["read", &meter],
        &["read", &meter, "--json"],
        &["read", &meter, "--watch"],
        &["replay", text(history.path())],
        &["replay", text(history.path()), "--json"],
        &["simulate", "--listen", "127.0.0.1:0"],
        &["demo", "--listen", &free.to_string()],
    ] {
        let ended = unread(&mut program(arguments)).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(SUCCESS), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_verdict_of_check_is_the_same_where_nobody_reads_the_table() {
    let openhab = OpenHab::start(&ITEMS[1..]);
    let config = file(&example(openhab.address));
    let ended = unread(&mut program(&["check", "--config", text(config.path())])).await;
    assert_eq!(ended.code, Some(CONFIG), "{ended:?}");
    assert_eq!(ended.err, "");
}

#[tokio::test]
async fn a_complaint_that_nobody_reads_leaves_the_exit_code() {
    let (_held, nobody) = unused_address();
    for (arguments, code) in [
        (&["rum"][..], USAGE),
        (&["check", "--config", "/nowhere.yaml"], CONFIG),
        (&["run", "--config", "/nowhere.yaml"], CONFIG),
        (&["read", &nobody.to_string()], UNAVAILABLE),
        (&["replay", "/nowhere.csv"], UNAVAILABLE),
    ] {
        let mut child = program(arguments).stderr(broken_pipe()).spawn().unwrap();
        assert_eq!(within(child.wait()).await.unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_watching_read_goes_on_where_nobody_reads_its_complaints() {
    let meter = listen(anywhere());
    let address = meter.local_addr().unwrap().to_string();
    let _reading = program(&["read", &address, "--watch"]).stderr(broken_pipe()).spawn().unwrap();
    for _ in 0..2 {
        // Closed at once, which it complains of.
        within(meter.accept()).await.unwrap();
    }
}
