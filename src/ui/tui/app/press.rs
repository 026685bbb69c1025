//! What keys do beside writing: turning to conversations, scrolling, what is in front, leaving.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::find::{Find, HITS};
use super::super::jump::{Jump, Target};
use super::super::links::Links;
use super::state::{App, Effect, Overlay};
use crate::client::{Command, Hit, Query};
use crate::ui::tui::help;
use crate::ui::typing::keys::{self, Action};

/// What is said of a copy: nobody hears whether the terminal took it (OSC 52).
const COPIED: &str = "copied, if this terminal lets programs do so; if not, Ctrl-T shows the conversation alone, to select from";

impl App {
    pub(super) fn press(&mut self, key: &KeyEvent) {
        let action = keys::action(key);
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
            Action::Links => self.list_links(),
            Action::Bare => self.bare = !self.bare,
            Action::Cancel if !self.panel().is_empty() => self.panel_mut().close(),
            Action::Cancel if self.bare => self.bare = false,
            Action::Cancel => self.go_back(),
            Action::Select(_) => {}
            edit => self.edit(edit),
        }
    }

    /// Whether the key was for what is in front.
    fn press_in_overlay(&mut self, key: &KeyEvent, action: Option<Action>) -> bool {
        let Some(mut overlay) = self.overlay.take() else { return false };
        let done = match action {
            Some(Action::Cancel | Action::Interrupt) => self.cancel_overlay(&mut overlay, action),
            _ => self.answer_overlay(&mut overlay, key, action),
        };
        done.unwrap_or_else(|| {
            // It stays until it is answered.
            self.overlay = Some(overlay);
            true
        })
    }

    /// None if it stays in front.
    fn cancel_overlay(&mut self, overlay: &mut Overlay, action: Option<Action>) -> Option<bool> {
        match overlay {
            Overlay::Links(links) if links.asks && action == Some(Action::Cancel) => {
                links.asks = false;
                return None;
            }
            Overlay::Paste(text, _) => self.cut = std::mem::take(text),
            _ => {}
        }
        Some(true)
    }

    /// Whether the key was for it; none if it stays in front.
    fn answer_overlay(
        &mut self,
        overlay: &mut Overlay,
        key: &KeyEvent,
        action: Option<Action>,
    ) -> Option<bool> {
        let is_done = match overlay {
            Overlay::Help(rows) => self.press_in_help(rows, action),
            Overlay::Jump(jump) => self.press_in_jump(jump, key, action),
            Overlay::Find(find) => self.press_in_find(find, key, action),
            Overlay::Links(links) => self.press_in_links(links, key, action),
            Overlay::File(_, path) if action == Some(Action::Send) => {
                let path = std::mem::take(path);
                return Some(self.with_peer(|peer| Command::SendFile {
                    peer,
                    path,
                    caption: None,
                }));
            }
            Overlay::Paste(text, _) if action == Some(Action::Send) => self.write_pasted(text),
            Overlay::File(text, _) if action == Some(Action::Complete) => self.write_pasted(text),
            Overlay::Paste(..) | Overlay::File(..) => false,
        };
        is_done.then_some(true)
    }

    /// Whether it was closed, as of all of these.
    fn press_in_help(&self, rows: &mut u16, action: Option<Action>) -> bool {
        match action {
            Some(Action::Help | Action::Send) => return true,
            Some(action) if scrolls(action) => {
                let (by, down) = help_step(action, self.size);
                *rows = help::scrolled(*rows, by, down, self.size, self.mouse);
            }
            _ => {}
        }
        false
    }

    fn write_pasted(&mut self, text: &mut String) -> bool {
        let text = std::mem::take(text);
        self.write(&text);
        true
    }

    fn press_in_find(&mut self, find: &mut Find, key: &KeyEvent, action: Option<Action>) -> bool {
        match (action, key.code) {
            (Some(Action::Send), _) => {
                if let (Some(hit), Some(query)) = (find.choose().cloned(), find.query()) {
                    self.go_to(&hit.peer, hit.id, query);
                    return true;
                }
            }
            (Some(Action::Up | Action::Previous), _) => find.move_by(false),
            (Some(Action::Down | Action::Next), _) => find.move_by(true),
            (Some(Action::Backspace), _) => {
                find.backspace();
                self.ask(find.query());
            }
            (None, KeyCode::Char(c)) if keys::is_written(key) => {
                find.type_text(&c.to_string());
                self.ask(find.query());
            }
            _ => {}
        }
        false
    }

    fn press_in_jump(&mut self, jump: &mut Jump, key: &KeyEvent, action: Option<Action>) -> bool {
        match (action, key.code) {
            (Some(Action::Send), _) => return self.arrive(jump),
            (Some(Action::Up | Action::Previous), _) => jump.move_by(false),
            (Some(Action::Down | Action::Next), _) => jump.move_by(true),
            (Some(Action::Backspace), _) => jump.backspace(),
            (None, KeyCode::Char(c)) if keys::is_written(key) => jump.type_text(&c.to_string()),
            _ => {}
        }
        false
    }

    /// Begins to look for words.
    pub(super) fn search(&mut self, words: &str) {
        let mut find = Find::default();
        find.type_text(words);
        self.ask(find.query());
        self.overlay = Some(Overlay::Find(find));
    }

    /// This is what there is of what is looked for.
    pub(super) fn take_found(&mut self, query: Query, hits: Vec<Hit>) {
        let Some(Overlay::Find(find)) = &mut self.overlay else { return };
        if let Some(hit) = find.take(query.clone(), hits).cloned() {
            self.overlay = None;
            self.go_to(&hit.peer, hit.id, query);
        }
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

    /// Gets to what was chosen, or obeys what was typed. Whether it could.
    fn arrive(&mut self, jump: &Jump) -> bool {
        match jump.choose() {
            // Whether a request is taken is asked there.
            Some(Target::Person(name)) => {
                let index = self.conversation(&name);
                self.turn_to(index);
            }
            Some(Target::Newcomer(name)) => self.talk_to(name),
            Some(Target::Command(usage, false)) => return self.obey(usage),
            Some(Target::Command(usage, true)) => {
                let word = usage.split(' ').next().unwrap_or(usage);
                self.write(&format!("{word} "));
            }
            None if jump.typed.starts_with('/') && self.draft_is_empty() => {
                self.write(&jump.typed);
                self.send();
            }
            None => return false,
        }
        true
    }

    fn list_links(&mut self) {
        let found = self.current().map(|it| it.links(&self.user)).unwrap_or_default();
        if found.is_empty() {
            return self.tell("there is no address in this conversation, as far as it is loaded");
        }
        self.overlay = Some(Overlay::Links(Links::new(found)));
    }

    fn press_in_links(
        &mut self,
        links: &mut Links,
        key: &KeyEvent,
        action: Option<Action>,
    ) -> bool {
        let Some((_, address)) = links.chosen().cloned() else { return true };
        match (action, key.code) {
            (Some(Action::Up | Action::Previous), _) => links.move_by(false),
            (Some(Action::Down | Action::Next), _) => links.move_by(true),
            (Some(Action::Send), _) if !links.asks => links.asks = true,
            (Some(Action::Send), _) if address.opens => {
                self.effects.push(Effect::Open(address.text));
                return true;
            }
            (None, KeyCode::Char('c' | 'C')) => {
                self.tell(COPIED);
                self.effects.push(Effect::Copy(address.text));
                return true;
            }
            _ => {}
        }
        false
    }

    fn interrupt(&mut self) {
        if !self.draft_is_empty() {
            // Who was looking at what they wrote before is back at what they were writing.
            let draft = self.recalled.take().map(|(_, draft)| draft).unwrap_or_default();
            self.cut = self.composer_mut().replace(draft);
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
        let area = self.areas().panel;
        let (rows, height) =
            (self.panel().rows(area.width).len(), usize::from(area.height).saturating_sub(1));
        if self.panel_mut().scroll(height.max(1), down, rows, height) {
            return;
        }
        self.scroll_messages(usize::from(self.pane().height.saturating_sub(1).max(1)), down);
    }

    /// The wheel scrolls what is in front.
    pub(super) fn scroll(&mut self, by: usize, down: bool) {
        match self.overlay.take() {
            None => self.scroll_messages(by, down),
            Some(mut overlay) => {
                self.scroll_overlay(&mut overlay, by, down);
                self.overlay = Some(overlay);
            }
        }
    }

    fn scroll_overlay(&self, overlay: &mut Overlay, by: usize, down: bool) {
        match overlay {
            Overlay::Help(rows) => *rows = help::scrolled(*rows, by, down, self.size, self.mouse),
            Overlay::Jump(jump) => jump.move_by(down),
            Overlay::Find(find) => find.move_by(down),
            Overlay::Links(links) => links.move_by(down),
            Overlay::Paste(..) | Overlay::File(..) => {}
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
