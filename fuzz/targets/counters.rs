//! The file of the counters: any text is refused, or gives counters within bounds, which are the
//! same to the last bit when they are saved and read again. The reason for a refusal is fit for a
//! log.
#![no_main]

use fronius_smartmeter::persistence::format::CounterFile;
use fronius_smartmeter_fuzz::assert_printable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let state = match CounterFile::parse(text) {
        Ok(state) => state,
        Err(reason) => return assert_printable(&reason),
    };
    for counter in &state.record.counters {
        assert!((0.0..=1e13).contains(&counter.served_wh));
        assert!((0.0..=1e13).contains(&counter.counter.reached_wh));
        assert!((-1e13..=1e13).contains(&counter.counter.offset_wh));
        assert!((0.0..=1e13).contains(&counter.power.highest_w));
    }
    let saved = serde_json::to_string_pretty(&state).unwrap();
    let again = CounterFile::parse(&saved).unwrap();
    assert_eq!(again, state);
    assert_eq!(serde_json::to_string_pretty(&again).unwrap(), saved);
});
