//! `read`: a meter as a table, as JSON, and once a second.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use fronius_smartmeter::client::{ClientError, MeterClient};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, duplex},
    time::{Instant, pause, sleep},
};

use super::{SUCCESS, UNAVAILABLE, USAGE, run};
use crate::harness::{
    client::frame,
    expected::assert_expected,
    net::{anywhere, listen, unused_address},
    program::program,
    server::{Served, live, serve, server_config, waiting},
    task::Task,
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
async fn what_is_no_address_is_a_usage_error_that_says_what_is_one() {
    for (arguments, expected) in [
        (["read", "http://127.0.0.1:502"], "without http://"),
        (["read", "127.0.0.1/page"], "without a path"),
        (["read", "127.0.0.1:65536"], "from 1 to 65535"),
        (["demo", "--listen=localhost:5020"], "an IP address with a port"),
        (["simulate", "--listen=http://127.0.0.1:80"], "an IP address with a port"),
    ] {
        let refused = run(&arguments).await;
        assert_eq!(refused.code, Some(USAGE), "{refused:?}");
        assert!(refused.err.contains(expected), "{}", refused.err);
    }
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

/// Answers every read on a connection, each a while late, by function code and data.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    late: Duration,
    answer: impl Fn(u16, u16) -> Vec<u8>,
) -> std::io::Result<()> {
    loop {
        let mut request = [0; 12];
        stream.read_exact(&mut request).await?;
        let [t1, t2, .., unit, _, s1, s2, c1, c2] = request;
        let pdu = answer(u16::from_be_bytes([s1, s2]), u16::from_be_bytes([c1, c2]));
        sleep(late).await;
        stream.write_all(&frame(u16::from_be_bytes([t1, t2]), unit, &pdu)).await?;
    }
}

/// The registers of a served meter, from 40000 on.
async fn registers(served: &Served) -> Vec<u16> {
    let mut client = served.client().await;
    [client.read(40_000, 100).await.unwrap(), client.read(40_100, 97).await.unwrap()].concat()
}

/// A device with these registers from 40000 on, of which every read returns as many as it says.
fn device(registers: Vec<u16>, returned: fn(u16) -> u16) -> (SocketAddr, Task) {
    let listener = listen(anywhere());
    let address = listener.local_addr().unwrap();
    let read = move |start: u16, count| {
        let begin = usize::from(start.saturating_sub(40_000));
        let wanted = registers.get(begin..begin + usize::from(returned(count)));
        let Some(words) = wanted.filter(|_| start >= 40_000) else { return vec![0x83, 2] };
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        [&[3, u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat()
    };
    let serving = Task::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // An error means that the client has what it wants.
            let _ = answer(stream, Duration::ZERO, &read).await;
        }
    });
    (address, serving)
}

#[tokio::test]
async fn read_shows_no_control_character_of_a_meter() {
    let served = serve(&server_config(), live());
    let mut registers = registers(&served).await;
    // The manufacturer: an escape sequence, DEL, and an escape sequence of one character.
    let evil = b"\x1b[2J\x7f\xc2\x9b31m";
    for (word, pair) in registers[4..].iter_mut().zip(evil.chunks(2)) {
        *word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
    }
    let (address, _device) = device(registers, |count| count);
    for arguments in [&["read"][..], &["read", "--json"]] {
        let read = run(&[arguments, &[&address.to_string()]].concat()).await;
        assert_eq!(read.code, Some(SUCCESS), "{read:?}");
        assert!(read.out.contains("31m"), "{read:?}");
        assert!(!read.out.chars().any(|c| c.is_control() && c != '\n'), "{read:?}");
    }
}

#[tokio::test]
async fn read_ends_with_69_where_an_answer_has_other_registers_than_asked_for() {
    let served = serve(&server_config(), live());
    let registers = registers(&served).await;
    for returned in [|count| count - 1, |count| count + 1, |_| 0] {
        let (address, _device) = device(registers.clone(), returned);
        let read = run(&["read", &address.to_string()]).await;
        assert_eq!((read.code, read.out.as_str()), (Some(UNAVAILABLE), ""), "{read:?}");
        assert!(read.err.contains("the answer is not the 2 registers"), "{read:?}");
    }
}

#[tokio::test]
async fn a_device_that_never_comes_to_the_end_of_its_models_is_given_up() {
    const MARK: &[u8] = b"\x03\x04SunS";
    const EMPTY: &[u8] = &[3, 4, 250, 0, 0, 0];
    pause();
    let (client, server) = duplex(1024);
    let _device = Task::spawn(async {
        let second = Duration::from_secs(1);
        // After the mark there is one empty model after another.
        let endless = |start, _| if start == 40_000 { MARK.to_vec() } else { EMPTY.to_vec() };
        let _ = answer(server, second, endless).await;
    });
    let begin = Instant::now();
    let found = MeterClient::over(client, "meter:502", 1).await;
    assert!(matches!(found, Err(ClientError::Discovery { .. })), "{found:?}");
    assert!(begin.elapsed() < Duration::from_secs(60), "it took {:?}", begin.elapsed());
}
