//! Addresses as limits see them: as one customer has them.
//!
//! Plain types. Invariant: this machine's own address is none, for behind a proxy everybody comes from there.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address as limits see it: of IPv6 the first half, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(IpAddr);

/// What one customer may have at most: of IPv6 a /48. None of IPv4, where that is the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site(u128);

impl Origin {
    /// None for this machine's own address: behind a proxy everybody comes from there.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
            IpAddr::V6(address) => {
                let prefix = address.to_bits() >> 64 << 64;
                Some(Self(Ipv6Addr::from_bits(prefix).into()))
            }
            address => Some(Self(address)),
        }
    }

    pub(super) fn site(self) -> Option<Site> {
        match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Site(address.to_bits() >> 80)),
        }
    }

    /// The same for all who count as one when many wait: of IPv6 a /48.
    pub(crate) fn party(self) -> Self {
        self.site().map_or(self, |Site(prefix)| Self(Ipv6Addr::from_bits(prefix << 80).into()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Origin {
    type Err = AddrParseError;

    /// Of this machine's own address there is none: it counts as the address that it is.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address: IpAddr = text.parse()?;
        Ok(Self::of(address).unwrap_or(Self(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_counted_as_customers_have_them() {
        assert_eq!(origin("127.0.0.1"), None);
        assert_eq!(origin("::1"), None);
        assert_eq!(origin("::ffff:127.0.0.1"), None);
        assert!(origin("127.0.0.2").is_some());
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in ["192.0.2.1", "2001:db8::", "127.0.0.1"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert!("2001:db8::/64".parse::<Origin>().is_err());
    }
}
