//! What is to be on the screen: what is in each cell, which cells are an address, and where the cursor is.
//!
//! Owned by whoever draws, then by the [painter](super::painter), which compares it with the one before.
//! Pure. Invariant: a link covers cells of one row.

use std::ops::Range;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canvas {
    buffer: Buffer,
    links: Vec<Link>,
    cursor: Option<Position>,
}

/// Cells that lead to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) y: u16,
    pub(crate) x: Range<u16>,
    /// The same for all pieces of one address, and for no other.
    pub(crate) id: String,
    /// Printable ASCII.
    pub(crate) address: String,
}

impl Canvas {
    /// Nothing, in a size of columns and rows.
    pub(crate) fn empty((width, height): (u16, u16)) -> Self {
        let buffer = Buffer::empty(Rect::new(0, 0, width, height));
        Self { buffer, links: Vec::new(), cursor: None }
    }

    pub(crate) fn area(&self) -> Rect {
        self.buffer.area
    }

    pub(crate) fn render_widget(&mut self, widget: impl Widget, area: Rect) {
        widget.render(area.intersection(self.buffer.area), &mut self.buffer);
    }

    #[cfg(test)]
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(crate) fn buffer_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// Shows the cursor; without this there is none.
    pub(crate) fn set_cursor_position(&mut self, position: Position) {
        self.cursor = Some(position);
    }

    /// Where the cursor is, on the screen.
    pub(crate) fn cursor(&self) -> Option<Position> {
        self.cursor.filter(|position| self.buffer.area.contains(*position))
    }

    pub(crate) fn link(&mut self, link: Link) {
        self.links.push(link);
    }

    /// What is in front of all links of an area takes their place.
    pub(crate) fn cover(&mut self, area: Rect) {
        self.links.retain(|link| {
            let covered = Rect { x: link.x.start, y: link.y, width: 1, height: 1 };
            let covered = Rect { width: link.x.end.saturating_sub(link.x.start), ..covered };
            !area.intersects(covered)
        });
    }

    /// The cells of a row.
    pub(crate) fn row(&self, y: u16) -> &[Cell] {
        let (width, y) = (usize::from(self.buffer.area.width), usize::from(y));
        self.buffer.content.get(y * width..(y + 1) * width).unwrap_or_default()
    }

    /// The links of a row.
    pub(crate) fn links(&self, y: u16) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.y == y)
    }
}
