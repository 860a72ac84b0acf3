//! Files for one test.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

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

    pub(crate) fn token(&self, token: &str) -> String {
        self.key("openhab_token_file", token)
    }

    pub(crate) fn login(&self, password: &str) -> String {
        format!("\nopenhab_username: me{}", self.key("openhab_password_file", password))
    }
}
