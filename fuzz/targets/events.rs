//! The event stream: any bytes give the same events, or the same kind of error, however they are
//! split. The reader never holds more than a line and an event of 64 KiB, however long the stream
//! is.
#![no_main]

use std::mem::discriminant;

use fronius_smartmeter::source::openhab::events::{Event, EventError, EventReader};
use fronius_smartmeter_fuzz::{Counting, expand};
use libfuzzer_sys::fuzz_target;
use tokio_util::bytes::Bytes;

/// A line and an event of 64 KiB and a piece, in buffers that double when they grow.
const MAX_HELD: usize = 320 * 1024;

#[global_allocator]
static COUNTING: Counting = Counting::new();

/// The events up to the end or the first error.
fn read<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<Event>, Option<EventError>) {
    let mut events = Vec::new();
    let mut reader = EventReader::default();
    for piece in pieces {
        match reader.push(&Bytes::copy_from_slice(piece)) {
            Ok(more) => events.extend(more),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

/// Cuts `bytes` into pieces of these lengths, over and over; into longer ones if there is much to
/// cut.
fn cut<'p>(mut bytes: &'p [u8], lengths: &[u8]) -> impl Iterator<Item = &'p [u8]> {
    let times = 1 + bytes.len() / (16 * 1024);
    // Each is one longer than asked for, so that it comes to an end.
    let mut lengths = lengths.iter().cycle().map(move |length| (usize::from(*length) + 1) * times);
    std::iter::from_fn(move || {
        let length = lengths.next()?.min(bytes.len());
        bytes.split_off(..length).filter(|piece| !piece.is_empty())
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((lengths, stream)) = input.split_at_checked(3) else { return };
    let stream = expand(stream);

    let (whole, whole_error) = read(std::iter::once(stream.as_slice()));
    let (split, split_error) = read(cut(&stream, lengths));
    assert_eq!(whole_error.as_ref().map(discriminant), split_error.as_ref().map(discriminant));
    // An error loses the events of the same piece.
    assert!(whole == split || whole_error.is_some());

    let mut reader = EventReader::default();
    let before = COUNTING.allocated();
    for piece in cut(&stream, lengths) {
        if reader.push(&Bytes::copy_from_slice(piece)).is_err() {
            break;
        }
        let held = COUNTING.allocated().saturating_sub(before);
        assert!(held <= MAX_HELD, "{held} bytes held");
    }
});
