//! What one key or event makes of the next.

use super::*;
use crate::client::{Hit, Query};
use crate::ui::tui::conversation::PAGE;

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
    desk.take(Input::Paste("x".repeat(MAX_TEXT + 1)));
    desk.writes("");
    assert_eq!(desk.draft().len(), MAX_TEXT + 1);
    assert!(desk.screen().contains("a message has at most 65536 bytes; not sent"));
    desk.take(Input::Paste("x".repeat(MAX_TEXT)));
    assert_eq!(desk.draft().len(), MAX_TEXT + 1, "more is not taken");
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

// What became of it.

#[test]
fn what_comes_back_waits_again_under_its_next_number_and_that_is_told() {
    let mut desk = Desk::busy((80, 24));
    desk.writes("shall I wait?");
    desk.hear(stored("marie", 2));
    let told = |desk: &Desk| -> Vec<String> {
        desk.app.panel().rows(200).into_iter().map(|row| row.words.text).collect()
    };
    let last = |desk: &Desk| {
        let last = desk.app.current().unwrap().records().last().unwrap();
        (last.n, last.state)
    };
    let back = |n: u64, rests| Event::Bounced { peer: name("marie"), n, again: n + 1, rests };
    assert_eq!(desk.app.unsent(), 0);
    desk.hear(back(2, false));
    assert_eq!((last(&desk), desk.app.unsent()), ((3, State::Waiting), 1));
    let not_taken = "the program of marie could not open message";
    let again = format!("{not_taken} 2, or knows its number; it is sent again, as message 3");
    assert_eq!(told(&desk), [again.as_str()]);
    desk.hear(back(3, true));
    assert_eq!(desk.app.unsent(), 1, "it was not sent meanwhile");
    let rests = format!(
        "{not_taken} 3, or knows its number, and not for the first time; it is kept, and sent again at the next start"
    );
    assert_eq!(told(&desk), [again, rests]);
    desk.hear(delivered("marie", 4));
    assert_eq!(last(&desk), (4, State::Delivered), "it is known by that number");
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
    let page = |place, ids: std::ops::RangeInclusive<i64>| {
        let record = |id| Record {
            id,
            own: false,
            n: 1,
            time: MORNING,
            kind: Kind::TEXT,
            body: "old".into(),
            state: State::Shown,
            passage: Passage::Sealed,
            file: None,
            written: None,
        };
        Event::Page { peer: name("marie"), place, records: ids.map(record).collect() }
    };
    later.gave();
    later.hear(page(Place::Newest, 301..=500));
    let anchor = anchor.unwrap();
    let places = [Place::Below(anchor.id + 1), Place::Above(anchor.id)];
    let wanted = places.map(|place| Command::Page { peer: name("marie"), place, limit: PAGE });
    assert_eq!(later.gave(), wanted);
    later.hear(page(Place::Below(anchor.id + 1), 1..=anchor.id));
    later.hear(page(Place::Above(anchor.id), anchor.id + 1..=anchor.id + 200));
    assert_eq!(later.app.current().unwrap().anchor(), Some(anchor));
    assert_eq!(later.app.memory().people, memory.people);
}

// What was not sealed.

#[test]
fn what_was_in_the_clear_is_marked_and_that_is_explained_once() {
    let mut desk = Desk::busy((80, 16));
    desk.hear(Event::Sealing { peer: name("marie"), seals: false });
    assert!(desk.screen().contains(" unsealed | marie online"), "{}", desk.screen());
    desk.writes("psst");
    assert!(desk.screen().contains(". you: psst"), "it has not left: {}", desk.screen());
    desk.hear(Event::LeftClear { peer: name("marie"), numbers: vec![2] });
    assert!(desk.screen().contains(".~you: psst"), "{}", desk.screen());
    let comes = |desk: &mut Desk, text: &str| {
        let (id, time, body) = (desk.next(), desk.now, text.to_string().into());
        let (peer, kind, passage) = (name("marie"), Kind::TEXT, Passage::Clear);
        let (file, written) = (None, None);
        let message = Incoming { id, peer, time, kind, body, passage, file, written };
        desk.hear(Event::Message(message));
    };
    comes(&mut desk, "what?");
    comes(&mut desk, "speak up");
    let screen = desk.screen();
    assert!(screen.contains(" ~marie: speak up"), "{screen}");
    assert_eq!(screen.matches("~ marks it").count(), 1, "{screen}");
    desk.press(KeyCode::Esc);
    comes(&mut desk, "hello?");
    assert!(!desk.screen().contains("~ marks it"), "once: {}", desk.screen());
    desk.hear(Event::Sealing { peer: name("marie"), seals: true });
    assert!(desk.screen().contains(" | sealed | marie online"), "{}", desk.screen());
    desk.says("marie", "now we are sealed");
    assert!(desk.screen().contains("  marie: now we are sealed"), "{}", desk.screen());
}

// One server at two addresses.

#[test]
fn what_was_said_at_another_address_of_the_server_is_loaded() {
    let mut desk = Desk::busy((80, 12));
    desk.gave();
    let record = |id: i64, text: &str, state| Record {
        id,
        own: true,
        n: id.unsigned_abs(),
        time: MORNING,
        kind: Kind::TEXT,
        body: text.to_string().into(),
        state,
        passage: Passage::Sealed,
        file: None,
        written: None,
    };
    desk.hear(Event::Joined);
    let newest = Command::Page { peer: name("marie"), place: Place::Newest, limit: PAGE };
    assert_eq!(desk.gave(), [Command::Overview, newest]);
    let records = vec![
        record(1, "said at the other address", State::Delivered),
        record(2, "said here", State::Waiting),
    ];
    desk.hear(Event::Page { peer: name("marie"), place: Place::Newest, records });
    // As it is numbered now.
    desk.hear(delivered("marie", 2));
    let screen = desk.screen();
    assert!(screen.contains("said at the other address"), "{screen}");
    let states: Vec<_> = { desk.app.current().unwrap().records() }.map(|it| it.state).collect();
    assert_eq!(states, [State::Delivered, State::Delivered]);
}

// Finding.

#[test]
fn what_was_said_is_found_gone_to_and_left_again() {
    let mut desk = Desk::busy((80, 12));
    desk.says("anna", "the cat is back");
    desk.alt('2');
    desk.gave();
    desk.ctrl('f');
    desk.types("plat");
    let query = Query::new("plat").unwrap();
    let given = desk.gave();
    assert_eq!(given.last(), Some(&Command::Search { query: query.clone(), limit: 50 }));
    let hit = Hit {
        id: 5,
        peer: name("marie"),
        own: false,
        time: MORNING,
        excerpt: "then I come to the \u{1b}platform".into(),
    };
    let stale = Query::new("pla").unwrap();
    desk.hear(Event::Found { query: stale, hits: vec![] });
    desk.hear(Event::Found { query: query.clone(), hits: vec![hit.clone()] });
    let screen = desk.screen();
    assert!(
        screen.contains("2026-11-20 09:30 marie: then I come to the \u{fffd}platform"),
        "{screen}"
    );
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().peer, name("marie"));
    let places = [Place::Below(6), Place::Above(5)];
    let wanted = places.map(|place| Command::Page { peer: name("marie"), place, limit: PAGE });
    assert_eq!(desk.gave(), wanted);
    desk.press(KeyCode::Esc);
    assert_eq!(desk.app.current().unwrap().peer, name("anna"));
    desk.gave();
    // Who is quicker than the disk.
    desk.ctrl('f');
    desk.types("plat");
    desk.press(KeyCode::Enter);
    assert!(desk.gave().iter().all(|it| matches!(it, Command::Search { .. })));
    desk.hear(Event::Found { query, hits: vec![hit] });
    assert_eq!(desk.app.current().unwrap().peer, name("marie"));
    assert_eq!(desk.gave(), wanted);
    desk.press(KeyCode::Esc);
    desk.writes("/SEARCH the cat");
    assert!(desk.screen().contains("> the cat"));
}
