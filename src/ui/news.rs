//! What the client tells, in words: the same for every face.
//!
//! Pure. What is made of other people's words goes through [`text`](super::text) where it is shown.

use std::fmt::Display;
use std::path::Path;
use std::time::SystemTime;

use super::count;
use crate::client::{Hit, Pending};
use crate::message::{Name, Timestamp};
use crate::trust::Fingerprint;

/// Somebody with whom no conversation is open has written.
pub(super) fn waiting(peer: &Name, waiting: u64, known: bool) -> String {
    let messages = count(waiting, "message");
    match known {
        true => format!("{messages} from {peer}; /TALK {peer} to read"),
        false => format!(
            "{messages} from {peer}, who is new to you; /TALK {peer} to read, /BLOCK {peer} to refuse"
        ),
    }
}

pub(super) fn blocked(peer: &Name, blocked: bool) -> String {
    match blocked {
        true => format!(
            "you hear no more of {peer}, to whom you seem to be away; /UNBLOCK {peer} ends that"
        ),
        false => format!("{peer} reaches you again; what {peer} wrote meanwhile is gone"),
    }
}

pub(super) fn blocks(names: &[Name]) -> String {
    match names {
        [] => "you block nobody".into(),
        _ => format!("you block {}", listed(names)),
    }
}

pub(super) fn online(count: u64, names: &[Name]) -> String {
    let left_out = count.saturating_sub(names.len() as u64);
    let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("{count} online: {}{more}", listed(names))
}

/// Somebody's key, or one's own.
pub(super) fn key(
    user: &Name,
    name: &Name,
    key: Option<Fingerprint>,
    current: bool,
) -> Vec<String> {
    let whose = if name == user { "your key".into() } else { format!("{name}'s key") };
    let seen = if current { "" } else { ", as last seen, for the server is away" };
    match key {
        Some(key) => {
            vec![format!("{whose}{seen}: {key}"), format!("to read aloud: {}", key.spoken())]
        }
        None if current => vec![format!("nobody has the name {name} yet")],
        None => vec![format!("{name}'s key is not known, and the server is away")],
    }
}

pub(super) fn changed_key(peer: &Name, was: Fingerprint, now: Fingerprint) -> [String; 6] {
    [
        format!("THE KEY OF {peer} HAS CHANGED."),
        format!("  before: {was}"),
        format!("  now:    {now}"),
        format!("Either {peer} lost the old one and the server's operator gave the name again, or"),
        format!(
            "somebody else has the name now. Compare the new key by voice: /FINGERPRINT {peer}"
        ),
        format!("What you write to {peer} stays here until you accept it: /TRUST {peer}"),
    ]
}

pub(super) fn trusted(peer: &Name, key: Option<Fingerprint>) -> String {
    match key {
        Some(key) => format!("you trust {peer}'s key {key} from now on"),
        None => format!("{peer}'s key has not changed"),
    }
}

/// A server that was never met; `named` if its key was known from its address.
pub(super) fn first_meeting(server: &str, key: Fingerprint, named: bool) -> Vec<String> {
    let mut lines = vec![format!("first time at {server}; its key is {key}")];
    if !named {
        lines.push(
            "compare it with what the server's operator says; from now on another key is refused"
                .into(),
        );
    }
    lines
}

pub(super) fn expired(peer: &Name, n: u64) -> String {
    format!(
        "message {n} to {peer} expired: the server kept it as long as it keeps messages, and {peer} did not come"
    )
}

pub(super) fn refused(peer: &Name, because: &str) -> String {
    format!("{peer} cannot be sent more for now: {because}; kept, and sent when there is room")
}

/// A file is where one wants it.
pub(super) fn saved(peer: &Name, number: u64, path: &Path) -> String {
    format!("file {number} of {peer} is saved as {}", path.display())
}

/// A message that was looked for.
pub(super) fn found(user: &Name, hit: &Hit) -> String {
    let Hit { peer, own, time, excerpt, .. } = hit;
    let (from, to) = if *own { (user, peer) } else { (peer, user) };
    format!("{} {from} to {to}: {excerpt}", time_of_day(time.printable()))
}

/// What has not arrived.
pub(super) fn pending(pending: &[Pending]) -> Vec<String> {
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
pub(super) fn unshowable(kind: impl Display) -> String {
    format!("something of kind {kind}, which cannot be shown here")
}

pub(super) fn time_of_day(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn listed(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_time_does_not_stop_status() {
        for (time, shown) in [(0, "1970-01-01T00:00:00Z"), (u64::MAX, "9999-12-31T23:59:59Z")] {
            let counts = counts(1, 0, Timestamp(time));
            assert!(counts.ends_with(&format!("the oldest is of {shown}")), "{counts}");
        }
    }
}
