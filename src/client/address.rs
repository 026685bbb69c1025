//! Where a server is, as people write it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 7878;

/// `host`, `host:port`, or `[ipv6]:port`. Displayed with its port; what one name means is looked up
/// on every connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// A text is not an [`Address`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not an address; write it as host or host:port, like chat.example.org:7878")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = split(text).ok_or_else(|| AddressError(text.into()))?;
        Ok(Self(format!("{}:{port}", host.to_ascii_lowercase())))
    }
}

fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']')?;
            inside.parse::<std::net::Ipv6Addr>().ok()?;
            (&text[..inside.len() + 2], behind)
        }
        None => {
            let (host, behind) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            (!host.is_empty() && host.chars().all(plain)).then_some((host, behind))?
        }
    };
    match port.strip_prefix(':') {
        Some(port) => Some((host, port.parse().ok().filter(|port| *port != 0)?)),
        None => port.is_empty().then_some((host, DEFAULT_PORT)),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Address {
    /// `host:port`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_its_port_out() {
        for (text, full) in [
            ("localhost", "localhost:7878"),
            ("Chat.Example.org:99", "chat.example.org:99"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]", "[::1]:7878"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().as_str(), full);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":1",
            "host:",
            "host:0",
            "host:99999",
            "a b",
            "::1",
            "[::1",
            "[x]:1",
            "http://host",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
