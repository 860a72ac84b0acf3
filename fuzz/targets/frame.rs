//! The guard in front of tokio-modbus: from any bytes it releases only whole frames, one after
//! another, and the decoder takes every one of them. Whatever the sizes of the reads and of the pipe
//! before it, [`FrameGuard`] releases what [`check`] does, as it is or wrapped: every whole frame up
//! to the first one with a malformed header.
#![no_main]

use fronius_smartmeter::modbus::frame_guard::{FrameGuard, WRAPPED, check};
use fronius_smartmeter_fuzz::runtime;
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::Runtime,
    sync::oneshot,
};
use tokio_modbus::Request;
use tokio_util::bytes::Bytes;

thread_local! {
    static RUNTIME: Runtime = runtime();
}

/// The well-formed frames at the start of `bytes`, and whether nothing malformed follows.
fn frames(bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut frames = Vec::new();
    let mut rest = bytes;
    loop {
        let length = match check(rest) {
            Ok(Some(length)) => length,
            Ok(None) => return (frames, true),
            Err(_) => return (frames, false),
        };
        assert!((8..=260).contains(&length) && length <= rest.len());
        let (frame, behind) = rest.split_at(length);
        // However it arrives, a frame is neither released early nor refused.
        assert!((0..length).all(|part| check(&frame[..part]) == Ok(None)));
        assert_eq!(check(frame), Ok(Some(length)));
        frames.push(frame);
        rest = behind;
    }
}

/// A frame as it is released if the meter does not serve it.
fn wrapped(frame: &[u8]) -> Vec<u8> {
    let (header, request) = frame.split_at(7);
    let mut header = header.to_vec();
    header[5] += 1;
    [&header, &[WRAPPED][..], request].concat()
}

/// What follows the released form of `frame`, which the decoder must take.
fn behind<'a>(frame: &[u8], released: &'a [u8]) -> &'a [u8] {
    let rest = released
        .strip_prefix(frame)
        .or_else(|| released.strip_prefix(wrapped(frame).as_slice()))
        .expect("a whole frame was held back or changed");
    let request = &released[7..released.len() - rest.len()];
    Request::try_from(Bytes::copy_from_slice(request)).expect("the decoder refuses it");
    rest
}

/// What comes through the guard, and whether it ended without an error.
async fn through(bytes: &[u8], pipe: usize, read: usize) -> (Vec<u8>, bool) {
    let (mut client, server) = duplex(pipe);
    let (_hold, closed) = oneshot::channel();
    let mut guard = FrameGuard::new(server, closed);
    let receive = async move {
        let mut passed = Vec::new();
        let mut buffer = vec![0; read];
        loop {
            match guard.read(&mut buffer).await {
                Ok(0) => return (passed, true),
                Ok(count) => passed.extend_from_slice(&buffer[..count]),
                Err(_) => return (passed, false),
            }
        }
    };
    let send = async move {
        // Fails if the guard has given up, which it may.
        let _ = client.write_all(bytes).await;
    };
    let (received, ()) = tokio::join!(receive, send);
    received
}

fuzz_target!(|input: &[u8]| {
    let [pipe, read, bytes @ ..] = input else { return };
    let (frames, sound) = frames(bytes);
    let (pipe, read) = (usize::from(*pipe) * 8 + 1, usize::from(*read) + 1);
    let (passed, ended_well) = RUNTIME.with(|runtime| runtime.block_on(through(bytes, pipe, read)));
    assert_eq!(ended_well, sound);
    let rest = frames.iter().fold(passed.as_slice(), |released, frame| behind(frame, released));
    assert!(rest.is_empty(), "more than the whole frames");
});
