//! The languages of the page.

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// The one for all who read neither.
    #[default]
    English,
    /// With the inverter's own words.
    German,
}

impl Language {
    /// The language that an `Accept-Language` header likes best, and of two that it likes equally,
    /// the first.
    #[must_use]
    pub fn from_accept(header: &str) -> Self {
        let mut best = (0, Self::default());
        for element in header.split(',') {
            let mut parts = element.split(';').map(str::trim);
            let primary =
                parts.next().and_then(|range| range.split('-').next()).unwrap_or_default();
            let language = match primary {
                primary if primary.eq_ignore_ascii_case("de") => Self::German,
                primary if primary.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            let quality =
                parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            let quality = quality.map_or(Some(MAX_QUALITY), thousandths).unwrap_or_default();
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }
}

/// A quality of 1, in thousandths.
const MAX_QUALITY: u16 = 1000;

/// A quality such as `0.8`, which has at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 1 || decimals.len() > 3 || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let quality = format!("{whole}{decimals:0<3}").parse().ok()?;
    (quality <= MAX_QUALITY).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_liked_best_is_chosen() {
        for (header, expected) in [
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-GB,en;q=0.9,de;q=0.8", Language::English),
            ("en;q=0.3, DE-de ; q=0.45", Language::German),
            ("en;q=0.25,de;q=0.3", Language::German),
            ("fr,de;q=0.1", Language::German),
            ("de,en", Language::German),
            ("en,de", Language::English),
            ("en;q=0.5,de;q=0.5", Language::English),
        ] {
            assert_eq!(Language::from_accept(header), expected, "{header}");
        }
    }

    #[test]
    fn what_says_nothing_of_german_is_english() {
        for header in [
            "",
            "*",
            "fr",
            "den",
            "d",
            "de;q=0",
            "de;q=0.000",
            "de;q=2",
            "de;q=1.001",
            "de;q=x",
            ";,;q",
        ] {
            assert_eq!(Language::from_accept(header), Language::English, "{header}");
        }
    }
}
