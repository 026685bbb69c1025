//! What is on the screen, and what may happen to it. See the [module](super).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crossterm::event::KeyEvent;
use jiff::tz::TimeZone;

use crate::client::{Absence, Command, Event};
use crate::message::{Name, Timestamp};
use crate::ui::settings::Bell;
use crate::ui::tui::areas::{Areas, Contents};
use crate::ui::tui::conversation::PAGE;
use crate::ui::tui::conversation::{Anchor, Conversation, Pane, Sight};
use crate::ui::tui::find::Find;
use crate::ui::tui::jump::Jump;
use crate::ui::tui::links::Links;
use crate::ui::tui::memory::{Memory, Person};
use crate::ui::tui::panel::Panel;
use crate::ui::tui::transfers::Transfers;
use crate::ui::typing::composer::Composer;
use crate::wire::MAX_TEXT;
use crate::wire::frame::Presence;

/// The most columns and rows of a picture.
const PICTURE: (u16, u16) = (48, 14);

/// A paste of more lines is asked about.
pub(super) const LONG_PASTE: usize = 20;

/// The longest draft: something is to be put right if it is too long to be sent.
pub(super) const MAX_DRAFT: usize = 2 * MAX_TEXT;

/// How many conversations are opened by themselves. The server holds 1,000 open.
pub(super) const OPENED: usize = 900;

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    /// A paste that names a file.
    PastedFile(String, PathBuf),
    /// What the beginning of a path may go on with.
    Paths {
        begun: String,
        all: Vec<String>,
    },
    Resized(u16, u16),
    /// The wheel was turned by so many rows.
    Scroll {
        by: usize,
        down: bool,
    },
    /// Whether the terminal is in front.
    Focus(bool),
    Event(Event),
    /// Something could not be done, and what to do instead.
    Failed(String),
    /// Time has passed.
    Tick,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Give(Command),
    Bell,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back and stop.
    Stop,
    /// Look what the beginning of a path may go on with.
    Paths(String),
    /// Have an address opened.
    Open(String),
    /// Put a text into the terminal's clipboard.
    Copy(String),
}

/// How the line to the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Connecting,
    Online,
    Away { because: Absence },
}

/// What is in front of everything else.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// Scrolled by so many rows.
    Help(u16),
    Jump(Jump),
    Find(Find),
    Links(Links),
    /// A paste that is long, and how many lines it has.
    Paste(String, usize),
    /// A paste that names a file, and which.
    File(String, PathBuf),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) user: Name,
    pub(crate) server: String,
    pub(crate) zone: TimeZone,
    pub(crate) size: (u16, u16),
    pub(crate) line: Line,
    /// Since when it is so; none before anything has happened.
    pub(super) since: Option<Timestamp>,
    /// When the server was last heard of.
    pub(crate) contact: Option<Timestamp>,
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) current: Option<usize>,
    /// Conversations that were closed, as they were left.
    pub(super) closed: BTreeMap<Name, Conversation>,
    pub(crate) overlay: Option<Overlay>,
    /// Where one was before one went to what was found.
    pub(super) origin: Option<(Name, Option<Anchor>)>,
    /// What there is to say where no conversation is.
    pub(super) panel: Panel,
    /// A command that is being written where no conversation is.
    pub(super) lobby: Composer,
    /// The conversation is shown alone, to select from it.
    pub(super) bare: bool,
    /// Ctrl-C was pressed with nothing written: the next one leaves.
    pub(crate) leaving: bool,
    /// What was written is to be sent before one leaves.
    pub(crate) finishing: bool,
    /// Files on their way.
    pub(crate) transfers: Transfers,
    /// The conversations of the client's disk are known.
    pub(super) overviewed: bool,
    pub(super) named: bool,
    pub(super) bell: Bell,
    /// Whether the wheel scrolls.
    pub(crate) mouse: bool,
    pub(super) focused: bool,
    /// Conversations that were opened at the client.
    pub(super) open: BTreeSet<Name>,
    /// Whose key a person wants to see.
    pub(super) asked_keys: BTreeSet<Name>,
    pub(super) cut: String,
    /// Where one is in what was written before, and the draft that one had.
    pub(super) recalled: Option<(usize, String)>,
    pub(super) memory: Memory,
    pub(super) effects: Vec<Effect>,
    pub(super) now: Timestamp,
}

/// What the app begins with.
pub(crate) struct Start {
    pub(crate) user: Name,
    pub(crate) server: String,
    /// Whether its key was known from its address.
    pub(crate) named: bool,
    pub(crate) to: Option<Name>,
    pub(crate) zone: TimeZone,
    pub(crate) size: (u16, u16),
    pub(crate) bell: Bell,
    pub(crate) mouse: bool,
    pub(crate) memory: Memory,
}

impl App {
    pub(crate) fn new(start: Start) -> Self {
        let Start { user, server, named, to, zone, size, bell, mouse, mut memory } = start;
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
            since: None,
            contact: None,
            conversations: Vec::new(),
            current: None,
            closed: BTreeMap::new(),
            overlay: None,
            origin: None,
            panel: Panel::default(),
            lobby: Composer::with(std::mem::take(&mut memory.draft)),
            bare: false,
            leaving: false,
            finishing: false,
            transfers: Transfers::default(),
            overviewed: false,
            bell,
            mouse,
            focused: true,
            open: BTreeSet::new(),
            asked_keys: BTreeSet::new(),
            cut: String::new(),
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
    pub(crate) fn update(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.happen(input, now);
        self.settle()
    }

    /// Takes in what happened. There may be more of it before it [settles](Self::settle).
    pub(crate) fn happen(&mut self, input: Input, now: Timestamp) {
        self.now = now;
        self.since.get_or_insert(now);
        match input {
            Input::Key(key) => self.press(&key),
            Input::Paste(text) => self.paste(text),
            Input::PastedFile(text, path) => self.paste_file(text, path),
            Input::Paths { begun, all } => self.complete_path(&begun, &all),
            Input::Resized(width, height) => self.size = (width, height),
            Input::Scroll { by, down } => self.scroll(by, down),
            Input::Focus(focused) => self.focus(focused),
            Input::Event(event) => self.take(event),
            Input::Failed(what) => self.tell(what),
            Input::Tick => {}
        }
    }

    /// What follows from what happened, and is to be done.
    pub(crate) fn settle(&mut self) -> Vec<Effect> {
        let is_free = self.overviewed && self.current.is_none() && self.lobby.is_empty();
        if is_free && self.overlay.is_none() && !self.conversations.is_empty() {
            self.turn_to(0);
        }
        if self.finishing && self.unsent() == 0 {
            self.finishing = false;
            self.leave();
        }
        self.look();
        std::mem::take(&mut self.effects)
    }

    /// What is to be there again next time.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = self.memory.clone();
        memory.current = self.current().map(|it| it.peer.to_string());
        memory.draft = self.lobby.text().to_string();
        for it in self.conversations.iter().chain(self.closed.values()) {
            let person = self.person(it);
            match person == Person::default() {
                true => memory.people.remove(it.peer.as_str()),
                false => memory.people.insert(it.peer.to_string(), person),
            };
        }
        memory
    }

    /// What is to be there again of one conversation.
    pub(super) fn person(&self, it: &Conversation) -> Person {
        let scroll = it.anchor().map(|Anchor { id, skip }| (id, skip));
        let mut written = it.written.clone();
        let is_current = self.current().is_some_and(|current| current.peer == it.peer);
        written.extend(self.changed().filter(|_| is_current).map(String::from));
        Person { draft: self.draft(it).to_string(), scroll, muted: it.muted, written }
    }

    /// What one is writing there, also while one looks at what one wrote before.
    pub(super) fn draft<'a>(&'a self, conversation: &'a Conversation) -> &'a str {
        let is_current = self.current().is_some_and(|it| it.peer == conversation.peer);
        match &self.recalled {
            Some((_, draft)) if is_current => draft,
            _ => conversation.composer.text(),
        }
    }

    /// The terminal's title.
    pub(crate) fn title(&self) -> String {
        let unread: usize =
            self.conversations.iter().filter(|it| !it.muted).map(Conversation::unread).sum();
        let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
        match self.current() {
            Some(it) => format!("{count}{} - TinyChat", it.peer),
            None => format!("{count}TinyChat"),
        }
    }

    pub(crate) fn current(&self) -> Option<&Conversation> {
        self.conversations.get(self.current?)
    }

    pub(super) fn current_mut(&mut self) -> Option<&mut Conversation> {
        self.conversations.get_mut(self.current?)
    }

    /// How many own messages the server has not stored.
    pub(crate) fn unsent(&self) -> u64 {
        self.conversations.iter().map(|it| it.unsent).sum()
    }

    /// How much is unread in other conversations, and how many ask to be heard.
    pub(crate) fn elsewhere(&self) -> (u64, u64) {
        let others = self.conversations.iter().enumerate();
        let others = others.filter(|(index, _)| Some(*index) != self.current).map(|(_, it)| it);
        others.fold((0, 0), |(unread, requests), it| {
            (unread + it.unread() as u64, requests + u64::from(it.request > 0))
        })
    }

    /// Whether time alone changes something in sight.
    pub(crate) fn is_clock_shown(&self) -> bool {
        matches!(self.line, Line::Away { .. })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn areas(&self) -> Areas {
        let input = |width: u16| self.composer().shown(width).0.len();
        let panel = |width: u16| self.panel().rows(width).len();
        let contents = Contents { bare: self.bare, transfers: self.transfers.len() };
        Areas::of(self.size, contents, input, panel)
    }

    pub(crate) fn pane(&self) -> Pane {
        let area = self.areas().messages;
        let (width, height) = (area.width, area.height);
        Pane { width, height, zone: self.zone.clone(), bare: self.bare }
    }

    /// What is being written.
    pub(crate) fn composer(&self) -> &Composer {
        self.current().map_or(&self.lobby, |it| &it.composer)
    }

    pub(super) fn composer_mut(&mut self) -> &mut Composer {
        let Self { conversations, current, lobby, .. } = self;
        let it = current.and_then(|index| conversations.get_mut(index));
        it.map_or(lobby, |it| &mut it.composer)
    }

    /// What there is to say.
    pub(crate) fn panel(&self) -> &Panel {
        self.current().map_or(&self.panel, |it| &it.panel)
    }

    pub(super) fn panel_mut(&mut self) -> &mut Panel {
        let Self { conversations, current, panel, .. } = self;
        let it = current.and_then(|index| conversations.get_mut(index));
        it.map_or(panel, |it| &mut it.panel)
    }

    pub(crate) fn sight(&self) -> Option<Sight> {
        Some(self.current()?.sight(&self.pane()))
    }

    /// How many columns and rows pictures have; none where there is no room for any.
    pub(crate) fn picture_area(&self) -> Option<(u16, u16)> {
        let pane = self.pane();
        let (columns, rows) = (pane.width.saturating_sub(pane.indent()), pane.height / 2);
        let area = (columns.min(PICTURE.0), rows.min(PICTURE.1));
        (columns >= 8 && rows >= 3).then_some(area)
    }

    /// The messages in sight that have pictures which are here.
    pub(crate) fn pictures(&self) -> Vec<i64> {
        self.sight().map(|sight| sight.pictures).unwrap_or_default()
    }

    /// The picture of a message in sight takes so many rows.
    pub(crate) fn picture_has(&mut self, id: i64, rows: u16) {
        if let Some(it) = self.current_mut() {
            it.picture_has(id, rows);
        }
    }

    /// The picture of a message in sight is not shown, and why.
    pub(crate) fn picture_is_refused(&mut self, id: i64, why: &str) {
        if let Some(it) = self.current_mut() {
            it.picture_is_refused(id, why);
        }
    }

    pub(super) fn give(&mut self, command: Command) {
        self.effects.push(Effect::Give(command));
    }

    /// Says something to the person, where they look.
    pub(super) fn tell(&mut self, text: impl Into<String>) {
        self.panel_mut().tell(text, false);
    }

    pub(super) fn tell_all(&mut self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.tell(line));
    }

    /// Says something where it belongs: in the conversation with somebody, if there is one.
    pub(super) fn tell_about(&mut self, peer: &Name, text: impl Into<String>, urgent: bool) {
        self.panel_about(peer).tell(text, urgent);
    }

    /// The panel of the conversation with somebody, or where there is none, the one in front.
    pub(super) fn panel_about(&mut self, peer: &Name) -> &mut Panel {
        match self.conversations.iter().position(|it| it.peer == *peer) {
            Some(index) => &mut self.conversations[index].panel,
            None => self.panel_mut(),
        }
    }

    /// What came while nobody looked begins at a line, as if one turned to it.
    pub(super) fn focus(&mut self, focused: bool) {
        let pane = self.pane();
        let was_focused = std::mem::replace(&mut self.focused, focused);
        if let Some(index) = self.current.filter(|_| focused && !was_focused) {
            self.conversations[index].enter(&pane);
        }
    }

    /// What is in sight was seen, and what will be soon is loaded.
    pub(super) fn look(&mut self) {
        let pane = self.pane();
        let (focused, index) = (self.focused, self.current);
        let Some(current) = index.and_then(|index| self.conversations.get_mut(index)) else {
            return;
        };
        let peer = current.peer.clone();
        let page = |place| Command::Page { peer: peer.clone(), place, limit: PAGE };
        let mut commands: Vec<Command> = current.wants(&pane).into_iter().map(page).collect();
        if focused {
            let sight = current.sight(&pane);
            commands.extend(current.see(&sight).into_iter().map(Command::Shown));
        }
        commands.into_iter().for_each(|command| self.give(command));
    }
}

/// Whether somebody is there, for a list.
pub(crate) fn is_online(conversation: &Conversation) -> bool {
    conversation.presence == Some(Presence::Online)
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
