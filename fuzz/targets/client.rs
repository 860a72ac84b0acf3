//! Answers of a meter: whatever a device sends before it falls silent, the client neither panics nor
//! waits without limit, and what it shows of it, or complains about, cannot control a terminal.
//!
//! The first byte says what the rest is: `0` the registers from 40000 on, from which every read is
//! answered; `1` function codes and data of the answers, with `0x1E` between them, each sent behind
//! the header that the client expects; all else the bytes as they are sent.
#![no_main]

use std::{future::pending, time::Duration};

use fronius_smartmeter::{
    client::{ClientError, MeterClient, report::Report},
    text::printable_json,
};
use fronius_smartmeter_fuzz::{assert_printable, leaping_runtime};
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Runtime,
    time::timeout,
};

/// For all that is read.
const LIMIT: Duration = Duration::from_secs(60);

/// Largest text of a report: twelve rows of four values, a float32 of 39 digits each, and strings
/// of 80 characters at most.
const MAX_REPORT: usize = 8 * 1024;

thread_local! {
    static RUNTIME: Runtime = leaping_runtime();
}

/// The function code and data that answer a read of `count` registers from `start` on.
fn registers(image: &[u8], start: u16, count: u16) -> Vec<u8> {
    let begin = start.checked_sub(40_000).map(|offset| usize::from(offset) * 2);
    let length = usize::from(count) * 2;
    let wanted = begin.and_then(|begin| image.get(begin..)?.get(..length));
    match (wanted, u8::try_from(length)) {
        (Some(wanted), Ok(length)) => [&[3, length], wanted].concat(),
        _ => vec![0x83, 2],
    }
}

/// Answers each request by `answer`, until there is no further answer.
async fn serve(
    stream: &mut DuplexStream,
    mut answer: impl FnMut(u16, u16) -> Option<Vec<u8>>,
) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        stream.read_exact(&mut request).await?;
        let [t1, t2, .., unit, _, s1, s2, c1, c2] = request;
        let (start, count) = (u16::from_be_bytes([s1, s2]), u16::from_be_bytes([c1, c2]));
        let Some(answer) = answer(start, count) else { return Ok(()) };
        let [l1, l2] = u16::try_from(answer.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
        stream.write_all(&[t1, t2, 0, 0, l1, l2, unit]).await?;
        stream.write_all(&answer).await?;
    }
}

async fn device(mut stream: DuplexStream, kind: u8, bytes: &[u8]) -> ! {
    // An error means that the client has gone, which it may.
    let _ = match kind {
        b'0' => serve(&mut stream, |start, count| Some(registers(bytes, start, count))).await,
        b'1' => {
            let mut answers = bytes.split(|byte| *byte == 0x1E).map(<[u8]>::to_vec);
            serve(&mut stream, |_, _| answers.next()).await
        }
        _ => stream.write_all(bytes).await,
    };
    pending().await
}

async fn read(stream: DuplexStream) -> Result<Report, ClientError> {
    MeterClient::over(stream, "meter:502", 1).await?.read().await
}

fuzz_target!(|input: &[u8]| {
    let [kind, bytes @ ..] = input else { return };
    let (client, server) = duplex(1024);
    let run = async {
        tokio::select! {
            report = read(client) => report,
            never = device(server, *kind, bytes) => never,
        }
    };
    match RUNTIME.with(|runtime| runtime.block_on(async { timeout(LIMIT, run).await })) {
        Err(_) => panic!("waits for longer than {LIMIT:?}"),
        Ok(Err(error)) => assert_printable(&error),
        Ok(Ok(report)) => {
            let table = report.to_string();
            table.lines().for_each(|line| assert_printable(&line));
            assert!(table.len() < MAX_REPORT, "{} bytes", table.len());
            let json = printable_json(&serde_json::to_string(&report).unwrap());
            let object: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert!(object.is_object());
            assert_printable(&json);
        }
    }
});
