//! The text being written: letters and pastes, edits, the history, completion.
//!
//! Invariant: what was typed is in a draft, in the last cut, or in the history.

use std::path::PathBuf;

use super::super::conversation::Conversation;
use super::state::{App, Effect, LONG_PASTE, MAX_DRAFT, Overlay};
use crate::ui::typing::completion::{self, begun_path, common_beginning};
use crate::ui::typing::composer::Composer;
use crate::ui::typing::keys::Action;
use crate::wire::MAX_TEXT;

impl App {
    pub(super) fn edit(&mut self, action: Action) {
        let mut taken = String::new();
        let composer = self.composer_mut();
        match action {
            Action::Left => composer.left(),
            Action::Right => composer.right(),
            Action::WordLeft => composer.word_left(),
            Action::WordRight => composer.word_right(),
            Action::LineStart => composer.line_start(),
            Action::LineEnd => composer.line_end(),
            Action::Backspace => composer.backspace(),
            Action::Delete => composer.delete(),
            Action::KillToEnd => taken = composer.kill_to_end(),
            Action::KillToStart => taken = composer.kill_to_start(),
            Action::KillWord => taken = composer.kill_word(),
            _ => {}
        }
        self.keep_cut(taken);
    }

    /// Keeps what was cut, unless it is nothing.
    pub(super) fn keep_cut(&mut self, text: String) {
        if !text.is_empty() {
            self.cut = text;
        }
    }

    pub(super) fn write(&mut self, text: &str) {
        let is_command = !self.lobby.is_empty() || text.starts_with('/');
        if self.current.is_none() && !is_command {
            // There is nobody to write to yet.
            self.jump();
            if let Some(Overlay::Jump(jump)) = &mut self.overlay {
                jump.type_text(text);
            }
        } else if self.composer().text().len() + text.len() > MAX_DRAFT {
            self.tell(format!("a message has at most {MAX_TEXT} bytes; this is too much"));
        } else {
            self.composer_mut().insert(text);
        }
    }

    pub(super) fn paste(&mut self, text: String) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = text.lines().count();
        match &mut self.overlay {
            Some(Overlay::Jump(jump)) => jump.type_text(&text),
            Some(Overlay::Find(find)) => {
                find.type_text(&text);
                let query = find.query();
                self.ask(query);
            }
            Some(Overlay::Paste(before, count)) => {
                *before += &text;
                *count += lines;
            }
            _ if lines > LONG_PASTE && self.current.is_some() => {
                self.overlay = Some(Overlay::Paste(text, lines));
            }
            _ => self.write(&text),
        }
    }

    /// A file that is dragged here, or its path, is to be sent only if one says so.
    pub(super) fn paste_file(&mut self, text: String, path: PathBuf) {
        if self.overlay.is_some() || self.current.is_none() || !self.draft_is_empty() {
            return self.paste(text);
        }
        self.overlay = Some(Overlay::File(text, path));
    }

    pub(super) fn draft_is_empty(&self) -> bool {
        self.composer().is_empty()
    }

    pub(super) fn up_or_down(&mut self, down: bool) {
        let width = self.areas().input.width;
        if !self.composer_mut().move_row(width, down)
            && let Some(index) = self.current
        {
            self.recall(index, down);
        }
    }

    /// Goes through what was written before; the draft that one had is at the end.
    fn recall(&mut self, index: usize, down: bool) {
        self.keep_if_changed();
        let Conversation { composer, written, .. } = &mut self.conversations[index];
        let at = self.recalled.as_ref().map_or(written.len(), |(at, _)| *at);
        let next = if down { at + 1 } else { at.wrapping_sub(1) };
        if let Some(text) = written.get(next) {
            let draft = self.recalled.take().map(|(_, draft)| draft);
            let draft = draft.unwrap_or_else(|| composer.text().to_string());
            *composer = Composer::with(text.clone());
            self.recalled = Some((next, draft));
        } else if down && let Some((_, draft)) = self.recalled.take() {
            *composer = Composer::with(draft);
        }
    }

    /// Gives back the draft that one had.
    pub(super) fn end_recalling(&mut self) {
        let Some(index) = self.current.filter(|index| *index < self.conversations.len()) else {
            return;
        };
        self.keep_if_changed();
        if let Some((_, draft)) = self.recalled.take() {
            self.conversations[index].composer = Composer::with(draft);
        }
    }

    /// What one makes of something that was recalled can be recalled, too.
    fn keep_if_changed(&mut self) {
        if let Some(changed) = self.changed().map(String::from)
            && let Some(it) = self.current_mut()
        {
            it.written.push(changed);
        }
    }

    /// What one has made of something that was recalled, if it is not there already.
    pub(super) fn changed(&self) -> Option<&str> {
        let current = self.current().filter(|_| self.recalled.is_some())?;
        let text = current.composer.text();
        (!current.written.iter().any(|it| it == text)).then_some(text)
    }

    pub(super) fn complete(&mut self) {
        let before = self.composer().before().to_string();
        if let Some(begun) = begun_path(&before) {
            return self.effects.push(Effect::Paths(begun.into()));
        }
        let names = self.conversations.iter().map(|it| it.peer.as_str());
        let candidates = completion::candidates(&before, names);
        let Some(common) = common_beginning(&candidates) else { return };
        let space = if candidates.len() == 1 { " " } else { "" };
        let with = format!("{common}{space}");
        self.composer_mut().replace_before(completion::word(&before).len(), &with);
    }

    /// Goes on with a path as far as there is one way to.
    pub(super) fn complete_path(&mut self, begun: &str, all: &[String]) {
        let composer = self.composer_mut();
        // One may have typed on.
        let is_there = begun_path(composer.before()) == Some(begun);
        let Some(common) = common_beginning(all).filter(|_| is_there) else { return };
        let is_file = all.len() == 1 && !common.ends_with('/');
        let with = format!("{common}{}", if is_file { " " } else { "" });
        composer.replace_before(begun.len(), &with);
    }
}
