//! What `/api/status` answers.

use serde::Serialize;

use super::{
    language::Language,
    snapshot::Snapshot,
    verdict::{Verdict, verdicts},
};
use crate::text::printable_json;

/// The snapshot, and what follows from it.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    verdicts: Vec<Verdict>,
}

/// The snapshot as JSON, with verdicts in the reader's language.
#[must_use]
pub fn status(snapshot: &Snapshot, language: Language) -> Vec<u8> {
    let status = Status { snapshot, verdicts: verdicts(snapshot, language) };
    // Cannot fail: its keys are texts, and a number that JSON does not know becomes null.
    let json = serde_json::to_string(&status).unwrap_or_default();
    printable_json(&json).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn the_snapshot_and_the_verdicts_are_side_by_side() {
        let mut snapshot = sample::well();
        snapshot.meters[0].values[0].state = Some("</script>\u{1b}\u{9b}".to_owned());
        let json = String::from_utf8(status(&snapshot, Language::German)).unwrap();
        assert!(!json.contains(char::is_control));
        let status: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(status["format"], 1);
        assert_eq!(status["meters"][0]["values"][0]["state"], "</script>\u{1b}\u{9b}");
        assert_eq!(status["verdicts"][0]["code"], "works");
        assert_eq!(status["verdicts"][0]["level"], "good");
        assert!(status["verdicts"][0]["text"].as_str().unwrap().starts_with("Alles läuft"));
    }
}
