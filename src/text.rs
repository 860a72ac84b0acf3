//! Makes text from outside safe to show, and large numbers easy to read.

use std::fmt::{self, Write as _};

/// `text` with its control characters replaced, so that it can neither control a terminal nor break
/// a log line.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// What may be a secret in a text from outside: tokens of openHAB and Home Assistant, and what follows the name of a way
/// to authenticate. People paste them in the wrong place, and servers may send them back.
fn secret(text: &str) -> Option<usize> {
    let text = text.to_ascii_lowercase();
    let after = |word: &str| text.find(word).map(|at| at.saturating_add(word.len()));
    let is_token = |at: &usize| {
        let rest = text.get(*at..).unwrap_or_default();
        rest.chars().take_while(|c| !c.is_whitespace()).filter(|c| *c == '.').count() > 1
    };
    let token = |start| text.match_indices(start).map(|(at, _)| at).find(is_token);
    // A token of Home Assistant is JSON in Base64.
    let tokens = [token("oh."), token("eyj")].into_iter().flatten().min();
    [tokens, after("bearer "), after("basic "), after("://").filter(|_| text.contains('@'))]
        .into_iter()
        .flatten()
        .min()
}

/// The first 40 characters of `text`, [`printable`], without what may be a secret.
#[must_use]
pub fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    let (text, end) = match secret(text) {
        Some(at) => (text.get(..at).unwrap_or_default(), "***"),
        None => (text, ""),
    };
    let mut start = text.chars();
    let mut short: String = start.by_ref().take(MAX_CHARS).collect();
    short.push_str(if start.next().is_some() { "…" } else { end });
    printable(&short)
}

/// `text` with at most so many characters: of a longer one the middle is left out.
#[must_use]
pub fn shortened(text: &str, max_chars: usize) -> String {
    let count = text.chars().count();
    if count <= max_chars {
        return text.to_owned();
    }
    let kept = max_chars.saturating_sub(1);
    let start = kept.div_ceil(2);
    let end = count.saturating_sub(kept.saturating_sub(start));
    text.chars().take(start).chain(['…']).chain(text.chars().skip(end)).collect()
}

/// `json` with those characters of its strings as `\u` escapes. None may be part of JSON's own syntax.
pub(crate) fn escape_json(json: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_escaped(c) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// `json` with all control characters of its strings escaped: JSON itself demands that only below
/// 0x20, but terminals obey others as well.
#[must_use]
pub fn printable_json(json: &str) -> String {
    escape_json(json, |c| matches!(c, '\u{7f}'..='\u{9f}'))
}

/// A number with at most three decimals, and none that say nothing: `231.4`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(pub f64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{:.3}", self.0);
        f.pad(number.trim_end_matches('0').trim_end_matches('.'))
    }
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
    fn a_number_has_no_more_decimals_than_people_read() {
        for (number, expected) in [
            (12_345_758.578_000_002, "12345758.578"),
            (231.4, "231.4"),
            (1000.0, "1000"),
            (0.0, "0"),
            (-0.000_1, "-0"),
        ] {
            assert_eq!(Decimal(number).to_string(), expected);
        }
    }

    #[test]
    fn json_keeps_its_line_breaks_and_has_no_other_control_character() {
        let pretty = serde_json::to_string_pretty(&["\u{1b}\n\u{7f}\u{9b}31m ü"]).unwrap();
        assert_eq!(printable_json(&pretty), "[\n  \"\\u001b\\n\\u007f\\u009b31m ü\"\n]");
    }

    #[test]
    fn what_may_be_a_secret_is_left_out() {
        for (text, shown) in [
            ("oh.meter.Zq7", "***"),
            ("eyJhbGci.eyJpc3Mi.Zq7", "***"),
            ("Bearer Zq7", "Bearer ***"),
            ("found Basic bWU6 here", "found Basic ***"),
            ("authorization: bearer Zq7", "authorization: bearer ***"),
            ("oh.example said oh.meter.Zq7", "oh.example said ***"),
            ("http://me:Zq7@oh/rest", "http://***"),
            ("http://oh.example/rest", "http://oh.example/rest"),
            ("231 V", "231 V"),
        ] {
            assert_eq!(excerpt(text), shown);
        }
    }

    #[test]
    fn the_middle_of_a_long_text_is_left_out() {
        for (text, max, expected) in [
            ("Gesamtertrag", 12, "Gesamtertrag"),
            ("Gesamtertrag", 8, "Gesa…rag"),
            ("Gesamtertrag", 1, "…"),
            ("äöüß", 3, "ä…ß"),
        ] {
            assert_eq!(shortened(text, max), expected);
        }
    }

    #[test]
    fn control_characters_are_replaced_and_long_texts_cut() {
        assert_eq!(excerpt("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(excerpt(&"ü".repeat(40)), "ü".repeat(40));
        assert_eq!(excerpt(&"ü".repeat(41)), format!("{}…", "ü".repeat(40)));
    }
}
