//! What operators do about people: remove them, give them a new key.
//!
//! Each change is in the book of names, synced, before the people concerned are told.

use std::io::Write;
use std::time::Duration;

use async_std::task::block_on;

use super::error::ControlError;
use super::invitations::open;
use super::subject::Subject;
use super::words::count;
use crate::message::Name;
use crate::server::people::{ContactsError, Terms};
use crate::task;
use crate::trust::Invite;

/// How long somebody who loses their name may take to disconnect.
const LEAVING: Duration = Duration::from_secs(5);

/// Takes the key from a name and prints an address that gives it a new one.
pub(super) fn reset_key(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let host = subject.running()?;
    let name: Name = words[0].parse()?;
    let (invite, who) = (Invite::generate(), name.clone());
    let now = subject.mailbox.clock().uptime();
    block_on(subject.names.change(move |roll| roll.reset_key(&who, now)))?;
    subject.registry.outdate(&name);
    host.dismiss_the_unwelcome();
    block_on(subject.lists.forget(&name))?;
    open(subject, invite, Terms { only: Some(name), ..Terms::default() })?;
    Ok(writeln!(out, "{}", host.invitation(words.get(1).copied(), &invite))?)
}

/// Forgets a name, and expires what waits for it. Nobody can claim it before all of that is on the disk: whatever fails
/// can be retried.
pub(super) fn remove(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let name: Name = words[0].parse()?;
    let Left { waited, words, files } = take_away(subject, &name, Sent::Stays)?;
    let messages = count(waited, "message");
    writeln!(out, "removed {name}; {messages} that waited there will not be delivered")?;
    if words + files > 0 {
        let (words, files) = (count(words, "message"), count(files, "file"));
        writeln!(out, "{words} and {files} from {name} still wait for others, who will get them")?;
    }
    Ok(())
}

/// What becomes of what somebody has sent, and waits for others, when they lose their name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Stays,
    Expires,
}

/// What was left of a name.
pub(super) struct Left {
    /// Messages that waited for it, and expire.
    pub(super) waited: u64,
    /// Messages and files of it that wait for others, or waited.
    pub(super) words: u64,
    files: u64,
}

/// Takes a name from its owner, forgets it, and gives it free.
pub(super) fn take_away(subject: &Subject, name: &Name, sent: Sent) -> Result<Left, ControlError> {
    let who = name.clone();
    block_on(subject.names.change(move |roll| roll.vacate(&who)))?;
    subject.registry.outdate(name);
    dismiss(subject);
    let left = block_on(forget(subject, name, sent)).map_err(|error| {
        let text = format!("{error}; nobody has the name {name} now, and nobody can: try again");
        ControlError::Refused(text)
    })?;
    let who = name.clone();
    block_on(subject.names.change(move |roll| roll.remove(&who)))?;
    Ok(left)
}

async fn forget(subject: &Subject, name: &Name, sent: Sent) -> Result<Left, ControlError> {
    let Subject { registry, contacts, lists, blobs, host, .. } = subject;
    if let Some(host) = host {
        // What they just sent is handled first; whoever takes longer is not read any more.
        let _ = task::within(LEAVING, host.directory.until_left(name)).await;
    }
    registry.outdate(name);
    let refused = |error: ContactsError| ControlError::Refused(error.to_string());
    let waited = registry.vacate(name, contacts.forget(name)).await?.map_err(refused)?;
    let expired = match sent {
        Sent::Stays => 0,
        Sent::Expires => expire_words(subject, name).await?,
    };
    let words = expired + registry.forget_sender(name).await?;
    lists.forget(name).await?;
    forget_seen(subject, name).await?;
    let files = match sent {
        Sent::Stays => blobs.forget(name)?,
        Sent::Expires => blobs.purge(name)?,
    };
    Ok(Left { waited, words, files })
}

/// Before the name is free, so that it can be tried again.
async fn forget_seen(subject: &Subject, name: &Name) -> Result<(), ControlError> {
    subject.seen.forget(name);
    let names = subject.names.clone();
    let is_written = subject.seen.write(move |name| names.member(name).is_some()).await;
    let unwritten = || ControlError::Refused("cannot write down who was here when".into());
    is_written.then_some(()).ok_or_else(unwritten)
}

/// What somebody has written and waits for others expires; those who are there are told that it waits no more.
async fn expire_words(subject: &Subject, name: &Name) -> Result<u64, ControlError> {
    let gone = subject.registry.expire_words_of(name).await?;
    if let Some(host) = &subject.host {
        gone.iter().for_each(|(key, _)| host.announce_waiting(key.sender(), key.receiver()));
    }
    Ok(gone.iter().map(|(_, count)| count).sum())
}

fn dismiss(subject: &Subject) {
    if let Some(host) = &subject.host {
        host.dismiss_the_unwelcome();
    }
}
