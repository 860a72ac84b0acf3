//! Secrets: in a file of their own, or in the configuration if nobody else can read that.

use super::{document::Part, entries::Entries, entry::Entry, values};
use crate::source::secret::SecretSource;

/// Takes a secret that is given by its file or as it is.
pub(super) fn read(
    entries: &mut Entries<'_>,
    file: &'static str,
    key: &'static str,
) -> Option<SecretSource> {
    let path = values::path(entries, file);
    let Some(entry) = entries.take(key) else { return path.map(SecretSource::File) };
    if path.is_some() {
        entries.note(&entry, Part::Key, format!("{file} is given, too; give one of them"));
        return None;
    }
    given(entries, &entry).map(SecretSource::Given)
}

/// Reads a secret that stands in the configuration.
pub(super) fn given(entries: &mut Entries<'_>, entry: &Entry) -> Option<String> {
    if !entries.is_private() {
        let message = "others can read this file: let only its owner (chmod 600), or put the secret \
                       into a file of its own and give that";
        entries.note(entry, Part::Key, message.to_owned());
        return None;
    }
    entries.parse_unshown(entry, "one line of text", |text| {
        let fits = !text.trim().is_empty() && !text.contains(char::is_control);
        fits.then(|| text.to_owned())
    })
}
