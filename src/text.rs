//! Makes text from outside safe to show, and large numbers easy to read.

use std::fmt;

/// `text` with its control characters replaced, so that it can neither control a terminal nor break
/// a log line.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The first 40 characters of `text`, [`printable`].
#[must_use]
pub fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    let mut start = text.chars();
    let mut short: String = start.by_ref().take(MAX_CHARS).collect();
    if start.next().is_some() {
        short.push('…');
    }
    printable(&short)
}

/// An energy in Wh, shown in kWh as people read it: `12 345.758 kWh`.
#[derive(Clone, Copy, Debug)]
pub struct Kwh(pub f64);

impl fmt::Display for Kwh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{:.3}", self.0 / 1000.0);
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, "000"));
        let (sign, digits) = match whole.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", whole),
        };
        let mut text = String::from(sign);
        for (place, digit) in digits.char_indices() {
            let left = digits.len().saturating_sub(place);
            if place > 0 && left.is_multiple_of(3) {
                text.push(' ');
            }
            text.push(digit);
        }
        f.pad(&format!("{text}.{fraction} kWh"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_are_grouped_by_thousands() {
        for (wh, expected) in [
            (0.0, "0.000 kWh"),
            (0.4, "0.000 kWh"),
            (12_345_758.4, "12 345.758 kWh"),
            (999_999.9, "1 000.000 kWh"),
            (1e9, "1 000 000.000 kWh"),
            (-1_234_567.0, "-1 234.567 kWh"),
        ] {
            assert_eq!(Kwh(wh).to_string(), expected);
        }
        assert_eq!(format!("{:>12}", Kwh(1000.0)), "   1.000 kWh");
    }

    #[test]
    fn control_characters_are_replaced_and_long_texts_cut() {
        assert_eq!(excerpt("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(excerpt(&"ü".repeat(40)), "ü".repeat(40));
        assert_eq!(excerpt(&"ü".repeat(41)), format!("{}…", "ü".repeat(40)));
    }
}
