//! Whole screens with something in front of the conversation.

use super::*;

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
    desk.hear(Event::KeyChanged { peer: name("marie"), was, verified: false, now: Some(now) });
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
│Before a name                                                                 │
│  ~                     it was not sealed: the server's host could read it    │
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
│                        none does: call back the last one that waits          │
│  /FILES                list the files that go and come, went and came, and   │
│                        how much lies here                                    │
│  /FREE [n]             make room: remove file n of theirs from here, or all  │
│                        of them; what you saved elsewhere stays               │
│  /ONLINE               list the people who are online                        │
│  /STATUS               say how the line to the server is, and what has not   │
│                        arrived yet                                           │
│  /FINGERPRINT [name]   show your key, or somebody's, to compare by voice     │
│  /TRUST name [NOBODY]  accept the changed key of somebody, or device list    │
│  /VERIFY name [digits] compare digits with somebody, to be sure of their key │
│  /CARD                 show your address with your key in it, for others     │
│  /SEAL AUTO|ALWAYS     words for who has no keys yet: are sent, or wait here │
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
     │  /TRUST name [NOBODY]                          │n on
     │  /VERIFY name [digits]                         │
     │  /BLOCK [name]                                 │
     │  /UNBLOCK name                                 │
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
