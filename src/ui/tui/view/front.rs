//! How the boxes in front of the screen are drawn: lists to choose from, and questions.

use jiff::tz::TimeZone;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::super::find::Find;
use super::super::jump::Jump;
use super::super::links::Links;
use super::super::words::{Mark, Words};
use super::messages::marked;
use crate::client::{Hit, Query};
use crate::text;
use crate::ui::tui::conversation::stamp;
use crate::ui::tui::display::canvas::Canvas;
use crate::ui::tui::theme::Theme;
use crate::ui::wrap::{self, columns, fit, padded};

pub(super) fn draw_jump(canvas: &mut Canvas, jump: &Jump, theme: Theme) {
    let area = middle(canvas.area(), 50, 14);
    let rows = jump.found().iter().map(|it| Text::raw(padded(&it.text()).into_owned())).collect();
    draw_choice(canvas, area, " Jump to ", &jump.typed, rows, jump.selected, theme);
}

pub(super) fn draw_find(canvas: &mut Canvas, find: &Find, zone: &TimeZone, theme: Theme) {
    let area = middle(canvas.area(), 76, 18);
    let rows = match (find.query(), find.is_answered()) {
        (None, _) => vec![Text::raw("words, in any order; the last one may be a beginning")],
        (Some(_), true) if find.hits.is_empty() => vec![Text::raw("nothing was found")],
        (query, _) => find.hits.iter().map(|hit| hit_row(hit, query.as_ref(), zone)).collect(),
    };
    let title = if find.is_answered() { " Find " } else { " Find (searching) " };
    draw_choice(canvas, area, title, &find.typed, rows, find.selected, theme);
}

/// A message that was found, with what was looked for marked in it.
fn hit_row(hit: &Hit, query: Option<&Query>, zone: &TimeZone) -> Text<'static> {
    let who = if hit.own { "you to " } else { "" };
    let text = text::clean(&hit.excerpt).into_owned();
    let places = query.map(|query| query.places(&text)).unwrap_or_default();
    let marks = places.into_iter().map(|place| (place, Mark::Found)).collect();
    let head = format!("{} {who}{}: ", stamp(hit.time, zone), hit.peer);
    let mut spans = vec![Span::raw(padded(&head).into_owned())];
    spans.extend(marked(&Words { text, marks }, 0));
    Text::from(spans)
}

/// A box with what is typed and what may be chosen.
fn draw_choice(
    canvas: &mut Canvas,
    area: Rect,
    title: &'static str,
    typed: &str,
    rows: Vec<Text<'static>>,
    selected: usize,
    theme: Theme,
) {
    let inside = draw_box(canvas, area, title, theme);
    let typed = text::clean(typed);
    let list = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
    canvas.render_widget(Paragraph::new(format!("> {}", padded(&typed))), inside);
    draw_rows(canvas, list, rows, selected, theme);
    let column = columns(&typed).saturating_add(2).min(inside.width);
    canvas.set_cursor_position(Position::new(inside.x + column, inside.y));
}

/// Rows of which one is selected, which is in sight and has a mark.
fn draw_rows(
    canvas: &mut Canvas,
    area: Rect,
    rows: Vec<Text<'static>>,
    selected: usize,
    theme: Theme,
) {
    let height = usize::from(area.height).max(1);
    let first = (selected + 1).saturating_sub(height);
    let shown = rows.into_iter().enumerate().skip(first).take(height);
    let row = |(index, row): (usize, Text<'static>)| {
        let (mark, style) =
            if index == selected { ("> ", theme.bold()) } else { ("  ", Style::new()) };
        let spans = [Span::raw(mark)].into_iter().chain(row.spans);
        Text::from_iter(spans).style(style)
    };
    let lines: Vec<_> = shown.map(row).collect();
    canvas.render_widget(Paragraph::new(lines), area);
}

pub(super) fn draw_links(canvas: &mut Canvas, links: &Links, theme: Theme) {
    let Some((who, address)) = links.chosen().filter(|_| links.asks) else {
        let rows = links.all.iter().map(|(who, it)| Text::raw(format!("{who}: {}", it.text)));
        let area = middle(canvas.area(), 76, 18);
        let inside = draw_box(canvas, area, " Addresses: Enter shows one ", theme);
        return draw_rows(canvas, inside, rows.collect(), links.selected, theme);
    };
    let what = match address.opens {
        true => format!("Of {who}. Enter opens it in your browser, C copies it, Esc goes back."),
        false => format!(
            "Of {who}: another TinyChat server. It is not opened here; C copies it, for tinychat --server. Esc goes back."
        ),
    };
    let area = middle(canvas.area(), 76, 18);
    let inside = draw_box(canvas, area, " Address ", theme);
    let rows = |text: &str, style: Style| -> Vec<Text<'static>> {
        let ranges = wrap::rows(text, inside.width).into_iter();
        ranges.map(|range| Text::styled(text[range].to_string(), style)).collect()
    };
    let mut lines = rows(&what, Style::new());
    lines.extend(rows(&address.text, theme.bold()));
    canvas.render_widget(Paragraph::new(lines), inside);
}

pub(super) fn draw_question(
    canvas: &mut Canvas,
    title: &'static str,
    rows: [&str; 2],
    theme: Theme,
) {
    let area = middle(canvas.area(), 50, 4);
    let inside = draw_box(canvas, area, title, theme);
    let rows = rows.map(|row| Text::raw(fit(row, inside.width)));
    canvas.render_widget(Paragraph::new(rows.to_vec()), inside);
}

pub(super) fn draw_box(canvas: &mut Canvas, area: Rect, title: &'static str, theme: Theme) -> Rect {
    let block = Block::bordered().title(title).border_style(theme.dim());
    let inside = block.inner(area);
    canvas.cover(area);
    canvas.render_widget(Clear, area);
    canvas.render_widget(block, area);
    inside
}

fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height)
}
