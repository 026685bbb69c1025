//! Where a server is, as people write it.

use std::fmt;
use std::io;
use std::path::{Path, absolute};
use std::str::FromStr;

use async_std::net::TcpStream;
use async_std::os::unix::net::UnixStream;
use rustls::pki_types::ServerName;
use thiserror::Error;

use crate::trust::{Fingerprint, Invite};
use crate::wire::transport::Socket;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 7878;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// What an address with a fingerprint begins with.
const SCHEME: &str = "tinychat://";

/// What stands before an invitation.
const INVITE: &str = "?invite=";

/// `host`, `host:port`, `[ipv6]:port`, or `unix:PATH`. Displayed with its port, or with its whole path;
/// what a host's name means is looked up on every connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// An [`Address`], and the fingerprint of the server that is to be found there, if one knows it:
/// `tinychat://host:port#SHA256:…`, `unix:PATH#SHA256:…`. Either part behind the host may be left out, and
/// so may the scheme. In front of the fingerprint there may be what lets a newcomer in: `?invite=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// Whose key it has to show.
    pub fingerprint: Option<Fingerprint>,
    /// What the server may ask a newcomer for.
    pub invite: Option<Invite>,
}

/// A text is not an [`Address`] or a [`Target`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an address; write it as host or host:port, like chat.example.org:7878, as tinychat://HOST:PORT#SHA256:FINGERPRINT or as unix:PATH"
)]
pub struct AddressError(String);

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.into());
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (address, fingerprint) = match rest.rsplit_once('#') {
            // A path may have one of its own.
            Some((_, word)) if rest.starts_with(UNIX) && !word.starts_with("SHA256:") => {
                (rest, None)
            }
            Some((address, fingerprint)) => (address, Some(fingerprint)),
            None => (rest, None),
        };
        let (address, invite) = match address.rsplit_once(INVITE) {
            // A path may have that too.
            Some((_, word)) if rest.starts_with(UNIX) && word.contains('/') => (address, None),
            Some((address, invite)) => (address, Some(invite)),
            None => (address, None),
        };
        let address = match address.strip_suffix('/') {
            Some(host) if !rest.starts_with(UNIX) => host,
            _ => address,
        };
        Ok(Self {
            address: address.parse().map_err(|_| wrong())?,
            fingerprint: fingerprint.map(str::parse).transpose().map_err(|_| wrong())?,
            invite: invite.map(str::parse).transpose().map_err(|_| wrong())?,
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.into());
        if let Some(path) = text.strip_prefix(UNIX) {
            let path = absolute(path).map_err(|_| wrong())?;
            return Ok(Self(format!("{UNIX}{}", path.display())));
        }
        let (host, port) = split(text).ok_or_else(wrong)?;
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
    /// `host:port`, or `unix:` and the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Connects.
    pub(super) async fn connect(&self) -> io::Result<Socket> {
        match self.unix_path() {
            Some(path) => Ok(Socket::Unix(UnixStream::connect(path).await?.try_into()?)),
            None => Ok(Socket::Tcp(TcpStream::connect(self.as_str()).await?.try_into()?)),
        }
    }

    /// What TLS calls the server. Who it is does not depend on it.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        let host = self.0.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let unnamed = || ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
        ServerName::try_from(host.to_owned()).unwrap_or_else(|_| unnamed())
    }

    /// Whether it is a Unix socket's path.
    pub fn is_unix(&self) -> bool {
        self.unix_path().is_some()
    }

    fn unix_path(&self) -> Option<&Path> {
        self.0.strip_prefix(UNIX).map(Path::new)
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
            ("unix:/run/chat", "unix:/run/chat"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().as_str(), full);
            assert_eq!(text.parse::<Target>().unwrap().address.as_str(), full);
        }
    }

    #[test]
    fn a_path_is_known_by_one_name() {
        let here = std::env::current_dir().unwrap();
        let address: Address = "unix:chat".parse().unwrap();
        assert_eq!(address.as_str(), format!("unix:{}", here.join("chat").display()));
        assert!("unix:".parse::<Address>().is_err());
    }

    #[test]
    fn an_address_may_name_the_servers_key() {
        let key = Fingerprint::of(b"key");
        let address: Address = "host:99".parse().unwrap();
        for text in ["tinychat://host:99", "tinychat://host:99/", "HOST:99"] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                target,
                Target { address: address.clone(), fingerprint: None, invite: None }
            );
            let target: Target = format!("{text}#{key}").parse().unwrap();
            let known = Target { address: address.clone(), fingerprint: Some(key), invite: None };
            assert_eq!(target, known);
            let invite = Invite::generate();
            let target: Target = format!("{text}?invite={invite}#{key}").parse().unwrap();
            assert_eq!(target, Target { invite: Some(invite), ..known });
            let target: Target = format!("{text}?invite={invite}").parse().unwrap();
            assert_eq!((target.fingerprint, target.invite), (None, Some(invite)));
        }
        let target: Target = format!("unix:/run/#1#{key}").parse().unwrap();
        assert_eq!(target.address.as_str(), "unix:/run/#1");
        assert_eq!(target.fingerprint, Some(key));
        let target: Target = "unix:/run/#1".parse().unwrap();
        assert_eq!((target.address.as_str(), target.fingerprint), ("unix:/run/#1", None));
        for text in [
            "host#",
            "host#SHA256:x",
            "host?invite=",
            "host?invite=x",
            "host?word=1",
            "tinychat://",
            "tinychat://#x",
            "http://host",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
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

    #[test]
    fn every_address_has_a_name_for_tls() {
        for (text, name) in [("host:1", "host"), ("[::1]:1", "::1"), ("127.0.0.1:1", "127.0.0.1")] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.server_name().to_str(), name);
        }
        let address: Address = "hôte:1".parse().unwrap();
        assert_eq!(address.server_name().to_str(), "0.0.0.0");
    }
}
