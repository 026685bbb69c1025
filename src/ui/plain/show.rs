//! What the client tells, as the plain face shows it.
//!
//! Owned by the [face](super). News for a person are notes; a script gets what it asked for.

use std::io;
use std::time::{Instant, SystemTime};

use super::super::{count, receipts};
use super::{Connected, Face};
use crate::client::{Command, Event, Incoming, Pending};
use crate::message::{Name, Timestamp};
use crate::trust::Fingerprint;
use crate::wire::frame::{Presence, Refusal};

impl Face {
    pub(super) async fn show(&mut self, event: Event) {
        match event {
            Event::Message(message) => self.show_message(message).await,
            Event::FirstMeeting { fingerprint } => self.show_first_meeting(fingerprint),
            Event::Connected => self.show_connected(),
            Event::Disconnected { because, .. } => self.show_disconnected(&because),
            Event::Opened { peer, presence, waiting } => {
                self.show_opened(&peer, presence, waiting);
            }
            Event::Presence { peer, presence } => self.show_presence(&peer, presence),
            // Opened meanwhile: they come by themselves.
            Event::Waiting { peer, .. } if self.open.contains(&peer) => {}
            Event::Waiting { peer, count, known } => self.show_waiting(&peer, count, known),
            Event::Blocked { peer, blocked } => self.show_blocked(&peer, blocked),
            Event::Blocks { names } => self.show_blocks(&names),
            Event::Key { name, key, current } => self.show_key(&name, key, current),
            Event::KeyChanged { peer, was, now } => self.show_changed_key(&peer, was, now),
            Event::Trusted { peer, key: Some(key) } => {
                self.screen.note(&format!("you trust {peer}'s key {key} from now on"));
            }
            Event::Trusted { peer, key: None } => {
                self.screen.problem(&format!("{peer}'s key has not changed"));
            }
            Event::Online { count, names } => self.show_online(count, &names),
            Event::Expired { peer, n } => self.show_expired(&peer, n),
            Event::Refused { peer, n, refusal, because } => {
                self.show_refused(&peer, n, refusal, &because);
            }
            Event::Objection { because } => self.screen.problem(&because),
            Event::Receipts { peer, stored, delivered } => {
                self.take_receipts(peer, &stored, &delivered);
            }
            Event::Status(pending) => self.show_status(&pending),
            // It has what it shows.
            Event::Overview(_) | Event::Page { .. } | Event::Written { .. } => {}
            Event::Ended(_) => unreachable!("live has taken it"),
        }
    }

    async fn show_message(&mut self, message: Incoming) {
        if self.leaving {
            return;
        }
        if let Err(error) = self.screen.message(&message) {
            self.leaving = true;
            // That nobody reads any more is no failure.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failed = true;
                self.screen.problem(&format!("cannot print what {} wrote: {error}", message.peer));
            }
            return self.client.give(Command::Leave).await;
        }
        let peer = message.peer.clone();
        self.client.give(Command::Shown(message.id)).await;
        if self.screen.interactive
            && self.current.as_ref() != Some(&peer)
            && self.announced.insert(peer.clone())
        {
            self.screen.note(&format!("{peer} speaks to you; /TALK {peer} to answer"));
        }
    }

    fn show_waiting(&self, peer: &Name, waiting: u64, known: bool) {
        let messages = count(waiting, "message");
        self.screen.note(&match known {
            true => format!("{messages} from {peer}; /TALK {peer} to read"),
            false => format!(
                "{messages} from {peer}, who is new to you; /TALK {peer} to read, /BLOCK {peer} to refuse"
            ),
        });
    }

    fn show_blocked(&self, peer: &Name, blocked: bool) {
        self.screen.note(&match blocked {
            true => format!(
                "you hear no more of {peer}, to whom you seem to be away; /UNBLOCK {peer} ends that"
            ),
            false => format!("{peer} reaches you again; what {peer} wrote meanwhile is gone"),
        });
    }

    fn show_blocks(&self, names: &[Name]) {
        let listed: Vec<&str> = names.iter().map(Name::as_str).collect();
        self.screen.note(&match names {
            [] => "you block nobody".into(),
            _ => format!("you block {}", listed.join(", ")),
        });
    }

    fn show_key(&self, name: &Name, key: Option<Fingerprint>, current: bool) {
        let whose = if *name == self.user { "your key".into() } else { format!("{name}'s key") };
        let seen = if current { "" } else { ", as last seen, for the server is away" };
        let Some(key) = key else {
            return self.screen.note(&match current {
                true => format!("nobody has the name {name} yet"),
                false => format!("{name}'s key is not known, and the server is away"),
            });
        };
        self.screen.note(&format!("{whose}{seen}: {key}"));
        self.screen.note(&format!("to read aloud: {}", key.spoken()));
    }

    /// Also told to scripts: what they write goes to somebody else, maybe.
    fn show_changed_key(&self, peer: &Name, was: Fingerprint, now: Fingerprint) {
        for line in [
            format!("THE KEY OF {peer} HAS CHANGED."),
            format!("  before: {was}"),
            format!("  now:    {now}"),
            format!(
                "Either {peer} lost the old one and the server's operator gave the name again, or"
            ),
            format!(
                "somebody else has the name now. Compare the new key by voice: /FINGERPRINT {peer}"
            ),
            format!("What you write to {peer} stays here until you accept it: /TRUST {peer}"),
        ] {
            self.screen.problem(&line);
        }
    }

    /// Each for a script that asked for it; otherwise news for a person, a run of them at a time.
    fn take_receipts(&mut self, peer: Name, stored: &[u64], delivered: &[u64]) {
        if self.options.receipts {
            receipts::for_scripts(&peer, stored, delivered)
                .for_each(|line| self.screen.line(&line));
        } else if self.screen.interactive {
            self.receipts.collect(peer, stored, delivered, Instant::now());
        }
    }

    pub(super) fn show_receipts(&mut self) {
        self.receipts.take_lines().iter().for_each(|line| self.screen.note(line));
    }

    fn show_expired(&self, peer: &Name, n: u64) {
        if self.options.receipts {
            return self.screen.line(&format!("expired {peer} {n}"));
        }
        self.screen.problem(&format!(
            "message {n} to {peer} expired: the server kept it as long as it keeps messages, and {peer} did not come"
        ));
    }

    fn show_refused(&mut self, peer: &Name, n: u64, refusal: Refusal, because: &str) {
        // It is tried again and again, and may be refused as often.
        if self.refused.insert(peer.clone(), n) == Some(n) {
            return;
        }
        if self.options.receipts {
            self.screen.line(&format!("refused {peer} {n} {}: {because}", refusal.code()));
        }
        self.screen.problem(&format!(
            "{peer} cannot be sent more for now: {because}; kept, and sent when there is room"
        ));
    }

    fn show_status(&self, pending: &[Pending]) {
        let (server, user, since) =
            (&self.options.server.address, &self.user, time_of_day(self.since));
        self.screen.note(&match self.connected {
            Connected::Yes => format!("connected to {server} as {user} since {since}"),
            Connected::NotYet => format!("not connected to {server} yet, trying since {since}"),
            Connected::Lost => {
                format!("the server {server} is away since {since}; trying again by itself")
            }
        });
        for it in pending {
            let counts = counts(it.unsent, it.undelivered, it.since);
            self.screen.note(&format!("{}: {counts}", it.peer));
        }
        match pending {
            [] => self.screen.note("all that you wrote is delivered"),
            [_] => {}
            [first, others @ ..] => {
                let all = |number: fn(&Pending) -> u64| pending.iter().map(number).sum::<u64>();
                let oldest = others.iter().map(|it| it.since).fold(first.since, Timestamp::min);
                let counts = counts(all(|it| it.unsent), all(|it| it.undelivered), oldest);
                self.screen.note(&format!("in all: {counts}"));
            }
        }
    }

    /// Also told to scripts: whoever starts one for the first time should see whom it trusts.
    fn show_first_meeting(&self, fingerprint: Fingerprint) {
        let server = &self.options.server.address;
        self.screen.note(&format!("first time at {server}; its key is {fingerprint}"));
        if self.options.server.fingerprint.is_none() {
            let operator = "compare it with what the server's operator says";
            self.screen.note(&format!("{operator}; from now on another key is refused"));
        }
    }

    fn show_connected(&mut self) {
        self.since = SystemTime::now();
        let before = std::mem::replace(&mut self.connected, Connected::Yes);
        if self.screen.interactive || before == Connected::Lost {
            self.screen
                .note(&format!("connected to {} as {}", self.options.server.address, self.user));
        }
    }

    fn show_disconnected(&mut self, because: &str) {
        if std::mem::replace(&mut self.connected, Connected::Lost) != Connected::Lost {
            self.since = SystemTime::now();
            self.screen.note(&format!(
                "the server {} is away ({because}); trying again. \
                 What you write is kept and sent then",
                self.options.server.address,
            ));
        }
    }

    fn show_opened(&self, peer: &Name, presence: Presence, waiting: u64) {
        if !self.screen.interactive {
            return;
        }
        let there = match presence {
            Presence::Online => "is online",
            Presence::Away => "is away; what you write waits there",
        };
        let waited = match waiting {
            0 => String::new(),
            waiting => format!("; {} for you", count(waiting, "message")),
        };
        self.screen.note(&format!("talking to {peer}, who {there}{waited}"));
    }

    fn show_presence(&self, peer: &Name, presence: Presence) {
        if self.screen.interactive {
            let what = match presence {
                Presence::Online => "has come",
                Presence::Away => "has left",
            };
            self.screen.note(&format!("{peer} {what}"));
        }
    }

    fn show_online(&self, count: u64, names: &[Name]) {
        let listed: Vec<&str> = names.iter().map(Name::as_str).collect();
        let left_out = count.saturating_sub(names.len() as u64);
        let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
        self.screen.note(&format!("{count} online: {}{more}", listed.join(", ")));
    }
}

fn counts(unsent: u64, undelivered: u64, oldest: Timestamp) -> String {
    let oldest = time_of_day(oldest.printable());
    let unsent = count(unsent, "message");
    format!(
        "{unsent} not sent yet, {undelivered} stored and not delivered yet; the oldest is of {oldest}"
    )
}

fn time_of_day(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
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
