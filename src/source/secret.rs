//! Secrets in files: tokens and passwords. They are never shown.

use std::{
    env,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

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
    /// The file does not hold one line of text.
    #[error("{key}: expected a file with one line of text, at most {MAX_SIZE} bytes")]
    NotALine {
        /// The configuration key that names the file.
        key: &'static str,
    },
    /// What the file holds has characters that no token has.
    #[error("{key}: expected a file with a token, which has only letters, digits and -._~+/=")]
    NotAToken {
        /// The configuration key that names the file.
        key: &'static str,
    },
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
pub(super) fn credential(name: &str) -> Option<PathBuf> {
    let path = Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(name);
    let blank = read_text(&path).is_ok_and(|text| text.trim().is_empty());
    (path.exists() && !blank).then_some(path)
}

/// Reads a secret. A bare file name is first looked for among systemd's credentials.
///
/// # Errors
/// Returns an error if the file cannot be read, or does not hold one line of text.
pub(super) fn read(key: &'static str, path: &Path) -> Result<String, SecretError> {
    let credential = env::var_os("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(&directory).join(path))
        .filter(|credential| path.components().count() == 1 && credential.exists());
    let path = credential.as_deref().unwrap_or(path);
    let text = read_text(path).map_err(|source| SecretError::Unreadable { key, source })?;
    // Some editors begin a file with a byte order mark.
    let secret = text.trim_start_matches('\u{feff}').trim();
    let too_long = text.len() as u64 > MAX_SIZE;
    if too_long || secret.is_empty() || secret.contains(char::is_control) {
        return Err(SecretError::NotALine { key });
    }
    Ok(secret.to_owned())
}

/// Reads no more than is needed to see that a file is too long.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}
