//! What is known of a name, and the lines by which that is written down in the book of names. Pure.
//!
//! Owned by the [roll](super::roll). Invariant: each line ends with the name, so that whoever looks through the book finds
//! all of a name; what was written is read back as the same.

use super::bans::Ban;
use super::invitations::InviteId;
use super::own_limits::OwnLimits;
use crate::message::{Name, Timestamp, Uptime};
use crate::time_text;
use crate::trust::PublicKey;

/// The word before a key.
const ALGORITHM: &str = "ssh-ed25519";

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// None after it was reset.
    pub(crate) key: Option<PublicKey>,
    /// It may have ended.
    pub(crate) ban: Option<Ban>,
    /// When somebody claimed the name, by the wall clock. Earlier versions did not write it down.
    pub(crate) since: Option<Timestamp>,
    /// By which invitation.
    pub(crate) by: Option<InviteId>,
}

/// What a line says of a name, beside whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail {
    Since(Timestamp),
    /// The end of a ban.
    Until(Uptime),
    By(InviteId),
    /// Limits of their own, which the roll keeps apart: few have any.
    Limits(OwnLimits),
}

impl Member {
    /// Somebody who has claimed a name.
    pub(super) fn new(key: PublicKey, since: Option<Timestamp>) -> Self {
        Self { key: Some(key), ban: None, since, by: None }
    }

    /// The ban that holds now.
    pub(crate) fn ban(&self, now: Uptime) -> Option<Ban> {
        self.ban.filter(|ban| ban.holds(now))
    }

    /// The line that says whose a name is.
    pub(super) fn parse(line: &str) -> Option<(Name, Self)> {
        let (ban, line) = match line.strip_prefix("banned ") {
            Some(rest) => (Some(Ban { until: None }), rest),
            None => (None, line),
        };
        let (key, name) = match line.strip_prefix("reset ") {
            Some(name) => (None, name),
            None => {
                let (key, name) =
                    line.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split_once(' ')?;
                (Some(key.parse().ok()?), name)
            }
        };
        Some((name.parse().ok()?, Self { key, ban, since: None, by: None }))
    }

    /// Adds what another line says.
    pub(super) fn add(&mut self, detail: Detail) {
        match detail {
            Detail::Since(since) => self.since = Some(since),
            Detail::By(id) => self.by = Some(id),
            Detail::Limits(_) => {}
            Detail::Until(until) => {
                self.ban = self.ban.map(|_| Ban { until: Some(until) });
            }
        }
    }

    /// All lines of one name.
    pub(super) fn lines(&self, name: &Name) -> String {
        let banned = if self.ban.is_some() { "banned " } else { "" };
        let mut lines = match &self.key {
            Some(key) => format!("{banned}{ALGORITHM} {key} {name}\n"),
            None => format!("{banned}reset {name}\n"),
        };
        if let Some(since) = self.since {
            lines += &format!("since {} {name}\n", time_text::moment(since.printable(), 3));
        }
        if let Some(id) = self.by {
            lines += &format!("by {id} {name}\n");
        }
        if let Some(Uptime(until)) = self.ban.and_then(|ban| ban.until) {
            lines += &format!("until {until} {name}\n");
        }
        lines
    }
}

impl Detail {
    /// A line of one word, a value, and a name; none if it is another one.
    pub(super) fn parse(line: &str) -> Option<(Name, Self)> {
        let (word, rest) = line.split_once(' ')?;
        let (value, name) = rest.split_once(' ')?;
        let detail = match word {
            "since" => Self::Since(Timestamp::of(time_text::parse_moment(value)?)),
            "limit" => Self::Limits(value.parse().ok()?),
            "by" => Self::By(InviteId::parse(value)?),
            "until" => Self::Until(Uptime(value.parse().ok()?)),
            _ => return None,
        };
        Some((name.parse().ok()?, detail))
    }
}
