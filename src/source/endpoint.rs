//! Addresses of servers.

use std::fmt;

use hyper::Uri;
use iri_string::{
    format::ToDedicatedString,
    types::{UriAbsoluteStr, UriReferenceStr},
};

/// The protocol to speak to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

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
    /// Name or address; an IPv6 address without its brackets, and with its zone as in `fe80::1%eth0`.
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
            Some((name, rest)) => (Scheme::named(name).ok_or(InvalidEndpoint)?, rest),
        };
        let port = match scheme {
            Scheme::Http => default_port,
            Scheme::Https => scheme.url_port(),
        };
        Self::parse_rest(scheme, rest, port)
    }

    /// The same without the path of the API, which people copy with the address.
    pub(super) fn without(mut self, api: &str) -> Self {
        if let Some(path) = self.path.strip_suffix(api) {
            self.path = path.trim_end_matches('/').to_owned();
        }
        self
    }

    /// A server on this machine.
    #[must_use]
    pub fn localhost(port: u16) -> Self {
        Self { scheme: Scheme::Http, host: "localhost".to_owned(), port, path: String::new() }
    }

    /// The server to which this one redirects, if the location ends with the path that was asked for.
    /// Like a link it may leave out what stays the same.
    pub(super) fn redirected(&self, location: &str, asked: &str) -> Option<Self> {
        let base = format!("{self}{asked}");
        let base = UriAbsoluteStr::new(&base).ok()?;
        let location = UriReferenceStr::new(location).ok()?;
        let mut to = location.resolve_against(base).to_dedicated_string();
        to.set_fragment(None);
        let (scheme, rest) = to.as_str().split_once("://")?;
        let scheme = Scheme::named(scheme)?;
        let next = Self::parse_rest(scheme, rest.strip_suffix(asked)?, scheme.url_port()).ok()?;
        // The zone of an address is only known on this side.
        let same_host = next.host.eq_ignore_ascii_case(self.address());
        Some(if same_host { Self { host: self.host.clone(), ..next } } else { next })
    }

    fn parse_rest(scheme: Scheme, rest: &str, default_port: u16) -> Result<Self, InvalidEndpoint> {
        let (rest, zone) = without_zone(rest)?;
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| InvalidEndpoint)?;
        let authority = uri.authority().ok_or(InvalidEndpoint)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default_port,
            Some(_) => authority.port_u16().ok_or(InvalidEndpoint)?,
            // There are a name and a password before the host.
            None => return Err(InvalidEndpoint),
        };
        let misplaced = uri.query().is_some() || rest.contains('#') || host.contains('%');
        // Too long for a host name: perhaps a token in the wrong place.
        let is_long = host.len() > 253 || host.split('.').any(|label| label.len() > 63);
        if host.is_empty() || is_long || port == 0 || misplaced {
            return Err(InvalidEndpoint);
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host: format!("{host}{zone}"), port, path })
    }

    /// The host without its zone, which means nothing to others.
    pub(super) fn address(&self) -> &str {
        self.host.split('%').next().unwrap_or_default()
    }

    /// Host and port, as in the `Host` header.
    pub(super) fn authority(&self) -> String {
        let host = self.address();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
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

/// Takes the zone out of an IPv6 address in brackets, and returns it with its `%`. RFC 6874 wants `%25`
/// in a URL, and people write `%`.
fn without_zone(rest: &str) -> Result<(String, String), InvalidEndpoint> {
    let zoned =
        rest.split_once(']').and_then(|(bracket, rest)| Some((bracket.split_once('%')?, rest)));
    let Some(((bracket, zone), rest)) = zoned else { return Ok((rest.to_owned(), String::new())) };
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if zone.is_empty() || !zone.bytes().all(plain) {
        return Err(InvalidEndpoint);
    }
    Ok((format!("{bracket}]{rest}"), format!("%{zone}")))
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
            ("[fe80::1%25eth0]", "http://[fe80::1]:8080"),
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
            "",
            "http://",
            "ftp://oh",
            "oh:99999",
            "oh:0",
            "oh:",
            "fe80::1",
            "a b",
            "oh?x=1",
            "u:p@oh",
            "oh:80:80",
            "oh#x",
            "[fe80::1%]",
            "[fe80::1%25e/0]",
            "fe80::1%eth0",
            "oh%25eth0",
        ] {
            assert_eq!(Endpoint::parse(text, 8080), Err(InvalidEndpoint), "{text}");
        }
    }

    #[test]
    fn the_zone_of_an_address_is_for_this_machine_alone() {
        for (text, host) in [
            ("[fe80::1%25eth0]:80", "fe80::1%eth0"),
            ("http://[fe80::1%eth0]:80/path", "fe80::1%eth0"),
            ("[fe80::1%2]:80", "fe80::1%2"),
            ("[fe80::1%25]:80", "fe80::1%25"),
            ("[fe80::1%25wlp2s0.5]:80", "fe80::1%wlp2s0.5"),
        ] {
            let endpoint = Endpoint::parse(text, 80).unwrap();
            assert_eq!(endpoint.host, host, "{text}");
            assert_eq!(endpoint.address(), "fe80::1", "{text}");
            assert_eq!(endpoint.authority(), "[fe80::1]", "{text}");
        }
    }

    const ASKED: &str = "/rest/items/X?metadata=";

    fn redirected(from: &str, location: &str) -> Option<Endpoint> {
        Endpoint::parse(from, 8080).unwrap().redirected(location, ASKED)
    }

    #[test]
    fn a_redirect_must_lead_to_the_same_path() {
        for (location, expected) in [
            ("https://oh/rest/items/X?metadata=", "https://oh"),
            ("HTTPS://oh:1/p/rest/items/X?metadata=#top", "https://oh:1/p"),
            ("http://oh/a/../b/./rest/items/X?metadata=", "http://oh/b"),
            ("//other/rest/items/X?metadata=", "http://other"),
            ("/rest/items/X?metadata=", "http://here:8080"),
            ("/p/rest/items/X?metadata=", "http://here:8080/p"),
            ("X?metadata=", "http://here:8080/old"),
            ("../../new/rest/items/X?metadata=", "http://here:8080/old/new"),
            ("../../../../../rest/items/X?metadata=", "http://here:8080"),
            ("?metadata=", "http://here:8080/old"),
            ("", "http://here:8080/old"),
        ] {
            let next = redirected("http://here:8080/old", location);
            assert_eq!(next.map(|next| next.to_string()).as_deref(), Some(expected), "{location}");
        }
        for location in [
            "https://oh/login",
            "/login",
            "items",
            "https:///rest/items/X?metadata=",
            "ftp://oh/rest/items/X?metadata=",
            "http://u:p@oh/rest/items/X?metadata=",
            "https:/rest/items/X?metadata=",
            "https:rest/items/X?metadata=",
            "?metadata=x",
            "\u{e4}",
            "javascript:alert(1)",
            "http://oh\\rest/items/X?metadata=",
        ] {
            assert_eq!(redirected("http://here:8080/old", location), None, "{location}");
        }
    }

    #[test]
    fn a_redirect_to_the_same_host_keeps_the_zone() {
        let next = redirected("[fe80::1%eth0]", "https://[FE80::1]/rest/items/X?metadata=");
        assert_eq!(next.unwrap().host, "fe80::1%eth0");
        let next = redirected("[fe80::1%eth0]", "https://[fe80::2]/rest/items/X?metadata=");
        assert_eq!(next.unwrap().host, "fe80::2");
    }
}
