//! What the screen makes of keys and events: screens as text, and what holds whatever happens.

use std::collections::BTreeSet;
use std::time::Duration;

use crossterm::event::KeyModifiers;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::view::{self, Theme};
use super::super::wrap::columns;
use super::*;
use crate::message::Kind;
use crate::wire::frame::Refusal;

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
            memory,
        });
        Self { app, now: MORNING, next: 1, effects: Vec::new(), opened: BTreeSet::new() }
    }

    /// With marie, who is there and has said something, and anna.
    fn busy(size: (u16, u16)) -> Self {
        let mut desk = Self::of(Some("marie"), size);
        desk.hear(Event::Page { peer: name("marie"), records: Vec::new() });
        desk.opens("marie", 0);
        desk.comes("marie");
        let key = Some(Fingerprint::of(b"marie's"));
        desk.hear(Event::Key { name: name("marie"), key, current: true });
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
        self.hear(Event::Message(Incoming { id, peer: name(peer), time, kind: Kind::TEXT, body }));
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
            let record = Record { id, own: true, n, time: self.now, kind, body, state };
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

    fn screen(&self) -> String {
        let (width, height) = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let theme = Theme { colours: true };
        terminal.draw(|frame| view::draw(frame, &self.app, theme)).unwrap();
        let buffer = terminal.backend().buffer();
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
    let because = "connection refused".to_string();
    Event::Disconnected { because, retry_in: Duration::from_secs(1) }
}

#[track_caller]
fn assert_screen(desk: &Desk, expected: &str) {
    let screen = desk.screen();
    let expected =
        expected.strip_prefix('\n').and_then(|it| it.strip_suffix('\n')).unwrap_or(expected);
    assert!(screen == expected, "the screen is:\n{screen}\ninstead of:\n{expected}");
}

// Screens.

#[test]
fn empty() {
    let mut desk = Desk::of(None, (60, 8));
    assert_screen(
        &desk,
        "
              │Nobody is here yet. Type a name, or press
              │Ctrl-K, to talk to somebody:
              │what you write waits for them. F1 explains
              │the rest.
              │
              │
              │ john online
              │
",
    );
    desk.types("mar");
    assert_screen(
        &desk,
        "
     ┌ Jump to ───────────────────────────────────────┐s
     │> mar                                           │
     │  mar, to whom you have not talked yet          │ns
     │                                                │
     │                                                │
     │                                                │
     │                                                │
     └────────────────────────────────────────────────┘
",
    );
    desk.press(KeyCode::Enter);
    assert_screen(
        &desk,
        "
1  mar        │
              │
              │
              │
              │
              │
              │ mar | john online
              │
",
    );
}

#[test]
fn busy() {
    let mut desk = Desk::busy((80, 14));
    desk.says("anna", "are you there?");
    desk.comes("anna");
    desk.says("anna", "the cat is back");
    desk.writes("the 9:40?");
    desk.hear(stored("marie", 2));
    desk.hear(away());
    desk.writes("hello?");
    desk.now.0 += 3 * MINUTE;
    desk.take(Input::Tick);
    desk.types("I meant");
    assert_screen(
        &desk,
        "
1  marie           │
2  anna           2│
                   │
                   │
                   │
                   │
                   │───────────────── Friday, 20 November 2026 ─────────────────
                   │09:31   marie: good morning! is the train on time?
                   │09:31 + you: it is; I sit in the second carriage
                   │09:32   marie: then I come to the platform
                   │09:34 - you: the 9:40?
                   │09:34 . you: hello?
                   │ 1 not sent | marie VqT94VF7 | no server for 3 min (connect…
                   │I meant
",
    );
}

#[test]
fn unread() {
    let mut desk = Desk::busy((70, 9));
    desk.says("anna", "hello");
    desk.alt('a');
    assert_eq!(desk.app.title(), "anna - TinyChat");
    for n in 1..=9 {
        desk.says("marie", &format!("stop {n} of 9"));
    }
    assert_eq!(desk.app.title(), "(9) anna - TinyChat");
    desk.alt('1');
    assert_screen(
        &desk,
        "
1+ marie       3│────────────────────── unread ───────────────────────
2  anna         │09:34   marie: stop 1 of 9
                │09:35   marie: stop 2 of 9
                │09:36   marie: stop 3 of 9
                │09:37   marie: stop 4 of 9
                │09:38   marie: stop 5 of 9
                │09:39   marie: stop 6 of 9
                │ 3 new below | marie online VqT94VF7 | john online
                │
",
    );
    assert_eq!(desk.app.title(), "(3) marie - TinyChat");
    desk.press(KeyCode::PageDown);
    assert_screen(
        &desk,
        "
1+ marie        │09:36   marie: stop 3 of 9
2  anna         │09:37   marie: stop 4 of 9
                │09:38   marie: stop 5 of 9
                │09:39   marie: stop 6 of 9
                │09:40   marie: stop 7 of 9
                │09:41   marie: stop 8 of 9
                │09:42   marie: stop 9 of 9
                │ marie online VqT94VF7 | john online
                │
",
    );
    assert_eq!(desk.app.title(), "marie - TinyChat");
}

#[test]
fn scrolled_up() {
    let mut desk = Desk::busy((70, 5));
    desk.press(KeyCode::Home);
    desk.says("marie", "are you there?");
    assert_screen(
        &desk,
        "
1+ marie       1│───────────── Friday, 20 November 2026 ──────────────
                │09:31   marie: good morning! is the train on time?
                │09:31 + you: it is; I sit in the second carriage
                │ 1 new below | marie online VqT94VF7 | john online
                │
",
    );
    desk.press(KeyCode::End);
    assert_eq!(desk.app.current().unwrap().unread(), 0);
}

#[test]
fn narrow() {
    let mut desk = Desk::busy((40, 12));
    desk.says("anna", "psst");
    desk.types("what I say takes more than one row of this screen,\nand another line");
    assert_screen(
        &desk,
        "

─────── Friday, 20 November 2026 ───────
09:31   marie: good morning! is the
        train on time?
09:31 + you: it is; I sit in the second
        carriage
09:32   marie: then I come to the
        platform
 marie online VqT94VF7 | john online
what I say takes more than one row of
this screen,
and another line
",
    );
}

#[test]
fn wide_characters() {
    let mut desk = Desk::of(Some("marie"), (60, 10));
    desk.says(
        "marie",
        "你好，世界！ 👩‍👩‍👧 e\u{301}te\u{301} こんにちは、元気ですか。とても長い一日でした",
    );
    desk.says("marie", "שלום привет ok");
    desk.types("字字字字字字字字字字字字字字字字字字字字字字字字");
    assert_screen(
        &desk,
        "
1  marie      │
              │
              │───────── Friday, 20 November 2026 ──────────
              │09:31   marie: 你好，世界！ 👩‍👩‍👧 été
              │        こんにちは、元気ですか。とても長い一
              │        日でした
              │09:32   marie: שלום привет ok
              │ marie away | john online
              │字字字字字字字字字字字字字字字字字字字字字字
              │字字
",
    );
}

#[test]
fn what_is_hostile_is_shown_as_data() {
    let mut desk = Desk::of(Some("marie"), (60, 7));
    desk.says("marie", "\u{1b}[2J\u{1b}]0;owned\u{7}hi\u{202e}there\r\ttab\u{9b}31m");
    desk.types("mine\u{202e}too");
    assert_screen(
        &desk,
        "
1  marie      │
              │
              │───────── Friday, 20 November 2026 ──────────
              │09:31   marie: �[2J�]0;owned�hi�there�
              │        tab�31m
              │ marie away | john online
              │mine�too
",
    );
}

#[test]
fn failed_message() {
    let mut desk = Desk::busy((70, 9));
    desk.writes("kept for too long");
    desk.hear(stored("marie", 2));
    desk.hear(Event::Expired { peer: name("marie"), n: 2 });
    desk.writes("kept back");
    let because = "marie keeps 1,000 messages for her already".to_string();
    desk.hear(Event::Refused { peer: name("marie"), n: 3, refusal: Refusal::Full, because });
    assert_screen(
        &desk,
        "
1+ marie        │09:31 + you: it is; I sit in the second carriage
                │09:32   marie: then I come to the platform
                │09:32 ! you: kept for too long
                │09:32 . you: kept back
                │-- marie cannot be sent more for now: marie keeps
                │-- 1,000 messages for her already; kept, and sent
                │-- when there is room
                │ 1 not sent | marie online VqT94VF7 | john online
                │
",
    );
}

#[test]
fn long_paste() {
    let mut desk = Desk::busy((60, 10));
    let lines = (1..=21).map(|n| format!("line {n}\n")).collect::<String>();
    desk.take(Input::Paste(lines.clone()));
    assert_screen(
        &desk,
        "
1+ marie      │
              │
              │───────── Friday, 20 November 2026 ──────────
     ┌ Paste ─────────────────────────────────────────┐n on
     │21 lines were pasted.                           │
     │Enter takes them as one message, Esc does not.  │
     └────────────────────────────────────────────────┘
              │09:32   marie: then I come to the platform
              │ marie online VqT94VF7 | john online
              │
",
    );
    desk.press(KeyCode::Esc);
    assert_eq!(desk.draft(), "");
    desk.take(Input::Paste(lines.clone()));
    desk.press(KeyCode::Enter);
    assert_eq!(desk.draft(), lines);
    assert_screen(
        &desk,
        "
1+ marie      │───────── Friday, 20 November 2026 ──────────
              │09:31   marie: good morning! is the train on
              │        time?
              │09:31 + you: it is; I sit in the second
              │        carriage
              │09:32   marie: then I come to the platform
              │ marie online VqT94VF7 | john online
              │line 20
              │line 21
              │
",
    );
    desk.gave();
    desk.press(KeyCode::Enter);
    let send = Command::Send { peer: name("marie"), text: lines };
    assert_eq!(desk.gave(), [send], "it is one message");
}

#[test]
fn request() {
    let mut desk = Desk::busy((60, 8));
    desk.hear(Event::Waiting { peer: name("mallory"), count: 3, known: false });
    desk.gave();
    desk.alt('2');
    assert_screen(
        &desk,
        "
1+ marie      │
2  mallory  ?3│
              │
              │mallory, who is new to you, has left 3
              │messages. Enter shows what, /BLOCK mallory
              │refuses it.
              │ mallory | john online
              │
",
    );
    assert_eq!(desk.gave().len(), 1, "what is there is looked up, and nothing is opened");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.gave(), [Command::Talk(name("mallory")), Command::Key(Some(name("mallory")))]);
    desk.says("mallory", "buy now");
    assert_screen(
        &desk,
        "
1+ marie      │
2  mallory    │
              │
              │
              │───────── Friday, 20 November 2026 ──────────
              │09:33   mallory: buy now
              │ mallory away | john online
              │
",
    );
}

#[test]
fn a_changed_key() {
    let mut desk = Desk::busy((80, 11));
    let [was, now] = [b"one", b"two"].map(|key| Fingerprint::of(key));
    desk.hear(Event::KeyChanged { peer: name("marie"), was, now });
    assert_screen(
        &desk,
        "
1+ marie           │** SHA256:dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0
                   │**   now:
                   │** SHA256:P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM
                   │** Either marie lost the old one and the server's operator
                   │** gave the name again, or
                   │** somebody else has the name now. Compare the new key by
                   │** voice: /FINGERPRINT marie
                   │** What you write to marie stays here until you accept it:
                   │** /TRUST marie
                   │ marie online VqT94VF7 | john online
                   │
",
    );
}

#[test]
fn help() {
    let mut desk = Desk::busy((80, 24));
    desk.press(KeyCode::F(1));
    assert_screen(
        &desk,
        "
┌ Help: Esc closes, PgUp and PgDn scroll ──────────────────────────────────────┐
│Beside what you wrote                                                         │
│  .                     it waits here, and is sent when the server is there   │
│  -                     it is stored on the server, and waits there           │
│  +                     it is delivered                                       │
│  =                     it was read (said only by people who want that)       │
│  !                     it failed: the server kept it for as long as it keeps │
│                        messages                                              │
│In the list                                                                   │
│  +                     online                                                │
│  *                     a draft                                               │
│  m                     muted                                                 │
│  3                     so many unread                                        │
│  ?3                    so many from somebody who is new to you: a request    │
│Keys                                                                          │
│  Enter                 send, or do what is asked                             │
│  Alt-Enter             begin a new line                                      │
│  Tab                   complete a command or a name                          │
│  Up, Down              move; at the first or last row through what you wrote │
│                        before                                                │
│  Alt-B, Alt-F          move by words                                         │
│  Ctrl-A, Ctrl-E        move to the line's beginning or end                   │
│  Ctrl-U, Ctrl-K        cut to the line's beginning or end                    │
└──────────────────────────────────────────────────────────────────────────────┘
",
    );
    for _ in 0..9 {
        desk.press(KeyCode::PageDown);
    }
    assert_screen(
        &desk,
        "
┌ Help: Esc closes, PgUp and PgDn scroll ──────────────────────────────────────┐
│  Ctrl-L                draw the screen anew                                  │
│  F1                    this page                                             │
│  Esc                   close what is in front                                │
│  Ctrl-C                clear what you are writing; twice: leave              │
│  Ctrl-D                where nothing is written: leave                       │
│  Alt-1 to Alt-9        turn to one of the first nine conversations           │
│What you may type                                                             │
│  /TALK name            start a conversation, or turn to one that is open     │
│  /CLOSE [name]         close this conversation, or the one with somebody     │
│  /ONLINE               list the people who are online                        │
│  /STATUS               say how the line to the server is, and what has not   │
│                        arrived yet                                           │
│  /FINGERPRINT [name]   show your key, or somebody's, to compare by voice     │
│  /TRUST name           accept the new key of somebody whose key has changed  │
│  /BLOCK [name]         hear no more of somebody; alone: list whom you block  │
│  /UNBLOCK name         hear of somebody again                                │
│  /MUTE [name]          on the full screen: no bell for somebody, and no      │
│                        count in the title; again: as before                  │
│  /HELP                 print this list                                       │
│  /QUIT                 send what is written, then leave; so do QUIT alone on │
│                        a line and Ctrl-D                                     │
│  //text                send a line that begins with a slash                  │
└──────────────────────────────────────────────────────────────────────────────┘
",
    );
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("good morning!"));
}

#[test]
fn jump() {
    let mut desk = Desk::busy((60, 16));
    desk.ctrl('k');
    desk.types("m");
    assert_screen(
        &desk,
        "
1+ marie      │
     ┌ Jump to ───────────────────────────────────────┐
     │> m                                             │
     │  marie                                         │
     │  /MUTE [name]                                  │
     │  /TALK name                                    │
     │  /CLOSE [name]                                 │
     │  /FINGERPRINT [name]                           │
     │  /TRUST name                                   │─────
     │  /BLOCK [name]                                 │n on
     │  /UNBLOCK name                                 │
     │  m, to whom you have not talked yet            │
     │                                                │
     │                                                │rm
     └────────────────────────────────────────────────┘
              │
",
    );
    desk.types("rie");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().peer, name("marie"));
}

#[test]
fn leaving() {
    let mut desk = Desk::busy((60, 6));
    desk.types("half a thought");
    desk.ctrl('c');
    assert_eq!(desk.draft(), "");
    desk.ctrl('y');
    assert_eq!(desk.draft(), "half a thought");
    desk.ctrl('c');
    desk.gave();
    desk.ctrl('c');
    assert_screen(
        &desk,
        "
1+ marie      │        time?
              │09:31 + you: it is; I sit in the second
              │        carriage
              │09:32   marie: then I come to the platform
              │ Ctrl-C again leaves | marie online VqT94VF7…
              │
",
    );
    assert_eq!(desk.gave(), []);
    desk.ctrl('c');
    assert_eq!(desk.gave(), [Command::Leave]);
}

#[test]
fn who_quits_with_something_unsent_waits_for_it_unless_they_press_ctrl_c() {
    let mut desk = Desk::busy((80, 6));
    desk.hear(away());
    desk.writes("wait for this");
    desk.writes("/QUIT");
    assert!(desk.screen().contains("waiting to send; Ctrl-C leaves at once"), "{}", desk.screen());
    desk.types("/QUIT");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.gave(), [Command::Finish]);
    desk.ctrl('c');
    assert_eq!(desk.gave(), [Command::Leave]);
    let mut desk = Desk::busy((80, 6));
    desk.gave();
    desk.types("QUIT");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.gave(), [Command::Leave], "nothing is to be sent");
}

#[test]
fn without_colours_there_are_none() {
    let desk = Desk::busy((80, 24));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    for (colours, expected) in [(true, true), (false, false)] {
        terminal.draw(|frame| view::draw(frame, &desk.app, Theme { colours })).unwrap();
        let buffer = terminal.backend().buffer();
        let coloured = buffer.content().iter().any(|cell| cell.fg != ratatui::style::Color::Reset);
        assert_eq!(coloured, expected);
    }
}

// Keys.

#[test]
fn several_lines_are_one_message() {
    let mut desk = Desk::busy((80, 24));
    desk.types("one");
    desk.take(Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
    desk.types("two");
    desk.gave();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.gave(), [Command::Send { peer: name("marie"), text: "one\ntwo".into() }]);
}

#[test]
fn what_was_written_before_comes_back_and_the_draft_behind_it() {
    let mut desk = Desk::busy((80, 24));
    desk.writes("one");
    desk.writes("two");
    desk.types("dra");
    desk.press(KeyCode::Up);
    desk.press(KeyCode::Up);
    assert_eq!(desk.draft(), "one");
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Down);
    assert_eq!(desk.draft(), "dra");
    desk.press(KeyCode::Up);
    desk.writes(" and a half");
    assert_eq!(desk.draft(), "dra", "one goes on with what one was writing");
    let last = desk.app.current().unwrap().records().last().unwrap();
    assert_eq!(&last.body[..], b"two and a half");
}

#[test]
fn a_mistake_stays_to_be_put_right() {
    let mut desk = Desk::busy((80, 24));
    desk.writes("/TLAK anna");
    assert_eq!(desk.draft(), "/TLAK anna");
    assert!(desk.screen().contains("did you mean /TALK?"));
    desk.ctrl('u');
    desk.take(Input::Paste("x".repeat(MAX_BODY + 1)));
    desk.writes("");
    assert_eq!(desk.draft().len(), MAX_BODY + 1);
    assert!(desk.screen().contains("a message has at most 65536 bytes; not sent"));
    desk.take(Input::Paste("x".repeat(MAX_BODY)));
    assert_eq!(desk.draft().len(), MAX_BODY + 1, "more is not taken");
}

#[test]
fn tab_completes_commands_and_names() {
    let mut desk = Desk::busy((80, 24));
    desk.says("marianne", "hi");
    for (typed, completed) in [
        ("/on", "/ONLINE "),
        ("/B", "/BLOCK "),
        ("/TALK mar", "/TALK mari"),
        ("/TALK maria", "/TALK marianne "),
        ("ask marie", "ask marie "),
        ("nobody", "nobody"),
    ] {
        desk.types(typed);
        desk.press(KeyCode::Tab);
        assert_eq!(desk.draft(), completed);
        desk.ctrl('u');
    }
}

#[test]
fn one_gets_to_the_next_unread_and_around() {
    let mut desk = Desk::busy((80, 24));
    for peer in ["anna", "bob", "carl"] {
        desk.says(peer, "hello");
    }
    let current = |desk: &Desk| desk.app.current().unwrap().peer.to_string();
    desk.alt('3');
    desk.alt('a');
    assert_eq!(current(&desk), "carl");
    desk.alt('a');
    assert_eq!(current(&desk), "anna");
    desk.alt('a');
    assert_eq!(current(&desk), "anna", "all is read");
    desk.ctrl('p');
    assert_eq!(current(&desk), "marie");
    desk.ctrl('p');
    assert_eq!(current(&desk), "carl");
    desk.ctrl('n');
    assert_eq!(current(&desk), "marie");
}

#[test]
fn a_letter_with_ctrl_that_means_nothing_writes_nothing() {
    let mut desk = Desk::busy((80, 24));
    desk.ctrl('x');
    desk.alt('x');
    assert_eq!(desk.draft(), "");
}

// Attention.

#[test]
fn the_bell_rings_for_what_one_does_not_look_at_unless_it_is_muted() {
    let mut desk = Desk::busy((80, 24));
    let rings = |desk: &mut Desk, peer: &str| {
        desk.effects.clear();
        desk.says(peer, "hello");
        desk.effects.contains(&Effect::Bell)
    };
    assert!(rings(&mut desk, "anna"));
    assert!(!rings(&mut desk, "marie"), "one looks at it");
    desk.take(Input::Focus(false));
    assert!(rings(&mut desk, "marie"), "one does not look at all");
    desk.writes("/MUTE anna");
    assert!(!rings(&mut desk, "anna"));
    assert_eq!(desk.app.title(), "(1) marie - TinyChat", "what is muted is not counted");
    desk.writes("/MUTE anna");
    assert!(rings(&mut desk, "anna"));
    for (bell, message, request) in
        [(Bell::Off, false, false), (Bell::Direct, true, false), (Bell::All, true, true)]
    {
        let mut desk = Desk::busy((80, 24));
        desk.app.bell = bell;
        assert_eq!(rings(&mut desk, "anna"), message);
        desk.effects.clear();
        desk.hear(Event::Waiting { peer: name("mallory"), count: 1, known: false });
        assert_eq!(desk.effects.contains(&Effect::Bell), request);
    }
}

#[test]
fn what_comes_while_one_is_elsewhere_is_unread_and_begins_at_a_line() {
    let mut desk = Desk::busy((60, 8));
    desk.take(Input::Focus(false));
    desk.gave();
    for n in 1..=9 {
        desk.says("marie", &format!("stop {n}"));
    }
    assert_eq!(desk.app.title(), "(9) marie - TinyChat");
    assert_eq!(desk.gave(), [], "nothing was shown to anybody");
    desk.take(Input::Focus(true));
    let screen = desk.screen();
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[0].contains(" unread ") && lines[1].contains("stop 1"), "{screen}");
    assert!(screen.contains("4 new below"), "{screen}");
}

#[test]
fn what_waited_is_read_from_its_beginning_and_what_comes_later_at_the_end() {
    let mut desk = Desk::of(Some("marie"), (60, 8));
    desk.opens("marie", 9);
    for n in 1..=10 {
        desk.says("marie", &format!("stop {n}"));
    }
    let screen = desk.screen();
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[1].contains(" unread ") && lines[2].contains("stop 1"), "{screen}");
    assert!(screen.contains("6 new below"), "{screen}");
    desk.press(KeyCode::End);
    desk.says("marie", "stop 11");
    assert!(desk.screen().contains("stop 11"));
    assert_eq!(desk.app.current().unwrap().unread(), 0);
}

// Across conversations and runs.

#[test]
fn what_is_closed_is_as_it_was_when_it_is_opened_again() {
    let mut desk = Desk::busy((60, 12));
    desk.says("anna", "hello");
    desk.types("half a thought");
    desk.alt('2');
    desk.alt('1');
    desk.alt('2');
    desk.writes("/CLOSE marie");
    assert_eq!(desk.app.conversations.len(), 1);
    desk.hear(stored("marie", 1));
    assert_eq!(desk.app.conversations.len(), 1, "a receipt opens nothing");
    desk.writes("/TALK marie");
    assert_eq!(desk.draft(), "half a thought");
    assert!(desk.screen().contains("then I come to the platform"));
    desk.ctrl('c');
    desk.writes("/CLOSE");
    assert_eq!(desk.app.current().unwrap().peer, name("anna"));
    desk.writes("/CLOSE");
    assert!(desk.screen().contains("Nobody is here yet"));
}

#[test]
fn drafts_places_and_who_is_muted_survive_a_restart() {
    let mut desk = Desk::busy((60, 6));
    desk.types("half a thought");
    desk.press(KeyCode::PageUp);
    let anchor = desk.app.current().unwrap().anchor();
    assert!(anchor.is_some());
    desk.says("anna", "hello");
    desk.alt('2');
    desk.writes("/MUTE");
    desk.types("to anna");
    let memory = desk.app.memory();

    let mut later = Desk::begin(None, (60, 6), memory.clone());
    let summary = |peer, last, unsent| Summary { peer: name(peer), last, known: true, unsent };
    later.hear(Event::Overview(vec![summary("marie", MORNING, 2), summary("anna", MORNING, 0)]));
    assert_eq!(later.app.current().unwrap().peer, name("anna"), "one is where one was");
    assert_eq!(later.draft(), "to anna");
    assert!(later.app.current().unwrap().muted);
    assert_eq!(later.app.unsent(), 2);
    later.alt('1');
    assert_eq!(later.draft(), "half a thought");
    let page = |ids: std::ops::RangeInclusive<i64>| {
        let record = |id| Record {
            id,
            own: false,
            n: 1,
            time: MORNING,
            kind: Kind::TEXT,
            body: "old".into(),
            state: State::Shown,
        };
        Event::Page { peer: name("marie"), records: ids.map(record).collect() }
    };
    later.gave();
    later.hear(page(301..=500));
    let below = Some(301);
    assert_eq!(later.gave(), [Command::Page { peer: name("marie"), below, limit: PAGE }]);
    later.hear(page(101..=300));
    later.gave();
    later.hear(page(1..=100));
    assert_eq!(later.app.current().unwrap().anchor(), anchor);
    assert_eq!(later.app.memory().people, memory.people);
}

// Whatever happens.

/// What may happen, as the property makes it up.
#[derive(Clone, Debug)]
enum Step {
    /// Something is typed that is nowhere else.
    Letter,
    Key(KeyCode, KeyModifiers),
    Line(&'static str),
    Paste(usize),
    Resized(u16, u16),
    Focus(bool),
    Says(usize),
    Waits(usize, u64),
    Page(usize),
    Stored(usize),
    Connected(bool),
    Presence(usize),
}

const PEOPLE: [&str; 4] = ["marie", "anna", "bob", "Łukasz"];

fn step() -> impl Strategy<Value = Step> {
    let keys: Vec<(KeyCode, KeyModifiers)> = keys::KEYS.iter().map(keys::Key::stroke).collect();
    let lines = [
        "/TALK anna",
        "/TALK bob",
        "/CLOSE",
        "/CLOSE anna",
        "/MUTE",
        "/ONLINE",
        "/HELP",
        "/BLOCK bob",
        "/STATUS",
        "/nonsense",
        "/FINGERPRINT",
        "/QUIT",
    ];
    prop_oneof![
        6 => Just(Step::Letter),
        8 => prop::sample::select(keys).prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        2 => (b'1'..=b'9').prop_map(|c| Step::Key(KeyCode::Char(c.into()), KeyModifiers::ALT)),
        2 => prop::sample::select(lines.to_vec()).prop_map(Step::Line),
        1 => prop::sample::select(vec![1, 3, 30]).prop_map(Step::Paste),
        1 => (0..100u16, 0..30u16).prop_map(|(width, height)| Step::Resized(width, height)),
        1 => any::<bool>().prop_map(Step::Focus),
        6 => (0..4usize).prop_map(Step::Says),
        1 => (0..4usize, 0..3u64).prop_map(|(peer, count)| Step::Waits(peer, count)),
        1 => (0..4usize).prop_map(Step::Page),
        1 => (0..4usize).prop_map(Step::Stored),
        1 => any::<bool>().prop_map(Step::Connected),
        1 => (0..4usize).prop_map(Step::Presence),
    ]
}

/// What is typed in a step: one letter that no other step types.
fn letter(number: usize) -> char {
    char::from_u32(0x4e00 + u32::try_from(number).unwrap()).unwrap()
}

/// Of what was typed so: what is written anywhere, or was sent, or is kept to be brought back.
fn letters(desk: &Desk, sent: &str) -> BTreeSet<char> {
    let app = &desk.app;
    let all = app.conversations.iter().chain(app.closed.values());
    let mut texts: Vec<&str> = all.map(|it| it.composer.text()).collect();
    texts.extend([app.cut.as_str(), sent]);
    texts.extend(app.recalled.as_ref().map(|(_, draft)| draft.as_str()));
    texts.extend(app.written.iter().map(String::as_str));
    if let Some(Overlay::Paste(text, _)) = &app.overlay {
        texts.push(text);
    }
    texts.iter().flat_map(|text| text.chars()).filter(|c| *c >= letter(0)).collect()
}

/// Keys that take away, and of which one knows it: what was cut before, too, is forgotten then.
fn takes_away(step: &Step, before: &App) -> bool {
    let Step::Key(code, modifiers) = step else { return false };
    let action = keys::action(&KeyEvent::new(*code, *modifiers));
    let closes =
        matches!(action, Some(Action::Cancel | Action::Interrupt | Action::Send | Action::Help));
    closes && before.overlay.is_some()
        || matches!(
            action,
            Some(
                Action::Backspace
                    | Action::Delete
                    | Action::EndOfInput
                    | Action::KillToEnd
                    | Action::KillToStart
                    | Action::KillWord
                    | Action::Interrupt
            )
        )
}

proptest! {
    #[test]
    fn whatever_happens_no_draft_is_lost_and_unread_is_what_came_and_was_not_seen(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut desk = Desk::of(Some("marie"), (80, 24));
        let (mut came, mut seen, mut sent) = (BTreeSet::new(), BTreeSet::new(), String::new());
        for (number, step) in steps.into_iter().enumerate() {
            let may_lose = takes_away(&step, &desk.app);
            let before = letters(&desk, &sent);
            let focused = desk.app.focused;
            happen(&mut desk, &step, number, &mut came);
            for effect in std::mem::take(&mut desk.effects) {
                match effect {
                    Effect::Give(Command::Shown(id)) => {
                        prop_assert!(focused || desk.app.focused, "nobody looked");
                        prop_assert!(seen.insert(id), "seen twice");
                    }
                    Effect::Give(Command::Send { text, .. }) => sent += &text,
                    _ => {}
                }
            }
            let after = letters(&desk, &sent);
            prop_assert!(may_lose || before.is_subset(&after), "{step:?} lost {:?}", &before - &after);
            let app = &desk.app;
            let unread: usize =
                app.conversations.iter().chain(app.closed.values()).map(Conversation::unread).sum();
            prop_assert!(seen.is_subset(&came));
            prop_assert_eq!(unread, came.len() - seen.len());
            desk.screen();
        }
    }
}

fn happen(desk: &mut Desk, step: &Step, number: usize, came: &mut BTreeSet<i64>) {
    match *step {
        Step::Letter => desk.press(KeyCode::Char(letter(number))),
        Step::Key(code, modifiers) => desk.take(Input::Key(KeyEvent::new(code, modifiers))),
        Step::Line(line) => {
            desk.types(line);
            desk.press(KeyCode::Enter);
        }
        Step::Paste(lines) => {
            desk.take(Input::Paste(format!("{}\n", letter(number)).repeat(lines)));
        }
        Step::Resized(width, height) => desk.take(Input::Resized(width, height)),
        Step::Focus(focused) => desk.take(Input::Focus(focused)),
        Step::Says(peer) => {
            desk.says(PEOPLE[peer], &"words and more words ".repeat(number % 20));
            came.insert(desk.next);
        }
        Step::Waits(peer, count) => {
            desk.hear(Event::Waiting { peer: name(PEOPLE[peer]), count, known: false });
        }
        Step::Page(peer) => {
            desk.hear(Event::Page { peer: name(PEOPLE[peer]), records: Vec::new() });
        }
        Step::Stored(peer) => desk.hear(stored(PEOPLE[peer], 1)),
        Step::Connected(true) => desk.hear(Event::Connected),
        Step::Connected(false) => desk.hear(away()),
        Step::Presence(peer) => desk.comes(PEOPLE[peer]),
    }
}

// README.

#[test]
fn the_screen_in_the_readme_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let Ok(readme) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: there is no README beside these sources");
        return;
    };
    let mut desk = Desk::busy((80, 15));
    desk.says("anna", "the cat is back");
    desk.says("anna", "and hungry");
    desk.writes("/TALK bob");
    desk.types("about tomorrow");
    desk.alt('1');
    desk.hear(Event::Waiting { peer: name("carl"), count: 1, known: false });
    desk.comes("anna");
    desk.writes("good. I read what you left here last night,\nand my answer is yes");
    desk.hear(delivered("marie", 2));
    desk.hear(Event::Presence { peer: name("marie"), presence: Presence::Away });
    desk.writes("one more thing: bring the blue folder");
    desk.hear(stored("marie", 3));
    desk.types("and ");
    let screen = desk.screen();
    assert!(readme.contains(&screen), "README has another screen than:\n{screen}");
}
