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
    /// The file does not hold one line of printable text.
    #[error("{key}: expected a file with one line of printable text, at most {MAX_SIZE} bytes")]
    Unprintable {
        /// The configuration key that names the file.
        key: &'static str,
    },
    /// The password has a colon: openHAB splits name and password there, and accepts only one.
    #[error("{key}: openHAB accepts no password with a colon")]
    Colon {
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
/// Returns an error if the file cannot be read, or does not hold one line of printable text.
pub(super) fn read(key: &'static str, path: &Path) -> Result<String, SecretError> {
    let credential = env::var_os("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(&directory).join(path))
        .filter(|credential| path.components().count() == 1 && credential.exists());
    let path = credential.as_deref().unwrap_or(path);
    let text = read_text(path).map_err(|source| SecretError::Unreadable { key, source })?;
    let secret = text.trim();
    let too_long = text.len() as u64 > MAX_SIZE;
    if too_long || secret.is_empty() || !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(SecretError::Unprintable { key });
    }
    Ok(secret.to_owned())
}

/// Reads no more than is needed to see that a file is too long.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}
