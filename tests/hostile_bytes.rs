//! Whatever bytes come, the server neither panics nor hangs. A program of its own, since it hooks
//! into every panic.
#![allow(clippy::restriction, reason = "a broken expectation is how a test fails")]

use std::{
    future::pending,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestCaseError, TestRunner},
};

#[path = "it/harness/mod.rs"]
mod harness;

use harness::{
    LIMIT,
    client::{READ_HOLDING, frame, read_request},
    server::{live, serve, server_config},
};

/// The thread of the server.
const SERVER: &str = "server under attack";

/// Bytes from anywhere, and such as get further: sound headers before a request of any content.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let function = prop_oneof![
        any::<u8>(),
        proptest::sample::select(&[3_u8, 4, 5, 6, 15, 16, 17, 22, 23, 43][..])
    ];
    let request = (any::<u16>(), any::<u8>(), function, vec(any::<u8>(), 0..40))
        .prop_map(|(id, unit, function, data)| frame(id, unit, &[&[function], &data[..]].concat()));
    let read = (any::<u16>(), Just(READ_HOLDING), any::<u16>(), 0_u16..200).prop_map(
        |(id, function, start, count)| frame(id, 1, &read_request(function, start, count)),
    );
    let noise = vec(any::<u8>(), 0..300);
    vec(prop_oneof![1 => noise, 4 => request, 4 => read], 1..6).prop_map(|parts| parts.concat())
}

/// How often the server has panicked. tokio catches a panic of a connection's task, so that only
/// this hook gets to know of it.
fn count_panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let usual = panic::take_hook();
    panic::set_hook(Box::new({
        let panics = Arc::clone(&panics);
        move |info| {
            if thread::current().name() == Some(SERVER) {
                panics.fetch_add(1, Ordering::Relaxed);
            }
            usual(info);
        }
    }));
    panics
}

/// Starts a server on a thread of its own, which runs until the process ends.
fn start_server() -> SocketAddr {
    let (send_address, address) = mpsc::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let served = serve(&server_config(), live());
            send_address.send(served.address).unwrap();
            pending::<()>().await;
        });
    };
    thread::Builder::new().name(SERVER.to_owned()).spawn(run).unwrap();
    address.recv().unwrap()
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Sends the bytes, and takes whatever is answered up to the end.
fn attack(address: SocketAddr, bytes: &[u8]) -> Result<(), String> {
    let mut attacker = connect(address).map_err(|error| format!("not accepted: {error}"))?;
    // It may be closed at any byte.
    let _ = attacker.write_all(bytes).and_then(|()| attacker.shutdown(Shutdown::Write));
    match attacker.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err("neither closed nor answered".to_owned())
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Asks as an inverter does, and compares the answer.
fn ask(mut sound: &TcpStream) -> Result<(), String> {
    let mut answer = [0; 13];
    sound
        .write_all(&frame(9, 1, &read_request(READ_HOLDING, 40_000, 2)))
        .and_then(|()| sound.read_exact(&mut answer))
        .map_err(|error| format!("a sound client lost: {error}"))?;
    if answer[..] == frame(9, 1, &[3, 4, 0x53, 0x75, 0x6E, 0x53]) {
        Ok(())
    } else {
        Err(format!("a sound client got {answer:02x?}"))
    }
}

#[test]
fn no_bytes_make_the_server_panic_or_hang() {
    let panics = count_panics();
    let address = start_server();
    let sound = connect(address).unwrap();
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&hostile_bytes(), |bytes| {
        attack(address, &bytes).and_then(|()| ask(&sound)).map_err(TestCaseError::fail)?;
        if panics.load(Ordering::Relaxed) > 0 {
            return Err(TestCaseError::fail("the server panicked"));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
