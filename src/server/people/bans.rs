//! Bans: how long somebody is banned, and the addresses from which nobody may come. Pure: the time is an argument.
//!
//! Owned by the [roll](super::roll). A ban lasts in time in which the server runs, as all that ends here. Invariant: this
//! machine's own address is never banned, for behind a proxy that says nothing of it everybody comes from there.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::message::{Name, NameError, Uptime};
use crate::server::limits::Origin;
use crate::server::listening::canonical;

/// The most blocks of addresses that are banned at once: whoever connects is looked for in all of them.
pub(super) const MAX_BLOCKS: usize = 1_000;

/// The length of the prefix that one customer has for IPv6.
const CUSTOMER: u8 = 64;

/// Until when somebody is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    /// None is for ever.
    pub(super) until: Option<Uptime>,
}

impl Ban {
    /// From now on, for ever or for a time.
    pub(crate) fn lasting(time: Option<Duration>, now: Uptime) -> Self {
        Self { until: time.map(|time| now + time) }
    }

    /// Whether it has not ended.
    pub(crate) fn holds(self, now: Uptime) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// How long it still holds; none is for ever.
    pub(crate) fn left(self, now: Uptime) -> Option<Duration> {
        self.until.map(|until| until.since(now))
    }

    /// The one of two that holds longer.
    pub(super) fn or_longer(self, other: Self) -> Self {
        Self { until: self.until.zip(other.until).map(|(one, other)| one.max(other)) }
    }
}

/// Whom an operator bans. Parsed from a name, an address like 192.0.2.7, which for IPv6 stands for its /64, or a block of
/// them like 192.0.2.0/24; what may be either is an address: who has such a name is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever has a name.
    Name(Name),
    /// Whoever comes from there.
    Block(IpNet),
}

impl FromStr for Whom {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match parse_block(text) {
            Some(block) => Ok(Self::Block(block)),
            None => text.parse().map(Self::Name),
        }
    }
}

/// One address of IPv4 is written without the length of a prefix.
impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Block(block) if is_bare(block) => block.addr().fmt(f),
            Self::Block(block) => block.fmt(f),
        }
    }
}

fn is_one_address(block: &IpNet) -> bool {
    block.prefix_len() == block.max_prefix_len()
}

/// Whether it is written without the length of its prefix. One of IPv6 that is stands for more.
fn is_bare(block: &IpNet) -> bool {
    is_one_address(block) && (block.addr().is_ipv4() || block.addr().is_loopback())
}

fn parse_block(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(customer);
    text.parse::<IpNet>().ok().map(canonical).or_else(address).map(|block| block.trunc())
}

/// The addresses of whoever has this one: for IPv6 the /64, in which one may take any.
fn customer(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let is_one = address.is_ipv4() || address.is_loopback();
    let whole = IpNet::from(address);
    if is_one { whole } else { IpNet::new(address, CUSTOMER).unwrap_or(whole) }
}

/// Addresses from which nobody may come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Barred(BTreeMap<IpNet, Ban>);

impl Barred {
    /// The ban of an address that holds longest.
    pub(super) fn ban_of(&self, address: IpAddr, now: Uptime) -> Option<Ban> {
        if self.0.is_empty() || Origin::of(address).is_none() {
            return None;
        }
        let address = address.to_canonical();
        let bans = self.0.iter().filter(|(block, ban)| ban.holds(now) && block.contains(&address));
        bans.map(|(_, ban)| *ban).reduce(Ban::or_longer)
    }

    /// Whether it would have no effect to ban this block.
    pub(super) fn is_own(block: &IpNet) -> bool {
        is_one_address(block) && Origin::of(block.addr()).is_none()
    }

    /// Bans a block, beside those whose bans have not ended. False if these are too many.
    pub(super) fn insert(&mut self, block: IpNet, ban: Ban, now: Uptime) -> bool {
        self.0.retain(|_, ban| ban.holds(now));
        let fits = self.0.len() < MAX_BLOCKS || self.0.contains_key(&block);
        if fits {
            self.0.insert(block, ban);
        }
        fits
    }

    /// Ends a ban. False if there is none of exactly this block.
    pub(super) fn remove(&mut self, block: &IpNet) -> bool {
        self.0.remove(block).is_some()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpNet, &Ban)> {
        self.0.iter()
    }

    /// Takes what stands behind `ban` in a line. None if it is malformed, or the block was in another line.
    pub(super) fn take_line(&mut self, words: &str) -> Option<()> {
        let (text, until) = match words.split_once(' ') {
            Some((block, until)) => (block, Some(Uptime(until.parse().ok()?))),
            None => (words, None),
        };
        let (block, ban) = (parse_block(text)?, Ban { until });
        let before = self.0.get(&block).copied();
        self.0.insert(block, before.map_or(ban, |it| it.or_longer(ban)));
        // Earlier servers wrote blocks of IPv4 also as IPv6, behind them.
        (before.is_none() || text != block.to_string()).then_some(())
    }
}

/// A line for each.
impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(block, ban)| match ban.until {
            Some(Uptime(until)) => writeln!(f, "ban {block} {until}"),
            None => writeln!(f, "ban {block}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Uptime = Uptime(1_000);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn barred(blocks: &[&str], time: Option<Duration>) -> Barred {
        let mut barred = Barred::default();
        for block in blocks {
            assert!(barred.insert(parse_block(block).unwrap(), Ban::lasting(time, NOW), NOW));
        }
        barred
    }

    #[test]
    fn who_comes_from_a_banned_block_is_banned_and_this_machine_never() {
        let barred = barred(&["192.0.2.0/24", "2001:db8::/32", "198.51.100.7", "0.0.0.0/1"], None);
        let is_banned = |text: &str| barred.ban_of(text.parse().unwrap(), NOW).is_some();
        for banned in ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1", "198.51.100.7", "1.2.3.4"] {
            assert!(is_banned(banned), "{banned}");
        }
        for free in ["192.0.3.1", "2001:db9::1", "198.51.100.8", "127.0.0.1", "::1"] {
            assert!(!is_banned(free), "{free}");
        }
    }

    #[test]
    fn a_ban_ends_and_the_longest_one_counts() {
        let mut barred = barred(&["192.0.2.0/24"], Some(HOUR));
        let one = parse_block("192.0.2.9").unwrap();
        barred.insert(one, Ban::lasting(Some(2 * HOUR), NOW), NOW);
        let left = |barred: &Barred, address: &str, now| {
            barred.ban_of(address.parse().unwrap(), now).and_then(|ban| ban.left(now))
        };
        assert_eq!(left(&barred, "192.0.2.9", NOW), Some(2 * HOUR));
        assert_eq!(left(&barred, "192.0.2.8", NOW), Some(HOUR));
        assert_eq!(left(&barred, "192.0.2.8", NOW + HOUR), None);
        assert_eq!(left(&barred, "192.0.2.9", NOW + HOUR), Some(HOUR));
        // What has ended is forgotten with the next one.
        barred.insert(one, Ban::lasting(None, NOW), NOW + HOUR);
        assert_eq!(barred.to_string(), "ban 192.0.2.9/32\n");
        assert!(barred.remove(&one) && !barred.remove(&one));
    }

    #[test]
    fn whom_is_read_as_it_is_written() {
        for (text, written) in [
            ("eve", "eve"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::ffff:0.0.0.0/95", "::fffe:0:0/95"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::1/128", "2001:db8::1/128"),
            ("::1", "::1"),
        ] {
            assert_eq!(text.parse::<Whom>().unwrap().to_string(), written);
        }
        for wrong in ["192.0.2.0/33", "a:b", "1.2.3/8", ""] {
            assert!(wrong.parse::<Whom>().is_err(), "{wrong}");
        }
        let mut barred = barred(&["192.0.2.0/24"], Some(HOUR));
        assert_eq!(barred.take_line("::ffff:192.0.2.0/120"), Some(()));
        assert_eq!(barred.to_string(), "ban 192.0.2.0/24\n", "of one for ever that had no effect");
        assert_eq!(barred.take_line("192.0.2.0/24"), None);
        assert!(Barred::is_own(&parse_block("::1").unwrap()));
    }
}
