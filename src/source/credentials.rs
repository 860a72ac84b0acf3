//! How we prove to openHAB who we are. Secrets come from files, and are never shown.

use std::{
    env,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

/// A longer secret is none.
const MAX_SIZE: u64 = 8 * 1024;

/// The file in `$CREDENTIALS_DIRECTORY` that counts as the token where no other is named.
const TOKEN_CREDENTIAL: &str = "openhab_token";

/// Where the secrets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// File with an API token.
    pub token_file: Option<PathBuf>,
    /// Name, and file with the password.
    pub login: Option<(String, PathBuf)>,
}

/// A secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("{key}: {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// Which secret it is.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not hold one line of printable text.
    #[error("{}: expected one line of printable text, at most {MAX_SIZE} bytes", path.display())]
    Unprintable {
        /// The file.
        path: PathBuf,
    },
    /// openHAB splits name and password at a colon, and accepts only one.
    #[error("{}: openHAB takes no password with a colon", path.display())]
    Colon {
        /// The file.
        path: PathBuf,
    },
}

impl Credentials {
    /// Reads the secrets, as the headers of a request.
    ///
    /// A token alone is a `Bearer`. Beside a name and password it goes into openHAB's own header,
    /// since those are then meant for a proxy.
    ///
    /// # Errors
    /// Where a file cannot be read, or holds no secret.
    pub fn headers(&self) -> Result<HeaderMap, CredentialError> {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: String, path: PathBuf| {
            let mut value =
                HeaderValue::from_str(&value).map_err(|_| CredentialError::Unprintable { path })?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        if let Some((name, path)) = &self.login {
            let password = secret("openhab_password_file", path)?;
            if password.contains(':') {
                return Err(CredentialError::Colon { path: path.clone() });
            }
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
            add(AUTHORIZATION, value, path.clone())?;
        }
        if let Some(path) = self.token_file.clone().or_else(token_credential) {
            let token = secret("openhab_token_file", &path)?;
            if self.login.is_some() {
                add(HeaderName::from_static("x-openhab-token"), token, path)?;
            } else {
                add(AUTHORIZATION, format!("Bearer {token}"), path)?;
            }
        }
        Ok(headers)
    }
}

/// The unit passes a blank one on where there is no token.
fn token_credential() -> Option<PathBuf> {
    let path = Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(TOKEN_CREDENTIAL);
    let blank = read(&path).is_ok_and(|text| text.trim().is_empty());
    (path.exists() && !blank).then_some(path)
}

/// No more than shows that it is too much.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a secret. A bare file name is looked for among systemd's credentials first.
fn secret(key: &'static str, path: &Path) -> Result<String, CredentialError> {
    let credential = env::var_os("CREDENTIALS_DIRECTORY")
        .map(|directory| Path::new(&directory).join(path))
        .filter(|credential| path.components().count() == 1 && credential.exists());
    let path = credential.as_deref().unwrap_or(path);
    let text = read(path).map_err(|source| CredentialError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })?;
    let secret = text.trim();
    let too_long = text.len() as u64 > MAX_SIZE;
    if too_long || secret.is_empty() || !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(CredentialError::Unprintable { path: path.to_owned() });
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_token_is_a_bearer_and_beside_a_login_it_has_its_own_header() {
        let directory = tempfile::tempdir().unwrap();
        let token_file = Some(file(&directory, "token", "oh.meter.secret\n"));
        let login = Some(("me".to_owned(), file(&directory, "password", "pw\n")));
        let headers =
            Credentials { token_file: token_file.clone(), login: None }.headers().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer oh.meter.secret");
        assert!(!format!("{headers:?}").contains("secret"));
        let headers = Credentials { token_file, login }.headers().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Basic bWU6cHc=");
        assert_eq!(headers["x-openhab-token"], "oh.meter.secret");
    }

    #[test]
    fn a_useless_secret_is_an_error_that_does_not_show_it() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "\n", "two\nlines", "canary\u{7f}"] {
            let token_file = Some(file(&directory, "token", text));
            let error = Credentials { token_file, login: None }.headers().unwrap_err();
            assert!(matches!(error, CredentialError::Unprintable { .. }));
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let login = Some(("me".to_owned(), file(&directory, "password", "p:w")));
        let error = Credentials { token_file: None, login }.headers().unwrap_err();
        assert!(matches!(error, CredentialError::Colon { .. }));
    }
}
