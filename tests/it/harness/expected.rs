//! Texts that are compared byte by byte with the `.expected` files below `tests/fixtures`.
//!
//! `UPDATE_EXPECTED=1 cargo test --locked --test it` rewrites the files that differ, and fails where
//! it does, so that no text passes unread. Read `git diff tests/fixtures`, then run the tests without
//! it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// A file or folder below `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The file that holds the text of this name.
pub(crate) fn expected(name: &str) -> PathBuf {
    fixture(&format!("{name}.expected"))
}

/// `found` must be what its file holds.
#[track_caller]
pub(crate) fn assert_expected(name: &str, found: &str) {
    assert_all_expected([(expected(name), found.to_owned())]);
}

/// Each text must be what its file holds. All are compared, so that one run updates all.
#[track_caller]
pub(crate) fn assert_all_expected(texts: impl IntoIterator<Item = (PathBuf, String)>) {
    let update = env::var_os("UPDATE_EXPECTED").is_some();
    let wrong: Vec<_> =
        texts.into_iter().filter_map(|(path, found)| difference(&path, &found, update)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with `found`, unless it is what the file holds.
fn difference(path: &Path, found: &str, update: bool) -> Option<String> {
    let expected = fs::read_to_string(path);
    if expected.as_deref().ok() == Some(found) {
        return None;
    }
    let name = path.display();
    if update {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, found).unwrap();
        return Some(format!(
            "{name}: rewritten; read it, then run the tests without UPDATE_EXPECTED"
        ));
    }
    let expected = expected.unwrap_or_else(|error| format!("({error})\n"));
    Some(format!("{name} has\n{expected}but what came is\n{found}"))
}
