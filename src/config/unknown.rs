//! What to say of an unknown key.

/// Whether a message may show the key. It may be a secret that stands where a key belongs: openHAB's
/// tokens begin with `oh.`, and passwords seldom look like keys.
pub(super) fn is_shown(key: &str) -> bool {
    const MAX: usize = 40;
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    plain && key.len() <= MAX && !key.starts_with("oh.")
}

/// Names the known key that was probably meant, or the few that there are.
pub(super) fn message(key: &str, known: &[&str]) -> String {
    match closest(key, known) {
        Some(known) => format!("unknown key; did you mean {known}?"),
        None if (1..=4).contains(&known.len()) => {
            format!("unknown key; expected {}", known.join(", "))
        }
        None => "unknown key".to_owned(),
    }
}

/// The known key that a misspelt one was probably meant to be: one that begins so, or the nearest.
fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    if let Some(longer) = known.iter().find(|known| known.starts_with(&key) && key.len() > 3) {
        return Some(longer);
    }
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&key, known), *known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["role", "openhab_host", "openhab_ca_file", "energy_in", "energy_out"];

    #[test]
    fn the_start_of_a_key_suggests_the_first_that_goes_on_so() {
        assert_eq!(closest("openhab", &KNOWN), Some("openhab_host"));
        assert_eq!(closest("OpenHAB_ca", &KNOWN), Some("openhab_ca_file"));
        assert_eq!(closest("ene", &KNOWN), None, "too short a start");
    }

    #[test]
    fn a_typo_suggests_the_nearest_that_is_near() {
        assert_eq!(closest("rloe", &KNOWN), Some("role"));
        assert_eq!(closest("energy_iut", &KNOWN), Some("energy_out"));
        assert_eq!(closest("r", &KNOWN), None);
        assert_eq!(closest("", &[]), None);
    }

    #[test]
    fn what_does_not_look_like_a_key_is_not_shown() {
        assert!(is_shown("curent_voltage") && is_shown("debug.x-2"));
        let long = "a".repeat(41);
        for key in ["oh.meter.Zq7canary", "pass word", "Xk3!", "ä", &long] {
            assert!(!is_shown(key), "{key}");
        }
    }

    #[test]
    fn without_a_suggestion_a_few_keys_are_listed_and_many_are_not() {
        assert_eq!(message("role", &KNOWN), "unknown key; did you mean role?");
        assert_eq!(message("xyz", &["l1", "l2"]), "unknown key; expected l1, l2");
        assert_eq!(message("xyz", &KNOWN), "unknown key");
        assert_eq!(message("xyz", &[]), "unknown key");
    }
}
