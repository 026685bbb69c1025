//! What a conversation remembers, asks for and shows.

use proptest::prelude::*;

use jiff::tz::TimeZone;

use super::*;
use crate::client::Passage;
use crate::message::{Kind, Timestamp};

pub(super) fn record(id: i64, own: bool, text: &str) -> Record {
    let state = if own { State::Waiting } else { State::Received };
    let (n, time) = (id.unsigned_abs(), Timestamp(id.unsigned_abs() * 60_000));
    let body = text.to_string().into();
    let (kind, passage, file) = (Kind::TEXT, Passage::Sealed, None);
    Record { id, own, n, time, kind, body, state, passage, file, written: None }
}

fn pane(height: u16) -> Pane {
    Pane { width: 40, height, zone: TimeZone::UTC, bare: false }
}

fn conversation(messages: i64) -> Conversation {
    let mut conversation = Conversation::new("marie".parse().unwrap());
    for id in 1..=messages {
        conversation.add(record(id, false, &format!("message {id}")));
    }
    conversation
}

fn texts(sight: &Sight) -> Vec<String> {
    let text = |row: &Row| match row {
        Row::Day(text) => text.clone(),
        Row::Unread => "unread".into(),
        Row::Head { words, name, .. } => words.text[*name..].to_string(),
        Row::Body(words) => words.text.clone(),
        Row::NoPicture(text) => text.clone(),
        Row::Picture { .. } => "picture".into(),
    };
    sight.rows.iter().map(text).collect()
}

#[test]
fn the_end_is_in_sight_until_one_scrolls() {
    let mut conversation = conversation(9);
    let pane = pane(3);
    let sight = |it: &Conversation| texts(&it.sight(&pane));
    assert_eq!(sight(&conversation), ["message 7", "message 8", "message 9"]);
    conversation.scroll_up(2, &pane);
    assert_eq!(sight(&conversation), ["message 5", "message 6", "message 7"]);
    conversation.add(record(10, false, "message 10"));
    assert_eq!(sight(&conversation), ["message 5", "message 6", "message 7"]);
    assert_eq!(conversation.sight(&pane).below, 3);
    conversation.scroll_up(99, &pane);
    assert_eq!(sight(&conversation), ["Thursday, 1 January 1970", "message 1", "message 2"]);
    conversation.scroll_down(1, &pane);
    assert_eq!(sight(&conversation), ["message 1", "message 2", "message 3"]);
    conversation.scroll_down(99, &pane);
    assert_eq!(conversation.anchor(), None);
    assert_eq!(sight(&conversation), ["message 8", "message 9", "message 10"]);
}

#[test]
fn a_long_message_is_scrolled_through_row_by_row() {
    let mut conversation = conversation(1);
    conversation.add(record(2, false, &["row"; 9].join("\n")));
    let pane = pane(4);
    conversation.scroll_up(7, &pane);
    let sight = texts(&conversation.sight(&pane));
    assert_eq!(sight, ["Thursday, 1 January 1970", "message 1", "row", "row"]);
}

#[test]
fn what_is_unread_begins_at_a_line_and_at_the_top_if_it_is_much() {
    let mut conversation = conversation(9);
    let pane = pane(4);
    let sight = conversation.sight(&pane);
    assert_eq!(conversation.see(&sight), (1..=9).collect::<Vec<_>>());
    for id in 10..=15 {
        conversation.add(record(id, false, &format!("message {id}")));
    }
    conversation.enter(&pane);
    let sight = conversation.sight(&pane);
    assert_eq!(texts(&sight), ["unread", "message 10", "message 11", "message 12"]);
    assert_eq!(conversation.see(&sight), [10, 11, 12]);
    assert_eq!((conversation.unread(), sight.below), (3, 3));
    conversation.scroll_down(2, &pane);
    let sight = conversation.sight(&pane);
    assert_eq!(conversation.see(&sight), [13, 14]);
}

#[test]
fn own_messages_show_where_they_are() {
    let mut conversation = conversation(1);
    conversation.add(record(2, true, "one"));
    conversation.add(record(3, true, "two"));
    conversation.moved(&[2, 3], State::Stored);
    conversation.moved(&[2], State::Delivered);
    conversation.moved(&[2], State::Stored);
    let sight = conversation.sight(&pane(9));
    let state = |row: &Row| match row {
        Row::Head { own: true, state, .. } => Some(*state),
        _ => None,
    };
    let states: Vec<_> = sight.rows.iter().filter_map(state).collect();
    assert_eq!(states, [State::Delivered, State::Stored]);
}

fn page(ids: std::ops::RangeInclusive<i64>) -> Vec<Record> {
    ids.map(|id| Record { state: State::Shown, ..record(id, false, "x") }).collect()
}

#[test]
fn older_pages_are_asked_for_once_and_only_while_there_are_any() {
    let mut conversation = Conversation::new("marie".parse().unwrap());
    let pane = pane(4);
    assert_eq!(conversation.wants(&pane), [Place::Newest]);
    assert_eq!(conversation.wants(&pane), [], "it is on its way");
    conversation.take_page(Place::Newest, page(801..=1000), &pane);
    assert_eq!(conversation.wants(&pane), []);
    conversation.scroll_to_top(&pane);
    assert_eq!(conversation.wants(&pane), [Place::Below(801)]);
    let before = conversation.sight(&pane);
    conversation.take_page(Place::Below(801), page(701..=800), &pane);
    let after = conversation.sight(&pane);
    assert_eq!(after.last, before.last, "one stays where one is");
    conversation.scroll_to_top(&pane);
    assert_eq!(conversation.wants(&pane), [], "there is no more");
}

/// What a store with messages up to 2,000 answers.
fn answer(conversation: &mut Conversation, pane: &Pane) {
    for place in conversation.wants(pane) {
        let records = match place {
            Place::Newest => page(1801..=2000),
            Place::Below(id) => page((id - 200).max(1)..=id - 1),
            Place::Above(id) => page(id + 1..=(id + 200).min(2000)),
        };
        conversation.take_page(place, records, pane);
    }
}

#[test]
fn one_goes_to_a_message_far_away_and_scrolls_on_from_there_to_the_end() {
    let mut conversation = Conversation::new("marie".parse().unwrap());
    let pane = pane(9);
    answer(&mut conversation, &pane);
    conversation.go_to(700, Query::new("x").unwrap());
    answer(&mut conversation, &pane);
    let sight = conversation.sight(&pane);
    let found = |row: &Row| matches!(row, Row::Head { found: true, .. });
    assert_eq!(sight.rows.iter().position(found), Some(4), "it is in the middle");
    assert_eq!((sight.last, conversation.unread()), (0, 0));
    conversation.add(record(2001, false, "news"));
    assert_eq!(conversation.sight(&pane).below, 1);
    let mut steps = 0;
    while conversation.sight(&pane).last != 2001 {
        conversation.scroll_down(50, &pane);
        answer(&mut conversation, &pane);
        steps += 1;
        assert!(steps < 60, "the end is never reached");
    }
    let all: Vec<i64> = conversation.records().map(|it| it.id).collect();
    assert_eq!(all, (all[0]..=2001).collect::<Vec<_>>(), "without a gap");
    conversation.go_to(100, Query::new("x").unwrap());
    answer(&mut conversation, &pane);
    conversation.scroll_to_end();
    assert_eq!(conversation.sight(&pane).last, 2001);
}

#[test]
fn one_goes_to_what_is_unread_and_a_page_for_nobody_leaves_no_gap() {
    let mut conversation = Conversation::new("marie".parse().unwrap());
    let pane = pane(9);
    answer(&mut conversation, &pane);
    conversation.go_to(500, Query::new("x").unwrap());
    let places = conversation.wants(&pane);
    let unread = |ids: std::ops::RangeInclusive<i64>| -> Vec<_> {
        ids.map(|id| record(id, false, "unread")).collect()
    };
    conversation.take_page(places[0], unread(301..=500), &pane);
    conversation.take_page(places[1], unread(501..=700), &pane);
    let found = |row: &Row| matches!(row, Row::Head { found: true, .. });
    assert!(conversation.sight(&pane).rows.iter().any(found));
    assert_eq!(conversation.wants(&pane), []);
    conversation.go_to(60, Query::new("x").unwrap());
    let places = conversation.wants(&pane);
    conversation.scroll_to_end();
    places.into_iter().for_each(|place| conversation.take_page(place, page(1..=60), &pane));
    assert_eq!(conversation.records().next().unwrap().id, 1801, "that was for nobody");
    // The same answer again would be asked for without end.
    let mut stranger = Conversation::new("carl".parse().unwrap());
    let places = stranger.wants(&pane);
    stranger.take_page(places[0], unread(1..=200), &pane);
    assert_eq!(stranger.wants(&pane), []);
}

#[test]
fn a_place_that_is_remembered_is_found_again_however_far_it_is() {
    let mut conversation = Conversation::new("marie".parse().unwrap());
    let (pane, anchor) = (pane(4), Anchor { id: 300, skip: 0 });
    conversation.set_anchor(Some(anchor));
    for _ in 0..3 {
        answer(&mut conversation, &pane);
    }
    assert_eq!(conversation.anchor(), Some(anchor));
    assert_eq!(conversation.sight(&pane).rows.len(), 4);
}

proptest! {
    #[test]
    fn however_one_scrolls_the_place_is_filled_and_unread_is_what_was_never_in_sight(
        steps in prop::collection::vec((0..5u8, 0..12usize), 1..60),
        height in 1..9u16,
    ) {
        let mut conversation = conversation(3);
        let pane = pane(height);
        let mut seen = BTreeSet::new();
        let mut next = 4;
        for (step, by) in steps {
            match step {
                0 => {
                    let text = vec!["line"; by + 1].join("\n");
                    conversation.add(record(next, by % 3 == 0, &text));
                    next += 1;
                }
                1 => conversation.scroll_up(by, &pane),
                2 => conversation.scroll_down(by, &pane),
                3 => conversation.scroll_to_top(&pane),
                _ => conversation.enter(&pane),
            }
            let sight = conversation.sight(&pane);
            let all: usize = (1..next).map(|id| conversation.tail.height(id, &pane)).sum();
            prop_assert_eq!(sight.rows.len(), all.min(usize::from(height)));
            seen.extend(conversation.see(&sight));
            let others = conversation.records().filter(|it| !it.own).count();
            prop_assert_eq!(conversation.unread() + seen.len(), others);
            prop_assert_eq!(conversation.unread(), sight.below);
        }
    }
}
