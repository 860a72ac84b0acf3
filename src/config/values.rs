//! Kinds of values that several keys have.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::{entries::Entries, entry::Entry};

pub(super) fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A value that is one of a few words, each with what it means.
pub(super) fn choice<T: Copy>(
    entries: &mut Entries<'_>,
    name: &'static str,
    choices: &[(&str, T)],
) -> Option<T> {
    entries.value(name, &alternatives(choices), |text| chosen(choices, text))
}

/// What a word means, if it is one of the choices.
pub(super) fn chosen<T: Copy>(choices: &[(&str, T)], text: &str) -> Option<T> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

/// The words, as a message lists them: `a, b or c`.
pub(super) fn alternatives<T>(choices: &[(&str, T)]) -> String {
    let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

/// A path. One with `~` would be a folder of that name. The text is not shown: it may be a secret.
pub(super) fn path(entries: &mut Entries<'_>, name: &'static str) -> Option<PathBuf> {
    const EXPECTED: &str = "a whole path such as /home/me/file; only a shell replaces ~ and $";
    let entry = entries.take(name)?;
    entries.parse_unshown(&entry, EXPECTED, |text| {
        (!text.starts_with(['~', '$'])).then(|| text.into())
    })
}

/// A number in a range, such as `0.1`.
pub(super) fn number(
    entries: &mut Entries<'_>,
    entry: &Entry,
    expected: &str,
    fits: impl Fn(f64) -> bool,
) -> Option<f64> {
    let text = entries.scalar(entry, expected)?;
    let value = parse(text).filter(|value: &f64| value.is_finite() && fits(*value));
    if value.is_none() {
        let expected = format!("{expected}{}", advice(text));
        entries.wrong(entry, text, &expected);
    }
    value
}

/// What to mind of a number that people write in another way, or with its unit.
fn advice(text: &str) -> &'static str {
    let has_digits = text.contains(|c: char| c.is_ascii_digit());
    if !has_digits {
        ""
    } else if text.contains(char::is_alphabetic) {
        "; write the number without its unit"
    } else if text.contains([',', '.', '\'', '_', ' ']) {
        "; write it with a decimal point, and nothing between thousands"
    } else {
        ""
    }
}

/// A number with a unit, such as `2s` or `10m`; without one it is seconds.
pub(super) fn duration(
    entries: &mut Entries<'_>,
    name: &'static str,
    min_millis: u64,
    max_secs: u64,
) -> Option<Duration> {
    let range = Duration::from_millis(min_millis)..=Duration::from_secs(max_secs);
    let expected = format!(
        "a duration such as 2s or 10m, from {} to {}",
        humantime::format_duration(*range.start()),
        humantime::format_duration(*range.end()),
    );
    entries.value(name, &expected, |text| {
        let duration = match text.parse() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => humantime::parse_duration(text).ok()?,
        };
        range.contains(&duration).then_some(duration)
    })
}

/// A text that fits into its registers.
pub(super) fn text(entries: &mut Entries<'_>, name: &'static str, max: usize) -> Option<String> {
    let expected = format!("1 to {max} printable ASCII characters");
    entries.value(name, &expected, |text| {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (printable && (1..=max).contains(&text.len())).then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_text_lists_the_words() {
        let expected = |words: &[&str]| {
            alternatives(&words.iter().map(|word| (*word, ())).collect::<Vec<_>>())
        };
        assert_eq!(expected(&["openhab"]), "openhab");
        assert_eq!(expected(&["producer", "grid"]), "producer or grid");
        assert_eq!(expected(&["1", "2", "3"]), "1, 2 or 3");
    }

    #[test]
    fn a_number_in_another_notation_comes_with_advice() {
        for text in ["0,1", "10.000", "10'000", "10 000", "10_000", "1.000,5"] {
            assert!(advice(text).contains("decimal point"), "{text}");
        }
        for text in ["10 kW", "5000W", "0,1 kWh"] {
            assert!(advice(text).contains("unit"), "{text}");
        }
        for text in ["", "x", "-5", "99"] {
            assert_eq!(advice(text), "", "{text}");
        }
    }

    #[test]
    fn a_choice_is_the_meaning_of_its_own_word() {
        let choices = [("any", 1), ("strict", 2)];
        assert_eq!(chosen(&choices, "strict"), Some(2));
        assert_eq!(chosen(&choices, "Strict"), None);
        assert_eq!(chosen(&choices, ""), None);
    }
}
