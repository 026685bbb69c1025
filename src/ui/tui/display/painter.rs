//! Writes a [canvas](super::canvas) to a terminal: the rows that have changed, each of them whole.
//!
//! Owned by the [terminal](super::terminal). Terminals do not agree about how wide text is: an emoji that
//! is joined, a flag, a syllable of Devanagari may take fewer or more cells than counted here. Invariants
//! that keep them alike in spite of this: a row is erased before it is written, so that what it shows
//! depends on nothing that was there before; whatever is not ASCII is followed by the position of what
//! comes next; and nothing runs on into the next row, because the terminal does not wrap lines.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute, SetStyle};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::{Cell, CellDiffOption, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::canvas::{Canvas, Link};
use crate::ui::wrap;

/// Ends a string that was cut off.
pub(super) const END_OF_STRING: &[u8] = b"\x1b\\";

/// Ends a link, if there is one.
pub(super) const END_OF_LINK: &[u8] = b"\x1b]8;;\x1b\\";

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Painter {
    /// What the terminal shows; none if that is not known.
    shown: Option<Canvas>,
}

impl Painter {
    /// Writes what differs from what the terminal shows. Behind an error everything is written anew.
    pub(crate) fn paint(&mut self, next: Canvas, out: &mut impl Write) -> io::Result<()> {
        let shown = self.shown.take().filter(|shown| shown.area() == next.area());
        let changed: Vec<u16> = match &shown {
            Some(shown) => (0..next.area().height).filter(|y| differs(shown, &next, *y)).collect(),
            None => (0..next.area().height).collect(),
        };
        let cursor = |it: &Canvas| it.cursor();
        if !changed.is_empty() || shown.as_ref().map(cursor) != Some(next.cursor()) {
            let mut bytes = Vec::new();
            write_update(shown.as_ref(), &next, &changed, &mut bytes)?;
            // At once, so that no terminal shows a half of it.
            out.write_all(&bytes)?;
            out.flush()?;
        }
        self.shown = Some(next);
        Ok(())
    }

    /// What the terminal shows is not known any more.
    pub(crate) fn forget(&mut self) {
        self.shown = None;
    }
}

/// Whether a row is to be written.
fn differs(shown: &Canvas, next: &Canvas, y: u16) -> bool {
    shown.row(y) != next.row(y) || !shown.links(y).eq(next.links(y))
}

fn write_update(
    shown: Option<&Canvas>,
    next: &Canvas,
    changed: &[u16],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    // Terminals that know this show all of it at once; others ignore it.
    queue!(out, BeginSynchronizedUpdate, Hide)?;
    if shown.is_none() {
        clear(next.area(), out)?;
    }
    for y in changed {
        let shown = shown.map(|shown| shown.row(*y));
        Row { next, y: *y, shown, out }.write()?;
    }
    if let Some(position) = next.cursor() {
        queue!(out, MoveTo(position.x, position.y), Show)?;
    }
    queue!(out, EndSynchronizedUpdate)
}

/// Clears the screen, whatever came before, and also where a drawing was cut off in the middle. Blanks come
/// first: mlterm 3.9 counts what it erases in characters, and leaves half of what was wide.
fn clear(area: Rect, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(END_OF_STRING);
    out.extend_from_slice(END_OF_LINK);
    queue!(out, SetAttribute(Attribute::Reset))?;
    for y in 0..area.height {
        queue!(out, MoveTo(0, y))?;
        out.resize(out.len() + usize::from(area.width), b' ');
    }
    queue!(out, Clear(ClearType::All))
}

/// A row that is being written.
struct Row<'a> {
    next: &'a Canvas,
    y: u16,
    /// What the row showed; none if nothing.
    shown: Option<&'a [Cell]>,
    out: &'a mut Vec<u8>,
}

impl Row<'_> {
    fn write(&mut self) -> io::Result<()> {
        let next = self.next;
        let cells = next.row(self.y);
        let shown = self.shown.unwrap_or_default();
        if !cells.iter().chain(shown).any(is_picture) {
            queue!(self.out, MoveTo(0, self.y), Clear(ClearType::CurrentLine))?;
            return self.write_cells(0, cells, false);
        }
        let stays = |x: usize, cell: &Cell| is_escape(cell) && shown.get(x) == Some(cell);
        let is_kept = |(x, cell)| is_skipped(cell) || stays(x, cell);
        let kept: Vec<bool> = cells.iter().enumerate().map(is_kept).collect();
        let mut x = 0;
        for run in kept.chunk_by(|one, next| one == next) {
            let cells = &cells[x..x + run.len()];
            if !run[0] {
                self.erase(x, cells.len())?;
                self.write_cells(x, cells, true)?;
            }
            x += run.len();
        }
        Ok(())
    }

    /// Erases a part of the row, and leaves the picture that is in the rest.
    fn erase(&mut self, x: usize, cells: usize) -> io::Result<()> {
        queue!(self.out, MoveTo(column(x), self.y))?;
        write!(self.out, "\x1b[{cells}X")
    }

    /// Writes cells from a column on, where all is erased. What is empty is only written if `wholly`.
    fn write_cells(&mut self, first: usize, cells: &[Cell], wholly: bool) -> io::Result<()> {
        let next = self.next;
        let links: Vec<&Link> = next.links(self.y).collect();
        let (mut style, mut link, mut at, mut x) = (Style::new(), None, None, first);
        let (mut room, mut spilled) = (0, 0);
        while let Some(cell) = cells.get(x - first) {
            let wanted = links.iter().copied().find(|it| it.x.contains(&column(x)));
            let is_cut = is_cut(&next.row(self.y)[x..]);
            let is_blank = cell.symbol() == " ";
            let is_empty = is_blank && own_style(cell) == Style::new();
            // It is room that what stands before it may take.
            let is_room = is_blank && x < room;
            if !is_room && (wholly || !is_empty || wanted.is_some() || x < spilled) {
                if at != Some(x) {
                    queue!(self.out, MoveTo(column(x), self.y))?;
                }
                turn_to_link(&mut link, wanted, self.out)?;
                turn_to_style(&mut style, own_style(cell), self.out)?;
                let left = self.next.area().width.saturating_sub(column(x));
                let text = if is_cut { " " } else { fitting(cell, left) };
                self.out.extend_from_slice(text.as_bytes());
                // Where the cursor is now only the terminal knows, unless it was this simple.
                at = text.is_ascii().then_some(x + 1).filter(|_| !is_escape(cell));
                if !is_cut {
                    room = x + usize::from(wrap::room(cell.symbol()));
                    spilled = spilled.max(x + most(cell));
                }
            }
            x += if is_cut { 1 } else { width(cell) };
        }
        turn_to_link(&mut link, None, self.out)?;
        turn_to_style(&mut style, Style::new(), self.out)
    }
}

/// Whether something else stands in front of the rest of what is wide.
fn is_cut(rest: &[Cell]) -> bool {
    let Some((cell, behind)) = rest.split_first() else { return false };
    let hidden = behind.iter().take(width(cell).saturating_sub(1));
    !is_escape(cell) && { hidden }.any(|it| it.symbol() != " ")
}

fn turn_to_style(style: &mut Style, wanted: Style, out: &mut Vec<u8>) -> io::Result<()> {
    if *style == wanted {
        return Ok(());
    }
    *style = wanted;
    queue!(out, SetAttribute(Attribute::Reset), SetStyle(wanted.into_crossterm()))
}

/// Begins or ends a link (OSC 8, as egmontkob's "Hyperlinks in terminal emulators" has it).
fn turn_to_link<'a>(
    link: &mut Option<&'a Link>,
    wanted: Option<&'a Link>,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    if *link == wanted {
        return Ok(());
    }
    *link = wanted;
    match wanted {
        Some(Link { id, address, .. }) => write!(out, "\x1b]8;id={id};{address}\x1b\\"),
        None => out.write_all(END_OF_LINK),
    }
}

/// What of a cell's style is not the terminal's own.
fn own_style(cell: &Cell) -> Style {
    let own = |colour| Some(colour).filter(|it| *it != Color::Reset);
    Style { fg: own(cell.fg), bg: own(cell.bg), add_modifier: cell.modifier, ..Style::new() }
}

/// As much of a symbol as stays in its row where each of its code points takes its own cells: some terminals
/// put what is wide into the next row if it begins in the last column, whether they are to wrap or not.
fn fitting(cell: &Cell, room: u16) -> &str {
    let symbol = cell.symbol();
    if symbol.is_ascii() || is_escape(cell) {
        return symbol;
    }
    let mut used = 0;
    let leaves = |(_, c): &(usize, char)| {
        let cells = wrap::cells(*c);
        used += cells;
        cells > 1 && used > room
    };
    let end = symbol.char_indices().find(leaves).map_or(symbol.len(), |(at, _)| at);
    &symbol[..end]
}

/// How many cells it takes at most, whichever terminal it is.
fn most(cell: &Cell) -> usize {
    let symbol = cell.symbol();
    if symbol.is_ascii() || is_escape(cell) { 1 } else { 2 * symbol.chars().count() }
}

/// How many cells it is taken to be.
fn width(cell: &Cell) -> usize {
    match cell.diff_option {
        CellDiffOption::ForcedWidth(width) => width.get().into(),
        _ => cell.cell_width().max(1).into(),
    }
}

/// Whether a cell has to do with a picture that is written at once, however many rows it has.
fn is_picture(cell: &Cell) -> bool {
    is_skipped(cell) || is_escape(cell)
}

/// Whether what is there was written with another cell.
fn is_skipped(cell: &Cell) -> bool {
    cell.diff_option == CellDiffOption::Skip
}

/// Whether it is no text.
fn is_escape(cell: &Cell) -> bool {
    cell.symbol().starts_with('\x1b')
}

/// Screens have as many columns as fit.
fn column(x: usize) -> u16 {
    u16::try_from(x).unwrap_or(u16::MAX)
}

#[cfg(test)]
#[path = "../../../../tests/it/glass.rs"]
#[allow(dead_code, reason = "the stories use the rest")]
pub(crate) mod glass;

#[cfg(test)]
#[path = "painter_tests.rs"]
mod tests;
