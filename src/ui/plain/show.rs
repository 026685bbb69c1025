//! Events of the client, as the plain face prints them.
//!
//! Owned by the [face](super::face). News for a person are notes; a script gets what it asked for.

use std::io;
use std::mem::discriminant;
use std::time::{Instant, SystemTime};

use super::face::{Connected, Face};
use super::receipts;
use crate::client::{
    Absence, Change, Command, Event, FileState, Hit, Incoming, Passage, Pending, Transfer, Trust,
    Verification, Way,
};
use crate::message::Name;
use crate::trust::Fingerprint;
use crate::ui::phrases::{count, files, keys, news};
use crate::wire::frame::{Presence, Refusal};

impl Face {
    pub(super) async fn show(&mut self, event: Event) {
        match event {
            // What is said, and what became of it.
            Event::Message(message) => self.show_message(message).await,
            Event::Found { query: _, hits } => self.show_found(&hits),
            Event::Receipts { peer, stored, delivered } => {
                self.take_receipts(peer, &stored, &delivered);
            }
            // Lines say what happens to messages; this happens to people.
            Event::Read { .. } => {}
            // One was told ahead that what one writes is not sealed.
            Event::LeftClear { .. } | Event::Sealing { .. } => {}
            Event::Expired { peer, n } => self.show_expired(&peer, n),
            Event::Bounced { peer, n, again, rests } => self.show_bounced(&peer, n, again, rests),
            Event::Refused { peer, n, refusal, because } => {
                self.show_refused(&peer, n, refusal, &because);
            }
            // The line.
            Event::FirstMeeting { fingerprint } => self.show_first_meeting(fingerprint),
            Event::Connected => self.show_connected(),
            Event::Disconnected { because, .. } => self.show_disconnected(because),
            Event::Status(pending) => self.show_status(&pending),
            // People, and their keys.
            Event::Opened { peer, presence, waiting } => self.show_opened(&peer, presence, waiting),
            Event::Presence { peer, presence } => self.show_presence(&peer, presence),
            Event::Waiting { peer, count, known } => self.take_waiting(peer, count, known),
            Event::Blocked { peer, blocked, change } => self.show_blocked(&peer, blocked, change),
            Event::Blocks { names } => self.show_names(&names, &news::blocks(&names)),
            Event::Online { count, names } => self.show_names(&names, &news::online(count, &names)),
            Event::Nobody { peer, waits: true } => self.screen.note(&news::nobody(&peer, true)),
            Event::Nobody { peer, waits: false } => {
                self.show_unsealed(&peer, &news::nobody(&peer, false));
            }
            Event::Unsealed { peer } => self.show_unsealed(&peer, &news::unsealed(&peer)),
            Event::Unsealable { peer } => self.screen.note(&news::unsealable(&peer)),
            Event::FileWaits { peer } => self.screen.note(&news::file_waits(&peer)),
            Event::Seal { seal } => self.screen.note(news::sealing(seal)),
            Event::Alike { peer, known } => {
                self.screen.note(&news::alike(peer.as_str(), known.as_str()));
            }
            Event::Key(told) => self.show_all(&keys::key(&self.user, &told)),
            Event::Card(card) => self.show_all(&keys::card(&self.user, &card)),
            Event::KeyChanged { peer, was, verified, now } => {
                self.show_problems(&keys::changed_key(&peer, (was, verified), now));
            }
            Event::ListDoubted { peer, doubt } => {
                self.show_problems(&keys::doubted_list(&peer, &doubt));
            }
            Event::Trusted { peer, trust } => self.show_trusted(&peer, trust),
            Event::Verified { peer, verification } => self.show_verified(&peer, verification),
            // Files.
            Event::Transfer(transfer) => self.show_transfer(&transfer),
            Event::Files(all, lying) => {
                self.show_all(files::list(&all).iter().chain(&files::lying(&lying)));
            }
            Event::Freed(freed) => self.screen.note(&files::freed(&freed)),
            Event::Saved { peer, number, path } => {
                self.screen.note(&news::saved(&peer, number, &path));
            }
            Event::Announced { text } => self.screen.note(&news::announced(&text)),
            Event::Objection { because } => self.screen.problem(&because),
            Event::NoFile { because } | Event::NotSent { because } => self.mistake(&because),
            // It has what it shows.
            Event::Joined | Event::Overview(_) | Event::Page { .. } | Event::Written { .. } => {}
            Event::Ended(_) => unreachable!("live has taken it"),
        }
    }

    fn show_all<'a>(&self, lines: impl IntoIterator<Item = &'a String>) {
        lines.into_iter().for_each(|line| self.screen.note(line));
    }

    fn show_names(&mut self, names: &[Name], line: &str) {
        self.know(names);
        self.screen.note(line);
    }

    /// Not what was opened meanwhile: it comes by itself. Nor what was taken from the server meanwhile: that was
    /// announced.
    fn take_waiting(&mut self, peer: Name, count: u64, known: bool) {
        if count > 0 && !self.open.contains(&peer) {
            self.know([&peer]);
            self.announcements.hear(peer, count, known, Instant::now());
        }
    }

    fn show_blocked(&mut self, peer: &Name, blocked: bool, change: Change) {
        self.announcements.forget(peer);
        self.screen.note(&news::blocked(peer, blocked, change));
    }

    /// Also told to scripts, for what they write stays here.
    fn show_problems(&self, lines: &[String]) {
        lines.iter().for_each(|line| self.screen.problem(line));
    }

    fn show_trusted(&self, peer: &Name, trust: Trust) {
        let told = keys::trusted(peer, trust);
        match trust {
            Trust::Accepted(_) | Trust::Released | Trust::List => self.screen.note(&told),
            _ => self.screen.problem(&told),
        }
    }

    /// A script whose digits are wrong has failed.
    fn show_verified(&mut self, peer: &Name, verification: Verification) {
        let told = keys::verified(peer, verification);
        match verification {
            Verification::Verified(_) | Verification::Accepted(_) => self.screen.note(&told),
            _ => self.mistake(&told),
        }
    }

    /// A script that asked for a file and did not get it has failed.
    fn show_transfer(&mut self, transfer: &Transfer) {
        let is_asked = transfer.way == Way::Up || self.has_asked_for(transfer.number);
        let is_lost = is_asked && is_lost(&transfer.state);
        self.failed |= !self.screen.interactive && is_lost;
        self.screen.transfer(transfer);
    }

    /// Whether somebody wants the file with this number, or the last one, whichever that is.
    fn has_asked_for(&self, number: Option<u64>) -> bool {
        self.asked_files.contains(&None) || self.asked_files.contains(&number)
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
            return self.leave().await;
        }
        let peer = message.peer.clone();
        if message.passage == Passage::Clear {
            self.explain_clear(&peer);
        }
        self.client.give(Command::Shown(message.id)).await;
        if self.screen.interactive
            && self.current.as_ref() != Some(&peer)
            && self.announced.insert(peer.clone())
        {
            self.screen.note(&format!("{peer} speaks to you; /TALK {peer} to answer"));
        }
    }

    /// What one writes is not sealed.
    fn show_unsealed(&mut self, peer: &Name, told: &str) {
        if self.screen.marks {
            self.explained_clear.insert(peer.clone());
            return self.screen.note(&news::marked_clear(told));
        }
        self.screen.note(told);
    }

    /// Says once in each conversation what is marked in it.
    fn explain_clear(&mut self, peer: &Name) {
        if self.screen.marks && self.explained_clear.insert(peer.clone()) {
            self.screen.note(&news::marked_clear(&news::came_clear(peer)));
        }
    }

    /// Nothing more can be printed. What a script writes is sent all the same.
    async fn leave(&self) {
        if self.screen.interactive {
            return self.client.give(Command::Leave).await;
        }
        self.client.give(Command::ShowNoMore).await;
        if self.all_read {
            self.client.give(Command::Finish).await;
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

    /// What was collected long enough.
    pub(super) fn show_collected(&mut self, now: Instant) {
        if self.receipts.due().is_some_and(|due| due <= now) {
            self.show_receipts();
        }
        self.announcements.take_lines(now).iter().for_each(|line| self.screen.note(line));
    }

    pub(super) fn show_receipts(&mut self) {
        self.receipts.take_lines().iter().for_each(|line| self.screen.note(line));
    }

    fn show_expired(&self, peer: &Name, n: u64) {
        if self.options.receipts {
            return self.screen.line(&format!("expired {peer} {n}"));
        }
        self.screen.problem(&news::expired(peer, n));
    }

    fn show_bounced(&self, peer: &Name, n: u64, again: u64, rests: bool) {
        if self.options.receipts {
            return self.screen.line(&format!("bounced {peer} {n} {again}"));
        }
        self.screen.note(&news::bounced(peer, n, again, rests));
    }

    fn show_refused(&mut self, peer: &Name, n: u64, refusal: Refusal, because: &str) {
        // It is tried again and again, and may be refused as often.
        if self.refused.insert(peer.clone(), n) == Some(n) {
            return;
        }
        if self.options.receipts {
            self.screen.line(&format!("refused {peer} {n} {}: {because}", refusal.code()));
        }
        self.screen.problem(&news::refused(peer, because));
    }

    /// The best last, where one looks first.
    fn show_found(&self, hits: &[Hit]) {
        for hit in hits.iter().rev() {
            self.screen.note(&news::found(&self.user, hit));
        }
        if hits.is_empty() {
            self.screen.note("nothing was found");
        }
    }

    fn show_status(&self, pending: &[Pending]) {
        let line = match self.connected {
            Connected::Yes => news::Line::Online,
            Connected::NotYet => news::Line::NotYet,
            Connected::Lost => news::Line::Away { because: &self.because },
        };
        let server = self.options.server.address.as_str();
        self.screen.note(&news::line(server, &self.user, line, self.since));
        news::pending(pending).iter().for_each(|line| self.screen.note(line));
    }

    /// Also told to scripts: whoever starts one for the first time should see whom it trusts.
    fn show_first_meeting(&self, fingerprint: Fingerprint) {
        let server = &self.options.server.address;
        let named = self.options.server.fingerprint.is_some();
        let lines = news::first_meeting(server.as_str(), fingerprint, named);
        lines.iter().for_each(|line| self.screen.note(line));
    }

    fn show_connected(&mut self) {
        self.since = SystemTime::now();
        let before = std::mem::replace(&mut self.connected, Connected::Yes);
        if self.screen.interactive || before == Connected::Lost {
            self.screen
                .note(&format!("connected to {} as {}", self.options.server.address, self.user));
        }
    }

    /// Told once, and again where something else is at fault.
    fn show_disconnected(&mut self, because: Absence) {
        let is_another = discriminant(&because) != discriminant(&self.because);
        self.because = because;
        let was_lost = std::mem::replace(&mut self.connected, Connected::Lost) == Connected::Lost;
        if !was_lost {
            self.since = SystemTime::now();
        }
        if !was_lost || is_another {
            let server = self.options.server.address.as_str();
            self.screen.note(&news::absence(server, &self.because));
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
}

fn is_lost(state: &FileState) -> bool {
    matches!(state, FileState::Failed(_) | FileState::Gone)
}
