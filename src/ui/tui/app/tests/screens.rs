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
    let mut desk = Desk::busy((80, 14));
    desk.hear(Event::Sealing { peer: name("marie"), seals: true });
    desk.hear(Event::Read { peer: name("marie"), n: 1 });
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
    desk.writes("and a pen");
    desk.types("and ");
    let screen = desk.screen();
    assert!(readme.contains(&screen), "README has another screen than:\n{screen}");
}
