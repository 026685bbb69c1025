//! Events of the client, in words: the same for every face.
//!
//! Pure. Other people's words in it go through [`text`](crate::text) where they are shown.

use std::fmt::Display;
use std::path::Path;
use std::time::SystemTime;

use super::numbers::count;
use crate::client::{Absence, Change, Hit, Pending, Seal};
use crate::message::{Name, Timestamp};
use crate::time_text;
use crate::trust::Fingerprint;

/// Somebody has written whom one never talked to; outside of a face.
pub(crate) fn request(peer: &str, waiting: u64, alike: Option<&str>) -> String {
    let alike = alike.map(|known| format!(" and looks like {known}")).unwrap_or_default();
    format!("{} from {peer}, who is new to you{alike}", count(waiting, "message"))
}

/// Somebody who is new may be mistaken for somebody whom one knows.
pub(crate) fn alike(peer: &str, known: &str) -> String {
    format!(
        "{peer} looks like {known}, whom you know, and is another name: it may be somebody else"
    )
}

/// Somebody with whom no conversation is open has written.
pub(crate) fn waiting(peer: &Name, waiting: u64, known: bool) -> String {
    let messages = count(waiting, "message");
    match known {
        true => format!("{messages} from {peer}; /TALK {peer} to read"),
        false => format!(
            "{messages} from {peer}, who is new to you; /TALK {peer} to read, /BLOCK {peer} to refuse"
        ),
    }
}

/// The same, where nobody can give commands.
pub(crate) fn waiting_for_a_script(peer: &Name, waiting: u64, known: bool) -> String {
    let messages = count(waiting, "message");
    let who = if known { "" } else { ", who is new to you" };
    format!("{messages} from {peer}{who}; --to {peer} reads")
}

/// What the server does not have when the client ends: for a person, or for a script, which may think of sending it
/// again. All of it may be `held` until somebody's key is accepted.
pub(crate) fn kept(unsent: u64, held: bool, is_person: bool) -> String {
    let messages = count(unsent, "message");
    let what = match (held, is_person) {
        (true, _) => HELD,
        (false, true) => "kept, and sent next time",
        (false, false) => KEPT,
    };
    format!("{messages} not sent yet; {what}")
}

/// The same where the server refuses the name under which it was written: it cannot go out under another one.
pub(crate) fn kept_under(unsent: u64, user: &Name, data: &Path) -> String {
    format!("{} not sent; {}", count(unsent, "message"), stranded(user, data))
}

/// What becomes of it.
pub(crate) fn stranded(user: &Name, data: &Path) -> String {
    format!(
        "kept in {} under the name {user}, and not sent while the server refuses that name; under another one it has to be written again",
        data.display()
    )
}

/// What becomes of what is kept, to a script.
pub(crate) const KEPT: &str =
    "kept; goes out with the next run of any tinychat of this folder: do not send it again";

/// The same of what is held until a key is accepted.
pub(crate) const HELD: &str = "kept until then: do not send it again";

pub(crate) fn blocked(peer: &Name, blocked: bool, change: Change) -> String {
    match (blocked, change) {
        (true, Change::Later) => {
            format!("the server is away; it is told that you block {peer} when it is back")
        }
        (false, Change::Later) => {
            format!("the server is away; it is told that you block {peer} no more when it is back")
        }
        (true, _) => format!(
            "you hear no more of {peer}, to whom you seem to be away; /UNBLOCK {peer} ends that"
        ),
        (false, Change::Made) => {
            format!("{peer} reaches you again; what {peer} wrote meanwhile is gone")
        }
        (false, Change::None) => format!("{peer} was not blocked; nothing has changed"),
        (false, Change::Unknown) => format!("{peer} is not blocked"),
    }
}

pub(crate) fn blocks(names: &[Name]) -> String {
    match names {
        [] => "you block nobody".into(),
        _ => format!("you block {}", listed(names)),
    }
}

pub(crate) fn online(count: u64, names: &[Name]) -> String {
    let left_out = count.saturating_sub(names.len() as u64);
    let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("{count} online: {}{more}", listed(names))
}

/// A name that nobody has, to one who begins to talk to it.
pub(crate) fn nobody(peer: &Name, waits: bool) -> String {
    match waits {
        false => format!(
            "nobody has the name {peer} yet; what you write waits for whoever claims it, and the host can read it"
        ),
        true => format!(
            "nobody has the name {peer} yet; what you write waits here, and goes out sealed once {peer} has come"
        ),
    }
}

/// Somebody has no keys, and what one writes to them goes out all the same.
pub(crate) fn unsealed(peer: &Name) -> String {
    format!(
        "{peer} has no keys here yet, so says the server; what you write now can be read by whoever runs it and by whoever takes the name (/SEAL ALWAYS, or --seal always, has it wait for {peer})"
    )
}

/// Somebody has no keys, and so what one writes to them does not go out.
pub(crate) fn unsealable(peer: &Name) -> String {
    format!(
        "{peer} has no keys here yet, so says the server; what you write waits here, and goes out sealed once {peer} has come"
    )
}

/// The same of a file, where other things may go out.
pub(crate) fn file_waits(peer: &Name) -> String {
    format!(
        "{peer} has no keys here yet, so says the server; a file for {peer} waits here, and goes out sealed once {peer} has come"
    )
}

/// What the server's operator says to everybody.
pub(crate) fn announced(text: &str) -> String {
    format!("the server's operator says: {text}")
}

/// What goes out unsealed from now on.
pub(crate) fn sealing(seal: Seal) -> &'static str {
    match seal {
        Seal::Auto => {
            "what you write to somebody who has no keys yet goes out unsealed from now on, and you are told so"
        }
        Seal::Always => {
            "until you leave, nothing goes out unsealed: what you write to somebody who has no keys yet waits here"
        }
    }
}

/// What stands before a message that was in the clear.
pub(crate) const CLEAR: &str = "~";

/// What was said of messages in the clear, where they are marked.
pub(crate) fn marked_clear(told: &str) -> String {
    format!("{told}; {CLEAR} marks it")
}

/// The first message of somebody that came in the clear.
pub(crate) fn came_clear(peer: &Name) -> String {
    format!(
        "not all that {peer} wrote was sealed: whoever runs the server could read and change it"
    )
}

/// How the line to the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// It never was, and nothing was in its way yet.
    NotYet,
    Online,
    Away {
        because: &'a Absence,
    },
}

/// How the line is, for whoever asks, and since when it has been so.
pub(crate) fn line(server: &str, user: &Name, line: Line<'_>, since: SystemTime) -> String {
    let since = time_of_day(since);
    match line {
        Line::NotYet => format!("not connected to {server} yet, trying since {since}"),
        Line::Online => format!("connected to {server} as {user} since {since}"),
        Line::Away { because: Absence::Server(because) } => {
            format!("the server {server} is away since {since} ({because}); trying again by itself")
        }
        Line::Away { because: Absence::Agent(because) } => {
            format!("not signed in at {server} since {since}: {because}; trying again by itself")
        }
    }
}

/// One is not signed in any more, or not yet.
pub(crate) fn absence(server: &str, because: &Absence) -> String {
    let what = match because {
        Absence::Server(because) => format!("the server {server} is away ({because})"),
        Absence::Agent(because) => format!("not signed in at {server}: {because}"),
    };
    format!("{what}; trying again. What you write is kept and sent then")
}

/// There is nothing to close: neither with somebody, nor, if nobody was named, with whom one talks to.
pub(crate) fn not_open<'a>(
    peer: Option<&Name>,
    open: impl IntoIterator<Item = &'a Name>,
) -> String {
    let open: Vec<Name> = open.into_iter().cloned().collect();
    match (peer, open.as_slice()) {
        (Some(peer), _) => format!("no conversation with {peer} is open; nothing was closed"),
        (None, []) => "no conversation is open".into(),
        (None, open) => {
            format!("you talk to nobody now; open with {}: /CLOSE name", listed(open))
        }
    }
}

/// There is nothing to mute, where nothing makes noise.
pub(crate) fn nothing_to_mute(peer: Option<&Name>) -> String {
    match peer {
        Some(peer) => {
            format!("{peer} makes no noise here, muted or not: only the full screen rings")
        }
        None => "nobody to mute: you talk to nobody now, and only the full screen rings".into(),
    }
}

/// A server that was never met; `named` if its key was known from its address.
pub(crate) fn first_meeting(server: &str, key: Fingerprint, named: bool) -> Vec<String> {
    let mut lines = vec![format!("first time at {server}; its key is {key}")];
    if !named {
        lines.push(
            "compare it with what the server's operator says; from now on another key is refused"
                .into(),
        );
    }
    lines
}

pub(crate) fn expired(peer: &Name, n: u64) -> String {
    format!(
        "message {n} to {peer} expired: the server kept it as long as it keeps messages, and {peer} did not come"
    )
}

/// An own message came back.
pub(crate) fn bounced(peer: &Name, n: u64, again: u64, rests: bool) -> String {
    let what = format!("the program of {peer} could not open message {n}, or knows its number");
    match rests {
        false => format!("{what}; it is sent again, as message {again}"),
        true => format!(
            "{what}, and not for the first time; it is kept, and sent again at the next start"
        ),
    }
}

pub(crate) fn refused(peer: &Name, because: &str) -> String {
    format!("{peer} cannot be sent more for now: {because}; kept, and sent when there is room")
}

/// A file is where one wants it.
pub(crate) fn saved(peer: &Name, number: u64, path: &Path) -> String {
    format!("file {number} of {peer} is saved as {}", path.display())
}

/// A message that was looked for.
pub(crate) fn found(user: &Name, hit: &Hit) -> String {
    let Hit { peer, own, time, excerpt, .. } = hit;
    let (from, to) = if *own { (user, peer) } else { (peer, user) };
    format!("{} {from} to {to}: {excerpt}", time_of_day(time.printable()))
}

/// What has not arrived.
pub(crate) fn pending(pending: &[Pending]) -> Vec<String> {
    let each =
        |it: &Pending| format!("{}: {}", it.peer, counts(it.unsent, it.undelivered, it.since));
    let mut lines: Vec<String> = pending.iter().map(each).collect();
    match pending {
        [] => lines.push("all that you wrote is delivered".into()),
        [_] => {}
        [first, others @ ..] => {
            let all = |number: fn(&Pending) -> u64| pending.iter().map(number).sum::<u64>();
            let oldest = others.iter().map(|it| it.since).fold(first.since, Timestamp::min);
            let counts = counts(all(|it| it.unsent), all(|it| it.undelivered), oldest);
            lines.push(format!("in all: {counts}"));
        }
    }
    lines
}

fn counts(unsent: u64, undelivered: u64, oldest: Timestamp) -> String {
    let oldest = time_of_day(oldest.printable());
    let unsent = count(unsent, "message");
    format!(
        "{unsent} not sent yet, {undelivered} stored and not delivered yet; the oldest is of {oldest}"
    )
}

/// What came instead of words.
pub(crate) fn unshowable(kind: impl Display) -> String {
    format!("something of kind {kind}, which cannot be shown here")
}

pub(crate) fn time_of_day(time: SystemTime) -> String {
    time_text::moment(time, 0)
}

fn listed(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_another_sentence() {
        let peer: Name = "carl".parse().unwrap();
        let unblocked = [Change::Made, Change::None, Change::Unknown, Change::Later];
        let unblocked = unblocked.map(|change| blocked(&peer, false, change));
        let different: std::collections::BTreeSet<_> = unblocked.iter().collect();
        assert_eq!(different.len(), unblocked.len());
        assert!(unblocked.iter().all(|it| it.contains("carl")), "{unblocked:?}");
    }

    #[test]
    fn the_line_is_told_with_its_time_and_reason() {
        let john: Name = "john".parse().unwrap();
        let told = |line| super::line("example.org", &john, line, SystemTime::UNIX_EPOCH);
        let since = "since 1970-01-01T00:00:00Z";
        assert_eq!(told(Line::Online), format!("connected to example.org as john {since}"));
        assert_eq!(told(Line::NotYet), format!("not connected to example.org yet, trying {since}"));
        let away =
            format!("the server example.org is away {since} (no route); trying again by itself");
        let no_route = Absence::Server("no route".into());
        assert_eq!(told(Line::Away { because: &no_route }), away);
        let unsigned =
            format!("not signed in at example.org {since}: no key; trying again by itself");
        let no_key = Absence::Agent("no key".into());
        assert_eq!(told(Line::Away { because: &no_key }), unsigned);
    }

    #[test]
    fn a_damaged_time_does_not_stop_status() {
        for (time, shown) in [(0, "1970-01-01T00:00:00Z"), (u64::MAX, "9999-12-31T23:59:59Z")] {
            let counts = counts(1, 0, Timestamp(time));
            assert!(counts.ends_with(&format!("the oldest is of {shown}")), "{counts}");
        }
    }
}
