//! What operators do about people: remove them, give them a new key.
//!
//! Each change is in the book of names, synced, before the people concerned are told.

use std::io::Write;
use std::time::Duration;

use async_std::task::block_on;

use super::error::ControlError;
use super::invitations::{open, running};
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
    let host = running(subject)?;
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
    subject.seen.forget(name);
    Ok(Left { waited, words, files: blobs.forget(name)? })
}

fn dismiss(subject: &Subject) {
    if let Some(host) = &subject.host {
        host.dismiss_the_unwelcome();
    }
}
