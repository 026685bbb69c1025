//! Events of the client, and what they change on the screen.

use std::path::PathBuf;

use super::state::{App, Effect, Line, OPENED};
use crate::client::{
    Absence, Change, Command, Doubt, Event, FileState, Freed, Incoming, KeyAnswer, Passage,
    Pending, Place, Record, State, Summary, Transfer, Trust, Verification, Way,
};
use crate::message::Name;
use crate::trust::Fingerprint;
use crate::ui::phrases::{files, keys, news};
use crate::ui::settings::Bell;
use crate::ui::tui::conversation::Conversation;
use crate::wire::frame::Presence;

/// Beside so many conversations nobody who is new is listed. The client tells of them again when it connects.
const LISTED: usize = 1_000;

impl App {
    #[allow(clippy::too_many_lines, reason = "a table of all events")]
    pub(super) fn take(&mut self, event: Event) {
        if is_contact(&event) {
            self.contact = Some(self.now);
        }
        match event {
            // What is said.
            Event::Message(message) => self.take_message(message),
            Event::Written { peer, record } => self.take_written(&peer, record),
            Event::Overview(all) => self.take_overview(all),
            Event::Page { peer, place, records } => self.take_page(&peer, place, records),
            Event::Found { query, hits } => self.take_found(query, hits),
            Event::Joined => self.read_anew(),
            // What became of it.
            Event::Receipts { peer, stored, delivered } => {
                self.take_receipts(&peer, &stored, &delivered);
            }
            Event::LeftClear { peer, numbers } => self.change(&peer, |it| it.left_clear(&numbers)),
            Event::Read { peer, n } => self.change(&peer, |it| it.read_up_to(n)),
            Event::Expired { peer, n } => self.change(&peer, |it| it.moved(&[n], State::Expired)),
            Event::Bounced { peer, n, again, rests } => {
                self.take_bounced(&peer, n, again);
                self.tell_about(&peer, news::bounced(&peer, n, again, rests), false);
            }
            Event::Refused { peer, because, .. } => {
                self.tell_about(&peer, news::refused(&peer, &because), false);
            }
            // People.
            Event::Waiting { peer, count, known } => self.take_waiting(peer, count, known),
            Event::Opened { peer, presence, waiting } => {
                self.take_opened(&peer, presence, waiting);
            }
            Event::Presence { peer, presence } => {
                self.change(&peer, |it| it.presence = Some(presence));
            }
            Event::Online { count, names } => self.tell(news::online(count, &names)),
            Event::Nobody { peer, waits: true } => {
                self.tell_about(&peer, news::nobody(&peer, true), false);
            }
            Event::Nobody { peer, waits: false } => {
                self.tell_unsealed(&peer, &news::nobody(&peer, false));
            }
            Event::Unsealed { peer } => self.tell_unsealed(&peer, &news::unsealed(&peer)),
            Event::Unsealable { peer } => self.tell_about(&peer, news::unsealable(&peer), false),
            Event::FileWaits { peer } => self.tell_about(&peer, news::file_waits(&peer), false),
            Event::Sealing { peer, seals } => self.change(&peer, |it| it.seals = Some(seals)),
            Event::Seal { seal } => self.tell(news::sealing(seal)),
            Event::Alike { peer, known } => {
                self.tell_about(&peer, news::alike(peer.as_str(), known.as_str()), true);
            }
            Event::Blocked { peer, blocked, change } => self.take_blocked(&peer, blocked, change),
            Event::Blocks { names } => self.tell(news::blocks(&names)),
            // The line, and keys.
            Event::Connected => (self.line, self.since) = (Line::Online, Some(self.now)),
            Event::Disconnected { because, .. } => self.disconnect(because),
            Event::Status(pending) => self.tell_status(&pending),
            Event::FirstMeeting { fingerprint } => self.tell_first_meeting(fingerprint),
            Event::Key(told) => self.take_key(&told),
            Event::Card(card) => self.tell_all(keys::card(&self.user, &card)),
            Event::KeyChanged { peer, was, verified, now } => {
                self.take_changed_key(&peer, (was, verified), now);
            }
            Event::ListDoubted { peer, doubt } => self.tell_doubted_list(&peer, &doubt),
            Event::Trusted { peer, trust } => self.take_trusted(&peer, trust),
            Event::Verified { peer, verification } => self.take_verified(&peer, verification),
            // Files.
            Event::Transfer(transfer) => self.take_transfer(transfer),
            Event::Files(all, lying) => {
                self.tell_all(files::list(&all).into_iter().chain(files::lying(&lying)));
            }
            Event::Freed(freed) => self.take_freed(&freed),
            Event::Saved { peer, number, path } => self.tell_saved(&peer, number, path),
            Event::Announced { text } => self.tell(news::announced(&text)),
            Event::Objection { because }
            | Event::NoFile { because }
            | Event::NotSent { because } => self.tell(because),
            // The face ends with it.
            Event::Ended(_) => {}
        }
    }

    /// Changes the conversation with somebody, if there is one.
    fn change(&mut self, peer: &Name, change: impl FnOnce(&mut Conversation)) {
        if let Some(it) = self.find(peer) {
            change(it);
        }
    }

    fn take_written(&mut self, peer: &Name, record: Record) {
        let index = self.conversation(peer);
        let it = &mut self.conversations[index];
        it.unsent += 1;
        it.add(record);
    }

    fn take_page(&mut self, peer: &Name, place: Place, records: Vec<Record>) {
        let pane = self.pane();
        self.change(peer, |it| it.take_page(place, records, &pane));
    }

    fn read_anew(&mut self) {
        self.conversations.iter_mut().for_each(Conversation::read_anew);
        self.give(Command::Overview);
    }

    fn take_receipts(&mut self, peer: &Name, stored: &[u64], delivered: &[u64]) {
        self.change(peer, |it| {
            it.unsent = it.unsent.saturating_sub(stored.len() as u64);
            it.moved(stored, State::Stored);
            it.moved(delivered, State::Delivered);
        });
    }

    fn take_bounced(&mut self, peer: &Name, n: u64, again: u64) {
        let Some(it) = self.find(peer) else { return };
        match it.renumbered(n, again) {
            Some(State::Waiting) => {}
            Some(_) => it.unsent += 1,
            // Whether it counted as sent is known to the store alone.
            None => self.give(Command::Overview),
        }
    }

    fn take_opened(&mut self, peer: &Name, presence: Presence, waiting: u64) {
        self.change(peer, |it| {
            it.presence = Some(presence);
            it.opened(waiting);
        });
    }

    fn disconnect(&mut self, because: Absence) {
        if !matches!(self.line, Line::Away { .. }) {
            self.since = Some(self.now);
        }
        let before = std::mem::replace(&mut self.line, Line::Away { because });
        if before == Line::Online {
            // Until now it answered.
            self.contact = Some(self.now);
            self.conversations.iter_mut().for_each(Conversation::disconnected);
        }
    }

    fn tell_unsealed(&mut self, peer: &Name, told: &str) {
        self.change(peer, |it| it.explained_clear = true);
        self.tell_about(peer, news::marked_clear(told), false);
    }

    fn tell_status(&mut self, pending: &[Pending]) {
        self.tell(self.how_the_line_is());
        self.tell_all(news::pending(pending));
    }

    fn tell_first_meeting(&mut self, fingerprint: Fingerprint) {
        self.tell_all(news::first_meeting(&self.server, fingerprint, self.named));
    }

    fn take_changed_key(
        &mut self,
        peer: &Name,
        was: (Fingerprint, bool),
        now: Option<Fingerprint>,
    ) {
        self.change(peer, |it| (it.key, it.verified) = (now, false));
        for line in keys::changed_key(peer, was, now) {
            self.tell_about(peer, line, true);
        }
    }

    fn tell_doubted_list(&mut self, peer: &Name, doubt: &Doubt) {
        for line in keys::doubted_list(peer, doubt) {
            self.tell_about(peer, line, true);
        }
    }

    fn take_trusted(&mut self, peer: &Name, trust: Trust) {
        let key = trust.accepted();
        let is_news = key.is_some() || trust == Trust::List;
        if let Some(it) = self.find(peer).filter(|_| is_news) {
            it.key = key.or(it.key);
            // It was what there was to say.
            it.panel.close();
        }
        self.tell_about(peer, keys::trusted(peer, trust), false);
    }

    fn take_verified(&mut self, peer: &Name, verification: Verification) {
        if let Verification::Verified(key) | Verification::Accepted(key) = verification
            && let Some(it) = self.find(peer)
        {
            (it.key, it.verified) = (Some(key), true);
            // It was what there was to say.
            it.panel.close();
        }
        self.tell_about(peer, keys::verified(peer, verification), false);
    }

    fn take_freed(&mut self, freed: &Freed) {
        self.change(&freed.peer, |it| {
            freed.messages.iter().for_each(|id| it.file_is(*id, &FileState::Gone));
        });
        self.tell_about(&freed.peer, files::freed(freed), false);
    }

    fn tell_saved(&mut self, peer: &Name, number: u64, path: PathBuf) {
        let text = news::saved(peer, number, &path);
        self.panel_about(peer).tell_path(text, path);
    }

    fn how_the_line_is(&self) -> String {
        let line = match &self.line {
            Line::Connecting => news::Line::NotYet,
            Line::Online => news::Line::Online,
            Line::Away { because } => news::Line::Away { because },
        };
        let since = self.since.unwrap_or(self.now).printable();
        news::line(&self.server, &self.user, line, since)
    }

    fn take_overview(&mut self, all: Vec<Summary>) {
        for Summary { peer, known, unsent, .. } in all {
            let index = self.conversation(&peer);
            self.conversations[index].unsent = unsent;
            if known && self.open.len() < OPENED {
                self.open(peer);
            }
        }
        // Also with whom nothing was said yet.
        self.overviewed = true;
        let drafts = self.memory.people.iter().filter(|(_, person)| !person.draft.is_empty());
        let names = drafts.map(|(name, _)| name).chain(&self.memory.current);
        let names = names.filter_map(|name| name.parse().ok());
        let names: Vec<Name> = names.filter(|name| *name != self.user).collect();
        names.iter().for_each(|name| _ = self.conversation(name));
        let wanted = self.memory.current.clone();
        let is_wanted = |it: &Conversation| Some(it.peer.as_str()) == wanted.as_deref();
        if let (None, Some(index)) = (self.current, self.conversations.iter().position(is_wanted)) {
            self.turn_to(index);
        }
    }

    fn take_message(&mut self, message: Incoming) {
        let Incoming { id, peer, time, kind, body, passage, file, written } = message;
        let index = self.conversation(&peer);
        let is_current = self.current == Some(index);
        let state = State::Received;
        let record =
            Record { id, own: false, n: 0, time, kind, body, state, passage, file, written };
        let it = &mut self.conversations[index];
        if passage == Passage::Clear && !std::mem::replace(&mut it.explained_clear, true) {
            it.panel.tell(news::marked_clear(&news::came_clear(&peer)), false);
        }
        self.conversations[index].request = 0;
        if is_current && self.conversations[index].is_catching_up() {
            let pane = self.pane();
            self.conversations[index].add_in_front(record, &pane);
        } else {
            self.conversations[index].add(record);
        }
        let it = &self.conversations[index];
        if !(it.muted || self.bell == Bell::Off || is_current && self.focused) {
            self.effects.push(Effect::Bell);
        }
    }

    fn take_transfer(&mut self, transfer: Transfer) {
        if transfer.way == Way::Down
            && let Some(it) = self.find(&transfer.peer)
        {
            it.file_is(transfer.id, &transfer.state);
        }
        if matches!(transfer.state, FileState::Failed(_) | FileState::Cancelled | FileState::Gone) {
            self.tell_about(&transfer.peer, files::outcome(&transfer), false);
        }
        self.transfers.take(transfer, self.now);
    }

    fn take_waiting(&mut self, peer: Name, count: u64, known: bool) {
        if known || self.open.contains(&peer) {
            return self.open(peer);
        }
        let is_listed = self.find(&peer).is_some();
        if !is_listed && (count == 0 || self.conversations.len() >= LISTED) {
            return;
        }
        let index = self.conversation(&peer);
        let it = &mut self.conversations[index];
        let is_new = it.request == 0 && count > 0;
        it.request = count;
        if is_new && self.bell == Bell::All {
            self.effects.push(Effect::Bell);
        }
    }

    fn take_key(&mut self, told: &KeyAnswer) {
        if self.asked_keys.remove(&told.name) {
            self.tell_all(keys::key(&self.user, told));
        }
        if let Some(it) = self.find(&told.name) {
            (it.key, it.verified) = (told.key, told.verified);
        }
    }

    fn take_blocked(&mut self, peer: &Name, blocked: bool, change: Change) {
        self.tell(news::blocked(peer, blocked, change));
        if let Some(it) = self.find(peer) {
            it.request = 0;
        }
    }
}

/// Whether it comes from the server, and just now.
fn is_contact(event: &Event) -> bool {
    matches!(
        event,
        Event::Connected
            | Event::Receipts { .. }
            | Event::Read { .. }
            | Event::Opened { .. }
            | Event::Presence { .. }
            | Event::Waiting { .. }
            | Event::Online { .. }
            | Event::Refused { .. }
    )
}
