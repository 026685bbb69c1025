//! What the screen makes of keys and events. Here is who sits at it; no tests.

mod addresses;
mod overlays;
mod properties;
mod screens;
mod stories;
mod surprises;

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::client::{Incoming, KeyAnswer, Passage, Place, Record, State, Summary};
use crate::message::Kind;
use crate::trust::Fingerprint;
use crate::ui::tui::display::canvas::Canvas;
use crate::ui::tui::theme::Theme;
use crate::ui::tui::view;
use crate::ui::wrap::columns;
use crate::wire::frame::Refusal;
use crossterm::event::{KeyCode, KeyModifiers};

/// Friday, 20 November 2026, 9:30.
const MORNING: Timestamp = Timestamp(1_795_167_000_000);

const MINUTE: u64 = 60_000;

/// An app, the time, and the client that it talks to.
struct Desk {
    app: App,
    now: Timestamp,
    next: i64,
    effects: Vec<Effect>,
    opened: BTreeSet<String>,
}

impl Desk {
    /// John's, who begins to talk to somebody; nothing was ever said, and the server is there.
    fn of(to: Option<&str>, size: (u16, u16)) -> Self {
        let mut desk = Self::begin(to, size, Memory::default());
        desk.hear(Event::Overview(Vec::new()));
        desk.hear(Event::Connected);
        desk
    }

    fn begin(to: Option<&str>, size: (u16, u16), memory: Memory) -> Self {
        let app = App::new(Start {
            user: name("john"),
            server: "chat.example.org".into(),
            named: true,
            to: to.map(name),
            zone: TimeZone::UTC,
            size,
            bell: Bell::Direct,
            mouse: false,
            memory,
        });
        Self { app, now: MORNING, next: 1, effects: Vec::new(), opened: BTreeSet::new() }
    }

    /// With marie, who is there and has said something, and anna.
    fn busy(size: (u16, u16)) -> Self {
        let mut desk = Self::of(Some("marie"), size);
        desk.hear(Event::Page { peer: name("marie"), place: Place::Newest, records: Vec::new() });
        desk.opens("marie", 0);
        desk.comes("marie");
        let key = Some(Fingerprint::of(b"marie's"));
        desk.hear(Event::Key(KeyAnswer {
            name: name("marie"),
            key,
            current: true,
            pair: None,
            verified: false,
        }));
        desk.says("marie", "good morning! is the train on time?");
        desk.writes("it is; I sit in the second carriage");
        desk.hear(delivered("marie", 1));
        desk.says("marie", "then I come to the platform");
        desk
    }

    fn take(&mut self, input: Input) {
        let effects = self.app.update(input, self.now);
        self.effects.extend(effects);
    }

    fn hear(&mut self, event: Event) {
        self.take(Input::Event(event));
    }

    /// The server opens a conversation, in which so much waits.
    fn opens(&mut self, peer: &str, waiting: u64) {
        self.opened.insert(peer.to_string());
        self.hear(Event::Opened { peer: name(peer), presence: Presence::Away, waiting });
    }

    fn comes(&mut self, peer: &str) {
        self.hear(Event::Presence { peer: name(peer), presence: Presence::Online });
    }

    fn says(&mut self, peer: &str, text: &str) {
        if self.opened.insert(peer.to_string()) {
            self.opens(peer, 0);
        }
        self.now.0 += MINUTE;
        let (id, time) = (self.next(), self.now);
        let body = text.to_string().into();
        self.hear(Event::Message(Incoming {
            id,
            peer: name(peer),
            time,
            kind: Kind::TEXT,
            body,
            passage: Passage::Sealed,
            file: None,
            written: None,
        }));
    }

    /// Types into the conversation in front and sends; the client puts what was said on its disk.
    fn writes(&mut self, text: &str) {
        self.types(text);
        self.press(KeyCode::Enter);
        self.obey();
    }

    /// The client takes what it was given: what was written comes back from its disk.
    fn obey(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            let Effect::Give(Command::Send { peer, text }) = effect else { continue };
            let id = self.next();
            let own = |it: &&Record| it.own;
            let before = self.app.find(&peer).unwrap().records().filter(own).count();
            let (n, body) = (before as u64 + 1, text.into());
            let (kind, state) = (Kind::TEXT, State::Waiting);
            let (time, passage, file) = (self.now, Passage::Sealed, None);
            let written = None;
            let record =
                Record { id, own: true, n, time, kind, body, state, passage, file, written };
            self.hear(Event::Written { peer, record });
        }
    }

    fn types(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    fn press(&mut self, code: KeyCode) {
        self.take(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn ctrl(&mut self, c: char) {
        self.take(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)));
    }

    fn alt(&mut self, c: char) {
        self.take(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT)));
    }

    fn next(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    fn draft(&self) -> &str {
        self.app.current().unwrap().composer.text()
    }

    /// What the app had done since it was last asked.
    fn gave(&mut self) -> Vec<Command> {
        let effects = std::mem::take(&mut self.effects).into_iter();
        effects
            .filter_map(|it| if let Effect::Give(command) = it { Some(command) } else { None })
            .collect()
    }

    fn canvas(&self, theme: Theme) -> Canvas {
        let mut canvas = Canvas::empty(self.app.size);
        view::draw(&mut canvas, &self.app, theme, None);
        canvas
    }

    fn screen(&self) -> String {
        let (width, height) = self.app.size;
        let canvas = self.canvas(Theme { colours: true });
        let buffer = canvas.buffer();
        let row = |y| {
            let (mut x, mut row) = (0, String::new());
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                row += symbol;
                x += columns(symbol).max(1);
            }
            row.trim_end().to_string()
        };
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn delivered(peer: &str, n: u64) -> Event {
    Event::Receipts { peer: name(peer), stored: vec![n], delivered: vec![n] }
}

fn stored(peer: &str, n: u64) -> Event {
    Event::Receipts { peer: name(peer), stored: vec![n], delivered: Vec::new() }
}

fn away() -> Event {
    let because = Absence::Server("connection refused".into());
    Event::Disconnected { because, retry_in: Duration::from_secs(1) }
}

#[track_caller]
fn assert_screen(desk: &Desk, expected: &str) {
    let screen = desk.screen();
    let expected =
        expected.strip_prefix('\n').and_then(|it| it.strip_suffix('\n')).unwrap_or(expected);
    assert!(screen == expected, "the screen is:\n{screen}\ninstead of:\n{expected}");
}
