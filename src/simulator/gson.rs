//! JSON as openHAB's Gson writes it.

use serde::Serialize;

use crate::text::escape_json;

/// Compact JSON with the HTML escapes of Gson's default settings (`=` is `\u003d`).
pub(super) fn to_string(value: &impl Serialize) -> String {
    // Serialisation only fails for maps with keys that are not strings; there are none here.
    let plain = serde_json::to_string(value).unwrap_or_default();
    let is_escaped = |c| matches!(c, '<' | '>' | '&' | '=' | '\'' | '\u{2028}' | '\u{2029}');
    escape_json(&plain, is_escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped_and_other_text_is_not() {
        assert_eq!(
            to_string(&"a=b<c>&'d' \"°C\" \u{2028}"),
            r#""a\u003db\u003cc\u003e\u0026\u0027d\u0027 \"°C\" \u2028""#
        );
    }
}
