//! Addresses on the command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
};

use crate::modbus;

/// Where a meter is: `HOST[:PORT]`, completed with port 502.
///
/// # Errors
/// Returns what is expected if it is something else, such as a URL.
pub fn of_meter(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "expected a host, or host:port, without http:// and without a path";
    if text.is_empty() || text.contains(['/', '@']) || text.contains(char::is_whitespace) {
        return Err(EXPECTED);
    }
    if let Ok(IpAddr::V6(_)) = text.parse() {
        return Ok(format!("[{text}]:{}", modbus::PORT));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') && !host.is_empty() => {
            let port: NonZeroU16 =
                port.parse().map_err(|_| "a port is a number from 1 to 65535")?;
            Ok(format!("{host}:{port}"))
        }
        Some(_) if !text.ends_with(']') => Err(EXPECTED),
        _ => Ok(format!("{text}:{}", modbus::PORT)),
    }
}

/// Where to listen: an address with a port, or a port of this machine alone.
///
/// # Errors
/// Returns what is expected if it is something else, such as a name.
pub fn to_listen(text: &str) -> Result<SocketAddr, &'static str> {
    let local = || Some(SocketAddr::from((Ipv4Addr::LOCALHOST, text.parse().ok()?)));
    text.parse()
        .ok()
        .or_else(local)
        .ok_or("expected a port of this machine, or an IP address with a port such as 0.0.0.0:5020")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_are_on_port_502_unless_it_is_given() {
        for (text, address) in [
            ("192.168.1.20", "192.168.1.20:502"),
            ("meter.local:1502", "meter.local:1502"),
            ("::1", "[::1]:502"),
            ("[::1]", "[::1]:502"),
            ("[::1]:1502", "[::1]:1502"),
        ] {
            assert_eq!(of_meter(text).as_deref(), Ok(address), "{text}");
        }
        for text in ["", " ", "http://h", "tcp://h:502", "h/x", "u@h", "h:1:2", ":502", "::1:x"] {
            assert!(of_meter(text).is_err_and(|error| error.contains("http://")), "{text}");
        }
        for text in ["h:0", "h:65536", "h:", "h:x", "[::1]:x"] {
            assert!(of_meter(text).is_err_and(|error| error.contains("65535")), "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (text, address) in [
            ("5020", "127.0.0.1:5020"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0:5020", "0.0.0.0:5020"),
            ("[::]:5020", "[::]:5020"),
        ] {
            assert_eq!(to_listen(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "127.0.0.1", "localhost:5020", ":5020", "http://127.0.0.1:5020", "70000"] {
            assert!(to_listen(text).is_err(), "{text}");
        }
    }
}
