//! What operators do when nothing of a person is to be left: they remove the name, and all that is kept of it.
//!
//! Invariant: nobody can claim the name before all of that is off the disk: whatever fails can be retried.

use std::io::Write;

use async_std::task::block_on;

use super::accounts::devices;
use super::error::ControlError;
use super::people::{Left, Sent, take_away};
use super::subject::Subject;
use super::words::{amount, count};
use crate::blobs::Held;
use crate::message::Name;
use crate::server::people::Member;

/// Removes a name with all that is kept of whoever has it, and prints what that was.
pub(super) fn purge(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (name, member) = subject.whoever_has(words[0])?;
    let mut gone = books(subject, &name, &member)?;
    let Left { waited, words, .. } = take_away(subject, &name, Sent::Expires)?;
    gone.insert(0, format!("{}; their senders are told", count(waited, "message") + " for them"));
    gone.insert(1, format!("{} of theirs for others", count(words, "message")));
    writeln!(out, "purged {name}; what went:")?;
    gone.iter().try_for_each(|what| writeln!(out, "  {what}"))?;
    let stays =
        "what others have received stays with them, and what is in logs and backups stays there";
    Ok(writeln!(out, "{stays}")?)
}

/// What is kept of somebody beside messages.
fn books(subject: &Subject, name: &Name, member: &Member) -> Result<Vec<String>, ControlError> {
    let Held { received, sent } = subject.blobs.held().get(name).copied().unwrap_or_default();
    let circle = subject.contacts.circle();
    let number = |length: usize| length as u64;
    let devices = block_on(devices(subject, name, member))?;
    let mut books = vec![
        format!("{} for them", amount(received.0, "file", received.1)),
        format!("{} of theirs", amount(sent.0, "file", sent.1)),
        format!("a list with {}", count(number(devices), "device")),
        format!("{} whom they block", count(number(circle.blocked_by(name).len()), "name")),
        format!(
            "{} by whom they are blocked",
            count(number(circle.blockers_of(name).len()), "name")
        ),
        "the name, its key, since when it was theirs, and when they were last here".into(),
    ];
    books.extend(member.by.map(|id| format!("that they came by the invitation {id}")));
    books.extend(member.ban.map(|_| "the ban of the name and its key".into()));
    let limits = subject.names.limits(name);
    books.extend((!limits.is_empty()).then(|| format!("limits of their own: {limits}")));
    Ok(books)
}
