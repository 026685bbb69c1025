//! What keys do beside writing: turning to conversations, scrolling, what is in front, leaving.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::find::{Find, HITS};
use super::super::jump::{Jump, Target};
use super::super::keys::{self, Action};
use super::super::view;
use super::{App, Effect, Overlay};
use crate::client::{Command, Query};

impl App {
    pub(super) fn press(&mut self, key: &KeyEvent) {
        let action = keys::action(key);
        self.remark = None;
        if action != Some(Action::Interrupt) {
            self.leaving = false;
        }
        if self.overlay.is_some() && self.press_in_overlay(key, action) {
            return;
        }
        match (action, key.code) {
            (Some(action), _) => self.act(action),
            (None, KeyCode::Char(c)) if keys::is_written(key) => self.write(&c.to_string()),
            _ => {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send => self.send(),
            Action::Interrupt => self.interrupt(),
            Action::EndOfInput => self.end_of_input(),
            Action::Complete => self.complete(),
            Action::Up | Action::Down => self.up_or_down(action == Action::Down),
            Action::Top | Action::End => self.top_or_end(action == Action::End),
            Action::PageUp | Action::PageDown => self.page(action == Action::PageDown),
            Action::Next => self.step(1),
            Action::Previous => self.step(self.conversations.len().saturating_sub(1)),
            Action::Select(index) if index < self.conversations.len() => self.turn_to(index),
            Action::NextUnread => self.next_unread(),
            Action::Help => self.overlay = Some(Overlay::Help(0)),
            Action::Redraw => self.effects.push(Effect::Redraw),
            Action::Stop => self.effects.push(Effect::Stop),
            Action::KillToEnd if self.draft_is_empty() => self.jump(),
            Action::NewLine if self.current.is_some() => self.write("\n"),
            Action::Yank if self.current.is_some() => self.write(&self.cut.clone()),
            Action::Find => self.search(""),
            Action::Cancel => self.go_back(),
            Action::Select(_) => {}
            edit => self.edit(edit),
        }
    }

    /// Whether the key was for what is in front.
    fn press_in_overlay(&mut self, key: &KeyEvent, action: Option<Action>) -> bool {
        let Some(mut overlay) = self.overlay.take() else { return false };
        match (&mut overlay, action, key.code) {
            (_, Some(Action::Cancel | Action::Interrupt), _) => return true,
            (Overlay::Help(_), Some(Action::Help | Action::Send), _) => return true,
            (Overlay::Help(rows), Some(action), _) if scrolls(action) => {
                let (by, down) = help_step(action, self.size);
                *rows = view::scrolled_help(*rows, by, down, self.size);
            }
            (Overlay::Paste(text, _), Some(Action::Send), _) => {
                let text = std::mem::take(text);
                self.write(&text);
                return true;
            }
            (Overlay::File(_, path), Some(Action::Send), _) => {
                let path = std::mem::take(path);
                return self.with_peer(|peer| Command::SendFile { peer, path, caption: None });
            }
            (Overlay::File(text, _), Some(Action::Complete), _) => {
                let text = std::mem::take(text);
                self.write(&text);
                return true;
            }
            (Overlay::Find(find), Some(Action::Send), _) => {
                if let Some(hit) = find.choose() {
                    self.go_to(&hit.peer, hit.id);
                    return true;
                }
            }
            (Overlay::Find(find), Some(Action::Up | Action::Previous), _) => find.move_by(false),
            (Overlay::Find(find), Some(Action::Down | Action::Next), _) => find.move_by(true),
            (Overlay::Find(find), Some(Action::Backspace), _) => {
                find.backspace();
                self.ask(find.query());
            }
            (Overlay::Find(find), None, KeyCode::Char(c)) if keys::is_written(key) => {
                find.type_text(&c.to_string());
                self.ask(find.query());
            }
            (Overlay::Jump(jump), Some(Action::Send), _) => {
                if let Some(target) = jump.choose() {
                    self.arrive(target);
                    return true;
                }
            }
            (Overlay::Jump(jump), Some(Action::Up | Action::Previous), _) => jump.move_by(false),
            (Overlay::Jump(jump), Some(Action::Down | Action::Next), _) => jump.move_by(true),
            (Overlay::Jump(jump), Some(Action::Backspace), _) => jump.backspace(),
            (Overlay::Jump(jump), None, KeyCode::Char(c)) if keys::is_written(key) => {
                jump.type_text(&c.to_string());
            }
            // It stays until it is answered.
            _ => {}
        }
        self.overlay = Some(overlay);
        true
    }

    /// Begins to look for words.
    pub(super) fn search(&mut self, words: &str) {
        let mut find = Find::default();
        find.type_text(words);
        self.ask(find.query());
        self.overlay = Some(Overlay::Find(find));
    }

    pub(super) fn ask(&mut self, query: Option<Query>) {
        if let Some(query) = query {
            self.give(Command::Search { query, limit: HITS });
        }
    }

    pub(super) fn jump(&mut self) {
        let people = self.conversations.iter().map(|it| it.peer.clone()).collect();
        self.overlay = Some(Overlay::Jump(Jump::new(people)));
    }

    fn arrive(&mut self, target: Target) {
        match target {
            // Whether a request is taken is asked there.
            Target::Person(name) => {
                let index = self.conversation(&name);
                self.turn_to(index);
            }
            Target::Newcomer(name) => self.talk_to(name),
            Target::Command(usage, false) => {
                self.obey(usage);
            }
            Target::Command(usage, true) => {
                let word = usage.split(' ').next().unwrap_or(usage);
                self.write(&format!("{word} "));
            }
        }
    }

    fn interrupt(&mut self) {
        if !self.draft_is_empty() {
            // Who was looking at what they wrote before is back at what they were writing.
            let draft = self.recalled.take().map(|(_, draft)| draft).unwrap_or_default();
            if let Some(it) = self.current_mut() {
                self.cut = it.composer.replace(draft);
            }
        } else if self.leaving || self.finishing {
            self.leave();
        } else {
            self.leaving = true;
        }
    }

    fn end_of_input(&mut self) {
        if self.draft_is_empty() {
            self.finishing = true;
        } else {
            self.edit(Action::Delete);
        }
    }

    pub(super) fn leave(&mut self) {
        self.give(Command::Leave);
    }

    fn top_or_end(&mut self, end: bool) {
        if !self.draft_is_empty() {
            return self.edit(if end { Action::LineEnd } else { Action::LineStart });
        }
        let pane = self.pane();
        let Some(it) = self.current_mut() else {
            return;
        };
        if end { it.scroll_to_end() } else { it.scroll_to_top(&pane) }
    }

    fn page(&mut self, down: bool) {
        self.scroll_messages(usize::from(self.pane().height.saturating_sub(1).max(1)), down);
    }

    /// The wheel scrolls what is in front.
    pub(super) fn scroll(&mut self, by: usize, down: bool) {
        match &mut self.overlay {
            None => self.scroll_messages(by, down),
            Some(Overlay::Help(rows)) => *rows = view::scrolled_help(*rows, by, down, self.size),
            Some(Overlay::Jump(jump)) => jump.move_by(down),
            Some(Overlay::Find(find)) => find.move_by(down),
            Some(Overlay::Paste(..) | Overlay::File(..)) => {}
        }
    }

    fn scroll_messages(&mut self, by: usize, down: bool) {
        let pane = self.pane();
        let Some(it) = self.current_mut() else { return };
        if down { it.scroll_down(by, &pane) } else { it.scroll_up(by, &pane) }
    }

    fn step(&mut self, by: usize) {
        if !self.conversations.is_empty() {
            let next = self.current.map_or(0, |current| current + by);
            self.turn_to(next % self.conversations.len());
        }
    }

    fn next_unread(&mut self) {
        let count = self.conversations.len();
        let from = self.current.map_or(0, |current| current + 1);
        let mut others = (from..from + count).map(|index| index % count);
        let wants = |index: &usize| {
            let it = &self.conversations[*index];
            it.unread() > 0 || it.request > 0
        };
        if let Some(index) = others.find(wants) {
            self.turn_to(index);
        }
    }
}

/// Whether an action scrolls help.
fn scrolls(action: Action) -> bool {
    use Action::{Down, End, PageDown, PageUp, Top, Up};
    matches!(action, Up | Down | PageUp | PageDown | Top | End)
}

/// By how many rows an action scrolls help on a screen of this size, and whether down.
fn help_step(action: Action, (_, height): (u16, u16)) -> (usize, bool) {
    let page = usize::from(height.saturating_sub(3).max(1));
    match action {
        Action::Up => (1, false),
        Action::Down => (1, true),
        Action::PageUp => (page, false),
        Action::PageDown => (page, true),
        Action::Top => (usize::MAX, false),
        _ => (usize::MAX, true),
    }
}
