//! What the painter promises, on terminals that measure text in five ways.

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
    #![proptest_config(ProptestConfig::with_cases(64))]

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
    #![proptest_config(ProptestConfig::with_cases(64))]

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

/// Some terminals erase only where something was written since.
#[test]
fn a_screen_that_is_not_known_is_filled_with_blanks_before_it_is_cleared() {
    let mut bytes = Vec::new();
    Painter::default().paint(canvas(&[], 0), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (before, _) = text.split_once("\x1b[2J").unwrap();
    assert_eq!(before.matches(&" ".repeat(SIZE.0.into())).count(), usize::from(SIZE.1));
}
