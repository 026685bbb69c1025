//! Link-local IPv6 addresses as people write them: after a `%` follows the zone, an interface's name or number (RFC
//! 4007 §11): `fe80::1%eth0`, `fe80::1%4`. In a URI the `%` may be written as `%25` (RFC 6874).
//!
//! Owned by nobody. Invariant: link-local addresses have a zone, and no others do.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

use nix::net::if_::{if_indextoname, if_nametoindex};

/// The longest name of an interface, in bytes: `IFNAMSIZ` without its zero.
const MAX_NAME: usize = 15;

/// How a `%` is written in a URI, without itself.
const ESCAPED: &str = "25";

/// Why a text is no address of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneError {
    /// It is none at all.
    NoAddress,
    /// It is link-local, and the zone is missing.
    NoZone,
}

/// An address with its zone, if it has one, each in one spelling.
pub(crate) fn normal(text: &str) -> Result<String, ZoneError> {
    let (address, zone) = split(text);
    let address = address.to_ascii_lowercase();
    let is_local = is_link_local(&address).ok_or(ZoneError::NoAddress)?;
    match zone {
        None if is_local => Err(ZoneError::NoZone),
        None => Ok(address),
        Some(zone) if is_local && is_zone(zone) => Ok(format!("{address}%{}", unescaped(zone))),
        Some(_) => Err(ZoneError::NoAddress),
    }
}

/// The socket's address that stands in brackets in front of a port. Asks the system for the interface.
pub(crate) fn resolve(text: &str, port: u16) -> Option<io::Result<SocketAddrV6>> {
    let (address, zone) = split(text);
    let address: Ipv6Addr = address.parse().ok()?;
    let number = zone.map_or(Ok(0), index);
    Some(number.map(|number| SocketAddrV6::new(address, port, 0, number)))
}

/// The socket's address that a text is, if it has a zone: `[fe80::1%eth0]:7878`.
pub(crate) fn socket_address(text: &str) -> Option<io::Result<SocketAddrV6>> {
    let (inside, port) = text.strip_prefix('[')?.split_once("]:")?;
    inside.contains('%').then_some(())?;
    resolve(inside, port.parse().ok()?)
}

/// An address without its zone.
pub(crate) fn without(text: &str) -> &str {
    split(text).0
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    }
}

fn is_link_local(address: &str) -> Option<bool> {
    address.parse().ok().map(|it: Ipv6Addr| it.is_unicast_link_local())
}

/// As RFC 6874 has it, without further escapes.
fn is_zone(zone: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    !zone.is_empty() && zone.len() <= MAX_NAME + ESCAPED.len() && zone.chars().all(is_plain)
}

/// A name has no `%25` in front of it. Of a number nobody can tell: it is looked at when it is used.
fn unescaped(zone: &str) -> &str {
    let begins_name = |it: &&str| it.starts_with(|c: char| !c.is_ascii_digit());
    zone.strip_prefix(ESCAPED).filter(begins_name).unwrap_or(zone)
}

/// The number of an interface. There are some with numbers that begin as an escape does.
fn index(zone: &str) -> io::Result<u32> {
    let found = named(zone).or_else(|| zone.strip_prefix(ESCAPED).and_then(named));
    let missing = || format!("this machine has no network interface {zone}");
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, missing()))
}

fn named(zone: &str) -> Option<u32> {
    match zone.parse() {
        // Where there is none its name is empty, whatever the result says.
        Ok(number) => if_indextoname(number).ok().filter(|name| !name.is_empty()).map(|_| number),
        Err(_) => if_nametoindex(zone).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_has_a_zone_in_one_spelling_and_no_other_has_one() {
        for (text, address) in [
            ("::1", "::1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("FE80::1%4", "fe80::1%4"),
            ("fe80::1%Wlan0", "fe80::1%Wlan0"),
            ("fe80::1%25eth0", "fe80::1%eth0"),
            ("febf::1%25eth0.7", "febf::1%eth0.7"),
            // These may be the interface 254.
            ("fe80::1%254", "fe80::1%254"),
            ("fe80::1%25", "fe80::1%25"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(address), "{text}");
        }
        assert_eq!(normal("fe80::1"), Err(ZoneError::NoZone));
        for text in ["", "x", "fe80::1%", "fe80::1%a b", "fe80::1%a%b", "::1%lo", "1.2.3.4"] {
            assert_eq!(normal(text), Err(ZoneError::NoAddress), "{text}");
        }
    }

    #[test]
    fn a_zone_is_an_interface_of_this_machine() {
        let Ok(interfaces) = nix::net::if_::if_nameindex() else {
            return eprintln!("SKIPPED: the interfaces cannot be listed");
        };
        for interface in &interfaces {
            let (name, number) = (interface.name().to_str().unwrap(), interface.index());
            for zone in [name, &format!("25{name}"), &number.to_string()] {
                assert_eq!(index(zone).unwrap(), number, "{zone}");
            }
            let address = resolve(&format!("fe80::1%{name}"), 7).unwrap().unwrap();
            assert_eq!(address.to_string(), format!("[fe80::1%{number}]:7"));
        }
        for zone in ["nowhere0", "4000000000"] {
            let error = resolve(&format!("fe80::1%{zone}"), 7).unwrap().unwrap_err();
            let said = format!("no network interface {zone}");
            assert!(error.to_string().contains(&said), "{error}");
        }
        assert_eq!(resolve("::1", 7).unwrap().unwrap(), "[::1]:7".parse().unwrap());
        assert!(resolve("host", 7).is_none());
        for text in ["[::1]:7", "host:7", "[fe80::1%eth0]", "[fe80::1%eth0]:x"] {
            assert!(socket_address(text).is_none(), "{text}");
        }
    }
}
