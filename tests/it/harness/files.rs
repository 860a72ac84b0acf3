//! Files for one test.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use tempfile::{NamedTempFile, TempDir};

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// A directory with one file.
pub(crate) fn directory(name: &str, text: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What all tokens and passwords of the tests contain, so that no output can show one unnoticed.
const CANARY: &str = "canary";

/// Whoever plants a secret must make it one that is recognised.
#[track_caller]
pub(crate) fn assert_planted(secret: &str) {
    assert!(secret.contains(CANARY), "{secret:?} would not be noticed");
}

/// Nothing that the program puts out shows a secret, neither as it is nor in base64, in which a login
/// goes over the wire.
#[track_caller]
pub(crate) fn assert_no_secret(output: &str) {
    let encoded = (0..3).map(|before| {
        let text = BASE64_STANDARD_NO_PAD.encode([&vec![0; before], CANARY.as_bytes()].concat());
        // Characters that are made of the canary alone, whatever is before and behind it.
        text[(before * 8).div_ceil(6)..(before + CANARY.len()) * 8 / 6].to_owned()
    });
    for shown in encoded.chain([CANARY.to_owned()]) {
        assert!(!output.contains(&shown), "a secret is shown: {output}");
    }
}

/// A directory for secrets and certificates.
pub(crate) struct Secrets(TempDir);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A configuration key with a file of its own that holds `text`.
    pub(crate) fn key(&self, key: &str, text: &str) -> String {
        let path = self.path(fs::read_dir(self.0.path()).unwrap().count());
        fs::write(&path, text).unwrap();
        format!("\n{key}: {}", path.display())
    }

    /// The file of the nth key.
    pub(crate) fn path(&self, number: usize) -> PathBuf {
        self.0.path().join(number.to_string())
    }

    #[track_caller]
    pub(crate) fn token(&self, token: &str) -> String {
        assert_planted(token);
        self.key("openhab_token_file", token)
    }

    #[track_caller]
    pub(crate) fn login(&self, password: &str) -> String {
        assert_planted(password);
        format!("\nopenhab_username: me{}", self.key("openhab_password_file", password))
    }
}
