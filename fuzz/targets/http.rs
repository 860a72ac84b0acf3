//! Answers of a server: whatever it sends before it closes the connection, the client neither
//! panics nor waits for more, and returns no text of more than 64 KiB. An error is fit for a log.
//!
//! The first connection gets the input up to the first `0x1E`, the next connection what follows,
//! and so on; the last part goes to all others. `0x1D` makes parts large (see [`expand`]). A
//! redirect may only lead to `http://HERE/…`, which is this server: no run leaves the machine.
#![no_main]

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use fronius_smartmeter::source::{
    endpoint::Endpoint,
    http::{Client, HttpError},
    tls::CaFile,
};
use fronius_smartmeter_fuzz::{assert_printable, expand, runtime};
use hyper::HeaderMap;
use libfuzzer_sys::{Corpus, fuzz_target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};

const TIME_LIMIT: Duration = Duration::from_secs(5);

const PLACEHOLDER: &str = "HERE";

struct Bench {
    runtime: Runtime,
    listener: TcpListener,
    authority: String,
}

thread_local! {
    static BENCH: Bench = {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        Bench { runtime, listener, authority }
    };
}

/// Puts the server's address in place of the placeholder. Returns `None` if a URL leads elsewhere.
fn at_home(answer: &[u8], authority: &str) -> Option<Vec<u8>> {
    let mut parts = answer.split_inclusive(|byte| *byte == b':');
    let mut output = parts.next()?.to_vec();
    for part in parts {
        if part.trim_ascii_start().starts_with(b"//") {
            if !output.to_ascii_lowercase().ends_with(b"http:") {
                return None;
            }
            let path = part.strip_prefix(b"//")?.strip_prefix(PLACEHOLDER.as_bytes())?;
            if !path.starts_with(b"/") {
                return None;
            }
            output.extend_from_slice(b"//");
            output.extend_from_slice(authority.as_bytes());
            output.extend_from_slice(path);
        } else {
            output.extend_from_slice(part);
        }
    }
    Some(output)
}

/// Reads the request, sends the answer and shuts down the sending side.
async fn serve(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(answer).await?;
    stream.shutdown().await
}

async fn serve_all(listener: &TcpListener, answers: &[Vec<u8>]) {
    let mut answers = answers.iter();
    let mut answer = &Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer = answers.next().unwrap_or(answer);
        let _ = serve(&mut stream, answer).await;
        // Closed by a reset, or thousands of runs would use up all ports.
        let _ = stream.set_zero_linger();
        // But not before the client has read what it wants to.
        let _ = stream.read(&mut [0]).await;
    }
}

/// Timeouts in a row. The server closes after each answer, so there is nothing to wait for. A busy
/// machine may stall for as long as the client waits, but not three times in a row.
static WAITED: AtomicUsize = AtomicUsize::new(0);

async fn ask(client: &mut Client) {
    let mut waited = 0;
    match client.text("/rest/items/X/state", "text/plain").await {
        Ok((_, text)) => assert!(text.is_none_or(|text| text.len() <= 64 * 1024)),
        Err(HttpError::Timeout(endpoint)) => {
            waited = WAITED.load(Relaxed) + 1;
            assert!(waited < 3, "waited for {endpoint}, which had closed");
        }
        Err(error) => assert_printable(&error),
    }
    WAITED.store(waited, Relaxed);
}

fuzz_target!(|input: &[u8]| -> Corpus {
    BENCH.with(|bench| {
        let parts = input.split(|byte| *byte == 0x1E);
        let parts = parts.map(|part| at_home(&expand(part), &bench.authority));
        let Some(answers) = parts.collect::<Option<Vec<_>>>() else { return Corpus::Reject };
        let endpoint = Endpoint::parse(&bench.authority, 8080).unwrap();
        let ca_file = CaFile { key: "openhab_ca_file", path: None };
        let mut client =
            Client::new(endpoint, || Ok(HeaderMap::new()), TIME_LIMIT, ca_file).unwrap();
        let run = async {
            let twice = async {
                ask(&mut client).await;
                // What is left of the first answer must not affect the second.
                ask(&mut client).await;
            };
            tokio::select! {
                () = twice => {}
                () = serve_all(&bench.listener, &answers) => {}
            }
        };
        let in_time = bench.runtime.block_on(async { timeout(Duration::from_secs(10), run).await });
        assert!(in_time.is_ok(), "not done after 10 s");
        Corpus::Keep
    })
});
