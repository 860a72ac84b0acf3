//! What a real openHAB sent, byte by byte: the files in `tests/fixtures/openhab`, each named after the
//! version that was recorded.

use std::fs;

use super::expected::fixture;

/// A request, and the pieces of the answer as they arrived.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The lines of the request's head.
    pub(crate) request: Vec<String>,
    pub(crate) pieces: Vec<Vec<u8>>,
}

impl Exchange {
    /// The method and the path.
    pub(crate) fn wanted(&self) -> &str {
        self.request[0].strip_suffix(" HTTP/1.1").unwrap()
    }

    /// The whole answer.
    pub(crate) fn answer(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// The text of a recording.
pub(crate) fn text(version: &str, name: &str) -> String {
    let path = fixture(&format!("openhab/{version}-{name}.txt"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What was asked and answered in a recording.
pub(crate) fn exchanges(version: &str, name: &str) -> Vec<Exchange> {
    let text = text(version, name);
    let exchanges = text.split(">>> request\n").skip(1).map(exchange);
    let exchanges: Vec<_> = exchanges.collect();
    assert!(!exchanges.is_empty(), "{name} of {version} has no request");
    exchanges
}

fn exchange(text: &str) -> Exchange {
    let pieces = text.lines().filter(|line| line.starts_with("<<< ")).map(|line| {
        let (what, literal) = line.split_once(" bytes: b").unwrap();
        let piece = bytes(literal);
        assert!(what.ends_with(&format!(" {}", piece.len())), "{line} has {} bytes", piece.len());
        piece
    });
    Exchange {
        request: text.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect(),
        pieces: pieces.collect(),
    }
}

/// The bytes of a Python literal, with its quotes.
fn bytes(literal: &str) -> Vec<u8> {
    let mut rest = literal[1..literal.len() - 1].bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                plain => plain,
            },
            plain => plain,
        });
    }
    bytes
}
