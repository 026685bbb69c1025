//! Whole screens as text, and the one in README.

use super::*;

#[test]
fn empty() {
    let mut desk = Desk::of(None, (60, 8));
    assert_screen(
        &desk,
        "
              │Nobody is here yet. Type a name, or press
              │Ctrl-K, to talk to somebody:
              │what you write waits for them. /HELP explains
              │the rest.
              │
              │
              │ you: john online
              │
",
    );
    desk.types("mar");
    assert_screen(
        &desk,
        "
     ┌ Jump to ───────────────────────────────────────┐s
     │> mar                                           │
     │> mar, to whom you have not talked yet          │lains
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
              │ mar | you: john online
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
                   │ 1 not sent | no server for 3 min | marie, key VqT94VF7 | c…
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
                │ 3 new below | marie online, key VqT94VF7 | you: joh…
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
                │ marie online, key VqT94VF7 | you: john online
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
                │ 1 new below | marie online, key VqT94VF7 | you: joh…
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
 1 elsewhere | marie online, key VqT94V…
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
              │ marie away | you: john online
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
              │ marie away | you: john online
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
1+ marie        │09:32   marie: then I come to the platform
                │09:32 ! you: kept for too long
                │09:32 . you: kept back
                │──────────────────── Esc closes ─────────────────────
                │marie cannot be sent more for now: marie keeps 1,000
                │messages for her already; kept, and sent when there
                │is room
                │ 1 not sent | marie online, key VqT94VF7 | you: john…
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
     │Enter takes them, Esc keeps them for Ctrl-Y.    │
     └────────────────────────────────────────────────┘
              │09:32   marie: then I come to the platform
              │ marie online, key VqT94VF7 | you: john onli…
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
              │ marie online, key VqT94VF7 | you: john onli…
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
              │ mallory | you: john online
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
              │ mallory away | you: john online
              │
",
    );
}

#[test]
fn a_changed_key() {
    let mut desk = Desk::busy((80, 11));
    let [was, now] = [b"one", b"two"].map(|key| Fingerprint::of(key));
    desk.hear(Event::KeyChanged { peer: name("marie"), was, now: Some(now) });
    assert_screen(
        &desk,
        "
1+ marie           │───────────────── Friday, 20 November 2026 ─────────────────
                   │09:31   marie: good morning! is the train on time?
                   │09:31 + you: it is; I sit in the second carriage
                   │09:32   marie: then I come to the platform
                   │────────────── PgDn: 5 rows more; Esc closes ───────────────
                   │THE KEY OF marie HAS CHANGED.
                   │  before: SHA256:dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0
                   │  now:    SHA256:P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM
                   │Either marie lost the old one and the server's operator
                   │ marie online, key P8TM/nRY | you: john online
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
┌ Help: Esc closes; PgUp, PgDn, Home and End scroll ───────────────────────────┐
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
│  Alt-Enter, Ctrl-J     begin a new line                                      │
│  Tab                   complete a command, a name or a path                  │
│  Up, Down              move; at the first or last row through what you wrote │
│                        here before                                           │
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
┌ Help: Esc closes; PgUp, PgDn, Home and End scroll ───────────────────────────┐
│  /SAVE [n] [PATH]      put a file where you want it, once it is here         │
│                        (without a path: your downloads)                      │
│  /CANCEL [n or file]   stop files that come (number n) or go, all or one; if │
│                        none does: call back the last one that waits          │
│  /FILES                list the files that go and come, went and came, and   │
│                        how much lies here                                    │
│  /FREE [n]             make room: remove file n of theirs from here, or all  │
│                        of them; what you saved elsewhere stays               │
│  /ONLINE               list the people who are online                        │
│  /STATUS               say how the line to the server is, and what has not   │
│                        arrived yet                                           │
│  /FINGERPRINT [name]   show your key, or somebody's, to compare by voice     │
│  /TRUST name           accept the new key of somebody whose key has changed  │
│  /BLOCK [name]         hear no more of somebody; alone: list whom you block  │
│  /UNBLOCK name         hear of somebody again                                │
│  /MUTE [name]          on the full screen: no bell for somebody, and no      │
│                        count in the title; again: as before                  │
│  /SEARCH words         find what was said, in all conversations              │
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
     │> marie                                         │
     │  m, to whom you have not talked yet            │
     │  /MUTE [name]                                  │
     │  /TALK name                                    │
     │  /CLOSE [name]                                 │
     │  /FINGERPRINT [name]                           │─────
     │  /TRUST name                                   │n on
     │  /BLOCK [name]                                 │
     │  /UNBLOCK name                                 │
     │                                                │
     │                                                │rm
     └────────────────────────────────────────────────┘onli…
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
              │ Ctrl-C again leaves | marie online, key VqT…
              │
",
    );
    assert_eq!(desk.gave(), []);
    desk.ctrl('c');
    assert_eq!(desk.gave(), [Command::Leave]);
}

#[test]
fn what_is_the_agents_fault_is_not_called_the_servers() {
    let mut desk = Desk::busy((120, 6));
    let because = Absence::Agent("your SSH agent at /run/agent does not have your key now".into());
    desk.hear(Event::Disconnected { because, retry_in: Duration::from_secs(1) });
    let screen = desk.screen();
    assert!(screen.contains("not signed in | "), "{screen}");
    assert!(screen.contains("your SSH agent at /run/agent"), "{screen}");
    assert!(!screen.contains("no server"), "{screen}");
}

#[test]
fn who_quits_with_something_unsent_waits_for_it_unless_they_press_ctrl_c() {
    let mut desk = Desk::busy((80, 6));
    desk.hear(away());
    desk.writes("wait for this");
    desk.writes("/QUIT");
    assert!(desk.screen().contains("waiting to send; Ctrl-C leaves at once"), "{}", desk.screen());
    desk.gave();
    desk.hear(Event::Connected);
    desk.says("anna", "somebody else, unread");
    assert_eq!(desk.gave(), []);
    desk.hear(stored("marie", 2));
    assert_eq!(desk.gave(), [Command::Leave], "whatever is unread");
    let mut desk = Desk::busy((80, 6));
    desk.writes("wait for this");
    desk.ctrl('d');
    assert_eq!(desk.gave(), [], "Ctrl-D is the same");
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
    for (colours, expected) in [(true, true), (false, false)] {
        let canvas = desk.canvas(Theme { colours });
        let coloured =
            canvas.buffer().content().iter().any(|cell| cell.fg != ratatui::style::Color::Reset);
        assert_eq!(coloured, expected);
    }
}

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
