//! The part of a conversation that is loaded, without gaps, and the scroll position in it. Pure.
//!
//! Owned by its [conversation](crate::ui::tui::conversation). Invariant: the scroll position stays, whatever is loaded
//! above or comes below.

use std::collections::BTreeMap;

use super::layout::{Block, Layout, Pane, Row, Shown};
use crate::client::{FileInfo, FileState, Passage, Place, Query, Record, State};
use crate::message::Name;

/// How many messages are read at once.
pub(crate) const PAGE: u32 = 200;

/// How many stay loaded when one is at the end.
const KEPT: usize = 2_000;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Window {
    peer: Name,
    records: BTreeMap<i64, Record>,
    /// What there is in place of pictures, by record; nothing of those that are not made.
    pictures: BTreeMap<i64, Shown>,
    layout: Layout,
    /// What was the first unread when one turned to it.
    pub(super) marker: Option<i64>,
    /// What was found, and by which words.
    found: Option<(i64, Query)>,
    /// What is at the bottom; none at the end.
    anchor: Option<Anchor>,
    /// What is to be in the middle once what is behind it is loaded.
    centre: Option<i64>,
    /// Pages that were asked for, of what is older and of what is newer.
    asked: [Option<Place>; 2],
    /// Whether there is nothing older, and nothing newer.
    complete: [bool; 2],
    is_tail: bool,
}

/// The lowest row in sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// A record.
    pub(crate) id: i64,
    /// How many of its rows are below what is in sight.
    pub(crate) skip: usize,
}

const OLDER: usize = 0;
const NEWER: usize = 1;

impl Window {
    /// The end of a conversation, to which what comes is put.
    pub(super) fn tail(peer: Name) -> Self {
        Self {
            peer,
            records: BTreeMap::new(),
            pictures: BTreeMap::new(),
            layout: Layout::default(),
            marker: None,
            found: None,
            anchor: None,
            centre: None,
            asked: [None; 2],
            complete: [false, true],
            is_tail: true,
        }
    }

    /// What is around a place to which one had scrolled.
    pub(super) fn at(peer: Name, anchor: Anchor) -> Self {
        Self { anchor: Some(anchor), complete: [false; 2], is_tail: false, ..Self::tail(peer) }
    }

    /// What is around a message that was found.
    pub(super) fn around(peer: Name, id: i64, query: Query) -> Self {
        let window = Self::at(peer, Anchor { id, skip: 0 });
        Self { found: Some((id, query)), centre: Some(id), ..window }
    }

    // What comes.

    pub(super) fn add(&mut self, record: Record) {
        self.records.entry(record.id).or_insert(record);
    }

    /// Whether it was asked for by [`wants`](Self::wants).
    pub(super) fn has_asked(&self, place: Place) -> bool {
        self.asked.contains(&Some(place))
    }

    /// What was asked for.
    pub(super) fn take_page(&mut self, place: Place, records: Vec<Record>, pane: &Pane) {
        let side = if matches!(place, Place::Above(_)) { NEWER } else { OLDER };
        self.asked[side] = None;
        self.complete[side] |= records.len() < PAGE as usize;
        let before = self.records.len();
        // At the end what was not shown comes again as news: only then the client counts it.
        let shown = |it: &Record| !self.is_tail || it.state != State::Received;
        let records: Vec<Record> = records.into_iter().filter(shown).collect();
        records.into_iter().for_each(|record| self.add(record));
        // The same question has the same answer.
        self.complete[side] |= self.records.len() == before;
        if side == NEWER
            && let Some(id) = self.centre.take()
        {
            self.anchor = Some(self.anchor_with_centre(id, pane));
        }
    }

    /// The pages that are needed to fill the place and to scroll on. To be asked for then.
    pub(super) fn wants(&mut self, pane: &Pane) -> Vec<Place> {
        let first = self.records.keys().next().copied();
        let last = self.records.keys().next_back().copied();
        let here = self.anchor.map(|anchor| anchor.id);
        let older = match (first, here) {
            (Some(first), _) => Place::Below(first),
            // With the message in it.
            (None, Some(here)) if !self.complete[NEWER] => Place::Below(here.saturating_add(1)),
            (None, _) => Place::Newest,
        };
        let newer = last.or(here).map_or(Place::Newest, Place::Above);
        [(OLDER, older), (NEWER, newer)]
            .into_iter()
            .filter(|(side, place)| {
                let is_wanted = self.asked[*side].is_none()
                    && !self.complete[*side]
                    && (!self.is_in_place() || !self.has_enough(*side, pane));
                if is_wanted {
                    self.asked[*side] = Some(*place);
                }
                is_wanted
            })
            .map(|(_, place)| place)
            .collect()
    }

    /// Whether there is more on a side than fills the place.
    fn has_enough(&self, side: usize, pane: &Pane) -> bool {
        let enough = usize::from(pane.height) * 2;
        let bottom = self.bottom_in(pane);
        let ids: Box<dyn Iterator<Item = i64>> = match side {
            OLDER => Box::new(self.backwards(bottom)),
            _ => Box::new(self.records.range(bottom.id + 1..).map(|(id, _)| *id)),
        };
        let mut rows = 0;
        for id in ids {
            rows += self.height(id, pane);
            if rows >= enough {
                return true;
            }
        }
        false
    }

    /// Whether where one has scrolled to is loaded, as far as it can be.
    pub(super) fn is_in_place(&self) -> bool {
        let Some(Anchor { id, .. }) = self.anchor else { return true };
        let first = self.records.keys().next();
        self.complete[OLDER] || first.is_some_and(|first| *first <= id) && !self.records.is_empty()
    }

    /// Whether it goes up to a record, or to the end.
    pub(super) fn reaches(&self, other: &Self) -> bool {
        let last = self.records.keys().next_back();
        self.complete[NEWER]
            || last.zip(other.records.keys().next()).is_some_and(|(last, first)| last >= first)
    }

    /// What it has becomes a part of the end.
    pub(super) fn join(&mut self, earlier: Self) {
        let Self { records, found, anchor, complete, .. } = earlier;
        self.records.extend(records);
        self.complete[OLDER] = complete[OLDER];
        (self.found, self.anchor) = (found, anchor);
        self.asked[OLDER] = None;
    }

    /// Own messages went on; the peer says to have seen those up to `read`.
    pub(super) fn moved(&mut self, numbers: &[u64], state: State, read: u64) {
        for n in numbers {
            let mut own = self.records.values_mut().rev().filter(|it| it.own);
            // A copied folder counts anew: the latest one is meant.
            if let Some(record) = own.find(|it| it.n == *n)
                && matches!(record.state, State::Waiting | State::Stored)
            {
                let is_read = state == State::Delivered && *n <= read;
                record.state = if is_read { State::Read } else { state };
            }
        }
    }

    /// Own messages leave in the clear.
    pub(super) fn left_clear(&mut self, numbers: &[u64]) {
        for n in numbers {
            let mut own = self.records.values_mut().rev().filter(|it| it.own);
            if let Some(record) = own.find(|it| it.n == *n) {
                record.passage = Passage::Clear;
            }
        }
    }

    /// An own message came back, and waits again with another number. Returns how it was with it, if it is here.
    pub(super) fn renumbered(&mut self, n: u64, again: u64) -> Option<State> {
        let mut own = self.records.values_mut().rev().filter(|it| it.own);
        let record = own.find(|it| it.n == n)?;
        record.n = again;
        Some(std::mem::replace(&mut record.state, State::Waiting))
    }

    /// The peer says to have seen own messages up to a number.
    pub(super) fn read_up_to(&mut self, n: u64) {
        for record in self.records.values_mut().filter(|it| it.own && it.n <= n) {
            if record.state == State::Delivered {
                record.state = State::Read;
            }
        }
    }

    /// It is otherwise with the file of a message.
    pub(super) fn file_is(&mut self, id: i64, state: &FileState) {
        if let Some(file) = self.records.get_mut(&id).and_then(|record| record.file.as_mut()) {
            file.state = state.clone();
        }
    }

    /// The picture of a message takes so many rows.
    pub(super) fn picture_has(&mut self, id: i64, rows: u16) {
        if self.records.contains_key(&id) {
            self.pictures.insert(id, Shown::Picture(rows));
        }
    }

    /// The picture of a message is not shown, and why.
    pub(super) fn picture_is_refused(&mut self, id: i64, why: &str) {
        if self.records.contains_key(&id) {
            self.pictures.insert(id, Shown::Refusal(why.into()));
        }
    }

    /// The records in sight that have pictures which are here.
    pub(super) fn pictures(&self, pane: &Pane) -> Vec<i64> {
        let bottom = self.bottom_in(pane);
        let (mut rows, mut ids) = (0, Vec::new());
        for id in self.backwards(bottom) {
            if self.records.get(&id).is_some_and(has_picture) {
                ids.push(id);
            }
            rows += self.height(id, pane);
            if rows >= usize::from(pane.height) + bottom.skip {
                break;
            }
        }
        ids
    }

    /// These were shown.
    pub(super) fn seen(&mut self, ids: &[i64]) {
        for id in ids {
            if let Some(record) = self.records.get_mut(id) {
                record.state = State::Shown;
            }
        }
    }

    /// Lets go of what is far above the end, but of nothing from `unread` on.
    pub(super) fn trim(&mut self, unread: Option<i64>) {
        let unread = unread.unwrap_or(i64::MAX);
        let is_old = |window: &Self| window.records.keys().next().is_some_and(|id| *id < unread);
        while self.anchor.is_none() && self.records.len() > KEPT && is_old(self) {
            let gone = self.records.pop_first();
            gone.and_then(|(id, _)| self.pictures.remove(&id));
            self.complete[OLDER] = false;
        }
    }

    /// Whether there is so much that it is time to [`trim`](Self::trim).
    pub(super) fn is_long(&self) -> bool {
        self.records.len() > 2 * KEPT
    }

    // Where one is.

    /// Where one has scrolled to; none at the end.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// Puts it back.
    pub(super) fn set_anchor(&mut self, anchor: Option<Anchor>) {
        self.anchor = anchor;
    }

    /// Scrolls so that a record is at the top, if all from there on does not fit.
    pub(super) fn put_at_top(&mut self, first: i64, pane: &Pane) {
        self.anchor = self.anchor_with_top(first, pane);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What is loaded, oldest first.
    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.values()
    }

    /// The rows in sight, at most as many as there is room for, and the last record of which something is
    /// there; 0 if there is none.
    pub(super) fn sight(&self, pane: &Pane) -> (Vec<Row>, i64) {
        let height = usize::from(pane.height);
        let Anchor { id, skip } = self.bottom_in(pane);
        // From the bottom upwards.
        let mut rows = Vec::new();
        for (index, id) in self.backwards(Anchor { id, skip }).enumerate() {
            let hidden = if index == 0 { skip } else { 0 };
            rows.extend(self.block(id, pane).upwards().skip(hidden).take(height - rows.len()));
            if rows.len() >= height {
                break;
            }
        }
        rows.reverse();
        (rows, if self.records.is_empty() { 0 } else { id })
    }

    pub(super) fn scroll_up(&mut self, by: usize, pane: &Pane) {
        let Anchor { mut id, mut skip } = self.bottom_in(pane);
        skip += by;
        loop {
            let rows = self.height(id, pane);
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
            skip = self.height(id, pane);
        }
        skip -= left;
        let at_end = skip == 0 && self.after(id).is_none();
        self.anchor = (!at_end).then_some(Anchor { id, skip });
    }

    pub(super) fn scroll_to_top(&mut self, pane: &Pane) {
        self.anchor = self.at_top(pane);
    }

    pub(super) fn scroll_to_end(&mut self) {
        self.anchor = None;
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
        let rows = self.height(id, pane);
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
            rows += self.height(id, pane);
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
            rows += self.height(id, pane);
            if let Some(skip) = rows.checked_sub(usize::from(pane.height)) {
                let at_end = skip == 0 && self.after(id).is_none();
                return (!at_end).then_some(Anchor { id, skip });
            }
        }
        None
    }

    /// Where to scroll for a record to be in the middle, if there is enough behind it.
    fn anchor_with_centre(&self, id: i64, pane: &Pane) -> Anchor {
        let mut anchor = Anchor { id, skip: 0 };
        let mut rows = 0;
        for id in self.records.range(id + 1..).map(|(id, _)| *id) {
            rows += self.height(id, pane);
            anchor.id = id;
            if rows >= usize::from(pane.height) / 2 {
                break;
            }
        }
        anchor
    }

    /// The rows of a record, with what stands before and behind it.
    fn block(&self, id: i64, pane: &Pane) -> Block {
        let Some(record) = self.records.get(&id) else { return Block::default() };
        let before = self.before(id).and_then(|before| self.records.get(&before));
        let day = before.is_none_or(|before| pane.date(before.time) != pane.date(record.time));
        let found = self.found.as_ref().filter(|(it, _)| *it == id).map(|(_, query)| query);
        Block {
            day: day.then(|| pane.day(record.time)),
            is_first_unread: self.marker == Some(id),
            message: self.layout.rows(&self.peer, record, found, self.pictures.get(&id), pane),
        }
    }

    /// How many rows a record has.
    pub(super) fn height(&self, id: i64, pane: &Pane) -> usize {
        self.block(id, pane).height()
    }
}

/// Whether a message tells of a picture that is here.
fn has_picture(record: &Record) -> bool {
    let is_here = record.file.as_ref().is_some_and(|file| file.state == FileState::Here);
    is_here && FileInfo::of(&record.kind, &record.body).is_some_and(|info| info.is_picture())
}
