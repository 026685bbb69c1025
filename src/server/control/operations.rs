//! The operations that operators ask for, as data.
//!
//! Run on a thread of their own, in the server or without one.

use std::io::Write;

use super::error::ControlError;
use super::subject::Subject;
use super::{accounts, announce, bans, disk, invitations, limits, people, purge, status, stock};
use crate::log_output::Event;

/// An operation: its word, how many words follow, its function, and what it is in the log, unless it only looks. New
/// ones go here.
struct Operation {
    word: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    run: fn(&Subject, &[&str], &mut dyn Write) -> Result<(), ControlError>,
    event: Option<Event>,
}

const OPERATIONS: &[Operation] = &[
    Operation { word: "check", arguments: 0..=0, run: stock::check, event: None },
    Operation { word: "backup", arguments: 0..=0, run: stock::backup, event: Some(Event::Backup) },
    Operation { word: "du", arguments: 0..=1, run: disk::du, event: None },
    Operation { word: "status", arguments: 0..=1, run: status::status, event: None },
    Operation {
        word: "invite",
        arguments: 0..=3,
        run: invitations::invite,
        event: Some(Event::Invite),
    },
    Operation { word: "invitations", arguments: 0..=1, run: invitations::list, event: None },
    Operation {
        word: "revoke",
        arguments: 1..=1,
        run: invitations::revoke,
        event: Some(Event::Revoke),
    },
    Operation {
        word: "announce",
        arguments: 2..=usize::MAX,
        run: announce::announce,
        event: Some(Event::Announce),
    },
    Operation {
        word: "announce-end",
        arguments: 0..=0,
        run: announce::end,
        event: Some(Event::AnnounceEnd),
    },
    Operation { word: "announced", arguments: 0..=0, run: announce::show, event: None },
    Operation { word: "list", arguments: 0..=1, run: accounts::list, event: None },
    Operation { word: "show", arguments: 1..=2, run: accounts::show, event: None },
    Operation { word: "remove", arguments: 1..=1, run: people::remove, event: Some(Event::Remove) },
    Operation {
        word: "reset-key",
        arguments: 1..=2,
        run: people::reset_key,
        event: Some(Event::ResetKey),
    },
    Operation { word: "ban", arguments: 1..=2, run: bans::ban, event: Some(Event::Ban) },
    Operation { word: "unban", arguments: 1..=1, run: bans::unban, event: Some(Event::Unban) },
    Operation { word: "purge", arguments: 1..=1, run: purge::purge, event: Some(Event::Purge) },
    Operation { word: "limit", arguments: 2..=7, run: limits::limit, event: Some(Event::Limit) },
    Operation { word: "limits", arguments: 1..=1, run: limits::show, event: None },
    Operation { word: "bans", arguments: 0..=1, run: bans::list, event: None },
];

/// Does what the words of a request say.
pub(super) fn perform(
    words: &[&str],
    subject: &Subject,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let unknown = || ControlError::Refused("this server does not know that request".into());
    let (word, arguments) = words.split_first().ok_or_else(unknown)?;
    let fits = |it: &&Operation| it.word == *word && it.arguments.contains(&arguments.len());
    let operation = OPERATIONS.iter().find(fits).ok_or_else(unknown)?;
    (operation.run)(subject, arguments, out)
}

/// What a request is in the log.
pub(super) fn event(words: &[&str]) -> Option<Event> {
    let word = words.first()?;
    OPERATIONS.iter().find(|it| it.word == *word)?.event
}
