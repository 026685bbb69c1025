//! One conversation as the screen has it: what was said as far as it is loaded, what was not seen yet,
//! where one has scrolled to, what one is writing. Pure.
//!
//! Owned by the [app](super::app). Invariants: `unread` are records of others that came and were never in
//! sight; where one has scrolled to stays, whatever comes below.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::composer::Composer;
use super::wrap;
use crate::client::{Record, State};
use crate::message::{Kind, Name, Timestamp};
use crate::trust::Fingerprint;
use crate::ui::text;
use crate::wire::frame::Presence;

/// How many messages are read at once.
pub(super) const PAGE: u32 = 200;

/// How many stay loaded when one is at the end.
const KEPT: usize = 2_000;

/// How much that the client said stays.
const NOTES: usize = 200;

/// Cells before a message's text: time, mark, spaces between.
pub(super) const INDENT: u16 = 8;

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
    records: BTreeMap<i64, Record>,
    notes: Vec<Note>,
    unread: BTreeSet<i64>,
    /// What was the first unread when one turned to it.
    marker: Option<i64>,
    /// What is at the bottom; none at the end.
    anchor: Option<Anchor>,
    /// The peer says to have seen own messages up to this number.
    read: u64,
    /// How many messages are still to come that waited; none before that is known.
    waited: Option<u64>,
    loading: bool,
    complete: bool,
}

/// The lowest row in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// A record.
    pub(super) id: i64,
    /// How many of its rows are below what is in sight.
    pub(super) skip: usize,
}

/// What the client has to say, behind a record.
#[derive(Clone, Debug)]
struct Note {
    after: i64,
    text: String,
    urgent: bool,
}

/// How large the place is in which a conversation is shown, and where its times are.
#[derive(Clone, Debug)]
pub(super) struct Pane {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) zone: TimeZone,
}

/// What is in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Day(String),
    Unread,
    /// The first row of a message; the first `name` bytes say who wrote it.
    Head {
        time: String,
        own: bool,
        state: State,
        name: usize,
        text: String,
    },
    /// A further one.
    Body(String),
    Note {
        text: String,
        urgent: bool,
    },
}

/// What is in sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) rows: Vec<Row>,
    /// The last record of which something is in sight; 0 if there is none.
    pub(super) last: i64,
    /// How many unread ones are below.
    pub(super) below: usize,
}

impl Conversation {
    pub(super) fn new(peer: Name) -> Self {
        Self {
            peer,
            composer: Composer::default(),
            presence: None,
            request: 0,
            muted: false,
            key: None,
            unsent: 0,
            records: BTreeMap::new(),
            notes: Vec::new(),
            unread: BTreeSet::new(),
            marker: None,
            anchor: None,
            read: 0,
            waited: None,
            loading: false,
            complete: false,
        }
    }

    // What comes.

    /// Somebody wrote, or one did oneself.
    pub(super) fn add(&mut self, record: Record) {
        if record.state == State::Received {
            self.unread.insert(record.id);
        }
        self.records.entry(record.id).or_insert(record);
        if self.anchor.is_none() && self.records.len() > 2 * KEPT {
            self.trim();
        }
    }

    /// The line to the server broke. What comes behind that waited, and begins at a line of its own.
    pub(super) fn disconnected(&mut self) {
        self.presence = None;
        self.waited = None;
        self.marker = None;
    }

    /// So many messages waited, and come now.
    pub(super) fn opened(&mut self, waiting: u64) {
        self.waited.get_or_insert(waiting);
    }

    /// Somebody wrote, and one looks at the conversation. What waited is to be read from its beginning.
    pub(super) fn add_in_front(&mut self, record: Record, pane: &Pane) {
        let has_waited = self.waited != Some(0);
        self.waited = self.waited.map(|waited| waited.saturating_sub(1));
        let id = record.id;
        self.add(record);
        if has_waited && self.anchor.is_none() {
            let first = *self.marker.get_or_insert(id);
            self.anchor = self.anchor_with_top(first, pane);
        }
    }

    /// What was asked for by [`wants`](Self::wants).
    pub(super) fn take_page(&mut self, records: Vec<Record>) {
        self.loading = false;
        self.complete |= records.len() < PAGE as usize;
        if let (true, Some(last)) = (self.records.is_empty(), records.last()) {
            // What was said so far was said behind all of these.
            self.notes.iter_mut().for_each(|note| note.after = last.id);
        }
        for record in records {
            // What was not shown comes again as news: only then the client counts it.
            if record.state != State::Received {
                self.records.entry(record.id).or_insert(record);
            }
        }
    }

    /// The id below which older messages are needed to fill the place, if there are any. To be asked for
    /// then.
    pub(super) fn wants(&mut self, pane: &Pane) -> Option<Option<i64>> {
        if self.loading || self.complete || self.is_in_place() && self.has_enough(pane) {
            return None;
        }
        self.loading = true;
        Some(self.records.keys().next().copied())
    }

    /// Whether there is more than fills the place, so that one can scroll on.
    fn has_enough(&self, pane: &Pane) -> bool {
        let enough = usize::from(pane.height) * 2;
        let mut rows = 0;
        for id in self.backwards(self.bottom_in(pane)) {
            rows += self.block(id, pane).len();
            if rows >= enough {
                return true;
            }
        }
        false
    }

    /// Whether where one has scrolled to is loaded.
    pub(super) fn is_in_place(&self) -> bool {
        let first = self.records.keys().next();
        self.anchor.is_none_or(|it| self.complete || first.is_some_and(|first| *first <= it.id))
    }

    /// Own messages went on.
    pub(super) fn moved(&mut self, numbers: &[u64], state: State) {
        for n in numbers {
            let mut own = self.records.values_mut().rev().filter(|it| it.own);
            // A copied folder counts anew: the latest one is meant.
            if let Some(record) = own.find(|it| it.n == *n)
                && matches!(record.state, State::Waiting | State::Stored)
            {
                record.state =
                    if state == State::Delivered && *n <= self.read { State::Read } else { state };
            }
        }
    }

    /// The peer says to have seen own messages up to a number.
    pub(super) fn read_up_to(&mut self, n: u64) {
        self.read = self.read.max(n);
        for record in self.records.values_mut().filter(|it| it.own && it.n <= n) {
            if record.state == State::Delivered {
                record.state = State::Read;
            }
        }
    }

    /// Says something below all that is there.
    pub(super) fn note(&mut self, text: String, urgent: bool) {
        let after = self.records.keys().next_back().copied().unwrap_or(0);
        self.notes.push(Note { after, text, urgent });
        self.notes.drain(..self.notes.len().saturating_sub(NOTES));
    }

    // What is known.

    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Where one has scrolled to.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// Puts it back.
    pub(super) fn set_anchor(&mut self, anchor: Option<Anchor>) {
        self.anchor = anchor;
    }

    /// What is loaded, oldest first.
    #[cfg(test)]
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    // What is in sight.

    /// One turns to it: what is unread begins at a line, and at the top if it does not fit.
    pub(super) fn enter(&mut self, pane: &Pane) {
        self.marker = self.unread.first().copied();
        if let Some(first) = self.marker.filter(|_| self.anchor.is_none()) {
            self.anchor = self.anchor_with_top(first, pane);
        }
    }

    /// One turns away.
    pub(super) fn leave(&mut self) {
        self.marker = None;
        if self.anchor.is_none() {
            self.trim();
        }
    }

    /// The rows in sight, at most as many as there is room for.
    pub(super) fn sight(&self, pane: &Pane) -> Sight {
        let height = usize::from(pane.height);
        let Anchor { id, skip } = self.bottom_in(pane);
        let mut rows = Vec::new();
        for (index, id) in self.backwards(Anchor { id, skip }).enumerate() {
            let mut block = self.block(id, pane);
            if index == 0 {
                block.truncate(block.len().saturating_sub(skip));
            }
            rows.splice(0..0, block);
            if rows.len() >= height {
                break;
            }
        }
        rows.drain(..rows.len().saturating_sub(height));
        if self.records.is_empty() {
            rows.extend(self.note_rows(|_| true, pane));
            rows.drain(..rows.len().saturating_sub(height));
        }
        let below = self.unread.range(id + 1..).count();
        Sight { rows, last: if self.records.is_empty() { 0 } else { id }, below }
    }

    /// What is in sight was seen. Returns what was not before.
    pub(super) fn see(&mut self, sight: &Sight) -> Vec<i64> {
        let later = self.unread.split_off(&(sight.last + 1));
        let seen = std::mem::replace(&mut self.unread, later);
        for id in &seen {
            if let Some(record) = self.records.get_mut(id) {
                record.state = State::Shown;
            }
        }
        seen.into_iter().collect()
    }

    pub(super) fn scroll_up(&mut self, by: usize, pane: &Pane) {
        let Anchor { mut id, mut skip } = self.bottom_in(pane);
        skip += by;
        loop {
            let rows = self.block(id, pane).len();
            match self.before(id) {
                Some(before) if skip >= rows => (id, skip) = (before, skip - rows),
                _ => break,
            }
        }
        let anchor = Anchor { id, skip };
        self.anchor = if self.fills(anchor, pane) { Some(anchor) } else { self.at_top(pane) };
    }

    pub(super) fn scroll_down(&mut self, by: usize, pane: &Pane) {
        if self.anchor.is_none() {
            return;
        }
        let Anchor { mut id, mut skip } = self.bottom_in(pane);
        let mut left = by;
        while left > skip {
            let Some(after) = self.after(id) else {
                self.anchor = None;
                return;
            };
            left -= skip;
            id = after;
            skip = self.block(id, pane).len();
        }
        skip -= left;
        let at_end = skip == 0 && self.after(id).is_none();
        self.anchor = (!at_end).then_some(Anchor { id, skip });
    }

    pub(super) fn scroll_to_top(&mut self, pane: &Pane) {
        self.anchor = self.at_top(pane);
    }

    /// And stays there, whatever waited.
    pub(super) fn scroll_to_end(&mut self) {
        self.anchor = None;
        self.waited = Some(0);
    }

    // Rows.

    fn bottom(&self) -> Anchor {
        let last = self.records.keys().next_back().copied().unwrap_or(0);
        // What was loaded may have been let go of.
        let anchor = self.anchor.filter(|it| self.records.contains_key(&it.id));
        anchor.unwrap_or(Anchor { id: last, skip: 0 })
    }

    /// The same where all is in its place: rows may have become fewer or more since one scrolled.
    fn bottom_in(&self, pane: &Pane) -> Anchor {
        let end = Anchor { id: self.records.keys().next_back().copied().unwrap_or(0), skip: 0 };
        let Anchor { id, skip } = self.bottom();
        let rows = self.block(id, pane).len();
        let anchor = Anchor { id, skip: skip.min(rows.saturating_sub(1)) };
        if anchor == end || self.fills(anchor, pane) {
            return anchor;
        }
        self.at_top(pane).unwrap_or(end)
    }

    fn backwards(&self, from: Anchor) -> impl Iterator<Item = i64> {
        self.records.range(..=from.id).rev().map(|(id, _)| *id)
    }

    fn before(&self, id: i64) -> Option<i64> {
        self.records.range(..id).next_back().map(|(id, _)| *id)
    }

    fn after(&self, id: i64) -> Option<i64> {
        self.records.range(id + 1..).next().map(|(id, _)| *id)
    }

    /// Whether there are rows enough from here upwards.
    fn fills(&self, anchor: Anchor, pane: &Pane) -> bool {
        let mut rows = 0;
        for id in self.backwards(anchor) {
            rows += self.block(id, pane).len();
            if rows >= usize::from(pane.height) + anchor.skip {
                return true;
            }
        }
        false
    }

    fn at_top(&self, pane: &Pane) -> Option<Anchor> {
        self.anchor_with_top(*self.records.keys().next()?, pane)
    }

    /// Where to scroll for a record to be at the top; none if all from there on fits.
    fn anchor_with_top(&self, first: i64, pane: &Pane) -> Option<Anchor> {
        let mut rows = 0;
        for id in self.records.range(first..).map(|(id, _)| *id) {
            rows += self.block(id, pane).len();
            if let Some(skip) = rows.checked_sub(usize::from(pane.height)) {
                let at_end = skip == 0 && self.after(id).is_none();
                return (!at_end).then_some(Anchor { id, skip });
            }
        }
        None
    }

    /// The rows of a record, with what stands before and behind it.
    fn block(&self, id: i64, pane: &Pane) -> Vec<Row> {
        let Some(record) = self.records.get(&id) else { return Vec::new() };
        let mut rows = Vec::new();
        let day = day(record.time, &pane.zone);
        let before = self.before(id).and_then(|before| self.records.get(&before));
        if before.is_none() {
            rows.extend(self.note_rows(|after| after < id, pane));
        }
        if before.is_none_or(|before| self::day(before.time, &pane.zone) != day) {
            rows.push(Row::Day(day));
        }
        if self.marker == Some(id) {
            rows.push(Row::Unread);
        }
        rows.extend(self.message_rows(record, pane));
        rows.extend(self.note_rows(|after| after == id, pane));
        rows
    }

    fn note_rows(&self, is_there: impl Fn(i64) -> bool, pane: &Pane) -> Vec<Row> {
        let mut rows = Vec::new();
        for Note { text, urgent, .. } in self.notes.iter().filter(|note| is_there(note.after)) {
            let clean = text::clean(text);
            let ranges = wrap::rows(&clean, pane.width.saturating_sub(3)).into_iter();
            rows.extend(
                ranges.map(|range| Row::Note { text: clean[range].to_string(), urgent: *urgent }),
            );
        }
        rows
    }

    fn message_rows(&self, record: &Record, pane: &Pane) -> Vec<Row> {
        let Record { own, state, time, .. } = *record;
        let name = format!("{}: ", if own { "you" } else { self.peer.as_str() });
        let mut rows = Vec::new();
        for line in shown_lines(record) {
            let line = if rows.is_empty() { format!("{name}{line}") } else { line };
            for range in wrap::rows(&line, pane.width.saturating_sub(INDENT)) {
                let text = line[range].to_string();
                rows.push(match rows.is_empty() {
                    true => {
                        let (time, name) = (clock(time, &pane.zone), name.len().min(text.len()));
                        Row::Head { time, own, state, name, text }
                    }
                    false => Row::Body(text),
                });
            }
        }
        rows
    }

    fn trim(&mut self) {
        let unread = self.unread.first().copied().unwrap_or(i64::MAX);
        while self.records.len() > KEPT && self.records.keys().next().is_some_and(|id| *id < unread)
        {
            self.records.pop_first();
            self.complete = false;
        }
    }
}

fn shown_lines(record: &Record) -> Vec<String> {
    match record.kind == Kind::TEXT {
        true => text::lines(&record.body).collect(),
        false => vec![format!("(something of kind {}, which cannot be shown here)", record.kind)],
    }
}

fn day(time: Timestamp, zone: &TimeZone) -> String {
    local(time, zone).strftime("%A, %-d %B %Y").to_string()
}

fn clock(time: Timestamp, zone: &TimeZone) -> String {
    local(time, zone).strftime("%H:%M").to_string()
}

/// A damaged time must not stop whoever reads it.
fn local(time: Timestamp, zone: &TimeZone) -> jiff::ZonedDateTime {
    let printable = jiff::Timestamp::try_from(time.printable());
    printable.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn record(id: i64, own: bool, text: &str) -> Record {
        let state = if own { State::Waiting } else { State::Received };
        let (n, time) = (id.unsigned_abs(), Timestamp(id.unsigned_abs() * 60_000));
        Record { id, own, n, time, kind: Kind::TEXT, body: text.to_string().into(), state }
    }

    fn pane(height: u16) -> Pane {
        Pane { width: 40, height, zone: TimeZone::UTC }
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
            Row::Day(text) | Row::Note { text, .. } => text.clone(),
            Row::Unread => "unread".into(),
            Row::Head { text, name, .. } => text[*name..].to_string(),
            Row::Body(text) => text.clone(),
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

    #[test]
    fn older_pages_are_asked_for_once_and_only_while_there_are_any() {
        let mut conversation = Conversation::new("marie".parse().unwrap());
        let pane = pane(4);
        assert_eq!(conversation.wants(&pane), Some(None));
        assert_eq!(conversation.wants(&pane), None, "it is on its way");
        let page = |ids: std::ops::RangeInclusive<i64>| -> Vec<_> {
            ids.map(|id| Record { state: State::Shown, ..record(id, false, "x") }).collect()
        };
        conversation.take_page(page(801..=1000));
        assert_eq!(conversation.wants(&pane), None);
        conversation.scroll_to_top(&pane);
        assert_eq!(conversation.wants(&pane), Some(Some(801)));
        let before = conversation.sight(&pane);
        conversation.take_page(page(701..=800));
        let after = conversation.sight(&pane);
        assert_eq!(after.last, before.last, "one stays where one is");
        conversation.scroll_to_top(&pane);
        assert_eq!(conversation.wants(&pane), None, "there is no more");
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
                    3 => conversation.note("a note".into(), false),
                    _ => conversation.enter(&pane),
                }
                let sight = conversation.sight(&pane);
                let all: usize = (1..next).map(|id| conversation.block(id, &pane).len()).sum();
                prop_assert_eq!(sight.rows.len(), all.min(usize::from(height)));
                seen.extend(conversation.see(&sight));
                let others = conversation.records.values().filter(|it| !it.own).count();
                prop_assert_eq!(conversation.unread() + seen.len(), others);
                prop_assert_eq!(conversation.unread(), sight.below);
            }
        }
    }
}
