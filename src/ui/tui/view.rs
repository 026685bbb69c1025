//! How the [app](super::app) is drawn. Reads it, changes nothing.

use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::app::{App, Line, Overlay, is_online};
use super::conversation::{Conversation, Row, Sight};
use super::find::Find;
use super::jump::{Jump, Target};
use super::keys::KEYS;
use super::picture::Gallery;
use super::transfers::Moving;
use super::window::{INDENT, stamp};
use super::wrap::{self, columns, fit};
use crate::client::{Hit, State, Transfer, Way};
use crate::ui::command::COMMANDS;
use crate::ui::{count, files, text};

/// Narrower screens have no list of conversations.
const LIST_FROM: u16 = 60;

/// The widest that the list gets.
const LIST: u16 = 22;

/// The most rows of what one is writing.
const INPUT: u16 = 8;

/// The most files on their way that are shown.
const TRANSFERS: u16 = 3;

/// The cells of the bar of one.
const BAR: u16 = 10;

/// Cells before what is said of a key or a command.
const HELP_INDENT: u16 = 24;

/// Where each part of the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Areas {
    pub(super) list: Rect,
    pub(super) messages: Rect,
    pub(super) transfers: Rect,
    pub(super) status: Rect,
    pub(super) input: Rect,
}

impl Areas {
    /// On a screen of this size with so many files on their way; what one is writing takes so many rows at a
    /// width.
    pub(super) fn of(
        (width, height): (u16, u16),
        transfers: usize,
        rows: impl Fn(u16) -> usize,
    ) -> Self {
        let list = if width < LIST_FROM { 0 } else { LIST.min(width / 4) };
        let rest = width - list;
        // The cursor needs a cell behind the last letter.
        let rows = u16::try_from(rows(rest.saturating_sub(1))).unwrap_or(u16::MAX);
        let input = rows.clamp(1, INPUT.min(height / 3).max(1)).min(height);
        let status = height.saturating_sub(input).min(1);
        let most = TRANSFERS.min(height / 6);
        let transfers = u16::try_from(transfers).unwrap_or(u16::MAX).min(most);
        let messages = height.saturating_sub(input + status + transfers);
        let transfers = height - input - status - messages;
        Self {
            list: Rect::new(0, 0, list, height),
            messages: Rect::new(list, 0, rest, messages),
            transfers: Rect::new(list, messages, rest, transfers),
            status: Rect::new(list, messages + transfers, rest, status),
            input: Rect::new(list, height - input, rest.saturating_sub(1), input),
        }
    }
}

/// Which colours there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) colours: bool,
}

impl Theme {
    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, theme: Theme, gallery: Option<&mut Gallery>) {
    let areas = app.areas();
    draw_list(frame, app, areas.list, theme);
    let sight = app.sight();
    match (app.current(), &sight) {
        (Some(current), Some(sight)) => {
            // What is in front is not drawn over a picture: some terminals keep that in front.
            let gallery = gallery.filter(|_| app.overlay.is_none());
            draw_messages(frame, current, sight, areas.messages, theme, gallery);
            draw_input(frame, current, areas.input, app.overlay.is_none());
        }
        _ => draw_nobody(frame, app, areas.messages, theme),
    }
    draw_transfers(frame, app, areas.transfers, theme);
    draw_status(frame, app, sight.as_ref(), areas.status);
    match &app.overlay {
        Some(Overlay::Help(rows)) => draw_help(frame, *rows, theme),
        Some(Overlay::Jump(jump)) => draw_jump(frame, jump, theme),
        Some(Overlay::Find(find)) => draw_find(frame, find, &app.zone, theme),
        Some(Overlay::Paste(_, lines)) => {
            let pasted = format!("{lines} lines were pasted.");
            let rows = [&pasted, "Enter takes them as one message, Esc does not."];
            draw_question(frame, " Paste ", rows, theme);
        }
        Some(Overlay::File(_, path)) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let peer = app.current().map_or("", |it| it.peer.as_str());
            let send = format!("Send {} to {peer}?", text::clean(&name));
            let rows = [&send, "Enter sends it, Tab writes the path, Esc not."];
            draw_question(frame, " File ", rows, theme);
        }
        None => {}
    }
}

fn draw_list(frame: &mut Frame<'_>, app: &App, area: Rect, theme: Theme) {
    if area.width == 0 {
        return;
    }
    let border = Block::new().borders(ratatui::widgets::Borders::RIGHT).border_style(theme.dim());
    let inside = border.inner(area);
    frame.render_widget(border, area);
    // The one that one talks to is in sight.
    let height = usize::from(inside.height).max(1);
    let first = app.current.map_or(0, |current| (current + 1).saturating_sub(height));
    let rows = app.conversations.iter().enumerate().skip(first).take(height);
    let rows: Vec<_> = rows
        .map(|(index, it)| list_row(it, index, app.current == Some(index), inside.width, theme))
        .collect();
    frame.render_widget(Paragraph::new(rows), inside);
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
        style = style.patch(theme.bold()).patch(theme.colour(Color::Yellow));
    }
    if is_current {
        style = style.add_modifier(Modifier::REVERSED);
    }
    Text::styled(format!("{number}{presence} {name}{gap} {marks}"), style)
}

fn draw_messages(
    frame: &mut Frame<'_>,
    current: &Conversation,
    sight: &Sight,
    area: Rect,
    theme: Theme,
    gallery: Option<&mut Gallery>,
) {
    let mut rows: Vec<Text<'_>> =
        sight.rows.iter().map(|row| message_row(row, area.width, theme)).collect();
    if current.request > 0 {
        let text = request(current);
        let lines = wrap::rows(&text, area.width).into_iter();
        rows.extend(lines.map(|row| Text::styled(text[row].to_string(), theme.bold())));
    }
    let surplus = rows.len().saturating_sub(usize::from(area.height));
    rows.drain(..surplus);
    let used = u16::try_from(rows.len()).unwrap_or(area.height);
    let top = area.y + area.height.saturating_sub(used);
    let area = Rect { y: top, height: used.min(area.height), ..area };
    frame.render_widget(Paragraph::new(rows), area);
    if let Some(gallery) = gallery {
        let rows = sight.rows.get(surplus..).unwrap_or_default();
        draw_pictures(frame, rows, area, gallery);
    }
}

/// Draws what of each picture is in sight.
fn draw_pictures(frame: &mut Frame<'_>, rows: &[Row], area: Rect, gallery: &mut Gallery) {
    let id = |row: &Row| if let Row::Picture { id, .. } = row { Some(*id) } else { None };
    let mut y = area.y;
    for rows in rows.chunk_by(|one, next| id(one).is_some() && id(one) == id(next)) {
        let height = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        if let Some(Row::Picture { id, row }) = rows.first() {
            let (x, width) = (area.x + INDENT, area.width.saturating_sub(INDENT));
            gallery.draw(*id, *row, Rect { x, y, width, height }, frame.buffer_mut());
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

fn message_row(row: &Row, width: u16, theme: Theme) -> Text<'static> {
    match row {
        Row::Day(day) => Text::styled(rule(day, width), theme.dim()),
        Row::Unread => Text::styled(rule("unread", width), theme.colour(Color::Yellow)),
        Row::Note { text, urgent: false } => Text::styled(format!("-- {text}"), theme.dim()),
        Row::Note { text, urgent: true } => {
            Text::styled(format!("** {text}"), theme.bold().patch(theme.colour(Color::Red)))
        }
        Row::Picture { .. } => Text::raw(""),
        Row::NoPicture(why) => {
            Text::styled(format!("{}{why}", " ".repeat(usize::from(INDENT))), theme.dim())
        }
        Row::Body(text) => Text::raw(format!("{}{text}", " ".repeat(usize::from(INDENT)))),
        Row::Head { time, own, state, found, name, text } => {
            let (mark, style) = match (found, own) {
                (true, _) => (">", theme.bold().patch(theme.colour(Color::Yellow))),
                (false, true) => mark(*state, theme),
                (false, false) => (" ", Style::new()),
            };
            let whose =
                theme.bold().patch(theme.colour(if *own { Color::Cyan } else { Color::Green }));
            let (name, text) = text.split_at(*name);
            Text::from(vec![
                Span::styled(time.clone(), theme.dim()),
                Span::raw(" "),
                Span::styled(mark, style),
                Span::raw(" "),
                Span::styled(name.to_string(), whose),
                Span::raw(text.to_string()),
            ])
        }
    }
}

/// An own message's state, in one cell.
fn mark(state: State, theme: Theme) -> (&'static str, Style) {
    match state {
        State::Waiting => (".", theme.colour(Color::Yellow)),
        State::Stored => ("-", theme.dim()),
        State::Delivered => ("+", theme.colour(Color::Green)),
        State::Read => ("=", theme.colour(Color::Green)),
        State::Expired => ("!", theme.bold().patch(theme.colour(Color::Red))),
        State::Received | State::Shown => (" ", Style::new()),
    }
}

fn rule(what: &str, width: u16) -> String {
    let what = fit(what, width.saturating_sub(6));
    let left = width.saturating_sub(columns(&what) + 2);
    let line = |cells: u16| "─".repeat(usize::from(cells));
    format!("{} {what} {}", line(left / 2), line(left - left / 2))
}

fn draw_input(frame: &mut Frame<'_>, current: &Conversation, area: Rect, with_cursor: bool) {
    let (rows, (row, column)) = current.composer.shown(area.width);
    let first = (row + 1).saturating_sub(area.height);
    let shown = rows.iter().skip(usize::from(first)).take(usize::from(area.height));
    let shown: Vec<_> = shown.map(|row| Text::raw(text::clean(row).into_owned())).collect();
    frame.render_widget(Paragraph::new(shown), area);
    if with_cursor && area.height > 0 {
        let column = column.min(area.width);
        frame.set_cursor_position(Position::new(area.x + column, area.y + row - first));
    }
}

fn draw_nobody(frame: &mut Frame<'_>, app: &App, area: Rect, theme: Theme) {
    let mut rows: Vec<Text<'_>> = [
        "Nobody is here yet. Type a name, or press Ctrl-K, to talk to somebody:",
        "what you write waits for them. F1 explains the rest.",
    ]
    .map(Text::raw)
    .into();
    rows.extend(
        app.notes.iter().map(|note| Text::styled(format!("-- {}", text::clean(note)), theme.dim())),
    );
    frame.render_widget(Paragraph::new(rows).wrap(ratatui::widgets::Wrap { trim: false }), area);
}

fn draw_transfers(frame: &mut Frame<'_>, app: &App, area: Rect, theme: Theme) {
    let all = app.transfers.all().take(usize::from(area.height));
    let rows: Vec<_> = all.map(|it| transfer_row(it, area.width, theme)).collect();
    frame.render_widget(Paragraph::new(rows), area);
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
        Span::styled(bar, theme.colour(Color::Cyan)),
        Span::raw(format!(" {progress}")),
    ])
}

fn draw_status(frame: &mut Frame<'_>, app: &App, sight: Option<&Sight>, area: Rect) {
    let mut parts: Vec<String> = app.remark.iter().cloned().collect();
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
        let key = it.key.map(|key| format!(" {}", short(&key.to_string()))).unwrap_or_default();
        let presence = it.presence.map(|it| format!(" {}", it.as_str())).unwrap_or_default();
        parts.push(format!("{}{presence}{key}", it.peer));
    }
    if is_online {
        parts.push(line(app));
    }
    if let Line::Away { because } = &app.line {
        parts.push(because.clone());
    }
    let status = fit(&format!(" {} ", text::clean(&parts.join(" | "))), area.width);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    let fill = " ".repeat(usize::from(area.width.saturating_sub(columns(&status))));
    frame.render_widget(Paragraph::new(Text::styled(format!("{status}{fill}"), style)), area);
}

/// How the line to the server is.
fn line(app: &App) -> String {
    match &app.line {
        Line::Connecting => format!("connecting to {}", app.server),
        Line::Online => format!("{} online", app.user),
        Line::Away { .. } => format!("no server{}", contact(app)),
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

// What is in front.

/// What help says: what is explained, and how; none for a heading.
fn help_entries() -> Vec<(String, Option<String>)> {
    let heading = |text: &str| (text.to_string(), None);
    let entry = |what: &str, help: &str| (what.to_string(), Some(help.to_string()));
    let mut all = vec![heading("Beside what you wrote")];
    all.extend(
        [State::Waiting, State::Stored, State::Delivered, State::Read, State::Expired]
            .map(explain_mark),
    );
    all.push(heading("In the list"));
    all.extend([
        entry("+", "online"),
        entry("*", "a draft"),
        entry("m", "muted"),
        entry("3", "so many unread"),
        entry("?3", "so many from somebody who is new to you: a request"),
    ]);
    all.push(heading("Keys"));
    let named = KEYS.iter().filter(|key| !key.name.is_empty());
    all.extend(named.map(|key| entry(key.name, key.help)));
    all.push(entry("Alt-1 to Alt-9", "turn to one of the first nine conversations"));
    all.push(heading("What you may type"));
    all.extend(COMMANDS.iter().map(|it| entry(it.usage, it.help)));
    all.push(entry("//text", "send a line that begins with a slash"));
    all
}

fn explain_mark(state: State) -> (String, Option<String>) {
    let meaning = match state {
        State::Waiting => "it waits here, and is sent when the server is there",
        State::Stored => "it is stored on the server, and waits there",
        State::Delivered => "it is delivered",
        State::Read => "it was read (said only by people who want that)",
        State::Expired => "it failed: the server kept it for as long as it keeps messages",
        State::Received | State::Shown => "",
    };
    (mark(state, Theme { colours: false }).0.into(), Some(meaning.into()))
}

/// The rows of help.
fn help_lines(width: u16, theme: Theme) -> Vec<Text<'static>> {
    let indent = HELP_INDENT.min(width / 2).max(2);
    let mut lines = Vec::new();
    for (what, help) in help_entries() {
        let Some(help) = help else {
            lines.push(Text::styled(what, theme.bold()));
            continue;
        };
        let rows = wrap::rows(&help, width.saturating_sub(indent)).into_iter();
        lines.extend(rows.enumerate().map(|(index, row)| {
            let what = if index == 0 { what.as_str() } else { "" };
            Text::raw(format!("  {what:fill$}{}", &help[row], fill = usize::from(indent) - 2))
        }));
    }
    lines
}

/// How far help can be scrolled on a screen of this size.
pub(super) fn help_rows((width, height): (u16, u16)) -> u16 {
    let lines = help_lines(width.saturating_sub(2), Theme { colours: false }).len();
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_sub(height.saturating_sub(2))
}

fn draw_help(frame: &mut Frame<'_>, rows: u16, theme: Theme) {
    let inside = draw_box(frame, frame.area(), " Help: Esc closes, PgUp and PgDn scroll ", theme);
    let lines = help_lines(inside.width, theme);
    frame.render_widget(Paragraph::new(lines).scroll((rows, 0)), inside);
}

fn draw_jump(frame: &mut Frame<'_>, jump: &Jump, theme: Theme) {
    let area = middle(frame.area(), 50, 14);
    let rows = jump.found().iter().map(Target::text).collect();
    draw_choice(frame, area, " Jump to ", &jump.typed, rows, jump.selected, theme);
}

fn draw_find(frame: &mut Frame<'_>, find: &Find, zone: &TimeZone, theme: Theme) {
    let area = middle(frame.area(), 76, 18);
    let hit = |hit: &Hit| {
        let who = if hit.own { "you to" } else { "" };
        let text = text::clean(&hit.excerpt).into_owned();
        format!(
            "{} {who}{}{}: {text}",
            stamp(hit.time, zone),
            if hit.own { " " } else { "" },
            hit.peer
        )
    };
    let rows = match (find.query(), find.is_answered()) {
        (None, _) => vec!["words, in any order; the last one may be a beginning".into()],
        (Some(_), true) if find.hits.is_empty() => vec!["nothing was found".into()],
        _ => find.hits.iter().map(hit).collect(),
    };
    let title = if find.is_answered() { " Find " } else { " Find (searching) " };
    draw_choice(frame, area, title, &find.typed, rows, find.selected, theme);
}

/// A box with what is typed and what may be chosen.
fn draw_choice(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    typed: &str,
    rows: Vec<String>,
    selected: usize,
    theme: Theme,
) {
    let inside = draw_box(frame, area, title, theme);
    let mut lines = vec![Text::raw(format!("> {}", text::clean(typed)))];
    let height = usize::from(inside.height.saturating_sub(1)).max(1);
    let first = (selected + 1).saturating_sub(height);
    for (index, row) in rows.iter().enumerate().skip(first).take(height) {
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        let style = if index == selected { reversed } else { Style::new() };
        lines.push(Text::styled(fit(&format!("  {row}"), inside.width), style));
    }
    frame.render_widget(Paragraph::new(lines), inside);
    let column = columns(typed).saturating_add(2).min(inside.width);
    frame.set_cursor_position(Position::new(inside.x + column, inside.y));
}

fn draw_question(frame: &mut Frame<'_>, title: &'static str, rows: [&str; 2], theme: Theme) {
    let area = middle(frame.area(), 50, 4);
    let inside = draw_box(frame, area, title, theme);
    let rows = rows.map(|row| Text::raw(fit(row, inside.width)));
    frame.render_widget(Paragraph::new(rows.to_vec()), inside);
}

fn draw_box(frame: &mut Frame<'_>, area: Rect, title: &'static str, theme: Theme) -> Rect {
    let block = Block::bordered().title(title).border_style(theme.dim());
    let inside = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inside
}

fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height)
}
