//! Quantities and their units.
//!
//! Inside the program every value is an `f64` in the base unit of its [`Quantity`]; units exist
//! only at the edge, in what a source says and in the configuration.

use std::{fmt, ops::RangeInclusive};

use crate::text::excerpt;

/// What a value measures. Its base unit is the one of SunSpec's meter models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Active energy, in Wh.
    Energy,
    /// Active power, in W.
    Power,
    /// Voltage, in V.
    Voltage,
    /// Current, in A.
    Current,
    /// Frequency, in Hz.
    Frequency,
}

impl Quantity {
    const ALL: [Self; 5] =
        [Self::Energy, Self::Power, Self::Voltage, Self::Current, Self::Frequency];

    /// Unit symbols without prefix, each with its value in the base unit.
    ///
    /// An item of dimension Power may carry any of the symbols of its row.
    fn symbols(self) -> &'static [(&'static str, f64)] {
        const JOULE: f64 = 1.0 / 3600.0;
        const CALORIE: f64 = 4.184 * JOULE;
        const BTU: f64 = 1_055.055_852_62 * JOULE;
        match self {
            Self::Energy => &[("Wh", 1.0), ("Ws", JOULE), ("J", JOULE), ("cal", CALORIE)],
            Self::Power => &[("W", 1.0), ("VA", 1.0), ("BTU/h", BTU)],
            Self::Voltage => &[("V", 1.0)],
            Self::Current => &[("A", 1.0)],
            Self::Frequency => &[("Hz", 1.0)],
        }
    }

    /// The values a household can have, in the base unit. What lies outside is an error upstream,
    /// such as `231,4 V`, which openHAB itself turns into `2314 V`.
    #[must_use]
    pub fn plausible_range(self) -> RangeInclusive<f64> {
        match self {
            Self::Energy => 0.0..=1e12,
            Self::Power => -1e7..=1e7,
            Self::Voltage => 0.0..=500.0,
            Self::Current => -1e4..=1e4,
            Self::Frequency => 40.0..=70.0,
        }
    }

    /// What a unit is of, by its symbol.
    #[must_use]
    pub fn of_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|&quantity| factor(quantity, symbol).is_some())
    }

    /// Symbol of the base unit.
    #[must_use]
    pub fn base_symbol(self) -> &'static str {
        match self {
            Self::Energy => "Wh",
            Self::Power => "W",
            Self::Voltage => "V",
            Self::Current => "A",
            Self::Frequency => "Hz",
        }
    }

    /// The unit of a state that names none, unless the configuration says otherwise: kWh for
    /// energy, as openHAB and the Python script have it, else the base unit.
    #[must_use]
    pub fn default_unit(self) -> Unit {
        let (symbol, factor) =
            if self == Self::Energy { ("kWh", 1e3) } else { (self.base_symbol(), 1.0) };
        Unit { quantity: self, factor, symbol: symbol.to_owned() }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Energy => "energy",
            Self::Power => "power",
            Self::Voltage => "voltage",
            Self::Current => "current",
            Self::Frequency => "frequency",
        })
    }
}

/// A unit of measurement, such as kWh.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    quantity: Quantity,
    factor: f64,
    symbol: String,
}

impl Unit {
    /// Reads a unit symbol. The case of a prefix matters: mW is not MW.
    ///
    /// # Errors
    /// Returns an error if it is the symbol of no quantity, or of another one.
    pub fn parse(quantity: Quantity, symbol: &str) -> Result<Self, UnitError> {
        if let Some(factor) = factor(quantity, symbol) {
            return Ok(Self { quantity, factor, symbol: symbol.to_owned() });
        }
        let symbol = excerpt(symbol);
        if Quantity::of_symbol(&symbol).is_some() {
            Err(UnitError::Wrong { symbol, quantity })
        } else {
            Err(UnitError::Unknown { symbol, quantity })
        }
    }

    /// What the unit measures.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// A value in this unit, in the base unit of its quantity.
    #[must_use]
    pub fn to_base(&self, value: f64) -> f64 {
        value * self.factor
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.symbol)
    }
}

/// A symbol that is not a unit of the quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a unit of anything.
    #[error("unknown unit {symbol:?}; {}", advice(symbol, *.quantity))]
    Unknown {
        /// The symbol as found, shortened.
        symbol: String,
        /// What the value should measure.
        quantity: Quantity,
    },
    /// A unit of another quantity.
    #[error("{symbol:?} is not a unit of {quantity}; expected one such as {}", .quantity.default_unit())]
    Wrong {
        /// The symbol as found, shortened.
        symbol: String,
        /// What the value should measure.
        quantity: Quantity,
    },
}

/// How many base units one `symbol` is, if it is a unit of `quantity`.
fn factor(quantity: Quantity, symbol: &str) -> Option<f64> {
    let simple = quantity
        .symbols()
        .iter()
        .find_map(|(name, value)| Some(prefix(symbol.strip_suffix(name)?)? * value));
    simple.or_else(|| {
        let (first, last) = symbol.rsplit_once('·')?;
        product(quantity, first, last).or_else(|| product(quantity, last, first))
    })
}

/// What a prefix of a unit multiplies by.
fn prefix(text: &str) -> Option<f64> {
    Some(match text {
        "" => 1.0,
        // The micro sign and the Greek letter: openHAB prints the latter, people type either.
        "\u{b5}" | "\u{3bc}" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => return None,
    })
}

/// The same of two units with `·` (U+00B7) between them, as openHAB 3 writes `kW·h` and `V·A`.
fn product(quantity: Quantity, first: &str, last: &str) -> Option<f64> {
    match quantity {
        Quantity::Energy => {
            let hours = match last {
                "s" => 1.0 / 3600.0,
                "min" => 1.0 / 60.0,
                "h" => 1.0,
                _ => return None,
            };
            Some(factor(Quantity::Power, first)? * hours)
        }
        Quantity::Power => {
            Some(factor(Quantity::Voltage, first)? * factor(Quantity::Current, last)?)
        }
        Quantity::Voltage | Quantity::Current | Quantity::Frequency => None,
    }
}

/// What to write in place of an unknown symbol: those that differ only in case, or in that it is
/// written out, else the usual one.
fn advice(symbol: &str, quantity: Quantity) -> String {
    const SPELLINGS: [(&str, &str); 10] = [
        ("kilo", "k"),
        ("mega", "m"),
        ("watt", "w"),
        ("volt", "v"),
        ("ampere", "a"),
        ("amp", "a"),
        ("hertz", "hz"),
        ("stunden", "h"),
        ("hours", "h"),
        ("hour", "h"),
    ];
    let mut plain = symbol.to_lowercase().replace([' ', '/', '-', '_', '.', '*'], "");
    for (long, short) in SPELLINGS {
        plain = plain.replace(long, short);
    }
    let plain = plain.trim_end_matches('s');
    let known = quantity.symbols().iter().flat_map(|(name, _)| {
        ["", "m", "k", "M", "G", "T"].map(|prefix| format!("{prefix}{name}"))
    });
    let meant: Vec<_> = known.filter(|known| known.to_lowercase() == plain).collect();
    if meant.is_empty() {
        return format!("expected a unit of {quantity} such as {}", quantity.default_unit());
    }
    format!("did you mean {}?", meant.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_units_are_units() {
        for (quantity, symbol, expected) in [
            (Quantity::Energy, "W·h", 1.0),
            (Quantity::Energy, "kW·h", 1000.0),
            (Quantity::Energy, "h·kW", 1000.0),
            (Quantity::Energy, "W·s", 1.0 / 3600.0),
            (Quantity::Energy, "kW·min", 1000.0 / 60.0),
            (Quantity::Energy, "V·A·h", 1.0),
            (Quantity::Power, "V·A", 1.0),
            (Quantity::Power, "A·V", 1.0),
            (Quantity::Power, "V·mA", 0.001),
        ] {
            assert_eq!(factor(quantity, symbol), Some(expected), "{symbol}");
        }
        for (quantity, symbol) in [
            (Quantity::Power, "W·h"),
            (Quantity::Energy, "V·A"),
            (Quantity::Power, "V·A·A"),
            (Quantity::Energy, "·h"),
            (Quantity::Energy, "W·"),
            (Quantity::Voltage, "V·"),
        ] {
            assert_eq!(factor(quantity, symbol), None, "{symbol}");
        }
    }

    #[test]
    fn a_misspelt_unit_leads_to_the_right_one() {
        for (quantity, symbol, expected) in [
            (Quantity::Energy, "kwh", "did you mean kWh?"),
            (Quantity::Energy, "Kwh", "did you mean kWh?"),
            (Quantity::Energy, "kW/h", "did you mean kWh?"),
            (Quantity::Energy, "kilowatt hours", "did you mean kWh?"),
            (Quantity::Energy, "Wattstunden", "did you mean Wh?"),
            (Quantity::Energy, "wh", "did you mean Wh?"),
            (Quantity::Power, "KW", "did you mean kW?"),
            (Quantity::Power, "Watt", "did you mean W?"),
            (Quantity::Power, "watts", "did you mean W?"),
            (Quantity::Power, "mw", "did you mean mW or MW?"),
            (Quantity::Voltage, "volt", "did you mean V?"),
            (Quantity::Current, "amps", "did you mean A?"),
            (Quantity::Frequency, "hz", "did you mean Hz?"),
            (Quantity::Power, "x", "expected a unit of power such as W"),
            (Quantity::Energy, "KW", "expected a unit of energy such as kWh"),
        ] {
            assert_eq!(advice(symbol, quantity), expected, "{symbol}");
        }
    }
}
