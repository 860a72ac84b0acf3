//! WebSocket frames, byte by byte (RFC 6455), so that what is wrong with them can be the test's.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::digest;

/// A frame of a client.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The flags and what it is.
    pub(crate) first: u8,
    pub(crate) is_masked: bool,
    pub(crate) payload: Vec<u8>,
}

/// Takes a frame from the start of what was received, if it has arrived as a whole.
pub(crate) fn take(received: &mut Vec<u8>) -> Option<Frame> {
    let (first, second) = (*received.first()?, *received.get(1)?);
    let is_masked = second & 0x80 != 0;
    let (length, mut head) = match second & 0x7F {
        126 => (u16::from_be_bytes(received.get(2..4)?.try_into().unwrap()).into(), 4),
        127 => (u64::from_be_bytes(received.get(2..10)?.try_into().unwrap()), 10),
        short => (short.into(), 2),
    };
    let mut mask = [0; 4];
    if is_masked {
        mask.copy_from_slice(received.get(head..head + 4)?);
        head += 4;
    }
    let end = head + usize::try_from(length).unwrap();
    let masked = received.get(head..end)?;
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    received.drain(..end);
    Some(Frame { first, is_masked, payload })
}

/// A frame of a server.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    frame.extend_from_slice(payload);
    frame
}

/// The start of a frame that says how long the rest is.
pub(crate) fn head(first: u8, length: usize) -> Vec<u8> {
    match length {
        0..=125 => vec![first, u8::try_from(length).unwrap()],
        126..=0xFFFF => [&[first, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        _ => [&[first, 127][..], &u64::try_from(length).unwrap().to_be_bytes()].concat(),
    }
}

pub(crate) fn text(message: &str) -> Vec<u8> {
    frame(0x81, message.as_bytes())
}

/// A farewell with this code.
pub(crate) fn close(code: u16) -> Vec<u8> {
    frame(0x88, &code.to_be_bytes())
}

/// The answer that makes a WebSocket of a request.
pub(crate) fn switching(request: &str) -> Vec<u8> {
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
    });
    let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.expect("no key"));
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    agreeing(&BASE64_STANDARD.encode(hash))
}

/// The same with any proof that the request was understood.
pub(crate) fn agreeing(accept: &str) -> Vec<u8> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n";
    format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}
