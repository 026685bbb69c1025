//! A terminal for tests that measures text as it is told to: real ones do not agree.
//!
//! It knows what the full screen writes, and no more. Two that were told the same are equal if they show the
//! same, cell by cell. Used by the stories and, through its path, by the unit tests of the painter.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use vte::{Params, Parser, Perform};

/// How many cells a text takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// What belongs together takes what it takes together.
    Clusters,
    /// Each code point takes what it takes alone; what takes nothing is put to the one before.
    CodePoints,
    /// The same, and what is wide never begins in the last column: it goes into the next row, as in st.
    Stubborn,
    /// Each code point takes one.
    Narrow,
    /// Whatever is not ASCII takes two, what is invisible one.
    Wide,
}

pub(crate) const MEASURES: [Measure; 5] =
    [Measure::Clusters, Measure::CodePoints, Measure::Stubborn, Measure::Narrow, Measure::Wide];

/// See the [module](self).
pub(crate) struct Glass {
    parser: Parser,
    shown: Shown,
}

/// What a terminal shows, and what it will do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    measure: Measure,
    cells: Vec<Vec<Cell>>,
    cursor: (usize, usize),
    /// The next letter goes into the next row.
    wraps_next: bool,
    wraps: bool,
    /// Whether it wrapped when that was saved.
    wrapped: Option<bool>,
    shows_cursor: bool,
    style: String,
    link: String,
    title: String,
    titles: Vec<String>,
    bells: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cell {
    /// Empty in the second half of what is wide.
    text: String,
    style: String,
    link: String,
}

impl Cell {
    fn empty() -> Self {
        Self { text: " ".into(), ..Self::default() }
    }
}

impl Glass {
    pub(crate) fn new(measure: Measure, (width, height): (u16, u16)) -> Self {
        let shown = Shown {
            measure,
            cells: vec![vec![Cell::empty(); width.into()]; height.into()],
            cursor: (0, 0),
            wraps_next: false,
            wraps: true,
            wrapped: None,
            shows_cursor: true,
            style: String::new(),
            link: String::new(),
            title: String::new(),
            titles: Vec::new(),
            bells: 0,
        };
        Self { parser: Parser::new(), shown }
    }

    /// Takes what a program writes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.shown, bytes);
    }

    pub(crate) fn resize(&mut self, (width, height): (u16, u16)) {
        for row in &mut self.shown.cells {
            row.resize(width.into(), Cell::empty());
        }
        self.shown.cells.resize(height.into(), vec![Cell::empty(); width.into()]);
    }

    /// The texts of all cells, a line a row, and where they differ in style or lead.
    pub(crate) fn cells(&self) -> Vec<String> {
        let row = |row: &Vec<Cell>| -> String {
            row.iter()
                .map(|it| format!("{}\u{1}{}\u{1}{}\u{2}", it.text, it.style, it.link))
                .collect()
        };
        self.shown.cells.iter().map(row).collect()
    }

    /// What is to be read on it.
    pub(crate) fn rows(&self) -> Vec<String> {
        let row = |row: &Vec<Cell>| row.iter().map(|it| it.text.as_str()).collect::<String>();
        self.shown.cells.iter().map(row).map(|row| row.trim_end().to_string()).collect()
    }

    pub(crate) fn title(&self) -> &str {
        &self.shown.title
    }

    /// The titles that were saved and are not restored yet.
    pub(crate) fn titles(&self) -> &[String] {
        &self.shown.titles
    }

    /// Whether lines that are too long go on in the next row.
    pub(crate) fn wraps(&self) -> bool {
        self.shown.wraps
    }

    /// Where the cursor is: column and row.
    pub(crate) fn cursor(&self) -> (usize, usize) {
        self.shown.cursor
    }

    pub(crate) fn shows_cursor(&self) -> bool {
        self.shown.shows_cursor
    }

    /// The address that a text on it leads to.
    pub(crate) fn link_of(&self, text: &str) -> Option<String> {
        self.shown.cells.iter().find_map(|row| {
            let (mut all, mut places) = (String::new(), Vec::new());
            for (x, cell) in row.iter().enumerate() {
                places.resize(places.len() + cell.text.len(), x);
                all += &cell.text;
            }
            let link = &row[places[all.find(text)?]].link;
            (!link.is_empty()).then(|| link.clone())
        })
    }
}

impl Shown {
    fn width(&self) -> usize {
        self.cells.first().map_or(0, Vec::len)
    }

    /// How many cells a code point takes behind a text; none if it is put to that.
    fn cells_of(&self, c: char, before: &str) -> Option<usize> {
        let alone = c.width().unwrap_or(0);
        match self.measure {
            Measure::Clusters => {
                let joined = format!("{before}{c}");
                let is_one = !before.trim().is_empty() && joined.graphemes(true).count() == 1;
                (!is_one && alone > 0).then_some(alone.min(2))
            }
            Measure::CodePoints | Measure::Stubborn => (alone > 0).then_some(alone.min(2)),
            Measure::Narrow => (alone > 0).then_some(1),
            Measure::Wide if c.is_ascii() => Some(1),
            Measure::Wide => Some(if alone == 0 { 1 } else { 2 }),
        }
    }

    /// The column of what is before the cursor.
    fn before(&self) -> Option<usize> {
        let (x, y) = self.cursor;
        let last = if self.wraps_next { Some(x) } else { x.checked_sub(1) }?;
        (0..=last).rev().find(|x| !self.cells[y][*x].text.is_empty())
    }

    fn write(&mut self, c: char) {
        let before = self.before();
        let text = before.map(|x| self.cells[self.cursor.1][x].text.clone()).unwrap_or_default();
        match (self.cells_of(c, &text), before) {
            (Some(cells), _) => self.put(c, cells),
            (None, Some(x)) => self.join(c, x),
            (None, None) => {}
        }
    }

    fn put(&mut self, c: char, cells: usize) {
        if self.wraps_next && self.wraps {
            self.wrap();
        }
        let width = self.width();
        if self.cursor.0 + cells > width {
            if self.wraps || self.measure == Measure::Stubborn {
                self.wrap();
            } else {
                // What has no room takes the last place, if it can be cut.
                self.cursor.0 = width.saturating_sub(1);
            }
        }
        let (x, y) = self.cursor;
        let cell = Cell { text: c.into(), style: self.style.clone(), link: self.link.clone() };
        for place in x..(x + cells).min(width) {
            self.erase(place, y);
            let second = Cell { text: String::new(), ..cell.clone() };
            self.cells[y][place] = if place == x { cell.clone() } else { second };
        }
        self.wraps_next = x + cells >= width;
        self.cursor.0 = (x + cells).min(width.saturating_sub(1));
    }

    /// Puts something to what is before the cursor, which may become wider by it.
    fn join(&mut self, c: char, x: usize) {
        let y = self.cursor.1;
        self.cells[y][x].text.push(c);
        let is_wide = self.measure == Measure::Clusters && self.cells[y][x].text.width() > 1;
        if is_wide && x + 1 == self.cursor.0 && x + 1 < self.width() {
            self.erase(x + 1, y);
            self.cells[y][x + 1].text.clear();
            self.wraps_next = x + 2 >= self.width();
            self.cursor.0 = (x + 2).min(self.width() - 1);
        }
    }

    fn wrap(&mut self) {
        self.wraps_next = false;
        self.cursor.0 = 0;
        if self.cursor.1 + 1 < self.cells.len() {
            self.cursor.1 += 1;
        } else {
            let width = self.width();
            self.cells.remove(0);
            self.cells.push(vec![Cell::empty(); width]);
        }
    }

    /// Empties a cell; what is wide is gone with its half.
    fn erase(&mut self, x: usize, y: usize) {
        let ground = self.ground();
        let row = &mut self.cells[y];
        if row[x].text.is_empty() && x > 0 {
            row[x - 1] = Cell::empty();
        }
        if row.get(x + 1).is_some_and(|next| next.text.is_empty()) {
            row[x + 1] = Cell::empty();
        }
        row[x] = Cell { style: ground, ..Cell::empty() };
    }

    /// What is erased has the ground that is set.
    fn ground(&self) -> String {
        self.style.split(';').filter(|it| it.starts_with('4') && it.len() > 1).collect()
    }

    fn erase_all(&mut self, y: usize, from: usize, to: usize) {
        (from..to.min(self.width())).for_each(|x| self.erase(x, y));
    }

    /// Sets, resets, saves or restores a mode.
    fn take_mode(&mut self, mode: u16, action: char) {
        match (mode, action) {
            (7, 's') => self.wrapped = Some(self.wraps),
            (7, 'r') => self.wraps = self.wrapped.unwrap_or(self.wraps),
            (7, _) => self.wraps = action == 'h',
            (25, _) => self.shows_cursor = action == 'h',
            _ => {}
        }
    }

    fn title_to(&mut self, what: u16) {
        match what {
            22 => self.titles.push(self.title.clone()),
            _ => self.title = self.titles.pop().unwrap_or_else(|| self.title.clone()),
        }
    }
}

impl Perform for Shown {
    fn print(&mut self, c: char) {
        self.write(c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.cursor.0 = 0,
            b'\n' if self.cursor.1 + 1 < self.cells.len() => self.cursor.1 += 1,
            7 => self.bells += 1,
            _ => {}
        }
        self.wraps_next = false;
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        let all: Vec<u16> = params.iter().map(|it| it[0]).collect();
        let at = |index: usize| usize::from(all.get(index).copied().unwrap_or(0));
        let (width, height) = (self.width(), self.cells.len());
        let (x, y) = self.cursor;
        match (intermediates, action) {
            ([], 'H') => {
                let place = |at: usize, most: usize| at.max(1).min(most.max(1)) - 1;
                self.cursor = (place(at(1), width), place(at(0), height));
                self.wraps_next = false;
            }
            ([], 'K') => match at(0) {
                0 => self.erase_all(y, x, width),
                1 => self.erase_all(y, 0, x + 1),
                _ => self.erase_all(y, 0, width),
            },
            ([], 'J') => (0..height).for_each(|y| self.erase_all(y, 0, width)),
            ([], 'X') => self.erase_all(y, x, x + at(0).max(1)),
            ([], 'm') => {
                let given: Vec<String> = all.iter().map(u16::to_string).collect();
                match given.as_slice() {
                    [] => self.style.clear(),
                    [zero] if zero == "0" => self.style.clear(),
                    given => self.style += &format!(";{}", given.join(";")),
                }
            }
            ([], 't') => self.title_to(all.first().copied().unwrap_or(0)),
            ([b'?'], 'h' | 'l' | 's' | 'r') => {
                all.iter().for_each(|mode| self.take_mode(*mode, action));
            }
            _ => {}
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match params {
            [b"0" | b"2", title] => self.title = text(title),
            [b"8", _, address @ ..] => self.link = text(&address.join(&b';')),
            _ => {}
        }
    }
}
