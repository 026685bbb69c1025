//! The line that is being typed, and what each key does to it. See the [module](super).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view;
use super::written::Written;
use crate::ui::console::row::View;
use crate::ui::typing::completion::{self, begun_path, common_beginning};
use crate::ui::typing::composer::Composer;
use crate::ui::typing::keys::{self, Action};
use crate::wire::MAX_TEXT;

/// The longest line that is edited, in bytes: one that is too long to be sent can be put right. What goes beyond it
/// is not taken.
const MAX_LINE: usize = 2 * MAX_TEXT;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// Nothing but to show the line.
    Done,
    /// A line is written.
    Line(String),
    /// There are no more lines.
    EndOfInput,
    /// The line is too long for more.
    Full,
    /// Stop the program.
    Stop,
    /// Clear the terminal.
    Clear,
    /// Complete what stands before the cursor.
    Complete,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Composer,
    /// What was cut last.
    cut: String,
    written: Written,
    search: Option<Search>,
}

/// A line is looked for among those that were written before.
#[derive(Debug)]
struct Search {
    text: String,
    /// Where it was found.
    at: Option<usize>,
    /// What was being written before.
    draft: String,
}

impl Editor {
    pub(crate) fn press(&mut self, key: &KeyEvent) -> Pressed {
        let ctrl = |c| key.code == KeyCode::Char(c) && key.modifiers == KeyModifiers::CONTROL;
        if ctrl('z') {
            return Pressed::Stop;
        }
        if ctrl('r') {
            self.search();
            return Pressed::Done;
        }
        let action = keys::action(key);
        if self.search.is_some() && self.press_in_search(key, action, ctrl('g')) {
            return Pressed::Done;
        }
        match (action, key.code) {
            (Some(action), _) => self.act(action),
            (None, KeyCode::Char(c)) if keys::is_written(key) => {
                self.insert(c.encode_utf8(&mut [0; 4]))
            }
            _ => Pressed::Done,
        }
    }

    /// Takes what was pasted: each of its lines is one that is written, and the last one can be edited.
    pub(crate) fn paste(&mut self, text: &str) -> Vec<Pressed> {
        self.end_search();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (lines, last) = text
            .rsplit_once('\n')
            .map_or((None, text.as_str()), |(lines, last)| (Some(lines), last));
        let mut pressed = Vec::new();
        for line in lines.iter().flat_map(|lines| lines.split('\n')) {
            if self.insert(line) == Pressed::Full {
                pressed.push(Pressed::Full);
            }
            pressed.push(self.finish());
        }
        pressed.push(self.insert(last));
        pressed
    }

    /// What is being written.
    pub(crate) fn line(&self) -> &str {
        self.line.text()
    }

    /// What is shown of it.
    pub(crate) fn view(&self, width: u16) -> View {
        let Some(search) = &self.search else {
            return view::part(self.line.before(), self.line.after(), width);
        };
        let found = search.at.and_then(|at| self.written.get(at)).unwrap_or_default();
        view::part(&format!("search: {}", search.text), &format!("  {found}"), width)
    }

    fn act(&mut self, action: Action) -> Pressed {
        match action {
            Action::Send | Action::NewLine => return self.finish(),
            Action::EndOfInput if self.line.is_empty() => return Pressed::EndOfInput,
            Action::Complete => return Pressed::Complete,
            Action::Redraw => return Pressed::Clear,
            Action::Yank => return self.insert(&self.cut.clone()),
            Action::Up | Action::Previous => self.recall(|written, draft| written.earlier(draft)),
            Action::Down | Action::Next => self.recall(|written, _| written.later()),
            _ => self.edit(action),
        }
        Pressed::Done
    }

    fn edit(&mut self, action: Action) {
        let Self { line, cut, .. } = self;
        match action {
            Action::Left => line.left(),
            Action::Right => line.right(),
            Action::WordLeft => line.word_left(),
            Action::WordRight => line.word_right(),
            Action::LineStart | Action::Top => line.line_start(),
            Action::LineEnd | Action::End => line.line_end(),
            Action::Backspace => line.backspace(),
            Action::Delete | Action::EndOfInput => line.delete(),
            Action::KillToEnd => keep(cut, line.kill_to_end()),
            Action::KillToStart => keep(cut, line.kill_to_start()),
            Action::KillWord => keep(cut, line.kill_word()),
            // It is for the full screen.
            _ => {}
        }
    }

    fn insert(&mut self, text: &str) -> Pressed {
        if self.line.text().len() + text.len() > MAX_LINE {
            return Pressed::Full;
        }
        self.line.insert(text);
        Pressed::Done
    }

    fn finish(&mut self) -> Pressed {
        let line = self.line.replace(String::new());
        self.written.add(&line);
        Pressed::Line(line)
    }

    fn recall(&mut self, turn: impl FnOnce(&mut Written, &str) -> Option<String>) {
        if let Some(line) = turn(&mut self.written, self.line.text()) {
            self.line.replace(line);
        }
    }

    // Looking for what was written before.

    /// Begins to look, or looks for one still further back.
    fn search(&mut self) {
        match &mut self.search {
            Some(Search { text, at, .. }) => {
                let before = at.unwrap_or_else(|| self.written.len());
                let found = self.written.find(text, before).map(|(found, _)| found);
                *at = found.or(*at);
            }
            None => {
                let draft = self.line.text().to_string();
                self.search = Some(Search { text: String::new(), at: None, draft });
            }
        }
    }

    /// Returns whether that is all that the key does. Other keys do what they always do, with what was found.
    fn press_in_search(&mut self, key: &KeyEvent, action: Option<Action>, cancels: bool) -> bool {
        let Some(search) = &mut self.search else { return false };
        match (action, key.code) {
            _ if cancels => {
                self.search = None;
                return true;
            }
            (Some(Action::Backspace), _) => drop(search.text.pop()),
            (None, KeyCode::Char(c)) if keys::is_written(key) => search.text.push(c),
            (action, _) => {
                self.end_search();
                return action == Some(Action::Cancel);
            }
        }
        let found = self.written.find(&search.text, self.written.len());
        search.at = found.filter(|_| !search.text.is_empty()).map(|(at, _)| at);
        true
    }

    /// What was found is what is being written now; if nothing was, what was written before is.
    fn end_search(&mut self) {
        if let Some(Search { at, draft, .. }) = self.search.take() {
            let found = at.and_then(|at| self.written.get(at)).map(String::from);
            self.line.replace(found.unwrap_or(draft));
        }
    }

    // Completion.

    /// The path that is to be completed, if it is one.
    pub(crate) fn begun_path(&self) -> Option<&str> {
        begun_path(self.line.before())
    }

    /// Goes on with a command or one of these names, as far as there is one way to. Gives the ways if there are
    /// several and it cannot go on.
    pub(crate) fn complete<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        let before = self.line.before();
        let (word, ways) = (completion::word(before).len(), completion::candidates(before, names));
        self.go_on(word, ways, |_| true)
    }

    /// Goes on with a path in the same way, unless something was typed meanwhile.
    pub(crate) fn complete_path(&mut self, begun: &str, ways: Vec<String>) -> Vec<String> {
        if self.begun_path() != Some(begun) {
            return Vec::new();
        }
        self.go_on(begun.len(), ways, |way| !way.ends_with('/'))
    }

    fn go_on(
        &mut self,
        begun: usize,
        ways: Vec<String>,
        ends: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let Some(common) = common_beginning(&ways) else { return Vec::new() };
        let is_only = ways.len() == 1;
        if !is_only && common.len() <= begun {
            return ways;
        }
        let space = if is_only && ends(&common) { " " } else { "" };
        self.line.replace_before(begun, &format!("{common}{space}"));
        Vec::new()
    }
}

/// Keeps what was cut, unless it is nothing.
fn keep(cut: &mut String, text: String) {
    if !text.is_empty() {
        *cut = text;
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
