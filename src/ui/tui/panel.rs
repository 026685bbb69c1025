//! What commands answer and the client tells: a part of the screen of its own, which goes again. Pure.
//!
//! Each conversation has one, and the screen on which nobody is. Invariant: what stands among people's words
//! is people's words; what is told stands here.

use super::wrap;
use crate::ui::text;

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
}

/// A row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PanelRow {
    pub(super) text: String,
    pub(super) urgent: bool,
    /// From which line it is.
    pub(super) line: usize,
}

impl Panel {
    /// Tells something. What is urgent stays until one has it go.
    pub(super) fn tell(&mut self, text: impl Into<String>, urgent: bool) {
        self.lines.push(Line { text: text.into(), urgent });
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
        let rows = |(line, Line { text, urgent }): (usize, &Line)| -> Vec<PanelRow> {
            let clean = text::clean(text);
            let ranges = wrap::rows(&clean, width).into_iter();
            let row = |text: &str| PanelRow { text: text.into(), urgent: *urgent, line };
            ranges.map(|range| row(&clean[range])).collect()
        };
        self.lines.iter().enumerate().flat_map(rows).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(panel: &Panel, width: u16) -> Vec<String> {
        panel.rows(width).into_iter().map(|row| row.text).collect()
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
}
