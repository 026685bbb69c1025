//! Who may sign in: which key has which name, who is banned, which invitations are open. Pure: no I/O, and the time is
//! an argument.
//!
//! Owned by the [names](super::names), and written down as lines:
//!
//! | line | meaning |
//! |---|---|
//! | `ssh-ed25519 KEY NAME` | the name belongs to the key; OpenSSH's `authorized_keys` with the name as comment |
//! | `reset NAME` | it belongs to whoever brings the invitation for it |
//! | `banned ` before either | nobody signs in with the name, nor with its key under another one |
//! | `since TIME NAME` | when the name was claimed; without the name it says nothing |
//! | `limit WORD=NUMBER;… NAME` | limits that take the place of the server's; without the name it says nothing |
//! | `until UPTIME NAME` | when a ban ends; without one it says nothing |
//! | `ban BLOCK [UPTIME]` | nobody comes from these addresses, until then |
//! | `by ID NAME` | by which invitation somebody came; without the name it says nothing |
//! | `invite UPTIME DIGEST [uses=COUNT for=TIME] [NAME]` | whoever says it may have a new name, or just this one, so often and for so many milliseconds since the server had run for UPTIME; once and for 7 days |
//! | `# …` | whatever its writer likes |
//!
//! Earlier versions wrote the wall clock's time instead of the uptime; it counts as 0, when the server began to count.
//! How a name [looks](crate::looks) is checked only when a free name is claimed: whoever has one keeps it, also through
//! `user reset-key`; an invitation is no exception. Invariant: `banned_keys` are those of members with a ban, `likeness`
//! has the members' names; parsing the lines of a roll gives the same roll.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use super::bans::{Ban, Barred, MAX_BLOCKS, Whom};
use super::invitations::{Invitations, InviteId, MAX_INVITES, Terms};
use super::likeness::Likeness;
use super::member::{Detail, Member};
use super::own_limits::OwnLimits;
use crate::clock::Moment;
use crate::looks::{self, Unclaimable};
use crate::message::{Name, Timestamp, Uptime};
use crate::time_text;
use crate::trust::{Invite, PublicKey, SecretDigest};
use crate::wire::frame::ErrorCode;

/// The most names that a server gives.
pub const MAX_NAMES: usize = 100_000;

/// Who may claim a free name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Whoever comes first.
    #[default]
    Open,
    /// Those who were invited.
    Invite,
    /// Nobody.
    Closed,
}

/// Why somebody may not sign in. Made to be read by them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    #[error("the name belongs to somebody with another key; choose another")]
    Taken,
    #[error("the operator of this server has taken the name from you")]
    Removed,
    #[error("the operator of this server has banned you{}", for_more(*.0))]
    Banned(Option<Duration>),
    #[error("the operator of this server has banned your address{}", for_more(*.0))]
    AddressBanned(Option<Duration>),
    #[error("newcomers need an invitation here; ask the server's operator for one")]
    Uninvited,
    #[error("the invitation was used, or is too old; ask the server's operator for another")]
    StaleInvite,
    #[error("the key of this name was reset; come with the address that the operator made for it")]
    Reset,
    #[error("this server takes no newcomers")]
    Closed,
    #[error("{0}")]
    Unclaimable(#[from] Unclaimable),
    #[error("the name looks like {0}, which somebody has; choose another")]
    LooksLike(Name),
    #[error(
        "as many new names as one address may claim a day were claimed from yours; try again in {}, or come with an invitation of the server's operator",
        time_text::duration(*.0)
    )]
    TooManyNames(Duration),
    #[error("this server has no more names to give")]
    Full,
    #[error("the server cannot write new names now; try again later")]
    NotWritten,
}

impl Unwelcome {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Taken | Self::Removed => ErrorCode::Taken,
            Self::Banned(_) | Self::AddressBanned(_) => ErrorCode::Banned,
            Self::Uninvited | Self::StaleInvite | Self::Reset => ErrorCode::Invite,
            Self::Closed => ErrorCode::Newcomer,
            Self::TooManyNames(_) => ErrorCode::Claims,
            Self::Unclaimable(_) | Self::LooksLike(_) => ErrorCode::Looks,
            Self::Full | Self::NotWritten => ErrorCode::Busy,
        }
    }
}

/// How long something still lasts, as exactly as people need it: in whole minutes.
fn for_more(left: Option<Duration>) -> String {
    let minutes = |left: Duration| Duration::from_secs(left.as_secs().div_ceil(60).max(1) * 60);
    left.map_or_else(String::new, |it| format!(" for {} more", time_text::duration(minutes(it))))
}

/// Why an operator's change is not made. Made to be read by them.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ChangeError {
    #[error("nobody has the name {0}")]
    Unknown(Name),
    #[error("{0} is banned; unban first")]
    Banned(Name),
    #[error("{0} is not banned; `user bans` lists who is")]
    NotBanned(Whom),
    #[error("{0} is this machine's own address, from where everybody comes behind a proxy")]
    OwnAddress(Whom),
    #[error("{MAX_BLOCKS} blocks of addresses are banned; end some of these bans first")]
    TooManyBlocks,
    #[error("no invitation {0} is open; `invite list` lists those that are")]
    NoInvitation(String),
    #[error("{MAX_INVITES} invitations are open; wait until some are used or too old")]
    TooMany,
    #[error("the book of names cannot be written: {0}")]
    NotWritten(String),
}

impl From<std::io::Error> for ChangeError {
    fn from(error: std::io::Error) -> Self {
        Self::NotWritten(error.to_string())
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    members: BTreeMap<Name, Member>,
    likeness: Likeness,
    banned_keys: HashMap<PublicKey, Ban>,
    barred: Barred,
    /// Of those who have any.
    own_limits: BTreeMap<Name, OwnLimits>,
    invites: Invitations,
    comments: Vec<String>,
}

/// An invitation that is open, or by which people have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invited {
    pub(crate) id: InviteId,
    /// What it still allows; none if it is not open any more.
    pub(crate) terms: Option<Terms>,
    pub(crate) came: Vec<Name>,
}

/// What somebody who is welcome needs written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// Nothing: the name is theirs already.
    Back,
    /// A new name, which costs this invitation.
    New(Option<SecretDigest>),
}

impl Roll {
    /// The roll that these lines describe, or the number of the line that is malformed.
    pub(crate) fn parse(text: &str) -> Result<Self, usize> {
        let (mut roll, mut details) = (Self::default(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            roll.take_line(line, &mut details).ok_or(index + 1)?;
        }
        for (name, detail) in details {
            if let Some(member) = roll.members.get_mut(&name) {
                member.add(detail);
                if let Detail::Limits(limits) = detail {
                    roll.set_limits(name, limits);
                }
            }
        }
        roll.index_banned();
        Ok(roll)
    }

    /// What is known of a name.
    pub(crate) fn member(&self, name: &Name) -> Option<Member> {
        self.members.get(name).copied()
    }

    /// Everybody, by name.
    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = (&Name, &Member)> {
        self.members.iter()
    }

    /// The key with which somebody may be signed in with a name.
    pub(crate) fn standing(&self, name: &Name, now: Uptime) -> Result<PublicKey, Unwelcome> {
        let member = self.members.get(name).ok_or(Unwelcome::Removed)?;
        refuse(member.ban, now)?;
        let key = member.key.ok_or(Unwelcome::Removed)?;
        refuse(self.banned_keys.get(&key).copied(), now)?;
        Ok(key)
    }

    /// Whether somebody may come from an address.
    pub(crate) fn refuse_address(&self, address: IpAddr, now: Uptime) -> Result<(), Unwelcome> {
        let ban = self.barred.ban_of(address, now);
        ban.map_or(Ok(()), |ban| Err(Unwelcome::AddressBanned(ban.left(now))))
    }

    /// Whether somebody with a proved key may have a name.
    pub(crate) fn admit(
        &self,
        name: &Name,
        key: &PublicKey,
        invite: Option<&Invite>,
        registration: Registration,
        now: Moment,
    ) -> Result<Welcome, Unwelcome> {
        refuse(self.banned_keys.get(key).copied(), now.uptime)?;
        let invite = invite.map(Invite::digest);
        let is_good = |it: &SecretDigest, only: Option<&Name>| self.invites.has(it, only, now);
        match self.members.get(name) {
            Some(Member { key: Some(owner), .. }) if owner != key => Err(Unwelcome::Taken),
            Some(Member { key: Some(_), ban, .. }) => {
                refuse(*ban, now.uptime).map(|()| Welcome::Back)
            }
            Some(Member { ban: Some(ban), .. }) if ban.holds(now.uptime) => {
                Err(Unwelcome::Banned(ban.left(now.uptime)))
            }
            Some(Member { key: None, .. }) => {
                let digest = invite.ok_or(Unwelcome::Reset)?;
                let good = is_good(&digest, Some(name));
                good.then_some(Welcome::New(Some(digest))).ok_or(Unwelcome::StaleInvite)
            }
            None if self.members.len() >= MAX_NAMES => Err(Unwelcome::Full),
            None => {
                let cost = match registration {
                    Registration::Open => invite.filter(|it| is_good(it, None)),
                    Registration::Closed => return Err(Unwelcome::Closed),
                    Registration::Invite => {
                        let digest = invite.ok_or(Unwelcome::Uninvited)?;
                        let good = is_good(&digest, None);
                        Some(good.then_some(digest).ok_or(Unwelcome::StaleInvite)?)
                    }
                };
                self.look(name)?;
                Ok(Welcome::New(cost))
            }
        }
    }

    /// Whether a free name may be claimed, considering how it looks.
    fn look(&self, name: &Name) -> Result<(), Unwelcome> {
        looks::claimable(name)?;
        match self.likeness.of(name) {
            Some(other) => Err(Unwelcome::LooksLike(other.clone())),
            None => Ok(()),
        }
    }

    /// Gives a name to a key, at the cost of an invitation.
    pub(super) fn enrol(
        &mut self,
        name: Name,
        key: PublicKey,
        cost: Option<SecretDigest>,
        now: Timestamp,
    ) {
        self.likeness.insert(&name);
        let before = self.member(&name);
        // With another key it is the same person.
        let since = before.map_or(Some(now), |before| before.since);
        let by = before.map_or(cost.as_ref().map(InviteId::of), |before| before.by);
        self.members.insert(name, Member { by, ..Member::new(key, since) });
        if before.is_some_and(|before| before.ban.is_some()) {
            self.index_banned();
        }
        if let Some(digest) = cost {
            self.invites.spend(&digest);
        }
    }

    /// Opens an invitation: for anybody, or for the owner of a name that waits for a new key. Those that are too old
    /// are removed.
    pub(crate) fn invite(
        &mut self,
        digest: SecretDigest,
        terms: Terms,
        now: Moment,
    ) -> Result<(), ChangeError> {
        self.invites.open(digest, terms, now).then_some(()).ok_or(ChangeError::TooMany)
    }

    /// Takes an invitation back.
    pub(crate) fn revoke(&mut self, id: InviteId) -> Result<(), ChangeError> {
        self.invites.revoke(id).then_some(()).ok_or(ChangeError::NoInvitation(id.to_string()))
    }

    /// The invitations that are open, and those by which people have come.
    pub(crate) fn invitations(&self, now: Moment) -> Vec<Invited> {
        let open = |(id, terms)| (id, Invited { id, terms: Some(terms), came: Vec::new() });
        let mut all: BTreeMap<InviteId, Invited> = self.invites.good(now).map(open).collect();
        for (name, member) in &self.members {
            if let Some(id) = member.by {
                let closed = || Invited { id, terms: None, came: Vec::new() };
                all.entry(id).or_insert_with(closed).came.push(name.clone());
            }
        }
        all.into_values().collect()
    }

    /// Bans a name and its key, or ends that.
    pub(crate) fn set_ban(&mut self, name: &Name, ban: Option<Ban>) -> Result<(), ChangeError> {
        self.existing(name)?.ban = ban;
        self.index_banned();
        Ok(())
    }

    /// Bans all who come from a block of addresses. Bans that have ended are forgotten.
    pub(crate) fn bar(&mut self, block: IpNet, ban: Ban, now: Uptime) -> Result<(), ChangeError> {
        if Barred::is_own(&block) {
            return Err(ChangeError::OwnAddress(Whom::Block(block)));
        }
        self.barred.insert(block, ban, now).then_some(()).ok_or(ChangeError::TooManyBlocks)
    }

    /// Undoes [`bar`](Self::bar).
    pub(crate) fn unbar(&mut self, block: &IpNet) -> Result<(), ChangeError> {
        let is_removed = self.barred.remove(block);
        is_removed.then_some(()).ok_or(ChangeError::NotBanned(Whom::Block(*block)))
    }

    /// The limits that somebody has of their own.
    pub(crate) fn limits(&self, name: &Name) -> OwnLimits {
        self.own_limits.get(name).copied().unwrap_or_default()
    }

    /// Changes the limits that somebody has of their own.
    pub(crate) fn change_limits(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut OwnLimits),
    ) -> Result<OwnLimits, ChangeError> {
        self.existing(name)?;
        let mut limits = self.limits(name);
        change(&mut limits);
        self.set_limits(name.clone(), limits);
        Ok(limits)
    }

    fn set_limits(&mut self, name: Name, limits: OwnLimits) {
        if limits.is_empty() {
            self.own_limits.remove(&name);
        } else {
            self.own_limits.insert(name, limits);
        }
    }

    /// Whom bans are for that have not ended.
    pub(crate) fn bans(&self, now: Uptime) -> Vec<(Whom, Ban)> {
        let blocks = self.barred.iter().map(|(block, ban)| (Whom::Block(*block), *ban));
        let of = |(name, member): (&Name, &Member)| Some((Whom::Name(name.clone()), member.ban?));
        let names = self.members.iter().filter_map(of);
        blocks.chain(names).filter(|(_, ban)| ban.holds(now)).collect()
    }

    /// Takes the key from a name. Earlier invitations for it are no longer valid.
    pub(crate) fn reset_key(&mut self, name: &Name, now: Uptime) -> Result<(), ChangeError> {
        let member = self.existing(name)?;
        if member.ban(now).is_some() {
            return Err(ChangeError::Banned(name.clone()));
        }
        (member.key, member.ban) = (None, None);
        self.index_banned();
        self.invites.revoke_for(name);
        Ok(())
    }

    /// The names whose owners differ between two rolls, or that only one of them has.
    pub(super) fn other_owners(&self, other: &Self) -> Vec<Name> {
        let owner = |roll: &Self, name| roll.member(name).and_then(|member| member.key);
        let names: BTreeSet<&Name> = self.members.keys().chain(other.members.keys()).collect();
        let others = names.into_iter().filter(|name| owner(self, name) != owner(other, name));
        others.cloned().collect()
    }

    /// Takes a name from its owner, whoever that is. Nobody can claim it before it is [removed](Self::remove).
    pub(crate) fn vacate(&mut self, name: &Name) -> Result<(), ChangeError> {
        self.existing(name)?.key = None;
        self.invites.revoke_for(name);
        self.index_banned();
        Ok(())
    }

    /// Forgets a name: anybody who may claim a new name may claim it.
    pub(crate) fn remove(&mut self, name: &Name) -> Result<(), ChangeError> {
        self.vacate(name)?;
        self.members.remove(name);
        self.own_limits.remove(name);
        self.likeness.remove(name);
        Ok(())
    }

    fn existing(&mut self, name: &Name) -> Result<&mut Member, ChangeError> {
        self.members.get_mut(name).ok_or_else(|| ChangeError::Unknown(name.clone()))
    }

    fn index_banned(&mut self) {
        self.banned_keys.clear();
        for member in self.members.values() {
            if let (Some(key), Some(ban)) = (member.key, member.ban) {
                let longest = self.banned_keys.entry(key).or_insert(ban);
                *longest = longest.or_longer(ban);
            }
        }
    }

    fn take_line(&mut self, line: &str, details: &mut Vec<(Name, Detail)>) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            self.comments.push(line.into());
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("invite ") {
            return self.invites.take_line(rest);
        }
        if let Some(rest) = line.strip_prefix("ban ") {
            return self.barred.take_line(rest);
        }
        if let Some(detail) = Detail::parse(line) {
            details.push(detail);
            return Some(());
        }
        let (name, member) = Member::parse(line)?;
        self.likeness.insert(&name);
        self.members.insert(name, member).is_none().then_some(())
    }
}

fn refuse(ban: Option<Ban>, now: Uptime) -> Result<(), Unwelcome> {
    let ban = ban.filter(|ban| ban.holds(now));
    ban.map_or(Ok(()), |ban| Err(Unwelcome::Banned(ban.left(now))))
}

/// All lines.
impl fmt::Display for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.comments.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        for (name, member) in &self.members {
            f.write_str(&member.lines(name))?;
            if let Some(limits) = self.own_limits.get(name) {
                writeln!(f, "limit {limits} {name}")?;
            }
        }
        self.barred.fmt(f)?;
        self.invites.fmt(f)
    }
}

#[cfg(test)]
#[path = "roll_tests.rs"]
mod tests;
