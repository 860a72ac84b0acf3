//! Histories to replay: any text is refused with its line, or replayed; what is served of it never
//! falls.
#![no_main]

use std::path::Path;

use fronius_smartmeter::commands::replay::{Options, replay_from};
use fronius_smartmeter_fuzz::assert_printable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut output = Vec::new();
    let replayed =
        replay_from(text.as_bytes(), Path::new("-"), &mut output, None, Options::default());
    if let Err(error) = replayed {
        assert_printable(&error);
    }
    let output = String::from_utf8(output).unwrap();
    let mut last = [0.0; 2];
    for row in output.lines().skip(1) {
        let fields: Vec<_> = row.splitn(6, ',').collect();
        for (last, field) in last.iter_mut().zip(&fields[3..5]) {
            if let Ok(wh) = field.parse::<f64>() {
                assert!(wh >= *last, "{row}");
                *last = wh;
            }
        }
    }
});
