//! `demo`, where there is no terminal.

use rustix::process::Signal;

use super::{SUCCESS, UNAVAILABLE, run};
use crate::harness::{
    net::unused_address,
    program::{RunningProgram, program},
    server::{live, serve, server_config},
};

#[tokio::test]
async fn a_demo_without_a_terminal_prints_plain_lines_until_it_is_interrupted() {
    tokio::join!(assert_plain_lines_until(Signal::INT), assert_plain_lines_until(Signal::TERM));
}

async fn assert_plain_lines_until(signal: Signal) {
    let (_held, address) = unused_address();
    let mut demo = RunningProgram::start(program(&["demo", "--listen", &address.to_string()]));
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
    demo.signal(signal);
    assert_eq!(demo.exit_code().await, Some(SUCCESS), "{signal:?}");
    assert_eq!(demo.err.rest().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_demo_whose_port_is_taken_says_how_to_choose_another() {
    let served = serve(&server_config(), live());
    let ended = run(&["demo", "--listen", &served.address.to_string()]).await;
    assert_eq!(ended.code, Some(UNAVAILABLE), "{ended:?}");
    assert!(ended.err.contains("--listen"), "{}", ended.err);
}
