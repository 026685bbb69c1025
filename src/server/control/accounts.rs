//! What operators see of people: a line for each, and all that is known and kept of one.
//!
//! Invariant: nothing is changed, and nobody learns what people have written.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use async_std::task::block_on;
use serde::Serialize;

use super::error::ControlError;
use super::subject::Subject;
use super::words::{amount, count, is_json, print_object};
use crate::blobs::Held;
use crate::clock::Moment;
use crate::mailbox::{Mailbox, MailboxError};
use crate::message::{Name, Timestamp, Uptime};
use crate::server::people::Member;
use crate::time_text;
use crate::trust::devices::Bundle;
use crate::wire::frame::Presence;

/// Prints a line for each name: the name, its status, the fingerprint of its key. With `json`, all that is kept of each.
pub(super) fn list(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let members = subject.names.members();
    if is_json(words.first())? {
        let census = Census::begin(subject);
        return members.iter().try_for_each(|it| print_object(&census.of(&it.0, &it.1)?, out));
    }
    let width = members.iter().map(|(name, _)| name.as_str().chars().count()).max().unwrap_or(0);
    let now = subject.mailbox.clock().uptime();
    for (name, member) in members {
        let key = key_of(&member).unwrap_or_else(|| "-".into());
        let standing = standing(subject, &name, &member, now);
        writeln!(out, "{:width$} {standing:9} {key}", name.as_str())?;
    }
    Ok(())
}

/// Prints all that is known and kept of one name.
pub(super) fn show(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (name, member) = subject.whoever_has(words[0])?;
    let account = Census::begin(subject).of(&name, &member)?;
    let sent = block_on(sent(subject, &name))?;
    let account = Account { sent: Some(sent), ..account };
    if is_json(words.get(1))? { print_object(&account, out) } else { account.tell(out) }
}

fn standing(subject: &Subject, name: &Name, member: &Member, now: Uptime) -> &'static str {
    let directory = subject.host.as_ref().map(|host| &host.directory);
    match (member, directory) {
        _ if member.ban(now).is_some() => "banned",
        (Member { key: None, .. }, _) => "reset",
        (_, Some(it)) if it.presence(name) == Presence::Online => "online",
        (_, Some(it)) if it.is_connected(name) => "connected",
        _ => "away",
    }
}

fn key_of(member: &Member) -> Option<String> {
    member.key.map(|key| key.fingerprint().to_string())
}

/// How many messages of somebody wait for others.
async fn sent(subject: &Subject, name: &Name) -> Result<u64, MailboxError> {
    let keys = subject.mailbox.sessions_of(name).await?;
    let waiting = keys.iter().flat_map(|key| subject.mailbox.waiting(key.receiver()));
    Ok(waiting.filter(|(sender, _)| sender == name).map(|(_, count)| count).sum())
}

/// How many devices somebody reads on.
pub(super) async fn devices(
    subject: &Subject,
    name: &Name,
    member: &Member,
) -> Result<usize, MailboxError> {
    let list = subject.mailbox.list_of(name);
    if list.is_none_or(|list| Some(list.owner) != member.key) {
        return Ok(0);
    }
    let kept = subject.mailbox.committed_list(name).await?;
    let bundle = kept.and_then(|kept| Bundle::read(kept.bundle).ok());
    Ok(bundle.map_or(0, |bundle| bundle.list().devices().len()))
}

/// A look at all people, at one moment.
struct Census<'a> {
    subject: &'a Subject,
    held: HashMap<Name, Held>,
    now: Moment,
}

impl<'a> Census<'a> {
    fn begin(subject: &'a Subject) -> Self {
        Self { subject, held: subject.blobs.held(), now: subject.mailbox.clock().moment() }
    }

    fn of(&self, name: &Name, member: &Member) -> Result<Account, ControlError> {
        let Self { subject, .. } = self;
        let Held { received, sent } = self.held.get(name).copied().unwrap_or_default();
        let waiting = subject.mailbox.usage(name);
        Ok(Account {
            name: name.clone(),
            status: standing(subject, name, member, self.now.uptime),
            key: key_of(member),
            since: member.since.map(moment),
            last_seen: self.last_seen(name).map(moment),
            invitation: member.by.map(|id| id.to_string()),
            devices: block_on(devices(subject, name, member))?,
            waiting: Amount { count: waiting.messages, bytes: waiting.bytes },
            sent: None,
            files: received.into(),
            sent_files: sent.into(),
            limits: subject.names.limits(name).in_words().collect(),
        })
    }

    fn last_seen(&self, name: &Name) -> Option<Timestamp> {
        let host = self.subject.host.as_ref();
        let is_here = host.is_some_and(|host| host.directory.is_connected(name));
        if is_here { Some(self.now.wall) } else { self.subject.seen.last(name) }
    }
}

fn moment(time: Timestamp) -> String {
    time_text::moment(time.printable(), 0)
}

/// What is known and kept of one person. The names of its fields are those that programs read.
#[derive(Serialize)]
struct Account {
    #[serde(serialize_with = "as_text")]
    name: Name,
    status: &'static str,
    key: Option<String>,
    since: Option<String>,
    last_seen: Option<String>,
    /// By which invitation they came.
    invitation: Option<String>,
    devices: usize,
    waiting: Amount,
    /// Messages of theirs that wait for others. Looked for where one person is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<u64>,
    files: Amount,
    sent_files: Amount,
    /// Those of their own.
    limits: BTreeMap<&'static str, String>,
}

#[derive(Clone, Copy, Serialize)]
struct Amount {
    count: u64,
    bytes: u64,
}

impl From<(u64, u64)> for Amount {
    fn from((count, bytes): (u64, u64)) -> Self {
        Self { count, bytes }
    }
}

impl Amount {
    fn in_words(self, what: &str) -> String {
        amount(self.count, what, self.bytes)
    }
}

impl Account {
    /// Prints it in words.
    fn tell(&self, out: &mut dyn Write) -> Result<(), ControlError> {
        let known = |word: &Option<String>| word.clone().unwrap_or_else(|| "not known".into());
        writeln!(out, "{} is {}", self.name, self.status)?;
        writeln!(out, "key: {}", self.key.as_deref().unwrap_or("none"))?;
        writeln!(out, "since: {}", known(&self.since))?;
        writeln!(out, "last here: {}", known(&self.last_seen))?;
        writeln!(out, "invitation: {}", self.invitation.as_deref().unwrap_or("none"))?;
        writeln!(out, "devices: {}", self.devices)?;
        writeln!(out, "waiting: {}", self.waiting.in_words("message"))?;
        writeln!(out, "sent, waiting for others: {}", count(self.sent.unwrap_or(0), "message"))?;
        writeln!(out, "files: {}", self.files.in_words("file"))?;
        writeln!(out, "sent files: {}", self.sent_files.in_words("file"))?;
        for (word, value) in &self.limits {
            writeln!(out, "{word}: {value}")?;
        }
        Ok(())
    }
}

fn as_text<S: serde::Serializer>(name: &Name, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(name.as_str())
}
