//! How numbers are written for people, in their language.

use super::language::Language;

/// Keeps a number and its unit, and the groups of its digits, in one line.
const NO_BREAK_SPACE: char = '\u{a0}';

const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 60.0 * MINUTE_S;
const DAY_S: f64 = 24.0 * HOUR_S;

impl Language {
    /// That of two texts which is in this language.
    pub(super) fn pick<T>(self, english: T, german: T) -> T {
        match self {
            Self::English => english,
            Self::German => german,
        }
    }

    /// A number with so many decimals, its digits in groups of three.
    pub(super) fn number(self, value: f64, decimals: usize) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        let digits = format!("{:.decimals$}", value.abs());
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        let mut text = String::new();
        if value < 0.0 && !is_zero {
            text.push('−');
        }
        text.push_str(&grouped(whole));
        if !fraction.is_empty() {
            text.push(self.pick('.', ','));
            text.push_str(fraction);
        }
        text
    }

    /// A whole number.
    pub(super) fn count(count: u64) -> String {
        grouped(&count.to_string())
    }

    /// A value without its unit, as exactly as people want to read it. Energies are in kWh.
    pub(super) fn bare(self, value: f64, unit: &str) -> String {
        match unit {
            "Wh" => self.number(value / 1000.0, 3),
            "W" if value.abs() < 0.05 => self.number(0.0, 0),
            "W" if value.abs() >= 100.0 => self.number(value, 0),
            "W" | "V" => self.number(value, 1),
            _ => self.number(value, 2),
        }
    }

    /// A value and its unit: `12 345.678 kWh`.
    pub(super) fn quantity(self, value: f64, unit: &str) -> String {
        let shown = if unit == "Wh" { "kWh" } else { unit };
        format!("{}{NO_BREAK_SPACE}{shown}", self.bare(value, unit))
    }

    /// A time span in its largest unit: `12 min`.
    pub(super) fn span(self, seconds: f64) -> String {
        let (length, unit) = match seconds {
            s if s < 2.0 * MINUTE_S => (1.0, "s"),
            s if s < 2.0 * HOUR_S => (MINUTE_S, "min"),
            s if s < 2.0 * DAY_S => (HOUR_S, "h"),
            _ => (DAY_S, self.pick("days", "Tage")),
        };
        let count = self.number((seconds / length).floor().max(0.0), 0);
        format!("{count}{NO_BREAK_SPACE}{unit}")
    }

    /// How long ago something was.
    pub(super) fn ago(self, seconds: f64) -> String {
        if seconds < 1.0 {
            return self.pick("just now", "gerade eben").to_owned();
        }
        let span = self.span(seconds);
        self.pick(format!("{span} ago"), format!("vor {span}").replace("Tage", "Tagen"))
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(NO_BREAK_SPACE);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_their_readers_do() {
        for (value, decimals, english, german) in [
            (-1234.5, 1, "−1\u{a0}234.5", "−1\u{a0}234,5"),
            (-0.04, 1, "0.0", "0,0"),
            (999.9, 0, "1\u{a0}000", "1\u{a0}000"),
            (f64::NAN, 1, "–", "–"),
        ] {
            assert_eq!(Language::English.number(value, decimals), english);
            assert_eq!(Language::German.number(value, decimals), german);
        }
    }

    #[test]
    fn quantities_have_their_unit() {
        for (value, unit, expected) in [
            (12_345_678.0, "Wh", "12 345.678 kWh"),
            (-812.4, "W", "−812 W"),
            (-0.0, "W", "0 W"),
            (8.25, "W", "8.2 W"),
            (231.44, "V", "231.4 V"),
            (3.461, "A", "3.46 A"),
            (49.98, "Hz", "49.98 Hz"),
        ] {
            assert_eq!(Language::English.quantity(value, unit).replace('\u{a0}', " "), expected);
        }
    }

    #[test]
    fn a_span_has_one_unit() {
        for (seconds, english, german) in [
            (0.4, "just now", "gerade eben"),
            (119.9, "119 s ago", "vor 119 s"),
            (720.0, "12 min ago", "vor 12 min"),
            (7200.0, "2 h ago", "vor 2 h"),
            (200_000.0, "2 days ago", "vor 2 Tagen"),
        ] {
            assert_eq!(Language::English.ago(seconds).replace('\u{a0}', " "), english);
            assert_eq!(Language::German.ago(seconds).replace('\u{a0}', " "), german);
        }
    }
}
