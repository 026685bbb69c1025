//! What operators do about invitations: make them, list them, take them back.
//!
//! Each change is in the book of names, synced, before it is reported.

use std::io::Write;

use async_std::task::block_on;
use serde::Serialize;

use super::error::ControlError;
use super::subject::Subject;
use super::words::{count, is_json, print_object, time_left, time_of};
use crate::message::Name;
use crate::server::people::{InviteId, Invited, Registration, Terms};
use crate::time_text;
use crate::trust::Invite;

/// Prints an address that lets somebody in. The words are, in any order, `uses=` and a number, `for=` and a time in
/// milliseconds, and the place to be named.
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
    let (mut terms, mut place) = (Terms::default(), None);
    for word in words {
        match word.split_once('=') {
            Some(("uses", uses)) => terms.uses = uses_of(uses)?,
            Some(("for", time)) => terms.lasts = time_of(Some(&time))?.unwrap_or(terms.lasts),
            _ => place = Some(*word),
        }
    }
    let invite = Invite::generate();
    open(subject, invite, terms)?;
    writeln!(out, "{}", host.invitation(place, &invite))?;
    // Behind it is what is not for whoever is invited.
    if subject.names.registration() == Registration::Open {
        writeln!(out, "registration is open, and whoever reaches the server gets in without it")?;
    }
    Ok(())
}

fn uses_of(word: &str) -> Result<u32, ControlError> {
    let uses = word.parse::<u32>().ok().filter(|uses| *uses > 0);
    uses.ok_or_else(|| ControlError::Refused("an invitation is good once at least".into()))
}

/// Prints the invitations that are open, and those by which people have come.
pub(super) fn list(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let is_json = is_json(words.first())?;
    for invited in subject.names.invitations(subject.mailbox.clock().moment()) {
        if is_json {
            print_object(&Listed::from(&invited), out)?;
        } else {
            writeln!(out, "{}", in_words(&invited))?;
        }
    }
    Ok(())
}

fn in_words(Invited { id, terms, came }: &Invited) -> String {
    let terms = match terms {
        None => "not open any more".into(),
        Some(Terms { only, uses, lasts }) => {
            let whom = only.as_ref().map(|name| format!(", for {name} alone")).unwrap_or_default();
            let time = time_text::duration(time_left(*lasts));
            format!("good for {} and {time} more{whom}", count((*uses).into(), "use"))
        }
    };
    let came: Vec<&str> = came.iter().map(Name::as_str).collect();
    let came = if came.is_empty() { "nobody".into() } else { came.join(", ") };
    format!("{id}: {terms}; {came} came by it")
}

/// An invitation, as programs read it.
#[derive(Serialize)]
struct Listed<'a> {
    id: String,
    uses: u32,
    seconds: u64,
    name: Option<&'a str>,
    came: Vec<&'a str>,
}

impl<'a> From<&'a Invited> for Listed<'a> {
    fn from(Invited { id, terms, came }: &'a Invited) -> Self {
        let terms = terms.as_ref();
        Self {
            id: id.to_string(),
            uses: terms.map_or(0, |it| it.uses),
            seconds: terms.map_or(0, |it| time_left(it.lasts).as_secs()),
            name: terms.and_then(|it| it.only.as_ref()).map(Name::as_str),
            came: came.iter().map(Name::as_str).collect(),
        }
    }
}

/// Takes an invitation back: nobody comes by it any more.
pub(super) fn revoke(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let wrong =
        || ControlError::Refused("an invitation is called by 8 digits, as they are listed".into());
    let id = InviteId::parse(words[0]).ok_or_else(wrong)?;
    block_on(subject.names.change(move |roll| roll.revoke(id)))?;
    Ok(writeln!(out, "nobody comes by the invitation {id} any more")?)
}

/// Writes down that an invitation is open.
pub(super) fn open(subject: &Subject, invite: Invite, terms: Terms) -> Result<(), ControlError> {
    let now = subject.mailbox.clock().moment();
    let open = subject.names.change(move |roll| roll.invite(invite.digest(), terms, now));
    Ok(block_on(open)?)
}
