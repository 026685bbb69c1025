//! What operators do to keep people away: ban a name, or addresses, for ever or for a time; list bans, and end them.
//!
//! Each change is in the book of names, synced, before the people concerned are told.

use std::io::Write;
use std::time::Duration;

use async_std::task::block_on;
use serde::Serialize;

use super::error::ControlError;
use super::subject::Subject;
use super::words::{is_json, print_object, time_left, time_of};
use crate::message::{Name, NameError, Uptime};
use crate::server::people::{Ban, Member, Whom};
use crate::time_text;

/// Lets nobody sign in with a name or its key, or from addresses. The second word is a time in milliseconds.
pub(super) fn ban(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (whom, time) = (whom(subject, words[0], |_| true)?, time_of(words.get(1))?);
    let now = now(subject);
    let ban = Ban::lasting(time, now);
    let changed = match whom.clone() {
        Whom::Name(name) => block_on(subject.names.change(move |it| it.set_ban(&name, Some(ban)))),
        Whom::Block(block) => block_on(subject.names.change(move |it| it.bar(block, ban, now))),
    };
    changed?;
    dismiss(subject);
    let time = time.map(|time| format!(" for {}", time_text::duration(time)));
    Ok(writeln!(out, "banned {whom}{}", time.unwrap_or_default())?)
}

/// Undoes [`ban`].
pub(super) fn unban(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let whom = whom(subject, words[0], |member| member.ban.is_some())?;
    let (changed, who) = match whom.clone() {
        Whom::Name(name) => (block_on(subject.names.change(move |it| it.set_ban(&name, None))), ""),
        Whom::Block(block) => {
            (block_on(subject.names.change(move |it| it.unbar(&block))), "whoever comes from ")
        }
    };
    changed?;
    Ok(writeln!(out, "{who}{whom} may come again")?)
}

/// Whom a word means: the member who has such a name, also if it looks like an address, as some may that were claimed
/// long ago; or else what it reads as.
fn whom(
    subject: &Subject,
    word: &str,
    is_meant: impl FnOnce(&Member) -> bool,
) -> Result<Whom, NameError> {
    let named = word.parse::<Name>().ok();
    let named = named.filter(|name| subject.names.member(name).as_ref().is_some_and(is_meant));
    named.map_or_else(|| word.parse(), |name| Ok(Whom::Name(name)))
}

/// Prints whom bans are for that have not ended, and how long they still last.
pub(super) fn list(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (is_json, now) = (is_json(words.first())?, now(subject));
    for (whom, ban) in subject.names.bans(now) {
        let left = ban.left(now);
        if is_json {
            print_object(&Banned::of(&whom, left), out)?;
            continue;
        }
        let left = left.map(|it| format!("for {} more", time_text::duration(time_left(it))));
        writeln!(out, "{whom} {}", left.unwrap_or_else(|| "for ever".into()))?;
    }
    Ok(())
}

/// A ban, as programs read it.
#[derive(Serialize)]
struct Banned {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<String>,
    /// How long it still lasts; none is for ever.
    seconds: Option<u64>,
}

impl Banned {
    fn of(whom: &Whom, left: Option<Duration>) -> Self {
        let seconds = left.map(|left| time_left(left).as_secs());
        let (name, block) = match whom {
            Whom::Name(name) => (Some(name.to_string()), None),
            Whom::Block(block) => (None, Some(block.to_string())),
        };
        Self { name, block, seconds }
    }
}

fn now(subject: &Subject) -> Uptime {
    subject.mailbox.clock().uptime()
}

fn dismiss(subject: &Subject) {
    if let Some(host) = &subject.host {
        host.dismiss_the_unwelcome();
    }
}
