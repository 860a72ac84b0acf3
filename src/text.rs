//! Makes text from outside safe to show.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced_and_long_texts_cut() {
        assert_eq!(excerpt("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(excerpt(&"ü".repeat(40)), "ü".repeat(40));
        assert_eq!(excerpt(&"ü".repeat(41)), format!("{}…", "ü".repeat(40)));
    }
}
