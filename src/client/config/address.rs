//! Where a server is, as people write it.
//!
//! Owned by nobody. Invariant: a parsed address is valid, its host in its canonical spelling.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, absolute};
use std::str::FromStr;

use rustls::pki_types::ServerName;
use thiserror::Error;

use super::query::{Query, QueryError};
use crate::message::Name;
use crate::trust::{Fingerprint, Invite};
use crate::zone::{self, ZoneError};

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 7878;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// What an address with a fingerprint begins with.
const SCHEME: &str = "tinychat://";

/// What stands behind the `?` of a path, if it is meant to be an invitation.
const INVITE: &str = "invite=";

/// `host`, `host:port`, `[ipv6]:port`, `[ipv6%interface]:port`, or `unix:PATH`. Displayed with its port, or with its
/// whole path; a host's name is looked up on every connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// An [`Address`], and the fingerprint of the server that is to be found there, if one knows it:
/// `tinychat://host:port#SHA256:…`, `unix:PATH#SHA256:…`. Either part after the host may be left out, and so may the
/// scheme. Before the fingerprint there may be an invitation, and people with the fingerprints of their keys:
/// `?invite=…&marie=SHA256:…`. Displayed as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// The fingerprint of the key that it has to show.
    pub fingerprint: Option<Fingerprint>,
    /// What the server may ask a newcomer for.
    pub invite: Option<Invite>,
    /// The keys that people there have to show.
    pub people: BTreeMap<Name, Fingerprint>,
}

/// A text is not an [`Address`] or a [`Target`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum AddressError {
    #[error(
        "{0:?} is not an address; write it as host or host:port, like chat.example.org:7878, as tinychat://HOST:PORT#SHA256:FINGERPRINT or as unix:PATH"
    )]
    None(String),
    #[error("an IPv6 address stands in brackets: {0}")]
    NoBrackets(String),
    #[error(
        "{0} is an address on one link only: say on which interface of this machine, like [{0}%eth0]"
    )]
    NoZone(String),
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::None(text.into());
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (address, fingerprint) = match rest.rsplit_once('#') {
            // A path may have one of its own.
            Some((_, word)) if rest.starts_with(UNIX) && !word.starts_with("SHA256:") => {
                (rest, None)
            }
            Some((address, fingerprint)) => (address, Some(fingerprint)),
            None => (rest, None),
        };
        let (address, query) = match rest.starts_with(UNIX) {
            true => behind_path(address)?,
            false => match address.split_once('?') {
                Some((address, query)) => (address, query.parse()?),
                None => (address, Query::default()),
            },
        };
        let address = match address.strip_suffix('/') {
            Some(host) if !rest.starts_with(UNIX) => host,
            _ => address,
        };
        Ok(Self {
            address: address.parse().map_err(|error| match error {
                AddressError::None(_) => wrong(),
                hint => hint,
            })?,
            fingerprint: fingerprint.map(str::parse).transpose().map_err(|_| wrong())?,
            invite: query.invite,
            people: query.people,
        })
    }
}

/// A path may have a `?` of its own.
fn behind_path(text: &str) -> Result<(&str, Query), QueryError> {
    let Some((path, query)) = text.rsplit_once('?') else { return Ok((text, Query::default())) };
    match query.parse() {
        Ok(query) => Ok((path, query)),
        Err(error) if query.starts_with(INVITE) && !query.contains('/') => Err(error),
        Err(_) => Ok((text, Query::default())),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, fingerprint, invite, people } = self;
        let query = Query { invite: *invite, people: people.clone() };
        let is_plain = fingerprint.is_none() && query == Query::default();
        let scheme = if is_plain || address.is_unix() { "" } else { SCHEME };
        write!(f, "{scheme}{address}{query}")?;
        fingerprint.map_or(Ok(()), |key| write!(f, "#{key}"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let path = absolute(path).map_err(|_| AddressError::None(text.into()))?;
            return Ok(Self(format!("{UNIX}{}", path.display())));
        }
        let (host, port) = split(text)?;
        Ok(Self(format!("{host}:{port}")))
    }
}

/// The host in its canonical spelling, in brackets if it had them, and the port.
fn split(text: &str) -> Result<(String, u16), AddressError> {
    let wrong = || AddressError::None(text.into());
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inside, behind) = rest.split_once(']').ok_or_else(wrong)?;
            let host = zone::normal(inside).map_err(|error| match error {
                ZoneError::NoZone => AddressError::NoZone(inside.into()),
                ZoneError::NoAddress => wrong(),
            })?;
            (format!("[{host}]"), behind)
        }
        None => {
            let (host, behind) = text.split_at(text.find(':').unwrap_or(text.len()));
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            if host.is_empty() || !host.chars().all(plain) || port_of(behind).is_none() {
                return Err(without_brackets(text).unwrap_or_else(wrong));
            }
            (host.to_ascii_lowercase(), behind)
        }
    };
    Ok((host, port_of(port).ok_or_else(wrong)?))
}

/// The port behind a host; without one, the usual one.
fn port_of(behind: &str) -> Option<u16> {
    match behind.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0),
        None => behind.is_empty().then_some(DEFAULT_PORT),
    }
}

/// The lowest number behind an address that is taken for a port.
const LOWEST_PORT: u16 = 1024;

/// The error for an IPv6 address without brackets. Its last group may be meant as a port.
fn without_brackets(text: &str) -> Option<AddressError> {
    if zone::normal(text) == Err(ZoneError::NoZone) {
        return Some(AddressError::NoZone(text.into()));
    }
    let is_address = |text: &str| zone::normal(text) != Err(ZoneError::NoAddress);
    let all = is_address(text).then(|| format!("[{text}]"));
    let with_port = text.rsplit_once(':').filter(|(host, port)| {
        is_address(host) && port.parse().is_ok_and(|port: u16| port >= LOWEST_PORT)
    });
    let with_port = with_port.map(|(host, port)| format!("[{host}]:{port}"));
    let meant = match (all, with_port) {
        (Some(all), Some(with_port)) => format!("{all}, or {with_port} if that is its port"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return None,
    };
    Some(AddressError::NoBrackets(meant))
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

    /// The host, without brackets, and the port; none of a Unix socket.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        if self.is_unix() {
            return None;
        }
        let (host, port) = self.0.rsplit_once(':')?;
        Some((host.trim_matches(['[', ']']), port.parse().ok()?))
    }

    /// Whether the address itself shows that it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.host_and_port().is_none_or(|(host, _)| {
            is_localhost(host)
                || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
        })
    }

    /// The server's name in TLS. Its identity does not depend on it.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        let host = self.host_and_port().map_or("", |(host, _)| zone::without(host));
        let unnamed = || ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
        ServerName::try_from(host.to_owned()).unwrap_or_else(|_| unnamed())
    }

    /// Whether it is a Unix socket's path.
    pub fn is_unix(&self) -> bool {
        self.unix_path().is_some()
    }

    pub(crate) fn unix_path(&self) -> Option<&Path> {
        self.0.strip_prefix(UNIX).map(Path::new)
    }
}

/// Whether a name means this machine, whatever anybody says to it (RFC 6761 §6.3).
pub(crate) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
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
            ("[FE80::1%4]", "[fe80::1%4]:7878"),
            ("[fe80::1%Wlan0]:9", "[fe80::1%Wlan0]:9"),
            ("[fe80::1%25eth0]:9", "[fe80::1%eth0]:9"),
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
            let people = BTreeMap::new();
            let plain =
                Target { address: address.clone(), fingerprint: None, invite: None, people };
            assert_eq!(target, plain);
            let target: Target = format!("{text}#{key}").parse().unwrap();
            let known = Target { fingerprint: Some(key), ..plain };
            assert_eq!(target, known);
            let invite = Invite::generate();
            let target: Target = format!("{text}?invite={invite}#{key}").parse().unwrap();
            let invited = Target { invite: Some(invite), ..known };
            assert_eq!(target, invited);
            let target = format!("{text}?marie={key}&invite={invite}#{key}").parse();
            let people = [("marie".parse().unwrap(), key)].into();
            assert_eq!(target, Ok(Target { people, ..invited }));
            let target: Target = format!("{text}?invite={invite}").parse().unwrap();
            assert_eq!((target.fingerprint, target.invite), (None, Some(invite)));
        }
        let target: Target = format!("unix:/run/?1?marie={key}#{key}").parse().unwrap();
        assert_eq!(target.address.as_str(), "unix:/run/?1");
        assert_eq!((target.fingerprint, target.people.len()), (Some(key), 1));
        let target: Target = "unix:/run/?marie".parse().unwrap();
        assert_eq!(target.address.as_str(), "unix:/run/?marie");
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
    fn an_address_with_all_that_it_says_is_displayed_as_it_is_read() {
        let (key, invite) = (Fingerprint::of(b"key"), Invite::generate());
        for text in [
            "host:1".into(),
            format!("tinychat://host:1#{key}"),
            format!("tinychat://host:1?marie={key}"),
            format!("tinychat://host:1?invite={invite}&anna={key}&marie={key}#{key}"),
            format!("unix:/run/chat?anna={key}#{key}"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let error = "host?marie=SHA256:x".parse::<Target>().unwrap_err().to_string();
        assert!(error.contains("what the address says of marie is no fingerprint"), "{error}");
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
    fn an_ipv6_address_without_brackets_is_told_where_they_go() {
        for (text, hint) in [
            ("::1", "in brackets: [::1]"),
            ("tinychat://::1", "in brackets: [::1]"),
            ("::1:7878", "[::1:7878], or [::1]:7878 if that is its port"),
            ("2001:db8::1:7878", "[2001:db8::1:7878], or [2001:db8::1]:7878 if that is its port"),
            ("1:2:3:4:5:6:7:8:7878", "in brackets: [1:2:3:4:5:6:7:8]:7878"),
            ("2001:db8::1:1", "in brackets: [2001:db8::1:1]"),
            ("fe80::1", "like [fe80::1%eth0]"),
            ("fe80::1%eth0", "in brackets: [fe80::1%eth0]"),
            ("fe80::1%eth0:7878", "in brackets: [fe80::1%eth0]:7878"),
            ("[fe80::1]:7878", "like [fe80::1%eth0]"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.ends_with(hint), "{text}: {error}");
        }
    }

    #[test]
    fn what_stays_on_this_machine_is_seen_in_the_address() {
        for text in [
            "127.0.0.1",
            "127.3.2.1:9",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "LocalHost:9",
            "chat.localhost.",
            "unix:/run/chat",
        ] {
            assert!(text.parse::<Address>().unwrap().is_local(), "{text}");
        }
        for text in [
            "chat.example.org",
            "localhost.example.org",
            "notlocalhost",
            "192.0.2.1",
            "0.0.0.0",
            "[::]",
            "[fe80::1%lo]",
        ] {
            assert!(!text.parse::<Address>().unwrap().is_local(), "{text}");
        }
    }

    #[test]
    fn every_address_has_a_name_for_tls() {
        for (text, name) in [
            ("host:1", "host"),
            ("[::1]:1", "::1"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[fe80::1%eth0]:1", "fe80::1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.server_name().to_str(), name);
        }
        let address: Address = "hôte:1".parse().unwrap();
        assert_eq!(address.server_name().to_str(), "0.0.0.0");
    }
}
