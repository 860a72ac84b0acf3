//! States of items: whatever the text and the unit, a value that is read is finite, plausible for
//! its quantity and not a negative zero, and it is the same when it is written out and read again.
//! An error is short and fit for a log.
#![no_main]

use fronius_smartmeter::{
    meter::units::{Quantity, Unit},
    source::state::{ItemStateError, parse_state},
};
use fronius_smartmeter_fuzz::assert_printable;
use libfuzzer_sys::fuzz_target;

/// What a household can have, in base units; not taken from the program, but stated again.
const PLAUSIBLE: [(Quantity, f64, f64); 5] = [
    (Quantity::Energy, 0.0, 1e12),
    (Quantity::Power, -1e7, 1e7),
    (Quantity::Voltage, 0.0, 500.0),
    (Quantity::Current, -1e4, 1e4),
    (Quantity::Frequency, 40.0, 70.0),
];

fuzz_target!(|input: &str| {
    // After the first line there may be the unit that the configuration names.
    let (state, symbol) = input.split_once('\n').unwrap_or((input, ""));
    for (quantity, low, high) in PLAUSIBLE {
        let unit = Unit::parse(quantity, symbol).unwrap_or_else(|error| {
            assert_printable(&error);
            quantity.default_unit()
        });
        match parse_state(state, &unit) {
            Err(error) => {
                assert_printable(&error);
                assert!(error.to_string().chars().count() < 500);
            }
            Ok(value) => {
                assert!(value.is_finite() && (low..=high).contains(&value), "{value}");
                assert!(value != 0.0 || value.is_sign_positive());
                let base = quantity.base_symbol();
                for written in [format!("{value} {base}"), format!("{value:E} {base}")] {
                    let again = parse_state(&written, &unit);
                    // In another unit it was not what a device without a value sends.
                    if !matches!(again, Err(ItemStateError::Sentinel(_))) {
                        assert_eq!(again.map(f64::to_bits), Ok(value.to_bits()), "{written}");
                    }
                }
            }
        }
    }
});
