//! What operators do about people: invite, list, remove, give a new key, ban.
//!
//! Each change is in the book of names, synced, before the people concerned are told.

use std::io::Write;
use std::time::Duration;

use async_std::task::block_on;

use super::error::ControlError;
use super::subject::Subject;
use super::words::count;
use crate::message::Name;
use crate::server::people::{ContactsError, INVITED, Member, Registration};
use crate::task;
use crate::trust::Invite;
use crate::wire::frame::Presence;

/// How long somebody who loses their name may take to disconnect.
const LEAVING: Duration = Duration::from_secs(5);

/// Prints an address that lets one person in.
pub(super) fn invite(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let host = subject.running()?;
    if subject.names.registration() == Registration::Closed {
        let text = "registration is closed, also for those who are invited; start the server with --registration invite";
        return Err(ControlError::Refused(text.into()));
    }
    let invite = Invite::generate();
    open(subject, invite, None)?;
    writeln!(out, "{}", host.invitation(words.first().copied(), &invite))?;
    // Behind it is what is not for whoever is invited.
    if subject.names.registration() == Registration::Open {
        writeln!(out, "registration is open, and whoever reaches the server gets in without it")?;
    }
    Ok(())
}

/// Takes the key from a name and prints an address that gives it a new one.
pub(super) fn reset_key(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let host = subject.running()?;
    let name: Name = words[0].parse()?;
    let (invite, who) = (Invite::generate(), name.clone());
    block_on(subject.names.change(move |roll| roll.reset_key(&who)))?;
    subject.registry.outdate(&name);
    host.dismiss_the_unwelcome();
    block_on(subject.lists.forget(&name))?;
    open(subject, invite, Some(name))?;
    Ok(writeln!(out, "{}", host.invitation(words.get(1).copied(), &invite))?)
}

/// Prints a line for each name: the name, its status, the fingerprint of its key.
pub(super) fn list(subject: &Subject, _: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    let members = subject.names.members();
    let width = members.iter().map(|(name, _)| name.as_str().chars().count()).max().unwrap_or(0);
    for (name, member) in members {
        let key = member.key.map_or_else(|| "-".into(), |key| key.fingerprint().to_string());
        let standing = standing(subject, &name, &member);
        writeln!(out, "{:width$} {standing:9} {key}", name.as_str())?;
    }
    Ok(())
}

fn standing(subject: &Subject, name: &Name, member: &Member) -> &'static str {
    let directory = subject.host.as_ref().map(|host| &host.directory);
    match (member, directory) {
        (Member { banned: true, .. }, _) => "banned",
        (Member { key: None, .. }, _) => "reset",
        (_, Some(it)) if it.presence(name) == Presence::Online => "online",
        (_, Some(it)) if it.is_connected(name) => "connected",
        _ => "away",
    }
}

/// Forgets a name, and expires what waits for it. Nobody can claim it before all of that is on the disk: whatever fails
/// can be retried.
pub(super) fn remove(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let name: Name = words[0].parse()?;
    let who = name.clone();
    block_on(subject.names.change(move |roll| roll.vacate(&who)))?;
    subject.registry.outdate(&name);
    dismiss(subject);
    let Left { waited, words, files } = block_on(forget(subject, &name)).map_err(|error| {
        let text = format!("{error}; nobody has the name {name} now, and nobody can: try again");
        ControlError::Refused(text)
    })?;
    let who = name.clone();
    block_on(subject.names.change(move |roll| roll.remove(&who)))?;
    let messages = count(waited, "message");
    writeln!(out, "removed {name}; {messages} that waited there will not be delivered")?;
    if words + files > 0 {
        let (words, files) = (count(words, "message"), count(files, "file"));
        writeln!(out, "{words} and {files} from {name} still wait for others, who will get them")?;
    }
    Ok(())
}

/// What was left of a name.
struct Left {
    /// Messages that waited for it, and expire.
    waited: u64,
    /// Messages and files of it that wait for others.
    words: u64,
    files: u64,
}

async fn forget(subject: &Subject, name: &Name) -> Result<Left, ControlError> {
    let Subject { registry, contacts, lists, blobs, host, .. } = subject;
    if let Some(host) = host {
        // What they just sent is handled first; whoever takes longer is not read any more.
        let _ = task::within(LEAVING, host.directory.until_left(name)).await;
    }
    registry.outdate(name);
    let refused = |error: ContactsError| ControlError::Refused(error.to_string());
    let waited = registry.vacate(name, contacts.forget(name)).await?.map_err(refused)?;
    let words = registry.forget_sender(name).await?;
    lists.forget(name).await?;
    Ok(Left { waited, words, files: blobs.forget(name)? })
}

/// Lets nobody sign in with a name or its key.
pub(super) fn ban(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    set_banned(subject, words[0], true)?;
    Ok(writeln!(out, "banned {}", words[0])?)
}

/// Undoes [`ban`].
pub(super) fn unban(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    set_banned(subject, words[0], false)?;
    Ok(writeln!(out, "{} may come again", words[0])?)
}

fn set_banned(subject: &Subject, name: &str, banned: bool) -> Result<(), ControlError> {
    let name: Name = name.parse()?;
    block_on(subject.names.change(move |roll| roll.set_banned(&name, banned)))?;
    dismiss(subject);
    Ok(())
}

fn open(subject: &Subject, invite: Invite, only: Option<Name>) -> Result<(), ControlError> {
    let clock = subject.mailbox.clock();
    let open = subject.names.change(move |roll| {
        roll.invite(invite.digest(), clock.uptime(), only, clock.overdue(INVITED))
    });
    Ok(block_on(open)?)
}

fn dismiss(subject: &Subject) {
    if let Some(host) = &subject.host {
        host.dismiss_the_unwelcome();
    }
}
