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
use ratatui::style::{Color, Style};

use super::canvas::{Canvas, Link};
use super::wrap;

/// Ends a string that was cut off.
pub(super) const END_OF_STRING: &[u8] = b"\x1b\\";

/// Ends a link, if there is one.
pub(super) const END_OF_LINK: &[u8] = b"\x1b]8;;\x1b\\";

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Painter {
    /// What the terminal shows; none if that is not known.
    shown: Option<Canvas>,
}

impl Painter {
    /// Writes what differs from what the terminal shows. Behind an error everything is written anew.
    pub(super) fn paint(&mut self, next: Canvas, out: &mut impl Write) -> io::Result<()> {
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
    pub(super) fn forget(&mut self) {
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
        // A drawing may have been cut off in the middle.
        out.extend_from_slice(END_OF_STRING);
        out.extend_from_slice(END_OF_LINK);
        queue!(out, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
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
#[path = "../../../tests/it/glass.rs"]
#[allow(dead_code, reason = "the stories use the rest")]
pub(super) mod glass;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::{Position, Rect};
    use ratatui::text::{Line, Span};
    use ratatui::widgets::Paragraph;

    use super::glass::{Glass, MEASURES, Measure};
    use super::*;

    const SIZE: (u16, u16) = (24, 5);

    /// What terminals measure differently, and what they do not.
    const PIECES: &[&str] = &[
        "a",
        "plain words ",
        " ",
        "❤\u{fe0f}",
        "❤",
        "👩\u{200d}👩\u{200d}👧",
        "👩\u{200d}",
        "\u{200d}",
        "🇫🇷",
        "🇫",
        "👍🏽",
        "🏽",
        "1\u{fe0f}\u{20e3}",
        "ที่",
        "กำ",
        "क्षि",
        "नमस्ते",
        "e\u{301}",
        "\u{301}",
        "日",
        "本語",
        "한",
        "ﾞ",
        "…",
        "─",
        "▀",
        "שלום",
        "\u{fe0f}",
    ];

    fn text() -> impl Strategy<Value = Vec<(&'static str, u8)>> {
        prop::collection::vec((prop::sample::select(PIECES), 0..4u8), 0..14)
    }

    fn canvas(rows: &[Vec<(&'static str, u8)>], cursor: u16) -> Canvas {
        let mut canvas = Canvas::empty(SIZE);
        let styles = [
            Style::new(),
            Style::new().add_modifier(ratatui::style::Modifier::REVERSED),
            Style::new().fg(Color::Red),
            Style::new().bg(Color::Indexed(3)),
        ];
        for (y, row) in (0..).zip(rows) {
            let spans = row
                .iter()
                .map(|(text, style)| Span::styled(wrap::padded(text), styles[usize::from(*style)]));
            let line = Paragraph::new(Line::from_iter(spans));
            canvas.render_widget(line, Rect::new(0, y, SIZE.0, 1));
            if row.len() % 3 == 1 {
                let id = format!("{}", row.len());
                let address = format!("https://example.org/{}", row.len());
                canvas.link(Link { y, x: 1..9, id, address });
            }
        }
        canvas.set_cursor_position(Position::new(cursor, 0));
        canvas
    }

    fn painted(painter: &mut Painter, canvas: &Canvas, glass: &mut Glass) -> usize {
        let mut bytes = Vec::new();
        painter.paint(canvas.clone(), &mut bytes).unwrap();
        glass.take(&bytes);
        bytes.len()
    }

    /// A terminal that does not wrap, as the screen has it.
    fn glass(measure: Measure) -> Glass {
        let mut glass = Glass::new(measure, SIZE);
        glass.take(b"\x1b[?7l");
        glass
    }

    /// The columns of a row that have something in ASCII to show, and what; not the room of what is not.
    fn plain(row: &[Cell]) -> Vec<(usize, String)> {
        let (mut x, mut room, mut all) = (0, 0, Vec::new());
        while let Some(cell) = row.get(x) {
            if cell.symbol().is_ascii() && (x >= room || cell.symbol() != " ") {
                all.push((x, cell.symbol().to_string()));
            } else if !cell.symbol().is_ascii() {
                room = x + usize::from(wrap::room(cell.symbol()));
            }
            x += width(cell);
        }
        all
    }

    proptest! {
        #[test]
        fn what_a_terminal_measures_otherwise_moves_and_hides_nothing_else(row in text()) {
            let canvas = canvas(&[row], 0);
            for measure in MEASURES {
                let mut glass = glass(measure);
                painted(&mut Painter::default(), &canvas, &mut glass);
                let cells = glass.cells();
                let shown: Vec<&str> = cells[0].split('\u{2}').collect();
                for (x, symbol) in plain(canvas.row(0)) {
                    // A mark may be put to what stands before it.
                    let is_there = shown[x].starts_with(&symbol);
                    prop_assert!(is_there, "{measure:?} at {x}: {:?}", shown[x]);
                }
            }
        }

        #[test]
        fn whatever_was_there_the_screen_is_as_if_it_were_drawn_for_the_first_time(
            screens in prop::collection::vec((prop::collection::vec(text(), 5), 0..24u16), 2..5),
        ) {
            for measure in MEASURES {
                let (mut glass, mut painter) = (glass(measure), Painter::default());
                for (rows, cursor) in &screens {
                    let next = canvas(rows, *cursor);
                    painted(&mut painter, &next, &mut glass);
                    let mut fresh = self::glass(measure);
                    painted(&mut Painter::default(), &next, &mut fresh);
                    prop_assert_eq!(glass.cells(), fresh.cells(), "{:?}", measure);
                    prop_assert_eq!(glass.cursor(), fresh.cursor());
                }
            }
        }
    }

    /// A terminal that takes no more than so many bytes.
    struct Cut<'a>(&'a mut Glass, usize);

    impl Write for Cut<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1);
            self.0.take(&bytes[..taken]);
            self.1 -= taken;
            if taken == 0 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn wherever_a_drawing_is_cut_off_the_next_is_as_if_it_were_the_first(
            screens in prop::collection::vec((prop::collection::vec(text(), 5), 0..24u16), 3),
            cut in 0..1500usize,
        ) {
            for measure in MEASURES {
                let (mut glass, mut painter) = (glass(measure), Painter::default());
                let canvases: Vec<_> = screens.iter().map(|it| canvas(&it.0, it.1)).collect();
                painted(&mut painter, &canvases[0], &mut glass);
                let _ = painter.paint(canvases[1].clone(), &mut Cut(&mut glass, cut));
                painted(&mut painter, &canvases[2], &mut glass);
                let mut fresh = self::glass(measure);
                painted(&mut Painter::default(), &canvases[2], &mut fresh);
                prop_assert_eq!(glass.cells(), fresh.cells(), "{:?}", measure);
                prop_assert_eq!(glass.cursor(), fresh.cursor());
            }
        }
    }

    #[test]
    fn what_is_cut_by_something_in_front_takes_nothing_of_it() {
        let mut canvas = canvas(&[vec![("日本語", 0)]], 0);
        // A border on the second half of the second letter, and text on the first of the third.
        canvas.buffer_mut()[(3, 0)].set_symbol("│");
        canvas.buffer_mut()[(4, 0)].set_symbol("x");
        let mut glass = glass(Measure::Clusters);
        painted(&mut Painter::default(), &canvas, &mut glass);
        assert_eq!(glass.rows()[0], "日 │x");
    }

    #[test]
    fn only_rows_that_change_are_written_and_none_if_nothing_does() {
        let hearts = vec![("❤\u{fe0f}", 0); 9];
        let rows = |last: &'static str| {
            [hearts.clone(), hearts.clone(), hearts.clone(), vec![], vec![(last, 0)]]
        };
        let (mut glass, mut painter) = (glass(Measure::CodePoints), Painter::default());
        let all = painted(&mut painter, &canvas(&rows("key"), 3), &mut glass);
        let one = painted(&mut painter, &canvas(&rows("keys"), 4), &mut glass);
        assert!(one < 100 && one * 4 < all, "{one} bytes for a key, {all} for all");
        assert_eq!(painted(&mut painter, &canvas(&rows("keys"), 4), &mut glass), 0);
    }

    #[test]
    fn an_error_has_everything_written_anew() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::Other.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (first, second) = (canvas(&[vec![("one", 0)]], 0), canvas(&[vec![("two", 0)]], 0));
        let (mut glass, mut painter) = (glass(Measure::Clusters), Painter::default());
        painted(&mut painter, &first, &mut glass);
        painter.paint(second.clone(), &mut Full).unwrap_err();
        glass.take(b"half of something");
        painted(&mut painter, &second, &mut glass);
        assert_eq!(glass.rows()[0], "two");
    }

    #[test]
    fn a_picture_that_stays_is_not_written_again_whatever_changes_beside_it() {
        let with_picture = |beside: &'static str, picture: &str| {
            let mut canvas = canvas(&[vec![(beside, 0); 2], vec![(beside, 0); 2]], 0);
            for (x, y) in [(10, 0), (11, 0), (10, 1), (11, 1)] {
                canvas.buffer_mut()[(x, y)].set_diff_option(CellDiffOption::Skip);
            }
            let one = CellDiffOption::ForcedWidth(std::num::NonZeroU16::MIN);
            canvas.buffer_mut()[(10, 0)].set_symbol(picture).set_diff_option(one);
            canvas
        };
        let written = |painter: &mut Painter, canvas: Canvas| {
            let mut bytes = Vec::new();
            painter.paint(canvas, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let mut painter = Painter::default();
        let first = written(&mut painter, with_picture("one", "\x1bPcat\x1b\\"));
        assert!(first.contains("cat"));
        let beside = written(&mut painter, with_picture("two", "\x1bPcat\x1b\\"));
        assert!(beside.contains("twotwo") && !beside.contains("cat"), "{beside:?}");
        assert!(!beside.contains("\x1b[2K"), "that would take a piece of it away: {beside:?}");
        let another = written(&mut painter, with_picture("two", "\x1bPdog\x1b\\"));
        assert!(another.contains("dog"));
        let gone = written(&mut painter, canvas(&[vec![("two", 0); 2], vec![("two", 0); 2]], 0));
        assert!(gone.contains("twotwo      "), "what stood over it is written: {gone:?}");
    }
}
