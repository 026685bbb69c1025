//! What is on the screen, and what each key and each event makes of it. Pure: no I/O; what is to be done
//! outside comes back as effects, and the time is an argument.
//!
//! Owned by the [face](super). Invariants: no draft is lost but by Ctrl-C, which can be undone; a message
//! counts as unread until it was in sight on a screen in front of somebody.

use std::collections::{BTreeMap, BTreeSet};

use crossterm::event::{KeyCode, KeyEvent};
use jiff::tz::TimeZone;

use super::conversation::{Anchor, Conversation, PAGE, Pane, Sight};
use super::jump::{Jump, Target};
use super::keys::{self, Action};
use super::memory::{Memory, Person};
use super::view::Areas;
use crate::client::{Command, Event, Incoming, Record, State, Summary};
use crate::message::{Name, Timestamp};
use crate::trust::Fingerprint;
use crate::ui::command::{self, COMMANDS, Input as Typed};
use crate::ui::news;
use crate::ui::settings::Bell;
use crate::wire::MAX_BODY;
use crate::wire::frame::Presence;

/// A paste of more lines is asked about.
const LONG_PASTE: usize = 20;

/// The longest draft: something is to be put right if it is too long to be sent.
const MAX_DRAFT: usize = 2 * MAX_BODY;

/// How many conversations are opened by themselves. The server holds 1,000 open.
const OPENED: usize = 900;

/// How much of what one wrote is remembered.
const WRITTEN: usize = 100;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Paste(String),
    Resized(u16, u16),
    /// Whether the terminal is in front.
    Focus(bool),
    Event(Event),
    /// Time has passed.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Give(Command),
    Bell,
    /// Draw everything anew.
    Redraw,
}

/// How the line to the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Connecting,
    Online,
    Away { because: String },
}

/// What is in front of everything else.
#[derive(Debug)]
pub(super) enum Overlay {
    /// Scrolled by so many rows.
    Help(u16),
    Jump(Jump),
    /// A paste that is long, and how many lines it has.
    Paste(String, usize),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct App {
    pub(super) user: Name,
    pub(super) server: String,
    pub(super) zone: TimeZone,
    pub(super) size: (u16, u16),
    pub(super) line: Line,
    /// When the server was last heard of.
    pub(super) contact: Option<Timestamp>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) current: Option<usize>,
    /// Conversations that were closed, as they were left.
    closed: BTreeMap<Name, Conversation>,
    pub(super) overlay: Option<Overlay>,
    /// What there is to say where no conversation is.
    pub(super) notes: Vec<String>,
    /// Ctrl-C was pressed with nothing written: the next one leaves.
    pub(super) leaving: bool,
    /// What was written is to be sent before one leaves.
    pub(super) finishing: bool,
    named: bool,
    bell: Bell,
    focused: bool,
    /// Conversations that were opened at the client.
    open: BTreeSet<Name>,
    /// Whose key a person wants to see.
    asked_keys: BTreeSet<Name>,
    cut: String,
    written: Vec<String>,
    /// Where one is in what was written before, and the draft that one had.
    recalled: Option<(usize, String)>,
    memory: Memory,
    effects: Vec<Effect>,
    now: Timestamp,
}

/// What the app begins with.
pub(super) struct Start {
    pub(super) user: Name,
    pub(super) server: String,
    /// Whether its key was known from its address.
    pub(super) named: bool,
    pub(super) to: Option<Name>,
    pub(super) zone: TimeZone,
    pub(super) size: (u16, u16),
    pub(super) bell: Bell,
    pub(super) memory: Memory,
}

impl App {
    pub(super) fn new(start: Start) -> Self {
        let Start { user, server, named, to, zone, size, bell, mut memory } = start;
        if let Some(to) = &to {
            memory.current = Some(to.to_string());
        }
        let mut app = Self {
            user,
            server,
            named,
            zone,
            size,
            line: Line::Connecting,
            contact: None,
            conversations: Vec::new(),
            current: None,
            closed: BTreeMap::new(),
            overlay: None,
            notes: Vec::new(),
            leaving: false,
            finishing: false,
            bell,
            focused: true,
            open: BTreeSet::new(),
            asked_keys: BTreeSet::new(),
            cut: String::new(),
            written: memory.written.clone(),
            recalled: None,
            memory,
            effects: vec![Effect::Give(Command::Overview)],
            now: Timestamp(0),
        };
        if let Some(to) = to {
            app.talk_to(to);
        }
        app
    }

    /// Takes in what happened, and says what is to be done.
    pub(super) fn update(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Key(key) => self.press(&key),
            Input::Paste(text) => self.paste(text),
            Input::Resized(width, height) => self.size = (width, height),
            Input::Focus(focused) => self.focus(focused),
            Input::Event(event) => self.take(event),
            Input::Tick => {}
        }
        self.look();
        std::mem::take(&mut self.effects)
    }

    /// What is to be there again next time.
    pub(super) fn memory(&mut self) -> Memory {
        if let Some(index) = self.current {
            self.keep_if_changed(index);
        }
        let mut memory = self.memory.clone();
        memory.current = self.current().map(|it| it.peer.to_string());
        memory.written.clone_from(&self.written);
        for it in self.conversations.iter().chain(self.closed.values()) {
            let scroll = it.anchor().map(|Anchor { id, skip }| (id, skip));
            let draft = self.draft(it).to_string();
            let person = Person { draft, scroll, muted: it.muted };
            match person == Person::default() {
                true => memory.people.remove(it.peer.as_str()),
                false => memory.people.insert(it.peer.to_string(), person),
            };
        }
        memory
    }

    /// What one is writing there, also while one looks at what one wrote before.
    fn draft<'a>(&'a self, conversation: &'a Conversation) -> &'a str {
        let is_current = self.current().is_some_and(|it| it.peer == conversation.peer);
        match &self.recalled {
            Some((_, draft)) if is_current => draft,
            _ => conversation.composer.text(),
        }
    }

    /// The terminal's title.
    pub(super) fn title(&self) -> String {
        let unread: usize =
            self.conversations.iter().filter(|it| !it.muted).map(Conversation::unread).sum();
        let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
        match self.current() {
            Some(it) => format!("{count}{} - TinyChat", it.peer),
            None => format!("{count}TinyChat"),
        }
    }

    pub(super) fn current(&self) -> Option<&Conversation> {
        self.conversations.get(self.current?)
    }

    /// How many own messages the server has not stored.
    pub(super) fn unsent(&self) -> u64 {
        self.conversations.iter().map(|it| it.unsent).sum()
    }

    /// Whether time alone changes something in sight.
    pub(super) fn is_clock_shown(&self) -> bool {
        matches!(self.line, Line::Away { .. })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn areas(&self) -> Areas {
        let text = self.current().map(|it| &it.composer);
        Areas::of(self.size, |width| text.map_or(1, |it| it.shown(width).0.len()))
    }

    pub(super) fn pane(&self) -> Pane {
        let area = self.areas().messages;
        Pane { width: area.width, height: area.height, zone: self.zone.clone() }
    }

    pub(super) fn sight(&self) -> Option<Sight> {
        Some(self.current()?.sight(&self.pane()))
    }

    fn give(&mut self, command: Command) {
        self.effects.push(Effect::Give(command));
    }

    /// Says something to the person, where they look.
    fn note(&mut self, text: impl Into<String>) {
        match self.current {
            Some(index) => self.conversations[index].note(text.into(), false),
            None => self.notes.push(text.into()),
        }
    }

    fn note_about(&mut self, peer: &Name, text: impl Into<String>, urgent: bool) {
        let index = self.conversation(peer);
        self.conversations[index].note(text.into(), urgent);
    }

    /// What came while nobody looked begins at a line, as if one turned to it.
    fn focus(&mut self, focused: bool) {
        let pane = self.pane();
        let was_focused = std::mem::replace(&mut self.focused, focused);
        if let Some(index) = self.current.filter(|_| focused && !was_focused) {
            self.conversations[index].enter(&pane);
        }
    }

    /// What is in sight was seen, and what will be soon is loaded.
    fn look(&mut self) {
        let pane = self.pane();
        let (focused, index) = (self.focused, self.current);
        let Some(current) = index.and_then(|index| self.conversations.get_mut(index)) else {
            return;
        };
        let mut commands = Vec::new();
        if let Some(below) = current.wants(&pane) {
            commands.push(Command::Page { peer: current.peer.clone(), below, limit: PAGE });
        }
        if focused && current.is_in_place() {
            let sight = current.sight(&pane);
            commands.extend(current.see(&sight).into_iter().map(Command::Shown));
        }
        commands.into_iter().for_each(|command| self.give(command));
    }

    // Conversations.

    /// Where somebody is in the list; at its end from now on if they were not.
    fn conversation(&mut self, peer: &Name) -> usize {
        if let Some(index) = self.conversations.iter().position(|it| it.peer == *peer) {
            return index;
        }
        let conversation = self.closed.remove(peer).unwrap_or_else(|| self.begin(peer));
        self.conversations.push(conversation);
        self.conversations.len() - 1
    }

    /// The conversation with somebody, if there is one, also if it was closed.
    fn find(&mut self, peer: &Name) -> Option<&mut Conversation> {
        let open = self.conversations.iter_mut().find(|it| it.peer == *peer);
        open.or_else(|| self.closed.get_mut(peer))
    }

    /// A new one, as it is remembered from last time.
    fn begin(&self, peer: &Name) -> Conversation {
        let mut fresh = Conversation::new(peer.clone());
        if let Some(Person { draft, scroll, muted }) = self.memory.people.get(peer.as_str()) {
            fresh.composer = super::composer::Composer::with(draft.clone());
            fresh.set_anchor(scroll.map(|(id, skip)| Anchor { id, skip }));
            fresh.muted = *muted;
        }
        fresh
    }

    fn turn_to(&mut self, index: usize) {
        self.end_recalling();
        if let Some(before) = self.current.and_then(|index| self.conversations.get_mut(index)) {
            before.leave();
        }
        self.overlay = None;
        self.current = Some(index);
        let pane = self.pane();
        let it = &mut self.conversations[index];
        it.enter(&pane);
        let (peer, is_request) = (it.peer.clone(), it.request > 0);
        if !is_request {
            self.open(peer);
        }
    }

    /// Has the client hear of somebody.
    fn open(&mut self, peer: Name) {
        let index = self.conversation(&peer);
        self.conversations[index].request = 0;
        if self.open.insert(peer.clone()) {
            self.give(Command::Talk(peer.clone()));
            self.give(Command::Key(Some(peer)));
        }
    }

    fn talk_to(&mut self, peer: Name) {
        if peer == self.user {
            return self.note("nobody can talk to themselves here");
        }
        let index = self.conversation(&peer);
        self.conversations[index].request = 0;
        self.turn_to(index);
    }

    fn close(&mut self, peer: Option<Name>) {
        let peer = peer.or_else(|| self.current().map(|it| it.peer.clone()));
        let Some(index) = self.conversations.iter().position(|it| Some(&it.peer) == peer.as_ref())
        else {
            return self.note("no such conversation is here");
        };
        let gone = self.conversations.remove(index);
        if self.open.remove(&gone.peer) {
            self.give(Command::Close(gone.peer.clone()));
        }
        self.closed.insert(gone.peer.clone(), gone);
        self.current = match self.current {
            Some(current) if current == index => None,
            Some(current) if current > index => Some(current - 1),
            other => other,
        };
        if self.current.is_none() && !self.conversations.is_empty() {
            self.turn_to(index.min(self.conversations.len() - 1));
        }
    }

    // What the client tells.

    fn take(&mut self, event: Event) {
        if is_contact(&event) {
            self.contact = Some(self.now);
        }
        match event {
            Event::Overview(all) => self.take_overview(all),
            Event::Page { peer, records } => {
                if let Some(it) = self.find(&peer) {
                    it.take_page(records);
                }
            }
            Event::Message(message) => self.take_message(message),
            Event::Written { peer, record } => {
                let index = self.conversation(&peer);
                let it = &mut self.conversations[index];
                it.unsent += 1;
                it.add(record);
            }
            Event::Receipts { peer, stored, delivered } => {
                if let Some(it) = self.find(&peer) {
                    it.unsent = it.unsent.saturating_sub(stored.len() as u64);
                    it.moved(&stored, State::Stored);
                    it.moved(&delivered, State::Delivered);
                }
            }
            Event::Read { peer, n } => {
                if let Some(it) = self.find(&peer) {
                    it.read_up_to(n);
                }
            }
            Event::Expired { peer, n } => {
                if let Some(it) = self.find(&peer) {
                    it.moved(&[n], State::Expired);
                }
            }
            Event::Waiting { peer, count, known } => self.take_waiting(peer, count, known),
            Event::Opened { peer, presence, waiting } => {
                if let Some(it) = self.find(&peer) {
                    it.presence = Some(presence);
                    it.opened(waiting);
                }
            }
            Event::Presence { peer, presence } => {
                if let Some(it) = self.find(&peer) {
                    it.presence = Some(presence);
                }
            }
            Event::Connected => self.line = Line::Online,
            Event::Disconnected { because, .. } => {
                let before = std::mem::replace(&mut self.line, Line::Away { because });
                if before == Line::Online {
                    self.conversations.iter_mut().for_each(Conversation::disconnected);
                }
            }
            Event::Key { name, key, current } => self.take_key(name, key, current),
            Event::KeyChanged { peer, was, now } => {
                for line in news::changed_key(&peer, was, now) {
                    self.note_about(&peer, line, true);
                }
            }
            Event::Refused { peer, because, .. } => {
                self.note_about(&peer, news::refused(&peer, &because), false);
            }
            Event::Blocked { peer, blocked } => self.take_blocked(&peer, blocked),
            Event::Trusted { peer, key } => {
                self.note_about(&peer, news::trusted(&peer, key), false);
            }
            Event::FirstMeeting { fingerprint } => {
                for line in news::first_meeting(&self.server, fingerprint, self.named) {
                    self.notes.push(line.clone());
                    self.note(line);
                }
            }
            Event::Blocks { names } => self.note(news::blocks(&names)),
            Event::Online { count, names } => self.note(news::online(count, &names)),
            Event::Status(pending) => {
                for line in news::pending(&pending) {
                    self.note(line);
                }
            }
            Event::Objection { because } => self.note(because),
            // The face ends with it.
            Event::Ended(_) => {}
        }
    }

    fn take_overview(&mut self, all: Vec<Summary>) {
        for Summary { peer, known, unsent, .. } in all {
            let index = self.conversation(&peer);
            self.conversations[index].unsent = unsent;
            if known && self.open.len() < OPENED {
                self.open(peer);
            }
        }
        if self.current.is_none() && !self.conversations.is_empty() {
            let wanted = self.memory.current.clone();
            let wanted = |it: &Conversation| Some(it.peer.as_str()) == wanted.as_deref();
            self.turn_to(self.conversations.iter().position(wanted).unwrap_or(0));
        }
    }

    fn take_message(&mut self, message: Incoming) {
        let Incoming { id, peer, time, kind, body } = message;
        let index = self.conversation(&peer);
        let (is_current, pane) = (self.current == Some(index), self.pane());
        let record = Record { id, own: false, n: 0, time, kind, body, state: State::Received };
        let it = &mut self.conversations[index];
        it.request = 0;
        if is_current {
            it.add_in_front(record, &pane);
        } else {
            it.add(record);
        }
        if !(it.muted || self.bell == Bell::Off || is_current && self.focused) {
            self.effects.push(Effect::Bell);
        }
    }

    fn take_waiting(&mut self, peer: Name, count: u64, known: bool) {
        if known || self.open.contains(&peer) {
            return self.open(peer);
        }
        let index = self.conversation(&peer);
        let it = &mut self.conversations[index];
        let is_new = it.request == 0 && count > 0;
        it.request = count;
        if is_new && self.bell == Bell::All {
            self.effects.push(Effect::Bell);
        }
    }

    fn take_key(&mut self, name: Name, key: Option<Fingerprint>, current: bool) {
        if self.asked_keys.remove(&name) {
            for line in news::key(&self.user, &name, key, current) {
                self.note(line);
            }
        }
        if let Some(it) = self.find(&name) {
            it.key = key;
        }
    }

    fn take_blocked(&mut self, peer: &Name, blocked: bool) {
        self.note(news::blocked(peer, blocked));
        if let Some(it) = self.find(peer) {
            it.request = 0;
        }
    }

    // Keys.

    fn press(&mut self, key: &KeyEvent) {
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
            Action::KillToEnd if self.draft_is_empty() => self.jump(),
            Action::Select(_) | Action::Cancel => {}
            edit => self.edit(edit),
        }
    }

    fn edit(&mut self, action: Action) {
        let Some(it) = self.current.and_then(|index| self.conversations.get_mut(index)) else {
            return;
        };
        let composer = &mut it.composer;
        match action {
            Action::NewLine => composer.insert("\n"),
            Action::Left => composer.left(),
            Action::Right => composer.right(),
            Action::WordLeft => composer.word_left(),
            Action::WordRight => composer.word_right(),
            Action::LineStart => composer.line_start(),
            Action::LineEnd => composer.line_end(),
            Action::Backspace => composer.backspace(),
            Action::Delete => composer.delete(),
            Action::KillToEnd => keep(&mut self.cut, composer.kill_to_end()),
            Action::KillToStart => keep(&mut self.cut, composer.kill_to_start()),
            Action::KillWord => keep(&mut self.cut, composer.kill_word()),
            Action::Yank => composer.insert(&self.cut),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        match self.current.and_then(|index| self.conversations.get_mut(index)) {
            Some(it) if it.composer.text().len() + text.len() > MAX_DRAFT => {
                let what = format!("a message has at most {MAX_BODY} bytes; this is too much");
                it.note(what, false);
            }
            Some(it) => it.composer.insert(text),
            // There is nobody to write to yet.
            None => {
                self.jump();
                if let Some(Overlay::Jump(jump)) = &mut self.overlay {
                    jump.type_text(text);
                }
            }
        }
    }

    fn paste(&mut self, text: String) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines = text.lines().count();
        match &mut self.overlay {
            Some(Overlay::Jump(jump)) => jump.type_text(&text),
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

    /// Whether the key was for what is in front.
    fn press_in_overlay(&mut self, key: &KeyEvent, action: Option<Action>) -> bool {
        let Some(mut overlay) = self.overlay.take() else { return false };
        match (&mut overlay, action, key.code) {
            (_, Some(Action::Cancel | Action::Interrupt), _) => return true,
            (Overlay::Help(_), Some(Action::Help | Action::Send), _) => return true,
            (Overlay::Help(rows), Some(Action::Up | Action::PageUp), _) => {
                *rows = rows.saturating_sub(5);
            }
            (Overlay::Help(rows), Some(Action::Down | Action::PageDown), _) => {
                *rows = rows.saturating_add(5).min(super::view::help_rows(self.size));
            }
            (Overlay::Paste(text, _), Some(Action::Send), _) => {
                let text = std::mem::take(text);
                self.write(&text);
                return true;
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

    fn jump(&mut self) {
        let people = self.conversations.iter().map(|it| it.peer.clone()).collect();
        self.overlay = Some(Overlay::Jump(Jump::new(people)));
    }

    fn arrive(&mut self, target: Target) {
        match target {
            Target::Person(name) | Target::Newcomer(name) => self.talk_to(name),
            Target::Command(usage, false) => {
                self.obey(usage);
            }
            Target::Command(usage, true) => {
                let word = usage.split(' ').next().unwrap_or(usage);
                self.write(&format!("{word} "));
            }
        }
    }

    fn draft_is_empty(&self) -> bool {
        self.current().is_none_or(|it| it.composer.is_empty())
    }

    fn interrupt(&mut self) {
        if !self.draft_is_empty() {
            // Who was looking at what they wrote before is back at what they were writing.
            let draft = self.recalled.take().map(|(_, draft)| draft).unwrap_or_default();
            if let Some(it) = self.current.and_then(|index| self.conversations.get_mut(index)) {
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
            self.leave();
        } else {
            self.edit(Action::Delete);
        }
    }

    fn leave(&mut self) {
        self.give(Command::Leave);
    }

    fn up_or_down(&mut self, down: bool) {
        let width = self.areas().input.width;
        let Some(index) = self.current else { return };
        if !self.conversations[index].composer.move_row(width, down) {
            self.recall(index, down);
        }
    }

    /// Goes through what was written before; the draft that one had is at the end.
    fn recall(&mut self, index: usize, down: bool) {
        self.keep_if_changed(index);
        let composer = &mut self.conversations[index].composer;
        let at = self.recalled.as_ref().map_or(self.written.len(), |(at, _)| *at);
        let next = if down { at + 1 } else { at.wrapping_sub(1) };
        if let Some(text) = self.written.get(next) {
            let draft = self.recalled.take().map(|(_, draft)| draft);
            let draft = draft.unwrap_or_else(|| composer.text().to_string());
            *composer = super::composer::Composer::with(text.clone());
            self.recalled = Some((next, draft));
        } else if down && let Some((_, draft)) = self.recalled.take() {
            *composer = super::composer::Composer::with(draft);
        }
    }

    /// Gives back the draft that one had.
    fn end_recalling(&mut self) {
        let Some(index) = self.current.filter(|index| *index < self.conversations.len()) else {
            return;
        };
        self.keep_if_changed(index);
        if let Some((_, draft)) = self.recalled.take() {
            self.conversations[index].composer = super::composer::Composer::with(draft);
        }
    }

    /// What one makes of something that was recalled can be recalled, too.
    fn keep_if_changed(&mut self, index: usize) {
        let text = self.conversations[index].composer.text();
        if self.recalled.is_some() && !self.written.iter().any(|it| it == text) {
            self.written.push(text.to_string());
        }
    }

    fn top_or_end(&mut self, end: bool) {
        if !self.draft_is_empty() {
            return self.edit(if end { Action::LineEnd } else { Action::LineStart });
        }
        let pane = self.pane();
        let Some(it) = self.current.and_then(|index| self.conversations.get_mut(index)) else {
            return;
        };
        if end { it.scroll_to_end() } else { it.scroll_to_top(&pane) }
    }

    fn page(&mut self, down: bool) {
        let pane = self.pane();
        let by = usize::from(pane.height.saturating_sub(1).max(1));
        let Some(it) = self.current.and_then(|index| self.conversations.get_mut(index)) else {
            return;
        };
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

    fn complete(&mut self) {
        let Some(index) = self.current else { return };
        let before = self.conversations[index].composer.before().to_string();
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let candidates: Vec<String> = match before.strip_prefix('/') {
            Some(command) if word.len() == before.len() => COMMANDS
                .iter()
                .filter(|it| it.name.starts_with(&command.to_uppercase()))
                .map(|it| format!("/{}", it.name))
                .collect(),
            _ => {
                let names = self.conversations.iter().map(|it| it.peer.to_string());
                names.filter(|name| !word.is_empty() && name.starts_with(word)).collect()
            }
        };
        let Some(common) = common_beginning(&candidates) else { return };
        let space = if candidates.len() == 1 { " " } else { "" };
        let with = format!("{common}{space}");
        self.conversations[index].composer.replace_before(word.len(), &with);
    }

    // What is written.

    fn send(&mut self) {
        let Some(index) = self.current else { return self.jump() };
        let recalled = self.recalled.take();
        let it = &mut self.conversations[index];
        let peer = it.peer.clone();
        // Who sent again what they wrote before goes on with what they were writing.
        let draft = recalled.as_ref().map(|(_, draft)| draft.clone()).unwrap_or_default();
        let text = it.composer.replace(draft);
        if text.is_empty() {
            // A request is accepted so.
            self.open(peer);
        } else if self.obey(&text) {
            self.remember_written(text);
        } else if let Some(it) = self.find(&peer) {
            it.composer.replace(text);
            self.recalled = recalled;
        }
    }

    fn remember_written(&mut self, text: String) {
        self.written.retain(|before| *before != text);
        self.written.push(text);
        let surplus = self.written.len().saturating_sub(WRITTEN);
        self.written.drain(..surplus);
    }

    /// Whether it could be obeyed; if not the draft stays.
    fn obey(&mut self, text: &str) -> bool {
        match command::parse(text) {
            Ok(typed) => self.obey_typed(typed),
            Err(because) => {
                self.note(because);
                false
            }
        }
    }

    fn obey_typed(&mut self, typed: Typed) -> bool {
        match typed {
            Typed::Text(text) => return self.say(text),
            Typed::Talk(peer) => self.talk_to(peer),
            Typed::Close(peer) => self.close(peer),
            Typed::Online => self.give(Command::Online),
            Typed::Status => self.give(Command::Status),
            Typed::Fingerprint(name) => {
                self.asked_keys.insert(name.clone().unwrap_or_else(|| self.user.clone()));
                self.give(Command::Key(name));
            }
            Typed::Trust(peer) => self.give(Command::Trust(peer)),
            Typed::Block(None) => self.give(Command::Blocks),
            Typed::Block(Some(peer)) if peer == self.user => self.note("you cannot block yourself"),
            Typed::Block(Some(peer)) => {
                self.open.remove(&peer);
                self.give(Command::Block { peer, blocked: true });
            }
            Typed::Unblock(peer) => self.give(Command::Block { peer, blocked: false }),
            Typed::Mute(peer) => self.mute(peer),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Quit if self.unsent() == 0 => self.leave(),
            Typed::Quit => {
                self.finishing = true;
                self.give(Command::Finish);
            }
        }
        true
    }

    fn say(&mut self, text: String) -> bool {
        let Some(index) = self.current else { return false };
        if text.len() > MAX_BODY {
            self.note(format!("a message has at most {MAX_BODY} bytes; not sent"));
            return false;
        }
        let it = &mut self.conversations[index];
        it.scroll_to_end();
        let peer = it.peer.clone();
        self.open(peer.clone());
        self.give(Command::Send { peer, text });
        true
    }

    fn mute(&mut self, peer: Option<Name>) {
        let Some(peer) = peer.or_else(|| self.current().map(|it| it.peer.clone())) else { return };
        let index = self.conversation(&peer);
        let it = &mut self.conversations[index];
        it.muted = !it.muted;
        let muted = it.muted;
        self.note(match muted {
            true => format!("{peer} makes no noise any more; /MUTE {peer} again ends that"),
            false => format!("{peer} makes noise again"),
        });
    }
}

/// Whether it comes from the server, and just now.
fn is_contact(event: &Event) -> bool {
    matches!(
        event,
        Event::Connected
            | Event::Receipts { .. }
            | Event::Read { .. }
            | Event::Opened { .. }
            | Event::Presence { .. }
            | Event::Waiting { .. }
            | Event::Online { .. }
            | Event::Refused { .. }
    )
}

/// Keeps what was cut, unless it is nothing.
fn keep(cut: &mut String, text: String) {
    if !text.is_empty() {
        *cut = text;
    }
}

fn common_beginning(candidates: &[String]) -> Option<String> {
    let (first, others) = candidates.split_first()?;
    let shared = |end: &usize| others.iter().all(|it| it.starts_with(&first[..*end]));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(shared).last()?;
    Some(first[..end].to_string())
}

/// Whether somebody is there, for a list.
pub(super) fn is_online(conversation: &Conversation) -> bool {
    conversation.presence == Some(Presence::Online)
}

#[cfg(test)]
#[path = "app_tests.rs"]
mod tests;
