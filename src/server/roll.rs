//! Who may come: which key has which name, who is banned, which invitations are open. Pure: no I/O, and
//! the time is an argument.
//!
//! Owned by the [names](super::names), and written down as lines:
//!
//! | line | meaning |
//! |---|---|
//! | `ssh-ed25519 KEY NAME` | the name belongs to the key; OpenSSH's `authorized_keys` with the name as comment |
//! | `reset NAME` | it belongs to whoever brings the invitation for it |
//! | `banned ` before either | nobody signs in with the name, nor with its key under another one |
//! | `invite UPTIME DIGEST [NAME]` | whoever says it may have a new name, or just this one, for [`INVITED`] since the server had run for so many milliseconds |
//! | `# …` | whatever its writer likes |
//!
//! A wall clock's time in place of the uptime is of an earlier version, and counts as 0: the server began to count then.
//! Invariant: `banned_keys` are those of banned members; what the lines of a roll say is the same roll.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Write};
use std::time::Duration;

use thiserror::Error;

use super::link::{End, Link};
use crate::message::{Name, Uptime};
use crate::trust::{Invite, PublicKey, SecretDigest};
use crate::wire::frame::ErrorCode;

/// The most names that a server gives.
pub const MAX_NAMES: usize = 100_000;

/// The most invitations that are open at once.
const MAX_INVITES: usize = 10_000;

/// How long an invitation is good.
pub(super) const INVITED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The word before a key.
const ALGORITHM: &str = "ssh-ed25519";

/// Who may have a name that nobody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Whoever comes first.
    #[default]
    Open,
    /// Who was invited.
    Invite,
    /// Nobody.
    Closed,
}

/// Why somebody may not come in. Made to be read by them.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Unwelcome {
    #[error("the name belongs to somebody with another key; choose another")]
    Taken,
    #[error("the operator of this server has taken the name from you")]
    Removed,
    #[error("the operator of this server has banned you")]
    Banned,
    #[error("newcomers need an invitation here; ask the server's operator for one")]
    Uninvited,
    #[error("the invitation was used, or is too old; ask the server's operator for another")]
    StaleInvite,
    #[error("the key of this name was reset; come with the address that the operator made for it")]
    Reset,
    #[error("this server takes no newcomers")]
    Closed,
    #[error("this server has no more names to give")]
    Full,
    #[error("the server cannot write new names now; try again later")]
    NotWritten,
}

impl Unwelcome {
    /// Ends a connection that is open already.
    pub(super) fn end(self, link: &Link) {
        link.end(End::Failed(self.code(), self.to_string()));
    }

    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Taken | Self::Removed => ErrorCode::Taken,
            Self::Banned => ErrorCode::Banned,
            Self::Uninvited | Self::StaleInvite | Self::Reset => ErrorCode::Invite,
            Self::Closed => ErrorCode::Newcomer,
            Self::Full | Self::NotWritten => ErrorCode::Busy,
        }
    }
}

/// Why an operator's change is not made. Made to be read by them.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ChangeError {
    #[error("nobody has the name {0}")]
    Unknown(Name),
    #[error("{0} is banned; unban first")]
    Banned(Name),
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
pub(super) struct Roll {
    members: BTreeMap<Name, Member>,
    banned_keys: HashSet<PublicKey>,
    invites: HashMap<SecretDigest, Invitation>,
    comments: Vec<String>,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// None after it was reset.
    pub(super) key: Option<PublicKey>,
    pub(super) banned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Invitation {
    opened: Uptime,
    only: Option<Name>,
}

impl Invitation {
    /// Whether it is not of those that were opened before.
    fn is_good(&self, too_old: Option<Uptime>) -> bool {
        too_old.is_none_or(|before| self.opened >= before)
    }
}

/// What somebody who is welcome needs written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Welcome {
    /// Nothing: the name is theirs since long.
    Back,
    /// A new name, which costs this invitation.
    New(Option<SecretDigest>),
}

impl Roll {
    /// The roll that these lines say, or the number of the line that says nothing.
    pub(super) fn parse(text: &str) -> Result<Self, usize> {
        let mut roll = Self::default();
        for (index, line) in text.lines().enumerate() {
            roll.take_line(line).ok_or(index + 1)?;
        }
        roll.index_banned();
        Ok(roll)
    }

    /// What is known of a name.
    pub(super) fn member(&self, name: &Name) -> Option<Member> {
        self.members.get(name).copied()
    }

    /// Everybody, by name.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Name, &Member)> {
        self.members.iter()
    }

    /// The key with which somebody may be signed in with a name.
    pub(super) fn standing(&self, name: &Name) -> Result<PublicKey, Unwelcome> {
        match self.members.get(name) {
            Some(Member { banned: true, .. }) => Err(Unwelcome::Banned),
            Some(Member { key: Some(key), .. }) if self.banned_keys.contains(key) => {
                Err(Unwelcome::Banned)
            }
            Some(Member { key: Some(key), .. }) => Ok(*key),
            Some(Member { key: None, .. }) | None => Err(Unwelcome::Removed),
        }
    }

    /// Whether somebody with a proved key may have a name. Invitations that were opened before `too_old` are good no
    /// longer.
    pub(super) fn admit(
        &self,
        name: &Name,
        key: &PublicKey,
        invite: Option<&Invite>,
        registration: Registration,
        too_old: Option<Uptime>,
    ) -> Result<Welcome, Unwelcome> {
        if self.banned_keys.contains(key) {
            return Err(Unwelcome::Banned);
        }
        let invite = invite.map(Invite::digest);
        let is_good = |it: &SecretDigest, only: Option<&Name>| {
            let found = self.invites.get(it);
            found.is_some_and(|it| it.is_good(too_old) && it.only.as_ref() == only)
        };
        match self.members.get(name) {
            Some(Member { key: Some(owner), .. }) if owner != key => Err(Unwelcome::Taken),
            Some(Member { banned: true, .. }) => Err(Unwelcome::Banned),
            Some(Member { key: Some(_), .. }) => Ok(Welcome::Back),
            Some(Member { key: None, .. }) => {
                let digest = invite.ok_or(Unwelcome::Reset)?;
                let good = is_good(&digest, Some(name));
                good.then_some(Welcome::New(Some(digest))).ok_or(Unwelcome::StaleInvite)
            }
            None if self.members.len() >= MAX_NAMES => Err(Unwelcome::Full),
            None => match registration {
                Registration::Open => Ok(Welcome::New(None)),
                Registration::Closed => Err(Unwelcome::Closed),
                Registration::Invite => {
                    let digest = invite.ok_or(Unwelcome::Uninvited)?;
                    let good = is_good(&digest, None);
                    good.then_some(Welcome::New(Some(digest))).ok_or(Unwelcome::StaleInvite)
                }
            },
        }
    }

    /// Gives a name to a key, at the cost of an invitation.
    pub(super) fn enrol(&mut self, name: Name, key: PublicKey, cost: Option<SecretDigest>) {
        let before = self.members.insert(name, Member { key: Some(key), banned: false });
        if before.is_some_and(|before| before.banned) {
            self.index_banned();
        }
        if let Some(digest) = cost {
            self.invites.remove(&digest);
        }
    }

    /// Opens an invitation: for anybody, or for one whose name waits for a new key. Those that are too old go.
    pub(super) fn invite(
        &mut self,
        digest: SecretDigest,
        opened: Uptime,
        only: Option<Name>,
        too_old: Option<Uptime>,
    ) -> Result<(), ChangeError> {
        self.invites.retain(|_, it| it.is_good(too_old));
        if self.invites.len() >= MAX_INVITES {
            return Err(ChangeError::TooMany);
        }
        self.invites.insert(digest, Invitation { opened, only });
        Ok(())
    }

    /// Bans a name and its key, or lets both come again.
    pub(super) fn set_banned(&mut self, name: &Name, banned: bool) -> Result<(), ChangeError> {
        self.existing(name)?.banned = banned;
        self.index_banned();
        Ok(())
    }

    /// Takes the key from a name. Earlier invitations for it are good no longer.
    pub(super) fn reset_key(&mut self, name: &Name) -> Result<(), ChangeError> {
        let member = self.existing(name)?;
        if member.banned {
            return Err(ChangeError::Banned(name.clone()));
        }
        member.key = None;
        self.invites.retain(|_, it| it.only.as_ref() != Some(name));
        Ok(())
    }

    /// The names that have another owner in another roll, or in one of both none.
    pub(super) fn other_owners(&self, other: &Self) -> Vec<Name> {
        let owner = |roll: &Self, name| roll.member(name).and_then(|member| member.key);
        let names: BTreeSet<&Name> = self.members.keys().chain(other.members.keys()).collect();
        let others = names.into_iter().filter(|name| owner(self, name) != owner(other, name));
        others.cloned().collect()
    }

    /// Takes a name from its owner, whoever that is. It is not to be had before it is
    /// [removed](Self::remove).
    pub(super) fn vacate(&mut self, name: &Name) -> Result<(), ChangeError> {
        self.existing(name)?.key = None;
        self.invites.retain(|_, it| it.only.as_ref() != Some(name));
        self.index_banned();
        Ok(())
    }

    /// Forgets a name: anybody may have it who may have a new one.
    pub(super) fn remove(&mut self, name: &Name) -> Result<(), ChangeError> {
        self.vacate(name)?;
        self.members.remove(name);
        Ok(())
    }

    fn existing(&mut self, name: &Name) -> Result<&mut Member, ChangeError> {
        self.members.get_mut(name).ok_or_else(|| ChangeError::Unknown(name.clone()))
    }

    fn index_banned(&mut self) {
        let banned = self.members.values().filter(|member| member.banned);
        self.banned_keys = banned.filter_map(|member| member.key).collect();
    }

    fn take_line(&mut self, line: &str) -> Option<()> {
        if line.is_empty() || line.starts_with('#') {
            self.comments.push(line.into());
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("invite ") {
            let (digest, invitation) = parse_invitation(rest)?;
            return self.invites.insert(digest, invitation).is_none().then_some(());
        }
        let (name, member) = parse_member(line)?;
        self.members.insert(name, member).is_none().then_some(())
    }
}

fn parse_member(line: &str) -> Option<(Name, Member)> {
    let (banned, line) = match line.strip_prefix("banned ") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (key, name) = match line.strip_prefix("reset ") {
        Some(name) => (None, name),
        None => {
            let (key, name) = line.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split_once(' ')?;
            (Some(key.parse().ok()?), name)
        }
    };
    Some((name.parse().ok()?, Member { key, banned }))
}

fn parse_invitation(words: &str) -> Option<(SecretDigest, Invitation)> {
    let mut words = words.split(' ');
    let opened = words.next()?;
    let opened = match opened.parse() {
        Ok(uptime) => Uptime(uptime),
        Err(_) => humantime::parse_rfc3339(opened).ok().map(|_| Uptime::default())?,
    };
    let digest = SecretDigest::from_hex(words.next()?).ok()?;
    let only = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then_some((digest, Invitation { opened, only }))
}

/// The line of one name.
pub(super) fn member_line(name: &Name, member: &Member) -> String {
    let banned = if member.banned { "banned " } else { "" };
    match &member.key {
        Some(key) => format!("{banned}{ALGORITHM} {key} {name}\n"),
        None => format!("{banned}reset {name}\n"),
    }
}

/// All lines.
impl fmt::Display for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.comments.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        for (name, member) in &self.members {
            f.write_str(&member_line(name, member))?;
        }
        for (digest, Invitation { opened: Uptime(opened), only }) in &self.invites {
            write!(f, "invite {opened} {digest}")?;
            only.iter().try_for_each(|name| write!(f, " {name}"))?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trust::Identity;

    const OPENED: Uptime = Uptime(1_000);
    /// What was opened before is too old, soon and later.
    const NOW: Option<Uptime> = Some(OPENED);
    const LATER: Option<Uptime> = Some(Uptime(1_001));

    fn key() -> PublicKey {
        Identity::generate().unwrap().public()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn invited(roll: &mut Roll, only: Option<&str>) -> Invite {
        let invite = Invite::generate();
        roll.invite(invite.digest(), OPENED, only.map(name), NOW).unwrap();
        invite
    }

    #[test]
    fn who_may_have_a_new_name_is_for_the_operator_to_say() {
        let (mut roll, johns) = (Roll::default(), key());
        let invite = invited(&mut roll, None);
        let admit = |roll: &Roll, registration, invite: Option<&Invite>, too_old| {
            roll.admit(&name("john"), &johns, invite, registration, too_old)
        };
        use Registration::{Closed, Open};
        assert_eq!(admit(&roll, Open, None, NOW), Ok(Welcome::New(None)));
        assert_eq!(admit(&roll, Closed, Some(&invite), NOW), Err(Unwelcome::Closed));
        let invited = |invite, too_old| admit(&roll, Registration::Invite, invite, too_old);
        let (unknown, other) = (Invite::generate(), key());
        assert_eq!(invited(None, NOW), Err(Unwelcome::Uninvited));
        assert_eq!(invited(Some(&unknown), NOW), Err(Unwelcome::StaleInvite));
        assert_eq!(invited(Some(&invite), LATER), Err(Unwelcome::StaleInvite));
        let cost = Some(invite.digest());
        assert_eq!(invited(Some(&invite), NOW), Ok(Welcome::New(cost)));
        assert_eq!(invited(Some(&invite), None), Ok(Welcome::New(cost)));
        roll.enrol(name("john"), johns, cost);
        let invited = |who: &str, key, invite| {
            roll.admit(&name(who), key, Some(invite), Registration::Invite, NOW)
        };
        assert_eq!(invited("john", &johns, &invite), Ok(Welcome::Back));
        assert_eq!(invited("john", &other, &invite), Err(Unwelcome::Taken));
        assert_eq!(invited("anna", &other, &invite), Err(Unwelcome::StaleInvite));
    }

    #[test]
    fn a_key_is_banned_with_its_name() {
        let (mut roll, eves) = (Roll::default(), key());
        roll.enrol(name("eve"), eves, None);
        roll.enrol(name("eve2"), eves, None);
        let admit = |roll: &Roll, who| roll.admit(&name(who), &eves, None, Registration::Open, NOW);
        roll.set_banned(&name("eve"), true).unwrap();
        for who in ["eve", "eve2", "anna"] {
            assert_eq!(admit(&roll, who), Err(Unwelcome::Banned), "{who}");
        }
        let other = roll.admit(&name("eve"), &key(), None, Registration::Open, NOW);
        assert_eq!(other, Err(Unwelcome::Taken));
        assert_eq!(roll.reset_key(&name("eve")), Err(ChangeError::Banned(name("eve"))));
        roll.set_banned(&name("eve"), false).unwrap();
        assert_eq!(admit(&roll, "eve"), Ok(Welcome::Back));
        assert_eq!(roll.set_banned(&name("bob"), true), Err(ChangeError::Unknown(name("bob"))));
    }

    #[test]
    fn a_name_that_was_reset_is_for_whom_the_operator_invites_to_it() {
        let (mut roll, old, new) = (Roll::default(), key(), key());
        roll.enrol(name("john"), old, None);
        roll.reset_key(&name("john")).unwrap();
        let (anybody, first) = (invited(&mut roll, None), invited(&mut roll, Some("john")));
        roll.reset_key(&name("john")).unwrap();
        let second = invited(&mut roll, Some("john"));
        let admit = |key, invite| {
            roll.admit(&name("john"), key, invite, Registration::Closed, NOW).map(|_| ())
        };
        assert_eq!(admit(&old, None), Err(Unwelcome::Reset));
        assert_eq!(admit(&new, Some(&anybody)), Err(Unwelcome::StaleInvite));
        assert_eq!(admit(&new, Some(&first)), Err(Unwelcome::StaleInvite));
        assert_eq!(admit(&new, Some(&second)), Ok(()));
        let for_anna =
            roll.admit(&name("anna"), &new, Some(&second), Registration::Invite, NOW).unwrap_err();
        assert_eq!(for_anna, Unwelcome::StaleInvite);
    }

    #[test]
    fn there_is_an_end_to_invitations() {
        let mut roll = Roll::default();
        for _ in 0..MAX_INVITES {
            invited(&mut roll, None);
        }
        let one_more = |roll: &mut Roll, too_old| {
            roll.invite(Invite::generate().digest(), Uptime(9_999), None, too_old)
        };
        assert_eq!(one_more(&mut roll, NOW), Err(ChangeError::TooMany));
        assert_eq!(one_more(&mut roll, LATER), Ok(()));
        assert_eq!(roll.invites.len(), 1);
    }

    /// What is on people's disks.
    #[test]
    fn an_invitation_of_an_earlier_version_is_good_since_the_server_counts() {
        let digest = Invite::generate().digest();
        let text = format!("invite 2026-01-01T00:00:00.000Z {digest} anna\n");
        let roll = Roll::parse(&text).unwrap();
        assert_eq!(roll.invites[&digest].opened, Uptime(0));
        assert_eq!(roll.to_string(), format!("invite 0 {digest} anna\n"));
    }

    #[test]
    fn a_line_that_says_nothing_is_found() {
        let key = key();
        let good = format!("# mine\n\nssh-ed25519 {key} john\n");
        assert!(Roll::parse(&good).is_ok());
        for bad in [
            "rubbish",
            "reset",
            "banned",
            "invite x y",
            &format!("invite tomorrow {}", Invite::generate().digest()),
            &format!("ssh-ed25519 {key} JOHN"),
            &format!("ssh-ed25519 {key}"),
            &format!("banned banned ssh-ed25519 {key} anna"),
            &format!("invite 2026-01-01T00:00:00Z {} anna more", Invite::generate().digest()),
        ] {
            assert_eq!(Roll::parse(&format!("{good}{bad}\n")), Err(4), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_roll_survives_being_written_down(steps in prop::collection::vec((0..6u8, 0..4u8), 0..30)) {
            let keys = [key(), key()];
            let mut roll = Roll::parse("# a comment\n").unwrap();
            for (step, who) in steps {
                let name = name(["anna", "bob", "reset", "banned"][usize::from(who)]);
                let key = keys[usize::from(who % 2)];
                // What cannot be done is not.
                let _ = match step {
                    0 => { roll.enrol(name, key, None); Ok(()) },
                    1 => roll.set_banned(&name, true),
                    2 => roll.set_banned(&name, false),
                    3 => roll.reset_key(&name),
                    4 => roll.remove(&name),
                    _ => roll.invite(Invite::generate().digest(), OPENED, (who < 2).then_some(name), None),
                };
                prop_assert_eq!(Roll::parse(&roll.to_string()), Ok(roll.clone()));
            }
        }

        #[test]
        fn any_text_is_a_roll_or_is_not(text in "(banned |reset |invite |ssh-ed25519 |\\PC{0,9}|\n){0,12}") {
            let _ = Roll::parse(&text);
        }
    }
}
