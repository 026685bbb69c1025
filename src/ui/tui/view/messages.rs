//! How the messages of a conversation are drawn, with their addresses and pictures.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use super::super::conversation::{Conversation, Pane, Row, Sight};
use super::super::picture::Gallery;
use super::super::words::{Mark, Words};
use crate::ui::phrases::count;
use crate::ui::phrases::news::CLEAR;
use crate::ui::tui::display::canvas::{Canvas, Link};
use crate::ui::tui::theme::{Theme, mark};
use crate::ui::wrap::{self, columns, fit, padded};

pub(super) fn draw_messages(
    canvas: &mut Canvas,
    current: &Conversation,
    sight: &Sight,
    pane: &Pane,
    (area, theme): (Rect, Theme),
    gallery: Option<&mut Gallery>,
) {
    let mut rows: Vec<Text<'_>> =
        sight.rows.iter().map(|row| message_row(row, pane, theme)).collect();
    if current.request > 0 {
        let text = request(current);
        let lines = wrap::rows(&text, area.width).into_iter();
        rows.extend(lines.map(|row| Text::styled(padded(&text[row]).into_owned(), theme.bold())));
    }
    let surplus = rows.len().saturating_sub(usize::from(area.height));
    rows.drain(..surplus);
    let used = u16::try_from(rows.len()).unwrap_or(area.height);
    let top = area.y + area.height.saturating_sub(used);
    let area = Rect { y: top, height: used.min(area.height), ..area };
    canvas.render_widget(Paragraph::new(rows), area);
    let rows = sight.rows.get(surplus..).unwrap_or_default();
    link_rows(canvas, rows, pane, area);
    if let Some(gallery) = gallery {
        draw_pictures(canvas, rows, pane, area, gallery);
    }
}

fn link_rows(canvas: &mut Canvas, rows: &[Row], pane: &Pane, area: Rect) {
    for (y, row) in (area.y..).zip(rows) {
        if let Row::Head { words, .. } | Row::Body(words) = row {
            link_words(canvas, words, (area.x + pane.indent(), y));
        }
    }
}

/// Has the addresses of words lead to where they say; the words begin at this column and row.
pub(super) fn link_words(canvas: &mut Canvas, words: &Words, (x, y): (u16, u16)) {
    for (range, mark) in &words.marks {
        let Mark::Link { id, address } = mark else { continue };
        let column = |at: usize| x.saturating_add(columns(&words.text[..at]));
        let (id, address) = (id.clone(), address.clone());
        canvas.link(Link { y, x: column(range.start)..column(range.end), id, address });
    }
}

/// Draws what of each picture is in sight.
fn draw_pictures(
    canvas: &mut Canvas,
    rows: &[Row],
    pane: &Pane,
    area: Rect,
    gallery: &mut Gallery,
) {
    let id = |row: &Row| if let Row::Picture { id, .. } = row { Some(*id) } else { None };
    let mut y = area.y;
    for rows in rows.chunk_by(|one, next| id(one).is_some() && id(one) == id(next)) {
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        if let Some(Row::Picture { id, row }) = rows.first() {
            let (x, width) = (area.x + pane.indent(), area.width.saturating_sub(pane.indent()));
            gallery.draw(*id, *row, Rect { x, y, width, height }, canvas.buffer_mut());
        }
        y = y.saturating_add(height);
    }
}

fn request(current: &Conversation) -> String {
    let (peer, messages) = (&current.peer, count(current.request, "message"));
    format!(
        "{peer}, who is new to you, has left {messages}. Enter shows what, /BLOCK {peer} refuses it."
    )
}

fn message_row(row: &Row, pane: &Pane, theme: Theme) -> Text<'static> {
    let mut spans = Vec::new();
    match row {
        Row::Day(day) => return Text::styled(rule(day, pane.width), theme.dim()),
        Row::Unread => return Text::styled(rule("unread", pane.width), theme.bold()),
        Row::Picture { .. } => {}
        Row::NoPicture(why) => {
            let indent = " ".repeat(usize::from(pane.indent()));
            spans.push(Span::styled(format!("{indent}{}", padded(why)), theme.dim()));
        }
        Row::Body(words) => {
            spans.push(Span::raw(" ".repeat(usize::from(pane.indent()))));
            spans.extend(marked(words, 0));
        }
        Row::Head { time, own, state, clear, found, name, words } => {
            let (mark, style) = match (found, own) {
                (true, _) => (">", theme.bold()),
                (false, true) => mark(*state, theme),
                (false, false) => (" ", Style::new()),
            };
            if !pane.bare {
                spans.push(Span::styled(format!("{time} "), theme.dim()));
                spans.push(Span::styled(mark, style));
                spans.push(Span::styled(if *clear { CLEAR } else { " " }, theme.bold()));
            }
            let whose = if *own { theme.bold() } else { theme.peer() };
            spans.push(Span::styled(padded(&words.text[..*name]).into_owned(), whose));
            spans.extend(marked(words, *name));
        }
    }
    Text::from(spans)
}

/// What stands behind a byte: addresses are underlined, what was looked for is reversed.
pub(super) fn marked(words: &Words, from: usize) -> Vec<Span<'static>> {
    let Words { text, marks } = words;
    let ends = marks.iter().flat_map(|(range, _)| [range.start, range.end]);
    let mut ends: Vec<usize> = ends.filter(|at| *at > from).chain([text.len()]).collect();
    ends.sort_unstable();
    let mut start = from;
    let span = |end: usize| {
        let style = marks.iter().filter(|(range, _)| range.contains(&start)).fold(
            Style::new(),
            |style, (_, mark)| match mark {
                Mark::Found => style.add_modifier(Modifier::REVERSED),
                Mark::Link { .. } => style.add_modifier(Modifier::UNDERLINED),
            },
        );
        let span = Span::styled(padded(&text[start..end]).into_owned(), style);
        start = end;
        span
    };
    ends.into_iter().map(span).collect()
}

pub(super) fn rule(what: &str, width: u16) -> String {
    let what = fit(what, width.saturating_sub(6));
    let left = width.saturating_sub(columns(&what) + 2);
    let line = |cells: u16| "─".repeat(usize::from(cells));
    format!("{} {what} {}", line(left / 2), line(left - left / 2))
}
