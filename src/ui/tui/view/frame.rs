//! A frame: everything that is on the screen at one moment.

use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};

use super::front::{draw_find, draw_jump, draw_links, draw_question};
use super::help::draw_help;
use super::messages::{draw_messages, link_words, marked, rule};
use crate::client::{Absence, Transfer, Way};
use crate::text;
use crate::ui::phrases::{count, files};
use crate::ui::tui::app::{App, Line, Overlay, is_online};
use crate::ui::tui::areas::LIST_FROM;
use crate::ui::tui::conversation::{Conversation, Sight};
use crate::ui::tui::display::canvas::Canvas;
use crate::ui::tui::panel::{Panel, PanelRow};
use crate::ui::tui::picture::Gallery;
use crate::ui::tui::theme::Theme;
use crate::ui::tui::transfers::Moving;
use crate::ui::typing::composer::Composer;
use crate::ui::wrap::{columns, fit, padded};

/// The cells of the bar of one.
const BAR: u16 = 10;

/// Draws everything.
pub(crate) fn draw(canvas: &mut Canvas, app: &App, theme: Theme, gallery: Option<&mut Gallery>) {
    let areas = app.areas();
    draw_list(canvas, app, areas.list, theme);
    let sight = app.sight();
    match (app.current(), &sight) {
        (Some(current), Some(sight)) => {
            // What is in front is not drawn over a picture: some terminals keep that in front.
            let gallery = gallery.filter(|_| app.overlay.is_none());
            draw_messages(canvas, current, sight, &app.pane(), (areas.messages, theme), gallery);
        }
        _ => draw_nobody(canvas, areas.messages),
    }
    draw_input(canvas, app.composer(), areas.input, app.overlay.is_none());
    draw_panel(canvas, app.panel(), areas.panel, theme);
    draw_transfers(canvas, app, areas.transfers, theme);
    draw_status(canvas, app, sight.as_ref(), areas.status);
    match &app.overlay {
        Some(Overlay::Help(rows)) => draw_help(canvas, *rows, app.mouse, theme),
        Some(Overlay::Jump(jump)) => draw_jump(canvas, jump, theme),
        Some(Overlay::Find(find)) => draw_find(canvas, find, &app.zone, theme),
        Some(Overlay::Links(links)) => draw_links(canvas, links, theme),
        Some(Overlay::Paste(_, lines)) => {
            let pasted = format!("{lines} lines were pasted.");
            let rows = [&pasted, "Enter takes them, Esc keeps them for Ctrl-Y."];
            draw_question(canvas, " Paste ", rows, theme);
        }
        Some(Overlay::File(_, path)) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let peer = app.current().map_or("", |it| it.peer.as_str());
            let send = format!("Send {} to {peer}?", text::clean(&name));
            let rows = [&send, "Enter sends it, Tab writes the path, Esc not."];
            draw_question(canvas, " File ", rows, theme);
        }
        None => {}
    }
}

fn draw_list(canvas: &mut Canvas, app: &App, area: Rect, theme: Theme) {
    if area.width == 0 {
        return;
    }
    let border = Block::new().borders(Borders::RIGHT).border_style(theme.dim());
    let inside = border.inner(area);
    canvas.render_widget(border, area);
    // The one that one talks to is in sight.
    let height = usize::from(inside.height).max(1);
    let first = app.current.map_or(0, |current| (current + 1).saturating_sub(height));
    let rows = app.conversations.iter().enumerate().skip(first).take(height);
    let rows: Vec<_> = rows
        .map(|(index, it)| list_row(it, index, app.current == Some(index), inside.width, theme))
        .collect();
    canvas.render_widget(Paragraph::new(rows), inside);
}

fn list_row(
    it: &Conversation,
    index: usize,
    is_current: bool,
    width: u16,
    theme: Theme,
) -> Text<'static> {
    let number = if index < 9 { (index + 1).to_string() } else { " ".into() };
    let presence = if is_online(it) { "+" } else { " " };
    let mut marks = String::new();
    if !it.composer.is_empty() && !is_current {
        marks += "*";
    }
    if it.muted {
        marks += "m";
    }
    if it.request > 0 {
        marks += &format!("?{}", it.request);
    } else if it.unread() > 0 {
        marks += &it.unread().to_string();
    }
    let room = width.saturating_sub(4 + columns(&marks));
    let name = fit(it.peer.as_str(), room);
    let gap = " ".repeat(usize::from(room.saturating_sub(columns(&name))));
    let mut style = Style::new();
    if it.unread() > 0 && !it.muted || it.request > 0 {
        style = style.patch(theme.bold());
    }
    if is_current {
        style = style.add_modifier(Modifier::REVERSED);
    }
    Text::styled(format!("{number}{presence} {name}{gap} {marks}"), style)
}

fn draw_input(canvas: &mut Canvas, composer: &Composer, area: Rect, with_cursor: bool) {
    let (rows, (row, column)) = composer.shown(area.width);
    let first = (row + 1).saturating_sub(area.height);
    let shown = rows.iter().skip(usize::from(first)).take(usize::from(area.height));
    let shown: Vec<_> =
        shown.map(|row| Text::raw(padded(&text::clean(row)).into_owned())).collect();
    canvas.render_widget(Paragraph::new(shown), area);
    if with_cursor && area.height > 0 {
        let column = column.min(area.width);
        canvas.set_cursor_position(Position::new(area.x + column, area.y + row - first));
    }
}

fn draw_nobody(canvas: &mut Canvas, area: Rect) {
    let rows = [
        "Nobody is here yet. Type a name, or press Ctrl-K, to talk to somebody:",
        "what you write waits for them. /HELP explains the rest.",
    ];
    let rows = rows.map(Text::raw).to_vec();
    canvas.render_widget(Paragraph::new(rows).wrap(Wrap { trim: false }), area);
}

/// What was told, below a line that says how it goes.
fn draw_panel(canvas: &mut Canvas, panel: &Panel, area: Rect, theme: Theme) {
    let rows = panel.rows(area.width);
    let height = usize::from(area.height.saturating_sub(1));
    let above = panel.above(rows.len(), height);
    let below = rows.len().saturating_sub(above + height);
    let how = match (above, below) {
        _ if area.height == 0 => return,
        (0, 0) => "Esc closes".into(),
        (_, 0) => "PgUp scrolls; Esc closes".into(),
        (_, below) => format!("PgDn: {} more; Esc closes", count(below as u64, "row")),
    };
    let row = |PanelRow { words, urgent }: &PanelRow| {
        let style = if *urgent { theme.alarm() } else { Style::new() };
        Text::from(marked(words, 0)).style(style)
    };
    let shown: Vec<PanelRow> = rows.into_iter().skip(above).take(height).collect();
    let mut lines = vec![Text::styled(rule(&how, area.width), theme.dim())];
    lines.extend(shown.iter().map(row));
    canvas.render_widget(Paragraph::new(lines), area);
    for (y, row) in (area.y + 1..).zip(&shown) {
        link_words(canvas, &row.words, (area.x, y));
    }
}

fn draw_transfers(canvas: &mut Canvas, app: &App, area: Rect, theme: Theme) {
    let all = app.transfers.all().take(usize::from(area.height));
    let rows: Vec<_> = all.map(|it| transfer_row(it, area.width, theme)).collect();
    canvas.render_widget(Paragraph::new(rows), area);
}

/// `> cat.png to marie ████░░░░░░ 45 %, 1.2 MiB/s, 12s`
fn transfer_row(it: &Moving, width: u16, theme: Theme) -> Text<'static> {
    let Transfer { way, done, size, .. } = &it.transfer;
    let arrow = if *way == Way::Up { ">" } else { "<" };
    let which = text::clean(&files::which(&it.transfer).replace('\n', " ")).into_owned();
    let full = u128::from(*done) * u128::from(BAR) / u128::from((*size).max(1));
    let full = usize::try_from(full).unwrap_or(usize::MAX).min(usize::from(BAR));
    let bar = "█".repeat(full) + &"░".repeat(usize::from(BAR) - full);
    let progress = files::progress(*done, *size, it.rate);
    let room = width.saturating_sub(BAR + columns(&progress) + 4);
    let name = fit(&which, room);
    let gap = " ".repeat(usize::from(room.saturating_sub(columns(&name))));
    Text::from(vec![
        Span::raw(format!("{arrow} {name}{gap} ")),
        Span::styled(bar, theme.bold()),
        Span::raw(format!(" {progress}")),
    ])
}

fn draw_status(canvas: &mut Canvas, app: &App, sight: Option<&Sight>, area: Rect) {
    let mut parts: Vec<String> = Vec::new();
    if let Some(sight) = sight.filter(|sight| sight.below > 0) {
        parts.push(format!("{} new below", sight.below));
    }
    if app.finishing {
        parts.push("waiting to send; Ctrl-C leaves at once".into());
    } else if app.leaving {
        parts.push("Ctrl-C again leaves".into());
    }
    if app.unsent() > 0 {
        parts.push(format!("{} not sent", app.unsent()));
    }
    let (unread, requests) = app.elsewhere();
    if area.width < LIST_FROM && unread + requests > 0 {
        let requests = if requests > 0 { format!(" ?{requests}") } else { String::new() };
        parts.push(format!("{unread} elsewhere{requests}"));
    }
    let is_online = app.line == Line::Online;
    if !is_online {
        parts.push(line(app));
    }
    if let Some(it) = app.current() {
        let seals = it.seals.map(|seals| if seals { "sealed" } else { "unsealed" });
        parts.extend(seals.map(String::from));
        let verified = if it.verified { " verified" } else { "" };
        let key = it.key.map(|key| format!(", key {}{verified}", short(&key.to_string())));
        let key = key.unwrap_or_default();
        let presence = it.presence.map(|it| format!(" {}", it.as_str())).unwrap_or_default();
        parts.push(format!("{}{presence}{key}", it.peer));
    }
    if is_online {
        parts.push(line(app));
    }
    if let Line::Away { because } = &app.line {
        let (Absence::Server(because) | Absence::Agent(because)) = because;
        parts.push(because.clone());
    }
    if !is_online {
        parts.push(format!("you: {}", app.user));
    }
    let status = fit(&format!(" {} ", text::clean(&parts.join(" | "))), area.width);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    let fill = " ".repeat(usize::from(area.width.saturating_sub(columns(&status))));
    canvas.render_widget(Paragraph::new(Text::styled(format!("{status}{fill}"), style)), area);
}

/// How the line to the server is.
fn line(app: &App) -> String {
    match &app.line {
        Line::Connecting => format!("connecting to {}", app.server),
        Line::Online => format!("you: {} online", app.user),
        Line::Away { because: Absence::Server(_) } => format!("no server{}", contact(app)),
        Line::Away { because: Absence::Agent(_) } => "not signed in".into(),
    }
}

/// For how long the server was not heard of.
fn contact(app: &App) -> String {
    let Some(contact) = app.contact else { return " yet".into() };
    let minutes = app.now().0.saturating_sub(contact.0) / 60_000;
    match (minutes / 60, minutes) {
        (_, 0) => String::new(),
        (0, _) => format!(" for {minutes} min"),
        (hours, _) => format!(" for {hours} h"),
    }
}

/// What is enough to notice another key at a glance.
fn short(fingerprint: &str) -> &str {
    let digits = fingerprint.trim_start_matches("SHA256:");
    &digits[..digits.len().min(8)]
}
