//! One conversation on the screen: its loaded messages, the unread ones, the draft. Pure.
//!
//! Owned by the [app](crate::ui::tui::app). Invariant: `unread` are received messages that were never visible.

use std::collections::BTreeSet;

use super::layout::{Pane, Row, shown_lines};
use super::window::{Anchor, Window};
use crate::client::{FileState, Place, Query, Record, State};
use crate::message::Name;
use crate::trust::Fingerprint;
use crate::ui::tui::links::{self, Address};
use crate::ui::tui::panel::Panel;
use crate::ui::typing::composer::Composer;
use crate::wire::frame::Presence;

/// How much of what one wrote is remembered, and how many bytes in all.
const WRITTEN: usize = 100;
const WRITTEN_BYTES: usize = 256 << 10;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) peer: Name,
    pub(crate) composer: Composer,
    /// None if it is not known.
    pub(crate) presence: Option<Presence>,
    /// Whether what one writes is sealed; none if it is not known.
    pub(crate) seals: Option<bool>,
    /// One was told what is marked as having been in the clear.
    pub(crate) explained_clear: bool,
    /// How many messages wait of somebody who is new.
    pub(crate) request: u64,
    pub(crate) muted: bool,
    pub(crate) key: Option<Fingerprint>,
    /// It is verified.
    pub(crate) verified: bool,
    /// How many own messages the server has not stored.
    pub(crate) unsent: u64,
    unread: BTreeSet<i64>,
    /// The peer says to have seen own messages up to this number.
    read: u64,
    /// How many messages are still to come that waited; none before that is known.
    waited: Option<u64>,
    /// Its end.
    tail: Window,
    /// Another part, at which one looks.
    visit: Option<Window>,
    /// What there is to say about it.
    pub(crate) panel: Panel,
    /// What one wrote here before, oldest first.
    pub(crate) written: Vec<String>,
}

/// What is in sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) rows: Vec<Row>,
    /// The last record of which something is in sight; 0 if there is none that may be new.
    pub(crate) last: i64,
    /// How many unread ones are below.
    pub(crate) below: usize,
    /// The records among them that have pictures which are here.
    pub(crate) pictures: Vec<i64>,
}

impl Conversation {
    pub(crate) fn new(peer: Name) -> Self {
        Self {
            composer: Composer::default(),
            presence: None,
            seals: None,
            explained_clear: false,
            request: 0,
            muted: false,
            key: None,
            verified: false,
            unsent: 0,
            unread: BTreeSet::new(),
            read: 0,
            waited: None,
            tail: Window::tail(peer.clone()),
            visit: None,
            panel: Panel::default(),
            written: Vec::new(),
            peer,
        }
    }

    // What comes.

    /// Somebody wrote, or one did oneself.
    pub(crate) fn add(&mut self, record: Record) {
        if record.state == State::Received {
            self.unread.insert(record.id);
            self.waited = self.waited.map(|waited| waited.saturating_sub(1));
        }
        self.tail.add(record);
        if self.tail.is_long() {
            self.tail.trim(self.unread.first().copied());
        }
    }

    /// The line to the server broke. What comes behind that waited, and begins at a line of its own.
    pub(crate) fn disconnected(&mut self) {
        self.presence = None;
        self.waited = None;
        self.tail.marker = None;
    }

    /// What is loaded may be numbered otherwise now, and have gaps: it is loaded again.
    pub(crate) fn read_anew(&mut self) {
        let anchor = self.anchor();
        self.tail = Window::tail(self.peer.clone());
        self.read = 0;
        self.set_anchor(anchor);
    }

    /// So many messages waited, and come now.
    pub(crate) fn opened(&mut self, waiting: u64) {
        self.waited.get_or_insert(waiting);
    }

    /// Whether what comes now has waited.
    pub(crate) fn is_catching_up(&self) -> bool {
        self.waited != Some(0)
    }

    /// Somebody wrote, and one looks at the conversation. What waited is to be read from its beginning.
    pub(crate) fn add_in_front(&mut self, record: Record, pane: &Pane) {
        let has_waited = self.is_catching_up();
        let id = record.id;
        self.add(record);
        if has_waited && self.tail.anchor().is_none() {
            let first = *self.tail.marker.get_or_insert(id);
            self.tail.put_at_top(first, pane);
        }
    }

    /// A page that was [wanted](Self::wants).
    pub(crate) fn take_page(&mut self, place: Place, records: Vec<Record>, pane: &Pane) {
        // One that nobody waits for any more would leave a gap.
        let windows = self.visit.iter_mut().chain([&mut self.tail]);
        if let Some(window) = { windows }.find(|window| window.has_asked(place)) {
            window.take_page(place, records, pane);
        }
        let joined = self.visit.take_if(|visit| visit.reaches(&self.tail));
        if let Some(visit) = joined {
            self.tail.join(visit);
        }
    }

    /// The pages that are needed. To be asked for then.
    pub(crate) fn wants(&mut self, pane: &Pane) -> Vec<Place> {
        // Where one had scrolled to may be far above the end.
        let is_far = !self.tail.is_in_place() && !self.tail.is_empty();
        if let Some(anchor) = self.tail.anchor().filter(|_| is_far) {
            self.tail.set_anchor(None);
            self.visit = Some(Window::at(self.peer.clone(), anchor));
        }
        let mut wanted = if self.tail.is_empty() || self.visit.is_none() {
            self.tail.wants(pane)
        } else {
            Vec::new()
        };
        wanted.extend(self.visit.iter_mut().flat_map(|visit| visit.wants(pane)));
        wanted
    }

    /// Own messages went on.
    pub(crate) fn moved(&mut self, numbers: &[u64], state: State) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.moved(numbers, state, self.read);
        }
    }

    /// Own messages leave in the clear.
    pub(crate) fn left_clear(&mut self, numbers: &[u64]) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.left_clear(numbers);
        }
    }

    /// An own message came back, and has another number now. Returns how it was with it, if it is here.
    pub(crate) fn renumbered(&mut self, n: u64, again: u64) -> Option<State> {
        let windows = self.visit.iter_mut().chain([&mut self.tail]);
        windows.filter_map(|window| window.renumbered(n, again)).last()
    }

    /// It is otherwise with the file of a message.
    pub(crate) fn file_is(&mut self, id: i64, state: &FileState) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.file_is(id, state);
        }
    }

    /// The picture of a message takes so many rows.
    pub(crate) fn picture_has(&mut self, id: i64, rows: u16) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.picture_has(id, rows);
        }
    }

    /// The picture of a message is not shown, and why.
    pub(crate) fn picture_is_refused(&mut self, id: i64, why: &str) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.picture_is_refused(id, why);
        }
    }

    /// The peer says to have seen own messages up to a number.
    pub(crate) fn read_up_to(&mut self, n: u64) {
        self.read = self.read.max(n);
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.read_up_to(n);
        }
    }

    /// One has written something. What is the same counts once.
    pub(crate) fn remember_written(&mut self, text: String) {
        self.written.retain(|before| *before != text);
        self.written.push(text);
        let bytes = |all: &[String]| all.iter().map(String::len).sum::<usize>();
        while self.written.len() > WRITTEN || bytes(&self.written) > WRITTEN_BYTES {
            self.written.remove(0);
        }
    }

    /// The addresses in what is loaded, the newest first, each with who wrote it.
    pub(crate) fn links(&self, user: &Name) -> Vec<(Name, Address)> {
        let all = self.window().records().rev().flat_map(|record| {
            let who = if record.own { user } else { &self.peer };
            let lines = shown_lines(record).into_iter().rev();
            lines
                .flat_map(|line| links::addresses(&line).into_iter().rev())
                .map(|(_, it)| (who.clone(), it))
        });
        all.take(links::LISTED).collect()
    }

    // What is known.

    pub(crate) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Where one has scrolled to.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        self.visit.as_ref().unwrap_or(&self.tail).anchor()
    }

    /// Puts it back.
    pub(crate) fn set_anchor(&mut self, anchor: Option<Anchor>) {
        self.visit = None;
        self.tail.set_anchor(anchor);
    }

    /// What is loaded of its end, oldest first.
    #[cfg(test)]
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.tail.records()
    }

    // What is in sight.

    /// One turns to it: what is unread begins at a line, and at the top if it does not fit.
    pub(crate) fn enter(&mut self, pane: &Pane) {
        self.tail.marker = self.unread.first().copied();
        if let Some(first) = self.tail.marker.filter(|_| self.tail.anchor().is_none()) {
            self.tail.put_at_top(first, pane);
        }
    }

    /// One turns away.
    pub(crate) fn leave(&mut self) {
        self.tail.marker = None;
        self.tail.trim(self.unread.first().copied());
    }

    /// Goes to a message that was found by words.
    pub(crate) fn go_to(&mut self, id: i64, query: Query) {
        self.visit = Some(Window::around(self.peer.clone(), id, query));
    }

    /// The rows in sight, at most as many as there is room for.
    pub(crate) fn sight(&self, pane: &Pane) -> Sight {
        let (rows, last) = self.window().sight(pane);
        let pictures = self.window().pictures(pane);
        let last = if self.visit.is_some() { 0 } else { last };
        Sight { rows, last, below: self.unread.range(last + 1..).count(), pictures }
    }

    /// What is in sight was seen. Returns what was not before.
    pub(crate) fn see(&mut self, sight: &Sight) -> Vec<i64> {
        if !self.tail.is_in_place() {
            return Vec::new();
        }
        let later = self.unread.split_off(&(sight.last + 1));
        let seen: Vec<i64> = std::mem::replace(&mut self.unread, later).into_iter().collect();
        self.tail.seen(&seen);
        seen
    }

    pub(crate) fn scroll_up(&mut self, by: usize, pane: &Pane) {
        self.window_mut().scroll_up(by, pane);
    }

    pub(crate) fn scroll_down(&mut self, by: usize, pane: &Pane) {
        self.window_mut().scroll_down(by, pane);
    }

    pub(crate) fn scroll_to_top(&mut self, pane: &Pane) {
        self.window_mut().scroll_to_top(pane);
    }

    /// And stays there, whatever waited.
    pub(crate) fn scroll_to_end(&mut self) {
        self.visit = None;
        self.tail.scroll_to_end();
        self.waited = Some(0);
    }

    /// At which part one looks.
    fn window(&self) -> &Window {
        self.visit.as_ref().filter(|visit| !visit.is_empty()).unwrap_or(&self.tail)
    }

    fn window_mut(&mut self) -> &mut Window {
        self.visit.as_mut().filter(|visit| !visit.is_empty()).unwrap_or(&mut self.tail)
    }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
