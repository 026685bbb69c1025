//! Which key does what, as data: the table that decides, and that help and the manual show.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does. What is not in the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Send,
    NewLine,
    Interrupt,
    EndOfInput,
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    Up,
    Down,
    Backspace,
    Delete,
    KillToEnd,
    KillToStart,
    KillWord,
    Yank,
    Complete,
    PageUp,
    PageDown,
    Top,
    End,
    Next,
    Previous,
    Select(usize),
    NextUnread,
    Find,
    Links,
    Bare,
    Redraw,
    Stop,
    Help,
    Cancel,
}

/// One row of the table.
pub(crate) struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
    pub(crate) action: Action,
    /// How it is written; none for another way to do what stands above.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

const fn key(
    code: KeyCode,
    modifiers: KeyModifiers,
    action: Action,
    name: &'static str,
    help: &'static str,
) -> Key {
    Key { code, modifiers, action, name, help }
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

impl Key {
    /// What is pressed.
    #[cfg(test)]
    pub(crate) fn stroke(&self) -> (KeyCode, KeyModifiers) {
        (self.code, self.modifiers)
    }
}

/// Every key but Alt with a digit.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key(KeyCode::Enter, NONE, Action::Send, "Enter", "send, or do what is asked"),
    key(KeyCode::Enter, ALT, Action::NewLine, "Alt-Enter, Ctrl-J", "begin a new line"),
    key(KeyCode::Char('j'), CTRL, Action::NewLine, "", ""),
    key(KeyCode::Tab, NONE, Action::Complete, "Tab", "complete a command, a name or a path"),
    key(KeyCode::Up, NONE, Action::Up, "Up, Down", "move; at the first or last row through what you wrote here before"),
    key(KeyCode::Down, NONE, Action::Down, "", ""),
    key(KeyCode::Left, NONE, Action::Left, "", ""),
    key(KeyCode::Right, NONE, Action::Right, "", ""),
    key(KeyCode::Char('b'), ALT, Action::WordLeft, "Alt-B, Alt-F", "move by words"),
    key(KeyCode::Char('f'), ALT, Action::WordRight, "", ""),
    key(KeyCode::Left, CTRL, Action::WordLeft, "", ""),
    key(KeyCode::Right, CTRL, Action::WordRight, "", ""),
    key(KeyCode::Char('a'), CTRL, Action::LineStart, "Ctrl-A, Ctrl-E", "move to the line's beginning or end"),
    key(KeyCode::Char('e'), CTRL, Action::LineEnd, "", ""),
    key(KeyCode::Backspace, NONE, Action::Backspace, "", ""),
    key(KeyCode::Char('h'), CTRL, Action::Backspace, "", ""),
    key(KeyCode::Delete, NONE, Action::Delete, "", ""),
    key(KeyCode::Char('u'), CTRL, Action::KillToStart, "Ctrl-U, Ctrl-K", "cut to the line's beginning or end"),
    key(KeyCode::Char('k'), CTRL, Action::KillToEnd, "Ctrl-K", "where nothing is written: jump to people and commands"),
    key(KeyCode::Char('w'), CTRL, Action::KillWord, "Ctrl-W", "cut the word before the cursor"),
    key(KeyCode::Backspace, ALT, Action::KillWord, "", ""),
    key(KeyCode::Char('y'), CTRL, Action::Yank, "Ctrl-Y", "bring back what was cut, or cleared by Ctrl-C"),
    key(KeyCode::PageUp, NONE, Action::PageUp, "PgUp, PgDn", "scroll"),
    key(KeyCode::PageDown, NONE, Action::PageDown, "", ""),
    key(KeyCode::Home, NONE, Action::Top, "Home, End", "scroll to the top or to the end; where something is written: as Ctrl-A, Ctrl-E"),
    key(KeyCode::End, NONE, Action::End, "", ""),
    key(KeyCode::Char('n'), CTRL, Action::Next, "Ctrl-N, Ctrl-P", "turn to the next or the previous conversation"),
    key(KeyCode::Char('p'), CTRL, Action::Previous, "", ""),
    key(KeyCode::Char('a'), ALT, Action::NextUnread, "Alt-A", "turn to the next one with something unread"),
    key(KeyCode::Char('f'), CTRL, Action::Find, "Ctrl-F", "find what was said; Enter goes there, Esc returns to where you were"),
    key(KeyCode::Char('o'), CTRL, Action::Links, "Ctrl-O", "list the addresses of this conversation, to open or copy one"),
    key(KeyCode::Char('t'), CTRL, Action::Bare, "Ctrl-T", "show the conversation alone, to select from it; again: all"),
    key(KeyCode::Char('l'), CTRL, Action::Redraw, "Ctrl-L", "draw the screen anew"),
    key(KeyCode::Char('z'), CTRL, Action::Stop, "Ctrl-Z", "give the terminal back and stop; `fg` goes on"),
    key(KeyCode::F(1), NONE, Action::Help, "F1, /HELP", "show the keys and commands"),
    key(KeyCode::Esc, NONE, Action::Cancel, "Esc", "close what is in front, and what was told; return from what was found"),
    key(KeyCode::Char('c'), CTRL, Action::Interrupt, "Ctrl-C", "clear what you are writing; twice: leave"),
    key(KeyCode::Char('d'), CTRL, Action::EndOfInput, "Ctrl-D", "where nothing is written: leave"),
];

/// What keys are called and do, for people: help has it, and so does the manual.
pub(crate) fn explained() -> impl Iterator<Item = (&'static str, &'static str)> {
    let named = KEYS.iter().filter(|key| !key.name.is_empty()).map(|key| (key.name, key.help));
    named.chain([("Alt-1 to Alt-9", "turn to one of the first nine conversations")])
}

/// Whether a key that is not in the table writes its letter.
pub(crate) fn is_written(event: &KeyEvent) -> bool {
    !event.modifiers.intersects(CTRL | ALT)
}

/// What a key does, if it is in the table.
pub(crate) fn action(event: &KeyEvent) -> Option<Action> {
    let modifiers = event.modifiers.intersection(CTRL | ALT);
    if let (KeyCode::Char(digit @ '1'..='9'), ALT) = (event.code, modifiers) {
        return digit.to_digit(10).map(|digit| Action::Select(digit as usize - 1));
    }
    let found = KEYS.iter().find(|key| key.code == event.code && key.modifiers == modifiers);
    found.map(|key| key.action)
}
