//! The names by which the service may be called.
//!
//! A page from elsewhere could have its own name lead to this machine, and its script, in a browser
//! at home, would then read what is served here (DNS rebinding). But the browser says by which name it
//! came, and a name that its owner could point anywhere is not accepted.

use std::{net::Ipv4Addr, net::Ipv6Addr, str::FromStr};

/// A host name, in lower case and without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Longest host name, in characters.
const MAX_NAME: usize = 253;

/// Text that is not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name")]
pub struct HostNameError;

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(allowed);
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(HostNameError);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

/// The names that are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// All: over a Unix socket comes a reverse proxy, which has names of its own.
    Any,
    /// Addresses, which lead nowhere else, and these names.
    Named(Vec<HostName>),
}

impl Hosts {
    /// The names of this machine, and `more`.
    #[must_use]
    pub fn of_this_machine(more: Vec<HostName>) -> Self {
        let node = rustix::system::uname();
        Self::of(&node.nodename().to_string_lossy(), more)
    }

    /// The names of a machine that calls itself `node`: with its domain, without, and as neighbours
    /// find it by mDNS.
    fn of(node: &str, mut names: Vec<HostName>) -> Self {
        let short = node.split('.').next().unwrap_or_default();
        let own = ["localhost", node, short, &format!("{short}.local")].map(str::parse);
        names.extend(own.into_iter().flatten());
        Self::Named(names)
    }

    /// Whether a host, with or without a port, is accepted.
    #[must_use]
    pub fn accepts(&self, authority: &str) -> bool {
        let Self::Named(names) = self else { return true };
        match host(authority) {
            Some(Host::Name(name)) => names.contains(&name),
            Some(Host::Address) => true,
            None => false,
        }
    }
}

/// What a request calls the service by.
enum Host {
    /// The port and the address itself do not matter: they may be those of a router in between.
    Address,
    Name(HostName),
}

/// The host of `host`, `host:port` or `[v6]:port`; none where it is not of that form.
fn host(authority: &str) -> Option<Host> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, port)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'))
    {
        let is_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return (is_end && address.parse::<Ipv6Addr>().is_ok()).then_some(Host::Address);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    if !is_port(port) {
        return None;
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return Some(Host::Address);
    }
    host.parse().ok().map(Host::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(node: &str) -> Hosts {
        Hosts::of(node, vec!["Meter.Example.org.".parse().unwrap()])
    }

    #[test]
    fn addresses_and_own_names_are_accepted_with_and_without_a_port() {
        let hosts = hosts("pi.fritz.box");
        for host in [
            "127.0.0.1",
            "192.168.1.20",
            "[::1]",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "pi",
            "Pi.local",
            "pi.fritz.box",
            "meter.example.org",
        ] {
            for port in ["", ":", ":80", ":8080"] {
                assert!(hosts.accepts(&format!("{host}{port}")), "{host}{port}");
            }
        }
    }

    #[test]
    fn other_names_and_what_is_no_name_are_not() {
        let hosts = hosts("pi.fritz.box");
        for host in [
            "",
            ":80",
            "example.org",
            "rebind.meter.example.org",
            "fritz.box",
            "pi.fritz.box.example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "127.1",
            "2130706433",
            "0x7f.1",
            "localhost@example.org",
            "example.org@localhost",
            "localhost:80@example.org",
            "localhost:x",
            "localhost:80:80",
            "[::1",
            "[::1]example.org",
            "[::1]:x",
            "[localhost]",
            "::1",
            "localhost/",
            " localhost",
            "..",
            "ä",
        ] {
            assert!(!hosts.accepts(host), "{host}");
            assert!(Hosts::Any.accepts(host), "{host}");
        }
    }

    #[test]
    fn a_machine_without_a_usable_name_has_no_other() {
        let names = |node| Hosts::of(node, Vec::new());
        let Hosts::Named(localhost) = names("") else { panic!("all are accepted") };
        assert_eq!(localhost.len(), 1, "{localhost:?}");
        assert!(!names("(none)").accepts("(none)"));
        assert!(!names("").accepts(".local"));
    }

    #[test]
    fn the_names_of_this_machine_are_known() {
        let own = rustix::system::uname();
        assert!(Hosts::of_this_machine(Vec::new()).accepts(own.nodename().to_str().unwrap()));
    }
}
