//! What one does not expect: slips, floods, things that come while one does something else.

use super::*;
use crate::client::Trust;

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
    let changed = Event::KeyChanged { peer: name("marie"), was, verified: false, now: Some(now) };
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
