//! What one key or event makes of the next.

use super::super::super::window::PAGE;
use super::*;
use crate::client::{Hit, Query, Trust};

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
    let page = |place, ids: std::ops::RangeInclusive<i64>| {
        let record = |id| Record {
            id,
            own: false,
            n: 1,
            time: MORNING,
            kind: Kind::TEXT,
            body: "old".into(),
            state: State::Shown,
            file: None,
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
        file: None,
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

// What a fresh eye found.

#[test]
fn live_messages_do_not_throw_one_back_to_what_had_waited() {
    let mut desk = Desk::busy((60, 8));
    desk.opens("anna", 3);
    desk.alt('2');
    for n in 1..=30 {
        desk.says("marie", &format!("stop {n}"));
    }
    desk.alt('1');
    desk.press(KeyCode::End);
    desk.says("marie", "live");
    assert!(desk.screen().contains("marie: live"), "{}", desk.screen());
    let mut desk = Desk::of(Some("marie"), (60, 8));
    desk.opens("marie", 30);
    desk.writes("/TALK anna");
    (1..=30).for_each(|n| desk.says("marie", &format!("stop {n}")));
    desk.writes("/TALK marie");
    while desk.app.sight().unwrap().below > 0 {
        desk.press(KeyCode::PageDown);
    }
    desk.says("marie", "live");
    assert!(desk.screen().contains("marie: live"), "{}", desk.screen());
}

#[test]
fn an_answer_while_much_is_unread_below_passes_nothing_by() {
    let mut desk = Desk::of(Some("marie"), (60, 8));
    desk.opens("marie", 30);
    (1..=30).for_each(|n| desk.says("marie", &format!("stop {n}")));
    let unread = desk.app.current().unwrap().unread();
    assert!(unread > 20);
    desk.writes("I am reading");
    assert_eq!(desk.app.current().unwrap().unread(), unread);
}

#[test]
fn a_draft_to_somebody_new_and_whom_one_talked_to_are_there_after_a_restart() {
    let mut desk = Desk::busy((60, 8));
    desk.writes("/TALK zoe");
    desk.types("dear zoe");
    let mut later = Desk::begin(None, (60, 8), desk.app.memory());
    // It may come before the conversations are known.
    later.hear(Event::Waiting { peer: name("anna"), count: 1, known: true });
    assert!(later.app.current().is_none());
    later.hear(Event::Overview(Vec::new()));
    assert_eq!(later.app.current().unwrap().peer, name("zoe"));
    assert_eq!(later.draft(), "dear zoe");
}

#[test]
fn what_is_said_first_is_in_the_first_conversation() {
    let mut desk = Desk::begin(None, (80, 10), Memory::default());
    desk.hear(Event::FirstMeeting { fingerprint: Fingerprint::of(b"server") });
    desk.hear(Event::Overview(Vec::new()));
    desk.hear(Event::Waiting { peer: name("carl"), count: 1, known: false });
    let screen = desk.screen();
    assert!(screen.contains("first time at chat.example.org"), "{screen}");
}

#[test]
fn what_is_told_is_in_sight_wherever_one_has_scrolled_to_and_goes_again() {
    let mut desk = Desk::busy((80, 9));
    desk.press(KeyCode::Home);
    desk.writes("/onlin");
    assert!(desk.screen().contains("there is no command /ONLIN"), "{}", desk.screen());
    desk.press(KeyCode::Left);
    assert!(
        desk.screen().contains("there is no command /ONLIN"),
        "one may read it while one types"
    );
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("there is no command"));
    assert_eq!(desk.draft(), "/onlin");
}

#[test]
fn an_answer_gives_way_to_the_next_and_to_what_one_says_and_to_another_conversation() {
    let mut desk = Desk::busy((80, 20));
    let told = |desk: &Desk| -> Vec<String> {
        desk.app.panel().rows(80).into_iter().map(|row| row.words.text).collect()
    };
    let online = || Event::Online { count: 2, names: vec![name("anna"), name("john")] };
    desk.writes("/ONLINE");
    desk.hear(online());
    desk.writes("/ONLINE");
    desk.hear(online());
    assert_eq!(told(&desk), ["2 online: anna, john"]);
    desk.writes("hello");
    assert!(told(&desk).is_empty());
    desk.hear(online());
    desk.says("anna", "hi");
    desk.alt('2');
    assert!(told(&desk).is_empty());
    desk.alt('1');
    assert!(told(&desk).is_empty());
}

#[test]
fn a_changed_key_is_told_until_one_has_it_go_or_trusts_it() {
    let [was, now] = [b"one", b"two"].map(|key| Fingerprint::of(key));
    let changed = Event::KeyChanged { peer: name("marie"), was, now: Some(now) };
    for goes in [
        |desk: &mut Desk| desk.press(KeyCode::Esc),
        |desk: &mut Desk| {
            desk.hear(Event::Trusted {
                peer: name("marie"),
                trust: Trust::Accepted(Fingerprint::of(b"two")),
            });
        },
    ] {
        let mut desk = Desk::busy((80, 30));
        desk.hear(changed.clone());
        desk.writes("is it you?");
        desk.says("anna", "hi");
        desk.alt('2');
        desk.alt('1');
        assert!(desk.screen().contains("THE KEY OF marie HAS CHANGED."), "{}", desk.screen());
        goes(&mut desk);
        assert!(!desk.screen().contains("HAS CHANGED"), "{}", desk.screen());
    }
}

#[test]
fn what_is_long_is_scrolled_through() {
    let mut desk = Desk::busy((60, 16));
    let names: Vec<Name> = (0..99).map(|n| name(&format!("person{n}"))).collect();
    desk.hear(Event::Online { count: 99, names });
    assert!(desk.screen().contains("PgDn: "), "{}", desk.screen());
    for _ in 0..9 {
        desk.press(KeyCode::PageDown);
    }
    assert!(desk.screen().contains("person98"), "{}", desk.screen());
    assert!(desk.screen().contains("PgUp scrolls; Esc closes"), "{}", desk.screen());
}

#[test]
fn a_slash_begins_a_command_where_nobody_is() {
    let mut desk = Desk::of(None, (100, 10));
    desk.types("/TLAK marie");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("did you mean /TALK?"), "{}", desk.screen());
    assert_eq!(desk.app.memory().draft, "/TLAK marie");
    desk.ctrl('u');
    desk.types("/tal");
    desk.press(KeyCode::Tab);
    desk.types("marie");
    assert!(desk.screen().contains("/TALK marie"), "{}", desk.screen());
    desk.hear(Event::Waiting { peer: name("carl"), count: 1, known: false });
    assert!(desk.app.current().is_none(), "one is writing");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().peer, name("marie"));
    assert_eq!(desk.draft(), "");
    // In the list that one types into, too.
    desk.ctrl('k');
    desk.types("/TALK anna");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().peer, name("anna"));
}

#[test]
fn what_one_wrote_to_others_is_not_recalled_here() {
    let mut desk = Desk::busy((80, 24));
    desk.writes("to marie");
    desk.writes("/TALK anna");
    desk.press(KeyCode::Up);
    assert_eq!(desk.draft(), "");
    desk.writes("to anna");
    desk.press(KeyCode::Up);
    assert_eq!(desk.draft(), "to anna");
    let mut later = Desk::begin(Some("marie"), (80, 24), desk.app.memory());
    later.press(KeyCode::Up);
    later.press(KeyCode::Up);
    assert_eq!(later.draft(), "to marie");
}

#[test]
fn a_long_paste_that_is_not_taken_is_kept() {
    let mut desk = Desk::busy((80, 24));
    let lines = "line\n".repeat(21);
    desk.take(Input::Paste(lines.clone()));
    desk.press(KeyCode::Esc);
    assert_eq!(desk.draft(), "");
    desk.ctrl('y');
    assert_eq!(desk.draft(), lines);
}

#[test]
fn nobody_is_muted_or_closed_by_a_slip() {
    let mut desk = Desk::busy((80, 24));
    for (typed, told) in [
        ("/MUTE nobody", "there is no conversation with nobody that could be muted"),
        ("/CLOSE nobody", "no conversation with nobody is open"),
    ] {
        desk.writes(typed);
        assert!(desk.screen().contains(told), "{}", desk.screen());
        assert_eq!(desk.app.conversations.len(), 1);
    }
}

// Addresses.

#[test]
fn an_address_is_shown_whole_before_it_is_opened_or_copied() {
    let mut desk = Desk::busy((80, 24));
    desk.ctrl('o');
    assert!(
        desk.screen().contains("there is no address in this conversation"),
        "{}",
        desk.screen()
    );
    desk.says("marie", "see https://example.org/a and https://b.example/");
    let long = format!("https://example.org/{}", "x".repeat(200));
    desk.writes(&format!("no, {long}"));
    desk.ctrl('o');
    assert!(desk.screen().contains("> john: https://example.org/xxx"), "{}", desk.screen());
    desk.press(KeyCode::Enter);
    let shown: String = desk.screen().split(|c: char| c.is_whitespace() || c == '│').collect();
    assert!(shown.contains(&long), "{}", desk.screen());
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, [Effect::Open(long)]);
    desk.ctrl('o');
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Enter);
    desk.effects.clear();
    desk.types("c");
    assert_eq!(desk.effects, [Effect::Copy("https://b.example/".into())]);
    assert!(desk.screen().contains("copied, if this terminal lets programs do so"));
}

#[test]
fn an_address_of_another_server_is_not_opened() {
    let mut desk = Desk::busy((80, 24));
    desk.says("marie", "come to tinychat://evil.example:7878");
    desk.ctrl('o');
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("another TinyChat server. It is not opened here"));
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, []);
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("> marie: tinychat://evil.example"));
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("Addresses"));
}

#[test]
fn pieces_of_one_address_lead_to_all_of_it() {
    let mut desk = Desk::busy((60, 12));
    let address = format!("https://example.org/{}", "x".repeat(60));
    desk.says("marie", &format!("see {address} now"));
    let canvas = desk.canvas(Theme { colours: true });
    let links: Vec<_> = (0..12).flat_map(|y| canvas.links(y)).collect();
    assert_eq!(links.len(), 3, "{}", desk.screen());
    let shown: String = links
        .iter()
        .flat_map(|link| link.x.clone().map(|x| canvas.buffer()[(x, link.y)].symbol()))
        .collect();
    assert_eq!(shown, address);
    assert!(links.iter().all(|link| link.address == address && link.id == links[0].id));
    desk.press(KeyCode::F(1));
    let canvas = desk.canvas(Theme { colours: true });
    assert_eq!((0..12).flat_map(|y| canvas.links(y)).count(), 0, "help is in front of them");
}

#[test]
fn the_conversation_alone_has_nothing_beside_it() {
    let mut desk = Desk::busy((80, 12));
    desk.says("marie", "one\ntwo");
    desk.ctrl('t');
    let screen = desk.screen();
    assert!(screen.lines().any(|row| row == "marie: one"), "{screen}");
    assert!(screen.lines().any(|row| row == "two"), "{screen}");
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("│        two"), "{}", desk.screen());
}

#[test]
fn a_name_that_is_typed_is_a_person_and_a_request_is_not_taken_unasked() {
    let mut desk = Desk::of(None, (60, 10));
    desk.types("lena");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().peer, name("lena"));
    desk.hear(Event::Waiting { peer: name("stranger"), count: 1, known: false });
    desk.ctrl('k');
    desk.types("strang");
    desk.gave();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.app.current().unwrap().request, 1);
    assert!(!desk.gave().contains(&Command::Talk(name("stranger"))));
}

#[test]
fn strangers_without_end_do_not_fill_the_list() {
    let mut desk = Desk::of(None, (60, 10));
    let mut hear = |from: &str, number: u64, count: u64| {
        let peer = name(&format!("{from}{number}"));
        desk.hear(Event::Waiting { peer, count, known: false });
    };
    (0..2_000).for_each(|number| hear("gone", number, 0));
    (0..2_000).for_each(|number| hear("stranger", number, 1));
    hear("stranger", 999, 7);
    assert_eq!(desk.app.conversations.len(), 1_000);
    assert_eq!(desk.app.find(&name("stranger999")).unwrap().request, 7);
}

#[test]
fn what_is_recalled_and_changed_is_remembered_once() {
    let mut desk = Desk::busy((60, 8));
    desk.writes("one");
    desk.press(KeyCode::Up);
    let written = |desk: &Desk| desk.app.memory().people["marie"].written.clone();
    for c in ["a", "b", "c"] {
        desk.types(c);
        assert!(written(&desk).contains(&desk.draft().to_string()));
    }
    assert_eq!(written(&desk).len(), 3, "the greeting, one and what it is now");
}

#[test]
fn why_a_picture_is_not_shown_stands_below_what_it_came_with() {
    let mut desk = Desk::of(Some("marie"), (60, 12));
    desk.says("marie", "look!");
    let id = desk.next;
    desk.says("marie", "do you see it?");
    let why = "20000 x 15000 pixels are more than the 200 million that are shown";
    desk.app.picture_is_refused(id, why);
    let screen = desk.screen();
    let rows: Vec<&str> = screen.lines().map(|row| row.trim_start_matches([' ', '│'])).collect();
    let at = rows.iter().position(|row| row.contains("marie: look!")).unwrap();
    let (reason, rest) = rows[at + 1..].split_at(3);
    assert_eq!(
        reason.iter().map(|row| row.split('│').next_back().unwrap().trim()).collect::<Vec<_>>(),
        [
            "(picture not shown: 20000 x 15000",
            "pixels are more than the 200 million",
            "that are shown)"
        ]
    );
    assert!(rest[0].contains("do you see it?"), "{screen}");
    // Made again in another size, it is there.
    desk.app.picture_has(id, 2);
    assert!(!desk.screen().contains("picture not shown"));
}
