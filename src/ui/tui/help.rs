//! What F1 shows: marks, keys and commands, from the tables that decide. Pure.

use ratatui::text::Line as Text;

use super::theme::{Theme, mark};
use crate::client::State;
use crate::ui::phrases::news;
use crate::ui::typing::command::COMMANDS;
use crate::ui::typing::keys;
use crate::ui::wrap;

/// Cells before what is said of a key or a command.
const HELP_INDENT: u16 = 24;

/// What the mouse does; `mouse` in `config.toml` decides.
const MOUSE_ON: &str = "the wheel scrolls; drag with Shift to select";
const MOUSE_OFF: &str = "selects, as ever; mouse = \"on\" in config.toml has the wheel scroll";

/// What help says: what is explained, and how; none for a heading.
fn entries(mouse: bool) -> Vec<(String, Option<String>)> {
    let heading = |text: &str| (text.to_string(), None);
    let entry = |what: &str, help: &str| (what.to_string(), Some(help.to_string()));
    let mut all = vec![heading("Beside what you wrote")];
    all.extend(
        [State::Waiting, State::Stored, State::Delivered, State::Read, State::Expired]
            .map(explain_mark),
    );
    all.push(heading("Before a name"));
    all.push(entry(news::CLEAR, "it was not sealed: the server's host could read it"));
    all.push(heading("In the list"));
    all.extend([
        entry("+", "online"),
        entry("*", "a draft"),
        entry("m", "muted"),
        entry("3", "so many unread"),
        entry("?3", "so many from somebody who is new to you: a request"),
    ]);
    all.push(heading("Keys"));
    all.extend(keys::explained().map(|(name, help)| entry(name, help)));
    all.push(entry("the mouse", if mouse { MOUSE_ON } else { MOUSE_OFF }));
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

/// Its rows.
pub(super) fn lines(width: u16, mouse: bool, theme: Theme) -> Vec<Text<'static>> {
    let indent = HELP_INDENT.min(width / 2).max(2);
    let mut lines = Vec::new();
    for (what, help) in entries(mouse) {
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

/// Where it is on a screen of this size, once it was scrolled by so many rows.
pub(super) fn scrolled(rows: u16, by: usize, down: bool, size: (u16, u16), mouse: bool) -> u16 {
    let (width, height) = size;
    let all = lines(width.saturating_sub(2), mouse, Theme { colours: false }).len();
    let last = all.saturating_sub(usize::from(height.saturating_sub(2)));
    let rows = usize::from(rows);
    let rows = if down { rows.saturating_add(by).min(last) } else { rows.saturating_sub(by) };
    u16::try_from(rows).unwrap_or(u16::MAX)
}
