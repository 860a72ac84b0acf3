//! How to authenticate to openHAB. Secrets come from files, and are never shown.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::source::secret::{self, SecretError, SecretSource};

/// The systemd credential that is used as the token if no file is named.
const TOKEN_CREDENTIAL: &str = "openhab_token";

/// Where the secrets are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// An API token.
    pub token: Option<SecretSource>,
    /// User name and password. openHAB also takes a token as the name, with an empty password.
    pub login: Option<(String, Option<SecretSource>)>,
}

/// A secret that was given in place of a name must not be shown either.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("token", &self.token)
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
        if let Some((name, password)) = &self.login {
            let file_key = "openhab_password_file";
            let password = password.as_ref().map(|password| password.read(file_key)).transpose()?;
            let password = password.unwrap_or_default();
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
            // Base64 fits into a header.
            headers.extend(sensitive(&value).map(|value| (AUTHORIZATION, value)));
        }
        if let Some(token) = self.token.clone().or_else(|| secret::credential(TOKEN_CREDENTIAL)) {
            let file_key = "openhab_token_file";
            let key = token.key(file_key);
            let token = token.read(file_key)?;
            let (name, value) = match self.login {
                Some(_) => (HeaderName::from_static("x-openhab-token"), token.clone()),
                None => (AUTHORIZATION, format!("Bearer {token}")),
            };
            let value = sensitive(&value).filter(|_| is_token(&token));
            headers.insert(name, value.ok_or(SecretError::NotAToken { key })?);
        }
        Ok(headers)
    }
}

/// Whether a user name is one of openHAB's tokens: `oh.`, a name, and what is secret.
#[must_use]
pub fn is_openhab_token(name: &str) -> bool {
    name.strip_prefix("oh.").and_then(|rest| rest.split_once('.')).is_some() && is_token(name)
}

/// A header that is never shown.
fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a text can be a bearer token, as RFC 6750 has it.
fn is_token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !token.is_empty() && token.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> SecretSource {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.into()
    }

    #[test]
    fn a_token_is_a_bearer_and_beside_a_login_it_has_its_own_header() {
        let directory = tempfile::tempdir().unwrap();
        let token = Some(file(&directory, "token", "oh.meter.secret\n"));
        let login = Some(("me".to_owned(), Some(file(&directory, "password", "pw\n"))));
        let headers = Credentials { token: token.clone(), login: None }.headers().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer oh.meter.secret");
        assert!(!format!("{headers:?}").contains("secret"));
        let headers = Credentials { token, login }.headers().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Basic bWU6cHc=");
        assert_eq!(headers["x-openhab-token"], "oh.meter.secret");
    }

    #[test]
    fn a_token_may_be_the_user_name() {
        let login = Some(("oh.meter.secret".to_owned(), None));
        let headers = Credentials { token: None, login }.headers().unwrap();
        // "oh.meter.secret:", as curl -u has it.
        assert_eq!(headers[AUTHORIZATION], "Basic b2gubWV0ZXIuc2VjcmV0Og==");
        for (name, expected) in [("oh.meter.secret", true), ("oh.meter", false), ("me", false)] {
            assert_eq!(is_openhab_token(name), expected, "{name}");
        }
    }

    #[test]
    fn a_useless_secret_is_an_error_that_does_not_show_it() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "\n", "two\nlines", "canary\u{7f}"] {
            for key in ["openhab_token_file", "openhab_password_file"] {
                let path = file(&directory, "secret", text);
                let credentials = if key == "openhab_token_file" {
                    Credentials { token: Some(path), login: None }
                } else {
                    Credentials { token: None, login: Some(("me".to_owned(), Some(path))) }
                };
                let error = credentials.headers().unwrap_err();
                assert!(matches!(error, SecretError::NotALine { .. }), "{text:?}: {error}");
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("canary") && shown.starts_with(key), "{shown}");
            }
        }
        let given = Some(SecretSource::Given("two canaries".to_owned()));
        let error = Credentials { token: given, login: None }.headers().unwrap_err().to_string();
        assert!(error.starts_with("openhab_token: expected a token"), "{error}");
        for text in ["Bearer canary", "c\u{e4}nary", "canary=x", "==", "\"canary\""] {
            let token = Some(file(&directory, "token", text));
            let error = Credentials { token, login: None }.headers().unwrap_err();
            assert!(matches!(error, SecretError::NotAToken { .. }), "{text:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn what_the_standards_allow_is_sent_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        for (password, basic) in [
            // That of RFC 7617.
            ("123\u{a3}\n", "Basic dGVzdDoxMjPCow=="),
            ("\u{feff}a:b:c\r\n", "Basic dGVzdDphOmI6Yw=="),
        ] {
            let login = Some(("test".to_owned(), Some(file(&directory, "password", password))));
            let headers = Credentials { token: None, login }.headers().unwrap();
            assert_eq!(headers[AUTHORIZATION], basic);
        }
        for token in ["oh.meter.Zq7", "mF_9.B5f-4.1JqM", "a+/~==", "-"] {
            let given = Some(file(&directory, "token", token));
            let headers = Credentials { token: given, login: None }.headers().unwrap();
            assert_eq!(headers[AUTHORIZATION], format!("Bearer {token}"));
        }
    }
}
