//! What Home Assistant sends: any messages, one after another, change the kept copy of the entities
//! without a panic. It never has more than the wanted ones, nor more than short texts of them. An error
//! is fit for a log.
//!
//! `0x1E` separates messages, and `0x1D` makes parts large (see [`expand`]).
#![no_main]

use fronius_smartmeter::source::homeassistant::{entities::Entities, message::Incoming};
use fronius_smartmeter_fuzz::{Counting, assert_printable, expand};
use libfuzzer_sys::fuzz_target;

const WANTED: [&str; 3] = ["sensor.e", "sensor.p", "sensor.u"];

/// A state and a unit of 1 KiB for each, in buffers that may be twice as large, and the map.
const MAX_HELD: usize = 16 * 1024;

#[global_allocator]
static COUNTING: Counting = Counting::new();

fn take(entities: &mut Entities, message: &str) {
    let message = match Incoming::parse(message) {
        Ok(message) => message,
        Err(error) => return assert_printable(&error),
    };
    let Some(changes) = message.event().and_then(|event| entities.apply(event)) else { return };
    assert!(changes.iter().all(|(id, _)| WANTED.contains(&id.as_str())));
}

fuzz_target!(|input: &[u8]| {
    let messages: Vec<_> = input.split(|byte| *byte == 0x1E).map(expand).collect();
    let before = COUNTING.allocated();
    let mut entities = Entities::new(WANTED.map(str::to_owned));
    for message in &messages {
        // The WebSocket passes on nothing but UTF-8.
        let Ok(message) = str::from_utf8(message) else { continue };
        take(&mut entities, message);
        let held = COUNTING.allocated().saturating_sub(before);
        assert!(held <= MAX_HELD, "{held} bytes kept");
        assert!(entities.missing().count() <= WANTED.len());
    }
});
