//! Messages laid out in rows. Pure.
//!
//! Owned by a [window](super::window), which asks for the same rows many times while one scrolls; a long message is
//! expensive to lay out, and others choose how long it is. Invariant: cached rows are what a new layout would give,
//! since all its inputs are compared.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::client::{Passage, Query, Received, Record, State};
use crate::message::{Name, Timestamp};
use crate::text;
use crate::ui::phrases::times::local;
use crate::ui::phrases::{files, times};
use crate::ui::tui::words::{self, Mark, Words};
use crate::ui::wrap;

/// Cells before a message's text: time, mark, spaces between.
const INDENT: u16 = 8;

/// How many rows are kept. Whoever needs more has them made anew.
const KEPT: usize = 16_384;

/// How large the place is in which a conversation is shown, and where its times are.
#[derive(Clone, Debug)]
pub(crate) struct Pane {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) zone: TimeZone,
    /// Nothing but what was said is shown, so that it can be selected.
    pub(crate) bare: bool,
}

impl Pane {
    /// Cells before a message's text.
    pub(crate) fn indent(&self) -> u16 {
        if self.bare { 0 } else { INDENT }
    }

    /// The day of a time here.
    pub(crate) fn date(&self, time: Timestamp) -> Date {
        local(time, &self.zone).date()
    }

    /// The same, as it is shown.
    pub(crate) fn day(&self, time: Timestamp) -> String {
        local(time, &self.zone).strftime("%A, %-d %B %Y").to_string()
    }

    fn text_width(&self) -> u16 {
        self.width.saturating_sub(self.indent())
    }
}

/// What is in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Day(String),
    Unread,
    /// The first row of a message; the first `name` bytes say who wrote it.
    Head {
        time: String,
        own: bool,
        state: State,
        /// It was in the clear.
        clear: bool,
        found: bool,
        name: usize,
        words: Words,
    },
    /// A further one.
    Body(Words),
    /// One of a message's picture, counted from its top.
    Picture {
        id: i64,
        row: u16,
    },
    /// Why there is none.
    NoPicture(String),
}

/// What there is in place of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Itself, in so many rows.
    Picture(u16),
    /// Why it is not shown.
    Refusal(String),
}

/// The rows of a message, with what stands before it.
#[derive(Default)]
pub(super) struct Block {
    /// It is the first of a day.
    pub(super) day: Option<String>,
    pub(super) is_first_unread: bool,
    pub(super) message: Arc<[Row]>,
}

impl Block {
    /// How many rows it has.
    pub(super) fn height(&self) -> usize {
        usize::from(self.day.is_some()) + usize::from(self.is_first_unread) + self.message.len()
    }

    /// The rows, the lowest first.
    pub(super) fn upwards(&self) -> impl Iterator<Item = Row> {
        let before = [self.day.clone().map(Row::Day), self.is_first_unread.then_some(Row::Unread)];
        self.message.iter().rev().cloned().chain(before.into_iter().flatten().rev())
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Layout {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<i64, (Source, Arc<[Row]>)>,
    rows: usize,
}

impl Layout {
    /// The rows of a message from or to `peer`, in which this was found, with what there is in place of its picture.
    pub(super) fn rows(
        &self,
        peer: &Name,
        record: &Record,
        found: Option<&Query>,
        picture: Option<&Shown>,
        pane: &Pane,
    ) -> Arc<[Row]> {
        let source = Source::new(record, found, picture, pane);
        let Kept { by_id, rows } = &mut *self.kept.borrow_mut();
        if let Some((of, made)) = by_id.get(&record.id)
            && *of == source
        {
            return made.clone();
        }
        let made: Arc<[Row]> = source.rows(peer, record, pane).into();
        if *rows > KEPT {
            by_id.clear();
            *rows = 0;
        }
        *rows += made.len();
        by_id.insert(record.id, (source, made.clone()));
        made
    }
}

/// All that the rows of a message are made of that may change, beside its words.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    state: State,
    passage: Passage,
    file: Option<Received>,
    found: Option<Query>,
    picture: Option<Shown>,
    width: u16,
    zone: TimeZone,
}

impl Source {
    fn new(record: &Record, found: Option<&Query>, picture: Option<&Shown>, pane: &Pane) -> Self {
        Self {
            state: record.state,
            passage: record.passage,
            file: record.file.clone(),
            found: found.cloned(),
            picture: picture.cloned(),
            width: pane.text_width(),
            zone: pane.zone.clone(),
        }
    }

    fn rows(&self, peer: &Name, record: &Record, pane: &Pane) -> Vec<Row> {
        let Record { own, state, passage, time, .. } = *record;
        let clear = passage == Passage::Clear;
        let name = format!("{}: ", if own { "you" } else { peer.as_str() });
        let mut rows = Vec::new();
        for (number, line) in shown_lines(record).into_iter().enumerate() {
            let line = if number == 0 { format!("{name}{line}") } else { line };
            let marks = marks(&line, record.id, number, self.found.as_ref());
            for range in wrap::rows(&line, self.width) {
                let words = Words::part(&line, &marks, range);
                rows.push(match rows.is_empty() {
                    true => {
                        let (time, found) = (clock(time, &pane.zone), self.found.is_some());
                        let name = name.len().min(words.text.len());
                        Row::Head { time, own, state, clear, found, name, words }
                    }
                    false => Row::Body(words),
                });
            }
        }
        rows.extend(self.picture_rows(record.id));
        rows
    }

    fn picture_rows(&self, id: i64) -> Vec<Row> {
        match &self.picture {
            None => Vec::new(),
            Some(Shown::Picture(rows)) => (0..*rows).map(|row| Row::Picture { id, row }).collect(),
            Some(Shown::Refusal(why)) => {
                let text = format!("(picture not shown: {})", text::clean(why));
                let rows = wrap::rows(&text, self.width).into_iter();
                rows.map(|row| Row::NoPicture(text[row].to_string())).collect()
            }
        }
    }
}

/// What is special in a line of a message.
fn marks(line: &str, id: i64, number: usize, found: Option<&Query>) -> Vec<(Range<usize>, Mark)> {
    let mut marks = words::links(line, &format!("{id}-{number}"));
    let places = found.map(|query| query.places(line)).unwrap_or_default();
    marks.extend(places.into_iter().map(|range| (range, Mark::Found)));
    marks
}

/// The lines of a message, as they are shown.
pub(super) fn shown_lines(record: &Record) -> Vec<String> {
    let unknown =
        || vec![format!("(something of kind {}, which cannot be shown here)", record.kind)];
    let file = record.file.as_ref();
    let mut lines = files::lines(&record.kind, &record.body, file).unwrap_or_else(unknown);
    if let (Some(file), Some(first)) = (file, lines.first_mut()) {
        *first += &text::clean(&format!(" ({})", files::hint(file)));
    }
    if let (Some(written), Some(first)) = (record.written, lines.first_mut()) {
        *first += &format!(" ({})", times::written(written, record.time));
    }
    lines
}

/// When it was, in short.
pub(crate) fn stamp(time: Timestamp, zone: &TimeZone) -> String {
    local(time, zone).strftime("%Y-%m-%d %H:%M").to_string()
}

fn clock(time: Timestamp, zone: &TimeZone) -> String {
    local(time, zone).strftime("%H:%M").to_string()
}
