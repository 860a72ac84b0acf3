//! Secrets in files: tokens and passwords. They are never shown.

use std::{
    env, fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::file;

/// Largest file with a secret, in bytes.
const MAX_SIZE: u64 = 8 * 1024;

/// Why a secret cannot be used. The path is left out: people give the secret itself by mistake.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("{key}: the file cannot be read: {source}{hint}", hint = hint(source))]
    Unreadable {
        /// The configuration key that names the file.
        key: &'static str,
        /// Error of the system.
        source: io::Error,
    },
    /// It is not one line of text.
    #[error("{key}: expected {}one line of text, at most {MAX_SIZE} bytes", in_file(key))]
    NotALine {
        /// The configuration key of the secret.
        key: &'static str,
    },
    /// There is no secret, and there must be one.
    #[error("{key}: missing, expected the path of a file with {what}")]
    Missing {
        /// The configuration key that names the file.
        key: &'static str,
        /// What it should hold.
        what: &'static str,
    },
    /// It has characters that no token has.
    #[error("{key}: expected {}a token, which has only letters, digits and -._~+/=", in_file(key))]
    NotAToken {
        /// The configuration key of the secret.
        key: &'static str,
    },
}

fn in_file(key: &str) -> &'static str {
    if key.ends_with("_file") { "a file with " } else { "" }
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this file.
    File(PathBuf),
    /// Here: this is the secret itself.
    Given(String),
}

/// A path may be the secret, too, where it was given by mistake.
impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File(***)",
            Self::Given(_) => "Given(***)",
        })
    }
}

impl From<PathBuf> for SecretSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl SecretSource {
    /// The configuration key that it is given by, if `file_key` is that of its file.
    pub(super) fn key(&self, file_key: &'static str) -> &'static str {
        match self {
            Self::File(_) => file_key,
            Self::Given(_) => file_key.strip_suffix("_file").unwrap_or(file_key),
        }
    }

    /// Reads the secret. `file_key` is the configuration key of its file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if there is not one line of text.
    pub(super) fn read(&self, file_key: &'static str) -> Result<String, SecretError> {
        let key = self.key(file_key);
        let text = match self {
            Self::File(path) => read_file(key, path)?,
            Self::Given(text) => text.clone(),
        };
        // Some editors begin a file with a byte order mark.
        let secret = text.trim_start_matches('\u{feff}').trim();
        if secret.is_empty() || secret.contains(char::is_control) {
            return Err(SecretError::NotALine { key });
        }
        Ok(secret.to_owned())
    }

    /// Whether it is in a file that every user of this machine may read.
    #[must_use]
    pub fn is_open_to_all(&self) -> bool {
        const ALL_READ: u32 = 0o004;
        let Self::File(path) = self else { return false };
        let mode = fs::metadata(found(path)).map(|metadata| metadata.permissions().mode());
        mode.is_ok_and(|mode| mode & ALL_READ != 0)
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            "; it must be the path of a file that holds the secret"
        }
        _ => "",
    }
}

/// The file of a systemd credential. The unit passes a blank one if there is no secret, which
/// counts as absent.
pub(super) fn credential(name: &str) -> Option<SecretSource> {
    let path = Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(name);
    let blank = read_text(&path).is_ok_and(|text| text.trim().is_empty());
    (path.exists() && !blank).then_some(path.into())
}

/// Where a file is: a bare file name is first looked for among systemd's credentials.
fn found(path: &Path) -> PathBuf {
    let credential = env::var_os("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(&directory).join(path))
        .filter(|credential| path.components().count() == 1 && credential.exists());
    credential.unwrap_or_else(|| path.to_owned())
}

fn read_file(key: &'static str, path: &Path) -> Result<String, SecretError> {
    read_text(&found(path)).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => SecretError::NotALine { key },
        _ => SecretError::Unreadable { key, source },
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(file::read(path, MAX_SIZE)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}
