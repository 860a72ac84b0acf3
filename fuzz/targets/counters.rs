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
    for counter in state.meters.values().flat_map(|meter| &meter.counters) {
        assert!((0.0..=1e13).contains(&counter.served_wh));
        assert!((-1e13..=1e13).contains(&counter.offset_wh));
        if let Some(former) = &counter.former {
            assert!((-1e13..=1e13).contains(&former.offset_wh));
            assert!((-1e13..=1e13).contains(&former.shown_wh));
        }
    }
    let saved = serde_json::to_string_pretty(&state).unwrap();
    let again = CounterFile::parse(&saved).unwrap();
    assert_eq!(again, state);
    assert_eq!(serde_json::to_string_pretty(&again).unwrap(), saved);
});
