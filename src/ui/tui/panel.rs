//! What commands answer and the client tells: a part of the screen of its own, which goes again. Pure.
//!
//! Each conversation has one, and the screen on which nobody is. Invariant: what stands among people's words
//! is people's words; what is told stands here.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::links;
use super::words::{self, Mark, Words};
use crate::text;
use crate::ui::wrap;

/// How many lines stay. The oldest go first.
const LINES: usize = 500;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Panel {
    lines: Vec<Line>,
    /// How many of its rows are above what is in sight.
    scrolled: usize,
}

#[derive(Debug)]
struct Line {
    text: String,
    urgent: bool,
    /// A path of one's own that the text names.
    path: Option<PathBuf>,
}

/// A row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PanelRow {
    pub(super) words: Words,
    pub(super) urgent: bool,
}

impl Panel {
    /// Tells something. What is urgent stays until one has it go.
    pub(super) fn tell(&mut self, text: impl Into<String>, urgent: bool) {
        self.push(Line { text: text.into(), urgent, path: None });
    }

    /// Tells something that names a path, which the text leads to. Not for paths in other people's words: what lies
    /// there is not theirs to choose.
    pub(super) fn tell_path(&mut self, text: impl Into<String>, path: PathBuf) {
        self.push(Line { text: text.into(), urgent: false, path: Some(path) });
    }

    fn push(&mut self, line: Line) {
        self.lines.push(line);
        self.lines.drain(..self.lines.len().saturating_sub(LINES));
    }

    /// One goes on to something else: what is not urgent goes.
    pub(super) fn pass(&mut self) {
        self.lines.retain(|line| line.urgent);
        self.scrolled = 0;
    }

    /// All of it goes.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What another one told is told here.
    pub(super) fn take_over(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// All rows of it in a width.
    pub(super) fn rows(&self, width: u16) -> Vec<PanelRow> {
        self.lines.iter().enumerate().flat_map(|(number, line)| line.rows(number, width)).collect()
    }

    /// How many rows are above what is in sight, if so many of all are.
    pub(super) fn above(&self, rows: usize, height: usize) -> usize {
        self.scrolled.min(rows.saturating_sub(height))
    }

    /// Scrolls where not all rows are in sight. False where all are.
    pub(super) fn scroll(&mut self, by: usize, down: bool, rows: usize, height: usize) -> bool {
        let above = self.above(rows, height);
        let moved = if down { above.saturating_add(by) } else { above.saturating_sub(by) };
        self.scrolled = moved.min(rows.saturating_sub(height));
        rows > height
    }
}

impl Line {
    fn rows(&self, number: usize, width: u16) -> Vec<PanelRow> {
        let text = text::clean(&self.text);
        let id = format!("panel-{number}");
        let mut marks = words::links(&text, &id);
        marks.extend(self.path.as_ref().and_then(|path| path_in(&text, path, id)));
        let row =
            |range| PanelRow { words: Words::part(&text, &marks, range), urgent: self.urgent };
        wrap::rows(&text, width).into_iter().map(row).collect()
    }
}

/// Where a text names a path, and how it is reached.
fn path_in(text: &str, path: &Path, id: String) -> Option<(Range<usize>, Mark)> {
    let shown = path.display().to_string();
    let start = text.rfind(text::clean(&shown).as_ref())?;
    let address = links::file(path)?;
    Some((start..start + text::clean(&shown).len(), Mark::Link { id, address }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(panel: &Panel, width: u16) -> Vec<String> {
        panel.rows(width).into_iter().map(|row| row.words.text).collect()
    }

    #[test]
    fn what_is_urgent_stays_until_one_has_it_go() {
        let mut panel = Panel::default();
        panel.tell("2 online: anna, bob", false);
        panel.tell("THE KEY HAS CHANGED", true);
        panel.pass();
        assert_eq!(texts(&panel, 40), ["THE KEY HAS CHANGED"]);
        panel.close();
        assert!(panel.is_empty());
    }

    #[test]
    fn what_is_long_is_scrolled_and_what_is_hostile_is_cleaned() {
        let mut panel = Panel::default();
        panel.tell("one two three \u{1b}[2J", false);
        assert_eq!(texts(&panel, 8), ["one two ", "three ", "\u{fffd}[2J"]);
        assert!(panel.scroll(9, true, 3, 2));
        assert_eq!(panel.above(3, 2), 1);
        assert!(panel.scroll(1, false, 3, 2));
        assert_eq!(panel.above(3, 2), 0);
        assert!(!panel.scroll(1, true, 3, 3), "all is in sight");
        (0..2 * LINES).for_each(|n| panel.tell(n.to_string(), false));
        assert_eq!(texts(&panel, 8).len(), LINES);
    }

    #[test]
    fn a_path_of_ones_own_is_a_link_in_all_its_rows() {
        let mut panel = Panel::default();
        let path = PathBuf::from("/home/marie/Downloads/a long name.png");
        panel.tell_path(format!("saved as {}", path.display()), path);
        let rows = panel.rows(16);
        let link = |row: &PanelRow| -> Vec<(String, Mark)> {
            let marks = row.words.marks.iter();
            marks
                .map(|(range, mark)| (row.words.text[range.clone()].into(), mark.clone()))
                .collect()
        };
        let all: Vec<(String, Mark)> = rows.iter().flat_map(link).collect();
        let shown: String = all.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(shown, "/home/marie/Downloads/a long name.png");
        let address = "file:///home/marie/Downloads/a%20long%20name.png".to_string();
        let mark = Mark::Link { id: "panel-0".into(), address };
        assert!(rows.len() > 2 && all.iter().all(|(_, it)| *it == mark), "{all:?}");
        panel.close();
        panel.tell("he says /etc/passwd", false);
        assert!(panel.rows(40)[0].words.marks.is_empty());
    }
}
