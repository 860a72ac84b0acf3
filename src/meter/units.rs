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
    /// `V·A` (U+00B7) is what openHAB 3 prints for a product of voltage and current; an item of
    /// dimension Power may carry any of the symbols of its row.
    fn symbols(self) -> &'static [(&'static str, f64)] {
        const JOULE: f64 = 1.0 / 3600.0;
        const CALORIE: f64 = 4.184 * JOULE;
        const BTU: f64 = 1_055.055_852_62 * JOULE;
        match self {
            Self::Energy => &[("Wh", 1.0), ("Ws", JOULE), ("J", JOULE), ("cal", CALORIE)],
            Self::Power => &[("W", 1.0), ("VA", 1.0), ("V·A", 1.0), ("BTU/h", BTU)],
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
    #[error("unknown unit {symbol:?}; expected a unit of {quantity} such as {}", .quantity.default_unit())]
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
    quantity.symbols().iter().find_map(|(name, value)| {
        let prefix = match symbol.strip_suffix(name)? {
            "" => 1.0,
            // The micro sign and the Greek letter: openHAB prints the latter, people type either.
            "\u{b5}" | "\u{3bc}" => 1e-6,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            _ => return None,
        };
        Some(prefix * value)
    })
}
