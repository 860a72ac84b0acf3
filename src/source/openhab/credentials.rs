//! How to authenticate to openHAB. Secrets come from files, and are never shown.

use std::path::{Path, PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::source::secret::{self, SecretError};

/// The systemd credential that is used as the token if no file is named.
const TOKEN_CREDENTIAL: &str = "openhab_token";

/// Where the secrets are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// File with an API token.
    pub token_file: Option<PathBuf>,
    /// User name, and file with the password.
    pub login: Option<(String, PathBuf)>,
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
        let mut add = |name: HeaderName, value: String, path: &Path| {
            let unprintable = |_| SecretError::Unprintable { path: path.to_owned() };
            let mut value = HeaderValue::from_str(&value).map_err(unprintable)?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        if let Some((name, path)) = &self.login {
            let password = secret::read("openhab_password_file", path)?;
            if password.contains(':') {
                return Err(SecretError::Colon { path: path.clone() });
            }
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
            add(AUTHORIZATION, value, path)?;
        }
        if let Some(path) = self.token_file.clone().or_else(|| secret::credential(TOKEN_CREDENTIAL))
        {
            let token = secret::read("openhab_token_file", &path)?;
            if self.login.is_some() {
                add(HeaderName::from_static("x-openhab-token"), token, &path)?;
            } else {
                add(AUTHORIZATION, format!("Bearer {token}"), &path)?;
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
