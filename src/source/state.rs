//! An item's state as a source writes it, such as `1.5 kW`, `NULL` or `unavailable`.

use crate::{
    meter::{
        binding::{Binding, LimitError},
        units::{Quantity, Unit, UnitError},
    },
    text::{Decimal, excerpt},
};

/// Powers that registers without a value read as: the ends of 16 and 32 bits, with and without a
/// sign.
const SENTINELS: [f64; 5] =
    [-32_768.0, 65_535.0, -2_147_483_648.0, 2_147_483_647.0, 4_294_967_295.0];

/// What openHAB and Home Assistant say of an item that has no value.
const NO_VALUE: [&str; 4] = ["NULL", "UNDEF", "unavailable", "unknown"];

/// Whether a number is one of these, but for rounding.
fn is_sentinel(number: f64) -> bool {
    SENTINELS.iter().any(|sentinel| (number - sentinel).abs() < 1e-6)
}

/// The value that a binding takes from a state, in the base unit.
///
/// # Errors
/// Returns an error as [`parse_state`] does, or if it is more than the plant can have.
pub fn value(state: &str, binding: &Binding) -> Result<f64, ItemStateError> {
    // Adding zero turns −0 into 0.
    Ok(binding.limit(parse_state(state, &binding.unit)? * binding.factor + 0.0)?)
}

/// Why a state gives no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemStateError {
    /// The source has no value for the item (yet, or any more).
    #[error("it has no value ({0})")]
    NoValue(&'static str),
    /// Not a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// A decimal comma. openHAB takes it for a thousands separator, so no guess is safe.
    #[error("{0:?} has a comma; numbers must have a decimal point")]
    Comma(String),
    /// Not a unit of the quantity.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// It had a unit before, and has none now.
    #[error("it has lost its unit")]
    UnitLost,
    /// What devices without a value send.
    #[error("{} is what a device without a value sends", Decimal(*.0))]
    Sentinel(f64),
    /// More than the plant can have.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A value that no household has.
    #[error("{} {} is an implausible {quantity}", Decimal(*.value), .quantity.base_symbol())]
    Implausible {
        /// The value, in the base unit.
        value: f64,
        /// The quantity it should measure.
        quantity: Quantity,
    },
}

/// Parses a state: a number, which may be followed by one space and a unit. If the state
/// has no unit, it is in `default`. The result is in the base unit of `default`'s quantity, finite
/// and plausible.
///
/// The grammar is that of openHAB's `QuantityType` and `DecimalType`, exponents included; Home
/// Assistant's numbers fit into it:
/// `-?\d+(\.\d+)?([eE][+-]?\d+)?( \S+)?`.
///
/// # Errors
/// Returns an error if the state says that there is no value, is not a number, in a unit of something else,
/// or implausible.
pub fn parse_state(state: &str, default: &Unit) -> Result<f64, ItemStateError> {
    let state = state.trim();
    if state.is_empty() {
        return Err(ItemStateError::NoValue("empty"));
    }
    if let Some(word) = NO_VALUE.into_iter().find(|word| *word == state) {
        return Err(ItemStateError::NoValue(word));
    }
    let (number, symbol) = match state.split_once(' ') {
        Some((number, symbol)) => (number, Some(symbol)),
        None => (state, None),
    };
    if !is_number(number) {
        let found = excerpt(state);
        return Err(if number.contains(',') {
            ItemStateError::Comma(found)
        } else {
            ItemStateError::NotANumber(found)
        });
    }
    let quantity = default.quantity();
    let value: f64 = number.parse().map_err(|_| ItemStateError::NotANumber(excerpt(state)))?;
    let shown = value;
    let value = match symbol {
        Some(symbol) => Unit::parse(quantity, symbol)?.to_base(value),
        None => default.to_base(value),
    };
    // Some write the register in another unit.
    if quantity == Quantity::Power && (is_sentinel(shown) || is_sentinel(value)) {
        return Err(ItemStateError::Sentinel(shown));
    }
    if quantity.plausible_range().contains(&value) {
        // Adding zero turns −0 into 0.
        Ok(value + 0.0)
    } else {
        Err(ItemStateError::Implausible { value, quantity })
    }
}

/// Whether `text` is `-?\d+(\.\d+)?([eE][+-]?\d+)?`. Rust's own parser accepts more (`inf`, `.5`).
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(quantity: Quantity, state: &str) -> Result<f64, ItemStateError> {
        parse_state(state, &quantity.default_unit())
    }

    #[track_caller]
    fn assert_close(quantity: Quantity, state: &str, expected: f64) {
        let value = parse(quantity, state).unwrap();
        assert!((value - expected).abs() <= expected.abs() * 1e-15, "{state}: {value}");
    }

    #[test]
    fn states_as_openhab_prints_them() {
        use Quantity::{Current, Energy, Frequency, Power, Voltage};
        assert_close(Voltage, "230.5 V", 230.5);
        assert_close(Frequency, "50 Hz", 50.0);
        assert_close(Energy, "1.23456789E7 Wh", 12_345_678.9);
        assert_close(Energy, "12345678.9", 12_345_678_900.0);
        assert_close(Energy, "2.777777777777777777777777777777778E-7 kWh", 1.0 / 3600.0);
        assert_close(Power, "333.3333333333333333333333333333333 W", 1000.0 / 3.0);
        assert_close(Voltage, "231.39999389648438", 231.399_993_896_484_38);
        assert_close(Power, "1.0E-4 W", 1e-4);
        assert_close(Current, "1 μA", 1e-6);
        assert_close(Current, "1 µA", 1e-6);
        assert_close(Power, "1000.935 V·A", 1000.935);
        assert_close(Energy, "28800 Ws", 8.0);
        assert_close(Energy, "3.6 MJ", 1000.0);
        assert_close(Energy, "3600 J", 1.0);
        assert_close(Power, "-321.5", -321.5);
        assert_close(Power, "1.5 kW", 1500.0);
        assert_close(Power, "1.5 mW", 0.0015);
        assert_close(Power, "1.5 MW", 1_500_000.0);
        assert_close(Energy, "10E3", 10_000_000.0);
        assert_close(Voltage, "  231.4 V\n", 231.4);
    }

    #[test]
    fn all_units_of_home_assistant_are_known() {
        let units = [
            (Quantity::Power, "mW W kW MW GW TW BTU/h"),
            (Quantity::Energy, "J kJ MJ GJ mWh Wh kWh MWh GWh TWh cal kcal Mcal Gcal"),
            (Quantity::Voltage, "μV mV V kV MV"),
            (Quantity::Current, "μA mA A"),
            (Quantity::Frequency, "mHz Hz kHz MHz GHz"),
        ];
        for (quantity, symbols) in units {
            for symbol in symbols.split(' ') {
                assert!(Unit::parse(quantity, symbol).is_ok(), "{symbol}");
            }
        }
        assert_close(Quantity::Power, "3600 BTU/h", 1_055.055_852_62);
        assert_close(Quantity::Energy, "3.6 kcal", 4.184);
    }

    #[test]
    fn what_a_register_without_a_value_reads_as_is_no_power() {
        for state in [
            "-32768",
            "-32768 W",
            "-3.2768E4 W",
            "-32.768 kW",
            "65535 W",
            "65.535 kW",
            "4294967295",
            "-2147483648.0 W",
        ] {
            let parsed = parse(Quantity::Power, state);
            assert!(matches!(parsed, Err(ItemStateError::Sentinel(_))), "{state}: {parsed:?}");
        }
        for state in ["32768 W", "-65535 W", "-32767 W", "0 W", "65.535 W", "655350 W", "6553.5"] {
            assert!(parse(Quantity::Power, state).is_ok(), "{state}");
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        assert!(parse(Quantity::Power, "-0 W").unwrap().is_sign_positive());
    }

    #[test]
    fn what_is_no_value_says_so() {
        use Quantity::{Energy, Frequency, Power, Voltage};
        assert_eq!(parse(Power, "NULL"), Err(ItemStateError::NoValue("NULL")));
        assert_eq!(parse(Power, "UNDEF"), Err(ItemStateError::NoValue("UNDEF")));
        assert_eq!(parse(Power, ""), Err(ItemStateError::NoValue("empty")));
        assert_eq!(parse(Voltage, "231,4 V"), Err(ItemStateError::Comma("231,4 V".to_owned())));
        for text in ["ON", "NaN", "inf", ".5", "5.", "+5", "0x10", "1e", "--1", "5 W W", "1 000 W"]
        {
            let error = parse(Power, text).unwrap_err();
            assert!(
                matches!(
                    error,
                    ItemStateError::NotANumber(_) | ItemStateError::Unit(UnitError::Unknown { .. })
                ),
                "{text}: {error:?}"
            );
        }
        assert!(matches!(
            parse(Power, "5 kwh"),
            Err(ItemStateError::Unit(UnitError::Unknown { .. }))
        ));
        assert!(matches!(
            parse(Power, "5 KW"),
            Err(ItemStateError::Unit(UnitError::Unknown { .. }))
        ));
        assert!(matches!(
            parse(Power, "5 kWh"),
            Err(ItemStateError::Unit(UnitError::Wrong { .. }))
        ));
        assert!(matches!(parse(Voltage, "2314 V"), Err(ItemStateError::Implausible { .. })));
        assert!(matches!(parse(Frequency, "0 Hz"), Err(ItemStateError::Implausible { .. })));
        assert!(matches!(parse(Energy, "-1 kWh"), Err(ItemStateError::Implausible { .. })));
        assert!(matches!(parse(Energy, "1e400"), Err(ItemStateError::Implausible { .. })));
    }

    #[test]
    fn the_configured_unit_is_only_for_states_without_one() {
        let watt_hours = Unit::parse(Quantity::Energy, "Wh").unwrap();
        assert_eq!(parse_state("5000", &watt_hours), Ok(5000.0));
        assert_eq!(parse_state("5 kWh", &watt_hours), Ok(5000.0));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_plausible(text in "\\PC*") {
            if let Ok(value) = parse(Quantity::Power, &text) {
                prop_assert!((-1e7..=1e7).contains(&value));
            }
        }

        #[test]
        fn numbers_come_through_whole(value in -1e7..1e7_f64) {
            prop_assert_eq!(parse(Quantity::Power, &value.to_string()), Ok(value));
            prop_assert_eq!(parse(Quantity::Power, &format!("{value:e} W")), Ok(value));
        }

        #[test]
        fn a_prefix_is_a_factor(value in 0.0..9e3_f64) {
            let watts = parse(Quantity::Power, &format!("{value} kW")).unwrap();
            prop_assert!((watts - value * 1e3).abs() <= watts * 1e-15);
        }

        #[test]
        fn what_does_not_match_the_grammar_is_refused(text in "[-+.,0-9eE xW]{0,12}") {
            // The grammar of the reference, written a second time as a small automaton.
            let trimmed = text.trim();
            let (number, unit) = trimmed.split_once(' ').unwrap_or((trimmed, "W"));
            let mut state = 0;
            for c in number.chars() {
                state = match (state, c) {
                    (0, '-') => 1,
                    (0..=2, '0'..='9') => 2,
                    (2, '.') => 3,
                    (3 | 4, '0'..='9') => 4,
                    (2 | 4, 'e' | 'E') => 5,
                    (5, '+' | '-') => 6,
                    (5..=7, '0'..='9') => 7,
                    _ => 9,
                };
            }
            let fits = matches!(state, 2 | 4 | 7) && unit == "W";
            let parsed = parse(Quantity::Power, &text);
            let refused_by_range = matches!(parsed, Err(ItemStateError::Implausible { .. }));
            prop_assert_eq!(parsed.is_ok() || refused_by_range, fits);
        }
    }
}
