//! Who may read: openHAB's `AuthFilter`, with one API token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};

/// The API token that the simulator accepts.
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// What a request may do with its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everything.
    Granted,
    /// Only what needs no credentials: there are none, but some are required.
    Anonymous,
    /// Nothing, because the credentials are unknown. Even what needs none is refused.
    Refused,
}

impl Token {
    pub(super) fn new(token: String) -> Self {
        Self(token)
    }
}

impl Access {
    /// Judges a request by its headers; `token` is the required one, if any.
    pub(super) fn of(headers: &HeaderMap, token: Option<&Token>) -> Self {
        match (shown(headers), token) {
            (None, None) => Self::Granted,
            (None, Some(_)) => Self::Anonymous,
            (Some(shown), Some(token)) if shown == token.0.as_bytes() => Self::Granted,
            (Some(_), _) => Self::Refused,
        }
    }
}

/// The token in the request. openHAB looks at its own header first, then at `Authorization`, where
/// it ignores unknown schemes.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    if let Some(token) = headers.get("x-openhab-token") {
        return Some(token.as_bytes().to_vec());
    }
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(credentials.as_bytes().to_vec())
    } else if scheme.eq_ignore_ascii_case("basic") {
        // The token is the user name, and the password is empty. With a real password the colon
        // stays in here, and so this is not the token: basic authentication is off by default in
        // openHAB.
        let mut user = STANDARD.decode(credentials).unwrap_or_default();
        user.pop_if(|last| *last == b':');
        Some(user)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn access(header: Option<(&'static str, &str)>, token: Option<&str>) -> Access {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        Access::of(&headers, token.map(|token| Token::new(token.to_owned())).as_ref())
    }

    #[test]
    fn the_token_is_taken_in_three_forms() {
        let basic = format!("Basic {}", STANDARD.encode("oh.t.1:"));
        for header in [
            ("authorization", "Bearer oh.t.1"),
            ("authorization", "bearer oh.t.1"),
            ("authorization", basic.as_str()),
            ("x-openhab-token", "oh.t.1"),
        ] {
            assert_eq!(access(Some(header), Some("oh.t.1")), Access::Granted, "{header:?}");
            assert_eq!(access(Some(header), Some("oh.t.2")), Access::Refused, "{header:?}");
            assert_eq!(access(Some(header), None), Access::Refused, "{header:?}");
        }
    }

    #[test]
    fn other_credentials_are_refused_or_ignored() {
        let password = format!("Basic {}", STANDARD.encode("user:password"));
        for value in [password.as_str(), "Basic !", "Basic ", "Bearer "] {
            assert_eq!(
                access(Some(("authorization", value)), Some("t")),
                Access::Refused,
                "{value}"
            );
        }
        assert_eq!(access(Some(("authorization", "Digest x")), Some("t")), Access::Anonymous);
        assert_eq!(access(None, Some("t")), Access::Anonymous);
        assert_eq!(access(None, None), Access::Granted);
    }

    #[test]
    fn a_token_does_not_reach_the_log() {
        assert!(!format!("{:?}", Token::new("secret".to_owned())).contains("secret"));
    }
}
