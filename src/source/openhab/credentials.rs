//! How to authenticate to openHAB. Secrets come from files, and are never shown.

use std::{fmt, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::source::secret::{self, SecretError};

/// The systemd credential that is used as the token if no file is named.
const TOKEN_CREDENTIAL: &str = "openhab_token";

/// Where the secrets are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// File with an API token.
    pub token_file: Option<PathBuf>,
    /// User name, and file with the password.
    pub login: Option<(String, PathBuf)>,
}

/// A secret that was given in place of a path or a name must not be shown either.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("token_file", &self.token_file.is_some())
            .field("login", &self.login.is_some())
            .finish()
    }
}

impl Credentials {
    /// Reads the secrets, and returns the headers of a request with them.
    ///
    /// A token alone is sent as a bearer token. Next to a user name and password, which are then
    /// meant for a proxy, it is sent in openHAB's own header.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or does not hold a secret.
    pub fn headers(&self) -> Result<HeaderMap, SecretError> {
        let mut headers = HeaderMap::new();
        let mut add = |name: HeaderName, value: String, key: &'static str| {
            let unprintable = |_| SecretError::Unprintable { key };
            let mut value = HeaderValue::from_str(&value).map_err(unprintable)?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        if let Some((name, path)) = &self.login {
            let key = "openhab_password_file";
            let password = secret::read(key, path)?;
            if password.contains(':') {
                return Err(SecretError::Colon { key });
            }
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
            add(AUTHORIZATION, value, key)?;
        }
        if let Some(path) = self.token_file.clone().or_else(|| secret::credential(TOKEN_CREDENTIAL))
        {
            let key = "openhab_token_file";
            let token = secret::read(key, &path)?;
            if self.login.is_some() {
                add(HeaderName::from_static("x-openhab-token"), token, key)?;
            } else {
                add(AUTHORIZATION, format!("Bearer {token}"), key)?;
            }
        }
        Ok(headers)
    }
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
            assert!(matches!(error, SecretError::Unprintable { .. }));
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let login = Some(("me".to_owned(), file(&directory, "password", "p:w")));
        let error = Credentials { token_file: None, login }.headers().unwrap_err();
        assert!(matches!(error, SecretError::Colon { .. }));
    }
}
