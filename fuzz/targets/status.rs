//! Requests to the status page: whatever a client sends, the connection ends, each answer is HTTP, and
//! nobody gets one from the handler who comes by a name that is not known.
//!
//! `0x1D` makes parts large (see [`expand`]).
#![no_main]

use std::{cell::Cell, rc::Rc, time::Duration};

use fronius_smartmeter::status::{
    answer::Answer,
    hosts::Hosts,
    request::{Asked, Path},
    site::Site,
};
use fronius_smartmeter_fuzz::{expand, leaping_runtime};
use hyper::StatusCode;
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex, split},
    runtime::Runtime,
    time::timeout,
};

/// The one name that is known.
const NAME: &str = "known";

/// No connection lasts longer.
const LIMIT: Duration = Duration::from_secs(32);

/// The policy of the handler's answers, and the line that all of them have and no other can have: what
/// else is answered may repeat a host, but no line break.
const POLICY: &str = "img-src fuzz:";
const LINE: &[u8] = b"\r\ncontent-security-policy: img-src fuzz:\r\n";

thread_local! {
    static RUNTIME: Runtime = leaping_runtime();
}

fn answer(asked: Asked) -> Answer {
    let body = if asked.path == Path::Metrics { vec![b'm'; 64 * 1024] } else { vec![b'x'] };
    let mut answer = Answer::new(StatusCode::OK, "text/plain", body);
    answer.security_policy = POLICY.into();
    answer
}

/// What is answered to `requests`, until the connection ends.
async fn answers(site: &Site, requests: &[u8]) -> Vec<u8> {
    let (client, server) = duplex(16 * 1024);
    let (mut reader, mut writer) = split(client);
    let send = async {
        // An error means that the server has closed, as it may.
        let _ = writer.write_all(requests).await;
    };
    let receive = async {
        let mut answers = Vec::new();
        reader.read_to_end(&mut answers).await.unwrap();
        answers
    };
    let talk = async { tokio::join!(site.serve_connection(server), send, receive) };
    timeout(LIMIT, talk).await.expect("the connection has not ended").2
}

/// Whether there may be a host that is accepted: the name, an address, or none, as HTTP/1.0 may.
fn may_come(requests: &[u8]) -> bool {
    let text = String::from_utf8_lossy(requests).to_ascii_lowercase();
    let has_address = text.replace("/1.1", "").contains(['.', '[']);
    text.contains(NAME) || has_address || text.contains("http/1.0")
}

fuzz_target!(|input: &[u8]| {
    let handled = Rc::new(Cell::new(0_usize));
    let count = Rc::clone(&handled);
    let site = Site::new(Hosts::Named(vec![NAME.parse().unwrap()]), move |asked| {
        count.set(count.get() + 1);
        answer(*asked)
    });
    let requests = expand(input);
    let answers = RUNTIME.with(|runtime| runtime.block_on(answers(&site, &requests)));
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."), "{answers:?}");
    let of_handler = answers.windows(LINE.len()).filter(|part| *part == LINE).count();
    assert_eq!(of_handler, handled.get(), "answers of the handler");
    assert!(handled.get() == 0 || may_come(&requests), "a name that is not known");
});
