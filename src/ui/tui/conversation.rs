//! One conversation as the screen has it: what was said as far as it is loaded, what was not seen yet,
//! what one is writing. Pure.
//!
//! Owned by the [app](super::app). Invariant: `unread` are records of others that came and were never in
//! sight.

use std::collections::BTreeSet;

use super::composer::Composer;
use super::layout::shown_lines;
pub(super) use super::layout::{Pane, Row};
use super::links::{self, Address};
use super::panel::Panel;
pub(super) use super::window::Anchor;
use super::window::Window;
use crate::client::{FileState, Place, Query, Record, State};
use crate::message::Name;
use crate::trust::Fingerprint;
use crate::wire::frame::Presence;

/// How much of what one wrote is remembered, and how many bytes in all.
const WRITTEN: usize = 100;
const WRITTEN_BYTES: usize = 256 << 10;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) peer: Name,
    pub(super) composer: Composer,
    /// None if it is not known.
    pub(super) presence: Option<Presence>,
    /// How many messages wait of somebody who is new.
    pub(super) request: u64,
    pub(super) muted: bool,
    pub(super) key: Option<Fingerprint>,
    /// How many own messages the server has not stored.
    pub(super) unsent: u64,
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
    pub(super) panel: Panel,
    /// What one wrote here before, oldest first.
    pub(super) written: Vec<String>,
}

/// What is in sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) rows: Vec<Row>,
    /// The last record of which something is in sight; 0 if there is none that may be new.
    pub(super) last: i64,
    /// How many unread ones are below.
    pub(super) below: usize,
    /// The records among them that have pictures which are here.
    pub(super) pictures: Vec<i64>,
}

impl Conversation {
    pub(super) fn new(peer: Name) -> Self {
        Self {
            composer: Composer::default(),
            presence: None,
            request: 0,
            muted: false,
            key: None,
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
    pub(super) fn add(&mut self, record: Record) {
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
    pub(super) fn disconnected(&mut self) {
        self.presence = None;
        self.waited = None;
        self.tail.marker = None;
    }

    /// What is loaded may be numbered otherwise now, and have gaps: it is loaded again.
    pub(super) fn read_anew(&mut self) {
        let anchor = self.anchor();
        self.tail = Window::tail(self.peer.clone());
        self.read = 0;
        self.set_anchor(anchor);
    }

    /// So many messages waited, and come now.
    pub(super) fn opened(&mut self, waiting: u64) {
        self.waited.get_or_insert(waiting);
    }

    /// Whether what comes now has waited.
    pub(super) fn is_catching_up(&self) -> bool {
        self.waited != Some(0)
    }

    /// Somebody wrote, and one looks at the conversation. What waited is to be read from its beginning.
    pub(super) fn add_in_front(&mut self, record: Record, pane: &Pane) {
        let has_waited = self.is_catching_up();
        let id = record.id;
        self.add(record);
        if has_waited && self.tail.anchor().is_none() {
            let first = *self.tail.marker.get_or_insert(id);
            self.tail.put_at_top(first, pane);
        }
    }

    /// A page that was [wanted](Self::wants).
    pub(super) fn take_page(&mut self, place: Place, records: Vec<Record>, pane: &Pane) {
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
    pub(super) fn wants(&mut self, pane: &Pane) -> Vec<Place> {
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
    pub(super) fn moved(&mut self, numbers: &[u64], state: State) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.moved(numbers, state, self.read);
        }
    }

    /// It is otherwise with the file of a message.
    pub(super) fn file_is(&mut self, id: i64, state: &FileState) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.file_is(id, state);
        }
    }

    /// The picture of a message takes so many rows.
    pub(super) fn picture_has(&mut self, id: i64, rows: u16) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.picture_has(id, rows);
        }
    }

    /// The picture of a message is not shown, and why.
    pub(super) fn picture_is_refused(&mut self, id: i64, why: &str) {
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.picture_is_refused(id, why);
        }
    }

    /// The peer says to have seen own messages up to a number.
    pub(super) fn read_up_to(&mut self, n: u64) {
        self.read = self.read.max(n);
        for window in self.visit.iter_mut().chain([&mut self.tail]) {
            window.read_up_to(n);
        }
    }

    /// One has written something. What is the same counts once.
    pub(super) fn remember_written(&mut self, text: String) {
        self.written.retain(|before| *before != text);
        self.written.push(text);
        let bytes = |all: &[String]| all.iter().map(String::len).sum::<usize>();
        while self.written.len() > WRITTEN || bytes(&self.written) > WRITTEN_BYTES {
            self.written.remove(0);
        }
    }

    /// The addresses in what is loaded, the newest first, each with who wrote it.
    pub(super) fn links(&self, user: &Name) -> Vec<(Name, Address)> {
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

    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Where one has scrolled to.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.visit.as_ref().unwrap_or(&self.tail).anchor()
    }

    /// Puts it back.
    pub(super) fn set_anchor(&mut self, anchor: Option<Anchor>) {
        self.visit = None;
        self.tail.set_anchor(anchor);
    }

    /// What is loaded of its end, oldest first.
    #[cfg(test)]
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.tail.records()
    }

    // What is in sight.

    /// One turns to it: what is unread begins at a line, and at the top if it does not fit.
    pub(super) fn enter(&mut self, pane: &Pane) {
        self.tail.marker = self.unread.first().copied();
        if let Some(first) = self.tail.marker.filter(|_| self.tail.anchor().is_none()) {
            self.tail.put_at_top(first, pane);
        }
    }

    /// One turns away.
    pub(super) fn leave(&mut self) {
        self.tail.marker = None;
        self.tail.trim(self.unread.first().copied());
    }

    /// Goes to a message that was found by words.
    pub(super) fn go_to(&mut self, id: i64, query: Query) {
        self.visit = Some(Window::around(self.peer.clone(), id, query));
    }

    /// The rows in sight, at most as many as there is room for.
    pub(super) fn sight(&self, pane: &Pane) -> Sight {
        let (rows, last) = self.window().sight(pane);
        let pictures = self.window().pictures(pane);
        let last = if self.visit.is_some() { 0 } else { last };
        Sight { rows, last, below: self.unread.range(last + 1..).count(), pictures }
    }

    /// What is in sight was seen. Returns what was not before.
    pub(super) fn see(&mut self, sight: &Sight) -> Vec<i64> {
        if !self.tail.is_in_place() {
            return Vec::new();
        }
        let later = self.unread.split_off(&(sight.last + 1));
        let seen: Vec<i64> = std::mem::replace(&mut self.unread, later).into_iter().collect();
        self.tail.seen(&seen);
        seen
    }

    pub(super) fn scroll_up(&mut self, by: usize, pane: &Pane) {
        self.window_mut().scroll_up(by, pane);
    }

    pub(super) fn scroll_down(&mut self, by: usize, pane: &Pane) {
        self.window_mut().scroll_down(by, pane);
    }

    pub(super) fn scroll_to_top(&mut self, pane: &Pane) {
        self.window_mut().scroll_to_top(pane);
    }

    /// And stays there, whatever waited.
    pub(super) fn scroll_to_end(&mut self) {
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
mod tests {
    use proptest::prelude::*;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::message::{Kind, Timestamp};

    pub(super) fn record(id: i64, own: bool, text: &str) -> Record {
        let state = if own { State::Waiting } else { State::Received };
        let (n, time) = (id.unsigned_abs(), Timestamp(id.unsigned_abs() * 60_000));
        let body = text.to_string().into();
        Record { id, own, n, time, kind: Kind::TEXT, body, state, file: None }
    }

    fn pane(height: u16) -> Pane {
        Pane { width: 40, height, zone: TimeZone::UTC, bare: false }
    }

    fn conversation(messages: i64) -> Conversation {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        for id in 1..=messages {
            conversation.add(record(id, false, &format!("message {id}")));
        }
        conversation
    }

    fn texts(sight: &Sight) -> Vec<String> {
        let text = |row: &Row| match row {
            Row::Day(text) => text.clone(),
            Row::Unread => "unread".into(),
            Row::Head { words, name, .. } => words.text[*name..].to_string(),
            Row::Body(words) => words.text.clone(),
            Row::NoPicture(text) => text.clone(),
            Row::Picture { .. } => "picture".into(),
        };
        sight.rows.iter().map(text).collect()
    }

    #[test]
    fn the_end_is_in_sight_until_one_scrolls() {
        let mut conversation = conversation(9);
        let pane = pane(3);
        let sight = |it: &Conversation| texts(&it.sight(&pane));
        assert_eq!(sight(&conversation), ["message 7", "message 8", "message 9"]);
        conversation.scroll_up(2, &pane);
        assert_eq!(sight(&conversation), ["message 5", "message 6", "message 7"]);
        conversation.add(record(10, false, "message 10"));
        assert_eq!(sight(&conversation), ["message 5", "message 6", "message 7"]);
        assert_eq!(conversation.sight(&pane).below, 3);
        conversation.scroll_up(99, &pane);
        assert_eq!(sight(&conversation), ["Thursday, 1 January 1970", "message 1", "message 2"]);
        conversation.scroll_down(1, &pane);
        assert_eq!(sight(&conversation), ["message 1", "message 2", "message 3"]);
        conversation.scroll_down(99, &pane);
        assert_eq!(conversation.anchor(), None);
        assert_eq!(sight(&conversation), ["message 8", "message 9", "message 10"]);
    }

    #[test]
    fn a_long_message_is_scrolled_through_row_by_row() {
        let mut conversation = conversation(1);
        conversation.add(record(2, false, &["row"; 9].join("\n")));
        let pane = pane(4);
        conversation.scroll_up(7, &pane);
        let sight = texts(&conversation.sight(&pane));
        assert_eq!(sight, ["Thursday, 1 January 1970", "message 1", "row", "row"]);
    }

    #[test]
    fn what_is_unread_begins_at_a_line_and_at_the_top_if_it_is_much() {
        let mut conversation = conversation(9);
        let pane = pane(4);
        let sight = conversation.sight(&pane);
        assert_eq!(conversation.see(&sight), (1..=9).collect::<Vec<_>>());
        for id in 10..=15 {
            conversation.add(record(id, false, &format!("message {id}")));
        }
        conversation.enter(&pane);
        let sight = conversation.sight(&pane);
        assert_eq!(texts(&sight), ["unread", "message 10", "message 11", "message 12"]);
        assert_eq!(conversation.see(&sight), [10, 11, 12]);
        assert_eq!((conversation.unread(), sight.below), (3, 3));
        conversation.scroll_down(2, &pane);
        let sight = conversation.sight(&pane);
        assert_eq!(conversation.see(&sight), [13, 14]);
    }

    #[test]
    fn own_messages_show_where_they_are() {
        let mut conversation = conversation(1);
        conversation.add(record(2, true, "one"));
        conversation.add(record(3, true, "two"));
        conversation.moved(&[2, 3], State::Stored);
        conversation.moved(&[2], State::Delivered);
        conversation.moved(&[2], State::Stored);
        let sight = conversation.sight(&pane(9));
        let state = |row: &Row| match row {
            Row::Head { own: true, state, .. } => Some(*state),
            _ => None,
        };
        let states: Vec<_> = sight.rows.iter().filter_map(state).collect();
        assert_eq!(states, [State::Delivered, State::Stored]);
    }

    fn page(ids: std::ops::RangeInclusive<i64>) -> Vec<Record> {
        ids.map(|id| Record { state: State::Shown, ..record(id, false, "x") }).collect()
    }

    #[test]
    fn older_pages_are_asked_for_once_and_only_while_there_are_any() {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        let pane = pane(4);
        assert_eq!(conversation.wants(&pane), [Place::Newest]);
        assert_eq!(conversation.wants(&pane), [], "it is on its way");
        conversation.take_page(Place::Newest, page(801..=1000), &pane);
        assert_eq!(conversation.wants(&pane), []);
        conversation.scroll_to_top(&pane);
        assert_eq!(conversation.wants(&pane), [Place::Below(801)]);
        let before = conversation.sight(&pane);
        conversation.take_page(Place::Below(801), page(701..=800), &pane);
        let after = conversation.sight(&pane);
        assert_eq!(after.last, before.last, "one stays where one is");
        conversation.scroll_to_top(&pane);
        assert_eq!(conversation.wants(&pane), [], "there is no more");
    }

    /// What a store with messages up to 2,000 answers.
    fn answer(conversation: &mut Conversation, pane: &Pane) {
        for place in conversation.wants(pane) {
            let records = match place {
                Place::Newest => page(1801..=2000),
                Place::Below(id) => page((id - 200).max(1)..=id - 1),
                Place::Above(id) => page(id + 1..=(id + 200).min(2000)),
            };
            conversation.take_page(place, records, pane);
        }
    }

    #[test]
    fn one_goes_to_a_message_far_away_and_scrolls_on_from_there_to_the_end() {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        let pane = pane(9);
        answer(&mut conversation, &pane);
        conversation.go_to(700, Query::new("x").unwrap());
        answer(&mut conversation, &pane);
        let sight = conversation.sight(&pane);
        let found = |row: &Row| matches!(row, Row::Head { found: true, .. });
        assert_eq!(sight.rows.iter().position(found), Some(4), "it is in the middle");
        assert_eq!((sight.last, conversation.unread()), (0, 0));
        conversation.add(record(2001, false, "news"));
        assert_eq!(conversation.sight(&pane).below, 1);
        let mut steps = 0;
        while conversation.sight(&pane).last != 2001 {
            conversation.scroll_down(50, &pane);
            answer(&mut conversation, &pane);
            steps += 1;
            assert!(steps < 60, "the end is never reached");
        }
        let all: Vec<i64> = conversation.records().map(|it| it.id).collect();
        assert_eq!(all, (all[0]..=2001).collect::<Vec<_>>(), "without a gap");
        conversation.go_to(100, Query::new("x").unwrap());
        answer(&mut conversation, &pane);
        conversation.scroll_to_end();
        assert_eq!(conversation.sight(&pane).last, 2001);
    }

    #[test]
    fn one_goes_to_what_is_unread_and_a_page_for_nobody_leaves_no_gap() {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        let pane = pane(9);
        answer(&mut conversation, &pane);
        conversation.go_to(500, Query::new("x").unwrap());
        let places = conversation.wants(&pane);
        let unread = |ids: std::ops::RangeInclusive<i64>| -> Vec<_> {
            ids.map(|id| record(id, false, "unread")).collect()
        };
        conversation.take_page(places[0], unread(301..=500), &pane);
        conversation.take_page(places[1], unread(501..=700), &pane);
        let found = |row: &Row| matches!(row, Row::Head { found: true, .. });
        assert!(conversation.sight(&pane).rows.iter().any(found));
        assert_eq!(conversation.wants(&pane), []);
        conversation.go_to(60, Query::new("x").unwrap());
        let places = conversation.wants(&pane);
        conversation.scroll_to_end();
        places.into_iter().for_each(|place| conversation.take_page(place, page(1..=60), &pane));
        assert_eq!(conversation.records().next().unwrap().id, 1801, "that was for nobody");
        // The same answer again would be asked for without end.
        let mut stranger = Conversation::new("carl".parse().unwrap());
        let places = stranger.wants(&pane);
        stranger.take_page(places[0], unread(1..=200), &pane);
        assert_eq!(stranger.wants(&pane), []);
    }

    #[test]
    fn a_place_that_is_remembered_is_found_again_however_far_it_is() {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        let (pane, anchor) = (pane(4), Anchor { id: 300, skip: 0 });
        conversation.set_anchor(Some(anchor));
        for _ in 0..3 {
            answer(&mut conversation, &pane);
        }
        assert_eq!(conversation.anchor(), Some(anchor));
        assert_eq!(conversation.sight(&pane).rows.len(), 4);
    }

    proptest! {
        #[test]
        fn however_one_scrolls_the_place_is_filled_and_unread_is_what_was_never_in_sight(
            steps in prop::collection::vec((0..5u8, 0..12usize), 1..60),
            height in 1..9u16,
        ) {
            let mut conversation = conversation(3);
            let pane = pane(height);
            let mut seen = BTreeSet::new();
            let mut next = 4;
            for (step, by) in steps {
                match step {
                    0 => {
                        let text = vec!["line"; by + 1].join("\n");
                        conversation.add(record(next, by % 3 == 0, &text));
                        next += 1;
                    }
                    1 => conversation.scroll_up(by, &pane),
                    2 => conversation.scroll_down(by, &pane),
                    3 => conversation.scroll_to_top(&pane),
                    _ => conversation.enter(&pane),
                }
                let sight = conversation.sight(&pane);
                let all: usize = (1..next).map(|id| conversation.tail.height(id, &pane)).sum();
                prop_assert_eq!(sight.rows.len(), all.min(usize::from(height)));
                seen.extend(conversation.see(&sight));
                let others = conversation.records().filter(|it| !it.own).count();
                prop_assert_eq!(conversation.unread() + seen.len(), others);
                prop_assert_eq!(conversation.unread(), sight.below);
            }
        }
    }
}
