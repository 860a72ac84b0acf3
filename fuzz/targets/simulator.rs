//! Requests to the simulator: whatever a client sends, the simulator does not panic. It answers in
//! HTTP, and no item has a state of more than 4 KiB and a long number.
//!
//! The first byte chooses between the versions of openHAB, and whether a token is needed. `0x1D`
//! makes parts large (see [`expand`]).
#![no_main]

use std::{net::Ipv4Addr, time::Duration};

use fronius_smartmeter::simulator::{Dialect, Simulator};
use fronius_smartmeter_fuzz::{expand, leaping_runtime};
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex, split},
    runtime::Runtime,
    time::timeout,
};

/// Largest state, in bytes: as much as can be put, where a sum may print every digit of its number.
const MAX_STATE: usize = 4 * 1024 + 310;

/// No more is read of the answers: small requests may have large ones.
const MAX_ANSWERS: usize = 256 * 1024;

/// After so long without an answer there will be none, but for the later signs of life of an event
/// stream.
const SILENCE: Duration = Duration::from_secs(5);

thread_local! {
    static RUNTIME: Runtime = leaping_runtime();
}

/// What the simulator answers to `requests`.
async fn answers(simulator: Simulator, requests: &[u8]) -> Vec<u8> {
    let (client, server) = duplex(16 * 1024);
    let (mut reader, mut writer) = split(client);
    let send = async {
        // An error means that the simulator has closed, as it may.
        let _ = writer.write_all(requests).await;
        let _ = writer.shutdown().await;
    };
    let receive = async {
        let mut answers = Vec::new();
        while answers.len() < MAX_ANSWERS {
            match timeout(SILENCE, reader.read_buf(&mut answers)).await {
                Ok(Ok(1..)) => {}
                _ => break,
            }
        }
        answers
    };
    let serve = simulator.serve_connection(server, (Ipv4Addr::LOCALHOST, 8080).into());
    let talk = async { tokio::join!(serve, send) };
    tokio::pin!(talk, receive);
    tokio::select! {
        answers = &mut receive => answers,
        _ = &mut talk => receive.await,
    }
}

fuzz_target!(|input: &[u8]| {
    let [dialect, requests @ ..] = input else { return };
    let (dialect, token) = match dialect {
        b'0' => (Dialect::Current, None),
        b'1' => (Dialect::Current, Some("secret".to_owned())),
        _ => (Dialect::Legacy, None),
    };
    let items = [("P", "800 W"), ("E", "NULL")];
    let own = items.map(|(name, state)| (name.to_owned(), state.to_owned()));
    let simulator = Simulator::new(own, dialect, token);
    let requests = expand(requests);
    let run = answers(simulator.clone(), &requests);
    let answers = RUNTIME.with(|runtime| runtime.block_on(run));
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."), "{answers:?}");
    for (name, _) in items {
        // It may have been removed.
        assert!(simulator.state(name).is_none_or(|state| state.len() <= MAX_STATE));
    }
});
