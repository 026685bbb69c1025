//! Invitations: which are open, for whom, how often and how long. Pure: the time is an argument.
//!
//! Owned by the [roll](super::roll), which also remembers who came by which. What is kept of an invitation is a digest, so
//! that nobody can use what is in the book. Invariant: each may be used once more at least; what was written is read back
//! as the same.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::clock::Moment;
use crate::message::{Name, Uptime};
use crate::time_text;
use crate::trust::SecretDigest;

/// The most invitations that are open at once.
pub(super) const MAX_INVITES: usize = 10_000;

/// How long an invitation is valid, unless the operator says otherwise.
pub(super) const INVITED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an invitation is called: the beginning of its digest. Displayed as 8 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InviteId(u32);

impl InviteId {
    pub(super) fn of(digest: &SecretDigest) -> Self {
        let [a, b, c, d, ..] = *digest.as_bytes();
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    /// Reads what was displayed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_written_so = text.len() == 8 && text.bytes().all(|it| it.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| is_written_so).map(Self)
    }
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// For whom an invitation is, and how much it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The name that it is for alone.
    pub(crate) only: Option<Name>,
    /// How many may come by it.
    pub(crate) uses: u32,
    /// How long it is good.
    pub(crate) lasts: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { only: None, uses: 1, lasts: INVITED }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Invitation {
    opened: Uptime,
    terms: Terms,
}

impl Invitation {
    fn is_good(&self, now: Moment) -> bool {
        now.overdue(self.terms.lasts).is_none_or(|before| self.opened >= before)
    }
}

/// The open invitations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Invitations(HashMap<SecretDigest, Invitation>);

impl Invitations {
    /// Whether one is good now for this name alone, or for anybody.
    pub(super) fn has(&self, digest: &SecretDigest, only: Option<&Name>, now: Moment) -> bool {
        let found = self.0.get(digest);
        found.is_some_and(|it| it.is_good(now) && it.terms.only.as_ref() == only)
    }

    /// Opens one. Those that are too old are removed. False if too many are open.
    pub(super) fn open(&mut self, digest: SecretDigest, terms: Terms, now: Moment) -> bool {
        self.0.retain(|_, it| it.is_good(now));
        let fits = self.0.len() < MAX_INVITES;
        if fits {
            self.0.insert(digest, Invitation { opened: now.uptime, terms });
        }
        fits
    }

    /// Somebody has come by one.
    pub(super) fn spend(&mut self, digest: &SecretDigest) {
        if let Some(Invitation { terms, .. }) = self.0.get_mut(digest) {
            terms.uses = terms.uses.saturating_sub(1);
            if terms.uses == 0 {
                self.0.remove(digest);
            }
        }
    }

    /// Takes one back. False if there is none.
    pub(super) fn revoke(&mut self, id: InviteId) -> bool {
        let before = self.0.len();
        self.0.retain(|digest, _| InviteId::of(digest) != id);
        self.0.len() < before
    }

    /// Takes those back that are for this name alone.
    pub(super) fn revoke_for(&mut self, name: &Name) {
        self.0.retain(|_, it| it.terms.only.as_ref() != Some(name));
    }

    /// Those that are good now, with what they still allow.
    pub(super) fn good(&self, now: Moment) -> impl Iterator<Item = (InviteId, Terms)> {
        self.0.iter().filter(move |(_, it)| it.is_good(now)).map(move |(digest, it)| {
            let lasts = it.terms.lasts.saturating_sub(now.uptime.since(it.opened));
            (InviteId::of(digest), Terms { lasts, ..it.terms.clone() })
        })
    }

    /// Takes what stands behind `invite` in a line. None if it is malformed, or was in another line.
    pub(super) fn take_line(&mut self, words: &str) -> Option<()> {
        let (digest, invitation) = parse(words)?;
        self.0.insert(digest, invitation).is_none().then_some(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn parse(words: &str) -> Option<(SecretDigest, Invitation)> {
    let words: Vec<&str> = words.split(' ').collect();
    let (opened, digest, rest) = match words[..] {
        [opened, digest, ref rest @ ..] => (opened, digest, rest),
        _ => return None,
    };
    let opened = match opened.parse() {
        Ok(uptime) => Uptime(uptime),
        Err(_) => time_text::is_moment(opened).then(Uptime::default)?,
    };
    let (uses, lasts, only) = match *rest {
        [] => (1, INVITED, None),
        [only] => (1, INVITED, Some(only)),
        [uses, lasts] => (number(uses, "uses=")?, millis(lasts)?, None),
        [uses, lasts, only] => (number(uses, "uses=")?, millis(lasts)?, Some(only)),
        _ => return None,
    };
    let only = only.map(str::parse).transpose().ok()?;
    let terms = Terms { only, uses: u32::try_from(uses).ok().filter(|uses| *uses > 0)?, lasts };
    Some((SecretDigest::from_hex(digest).ok()?, Invitation { opened, terms }))
}

fn number(word: &str, prefix: &str) -> Option<u64> {
    word.strip_prefix(prefix)?.parse().ok()
}

fn millis(word: &str) -> Option<Duration> {
    number(word, "for=").map(Duration::from_millis)
}

/// A line for each. What is usual is written as earlier versions did.
impl fmt::Display for Invitations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (digest, Invitation { opened: Uptime(opened), terms }) in &self.0 {
            let Terms { only, uses, lasts } = terms;
            write!(f, "invite {opened} {digest}")?;
            if (*uses, *lasts) != (1, INVITED) {
                write!(f, " uses={uses} for={}", lasts.as_millis())?;
            }
            only.iter().try_for_each(|name| write!(f, " {name}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Invite;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(uptime: Duration) -> Moment {
        let start = Moment::START;
        Moment { uptime: start.uptime + uptime, running: uptime, ..start }
    }

    #[test]
    fn an_invitation_is_good_so_often_and_so_long_also_when_it_was_written_down() {
        let (digest, start) = (Invite::generate().digest(), at(Duration::ZERO));
        let mut open = Invitations::default();
        assert!(open.open(digest, Terms { uses: 2, lasts: HOUR, only: None }, start));
        let mut open = {
            let mut again = Invitations::default();
            for line in open.to_string().lines() {
                again.take_line(line.strip_prefix("invite ").unwrap()).unwrap();
            }
            assert_eq!(again, open);
            again
        };
        assert!(open.has(&digest, None, at(HOUR)) && !open.has(&digest, None, at(2 * HOUR)));
        let good: Vec<_> = open.good(at(HOUR / 2)).collect();
        assert_eq!(good, [(InviteId::of(&digest), Terms { uses: 2, lasts: HOUR / 2, only: None })]);
        open.spend(&digest);
        assert!(open.has(&digest, None, start));
        open.spend(&digest);
        assert!(!open.has(&digest, None, start) && open.len() == 0);
    }

    #[test]
    fn an_invitation_is_taken_back_by_what_it_is_called() {
        let (one, other) = (Invite::generate().digest(), Invite::generate().digest());
        let mut open = Invitations::default();
        for digest in [one, other] {
            open.open(digest, Terms::default(), Moment::START);
        }
        let id = InviteId::of(&one);
        assert_eq!(InviteId::parse(&id.to_string()), Some(id));
        assert!(open.revoke(id) && !open.revoke(id));
        assert!(!open.has(&one, None, Moment::START) && open.has(&other, None, Moment::START));
        for wrong in ["", "+1234567", "1234", "123456789", "x2345678"] {
            assert_eq!(InviteId::parse(wrong), None, "{wrong}");
        }
    }
}
