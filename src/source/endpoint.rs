//! Addresses of servers.

use std::fmt;

use hyper::Uri;

/// The protocol to speak to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port of a URL with this scheme that names none, such as a redirect.
    fn url_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The address of a server, and the path under which its API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Plain HTTP or TLS.
    pub scheme: Scheme,
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What comes before the paths of the API, such as `/openhab` behind a proxy; without a
    /// trailing slash.
    pub path: String,
}

/// The text is not the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected host, host:port, [v6]:port or http(s)://host[:port][/path]")]
pub struct InvalidEndpoint;

impl Endpoint {
    /// Parses `host`, `host:port`, `[v6]:port` or `http(s)://host[:port][/path]`. If there is no
    /// port, `https://` means 443, and anything else `default_port`.
    ///
    /// # Errors
    /// Returns an error if the text has another form.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, InvalidEndpoint> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Http, text),
            Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some(_) => return Err(InvalidEndpoint),
        };
        let port = match scheme {
            Scheme::Http => default_port,
            Scheme::Https => scheme.url_port(),
        };
        Self::parse_rest(scheme, rest, port)
    }

    /// A server on this machine.
    #[must_use]
    pub fn localhost(port: u16) -> Self {
        Self { scheme: Scheme::Http, host: "localhost".to_owned(), port, path: String::new() }
    }

    /// The server that a redirect leads to, if `url` is an absolute URL that ends with the path
    /// that was asked for.
    pub(super) fn redirected(url: &str, asked: &str) -> Option<Self> {
        let (scheme, rest) = match url.split_once("://")? {
            ("http", rest) => (Scheme::Http, rest),
            ("https", rest) => (Scheme::Https, rest),
            _ => return None,
        };
        Self::parse_rest(scheme, rest.strip_suffix(asked)?, scheme.url_port()).ok()
    }

    fn parse_rest(scheme: Scheme, rest: &str, default_port: u16) -> Result<Self, InvalidEndpoint> {
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| InvalidEndpoint)?;
        let authority = uri.authority().ok_or(InvalidEndpoint)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default_port,
            Some(_) => authority.port_u16().ok_or(InvalidEndpoint)?,
            // There are a name and a password before the host.
            None => return Err(InvalidEndpoint),
        };
        if host.is_empty() || port == 0 || uri.query().is_some() || rest.contains('#') {
            return Err(InvalidEndpoint);
        }
        let path = uri.path().trim_end_matches('/');
        Ok(Self { scheme, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// Host and port, as in the `Host` header.
    pub(super) fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.url_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, expected) in [
            ("192.168.1.31", "http://192.168.1.31:8080"),
            ("openhab.local:80", "http://openhab.local"),
            ("[fe80::1]:8081", "http://[fe80::1]:8081"),
            ("[::1]", "http://[::1]:8080"),
            ("http://oh/", "http://oh:8080"),
            ("http://oh:8080/api/", "http://oh:8080/api"),
            ("HTTPS://home.example/openhab", "https://home.example/openhab"),
            ("https://oh:8443", "https://oh:8443"),
            ("oh/sub/", "http://oh:8080/sub"),
            (" oh ", "http://oh:8080"),
        ] {
            assert_eq!(Endpoint::parse(text, 8080).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "", "http://", "ftp://oh", "oh:99999", "oh:0", "oh:", "fe80::1", "a b", "oh?x=1",
            "u:p@oh", "oh:80:80", "oh#x",
        ] {
            assert_eq!(Endpoint::parse(text, 8080), Err(InvalidEndpoint), "{text}");
        }
    }

    #[test]
    fn a_redirect_must_lead_to_the_same_path() {
        let asked = "/rest/items/X/state";
        let to = |url| Endpoint::redirected(url, asked).map(|endpoint| endpoint.to_string());
        assert_eq!(to("https://oh/rest/items/X/state").as_deref(), Some("https://oh"));
        assert_eq!(to("https://oh:1/p/rest/items/X/state").as_deref(), Some("https://oh:1/p"));
        assert_eq!(to("http://oh/rest/items/X/state").as_deref(), Some("http://oh"));
        assert_eq!(to("https://oh/login"), None);
        assert_eq!(to("/rest/items/X/state"), None);
        assert_eq!(to("https:///rest/items/X/state"), None);
    }
}
