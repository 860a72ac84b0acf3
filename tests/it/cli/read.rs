//! `read`: a meter as a table, as JSON, and once a second.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::{SUCCESS, UNAVAILABLE, run};
use crate::harness::{
    expected::assert_expected,
    net::unused_address,
    program::program,
    server::{live, serve, server_config, waiting},
    within,
};

#[tokio::test]
async fn read_shows_a_meter_as_a_table_and_as_json() {
    let served = serve(&server_config(), live());
    let address = served.address.to_string();
    let table = run(&["read", &address]).await;
    assert!(table.out.lines().all(|line| line.len() <= 80), "{}", table.out);
    assert_expected("read/live", &table.transcript());

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

    let served = serve(&server_config(), waiting());
    let withheld = run(&["read", &served.address.to_string()]).await;
    assert_expected("read/waiting", &withheld.transcript());
}

#[tokio::test]
async fn a_watching_read_ends_quietly_when_its_reader_goes() {
    let served = serve(&server_config(), live());
    let mut command = program(&["read", &served.address.to_string(), "--watch", "--json"]);
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
