//! Kinds of values that several keys have.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::entries::Entries;

pub(super) fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

pub(super) fn path(entries: &mut Entries<'_>, name: &str) -> Option<PathBuf> {
    entries.value(name, "a path", |text| (!text.is_empty()).then(|| text.into()))
}

/// A number with a unit, such as `2s` or `10m`; without one it is seconds.
pub(super) fn duration(
    entries: &mut Entries<'_>,
    name: &str,
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
pub(super) fn text(
    entries: &mut Entries<'_>,
    name: &str,
    min: usize,
    max: usize,
) -> Option<String> {
    let expected = format!("{min} to {max} printable ASCII characters");
    entries.value(name, &expected, |text| {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (printable && (min..=max).contains(&text.len())).then(|| text.to_owned())
    })
}
