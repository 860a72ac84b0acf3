//! The file of the counters: any text is refused, or gives counters within bounds, which come back
//! to the last bit when they are saved and read again.
#![no_main]

use fronius_smartmeter::state::State;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(state) = State::parse(text) else { return };
    for counter in state.meters.values().flat_map(|meter| &meter.counters) {
        assert!((0.0..=1e13).contains(&counter.served_wh));
        assert!((-1e13..=1e13).contains(&counter.offset_wh));
    }
    let saved = serde_json::to_string_pretty(&state).unwrap();
    let again = State::parse(&saved).unwrap();
    assert_eq!(again, state);
    assert_eq!(serde_json::to_string_pretty(&again).unwrap(), saved);
});
