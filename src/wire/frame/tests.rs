//! That the tables say what the specification and the fuzzers' dictionary say, and that what is written beside them is
//! what they write.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::{Message, Name, Origin, Timestamp};
use crate::wire::codec::{Counts, Frame, Verb, When};
use crate::wire::{MAX_BODY, MAX_NUMBER};

/// The specification as it is written.
const PAGE: &str = include_str!("../mod.rs");

/// What `just fuzz` gives to all targets.
const DICTIONARY: &str = include_str!("../../../tests/fuzz/dictionary");

/// Where the part of it begins and ends that is made of the tables.
const BEGIN: &str = "# Out of the tables of src/wire/frame, by its tests:\n";
const END: &str = "# By hand:\n";

fn spellings<F: Frame>(when: &[When]) -> BTreeSet<String> {
    let rows = F::VERBS.iter().filter(|row| when.contains(&row.when()));
    rows.flat_map(Verb::spellings).collect()
}

/// The lines of a section of the page.
fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let lines = PAGE.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut behind = lines.skip_while(move |line| *line != heading);
    behind.next().unwrap();
    behind.take_while(|line| !line.starts_with("# "))
}

/// The frames in the table of a section that begins with some words: each in backquotes, with its body behind them.
fn table(heading: &str, speaker: &str) -> BTreeSet<String> {
    let lines = section(heading).skip_while(|line| !line.contains(speaker));
    let lines =
        lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = lines.skip(2).map(|line| line.split('|').nth(1).unwrap().trim());
    cells.flat_map(|cell| cell.split(", `").map(|frame| frame.replace('`', ""))).collect()
}

/// The frames in the picture of signing in.
fn picture() -> BTreeSet<String> {
    let lines = section("# Signing in").skip_while(|line| *line != "```text").skip(1);
    let said = lines.take_while(|line| *line != "```").filter_map(|line| {
        let client = line.split_once("->").map(|(frame, _)| frame);
        client.or_else(|| line.split_once("<-").map(|(_, frame)| frame))
    });
    said.map(|frame| frame.trim().split("  ").next().unwrap().to_owned()).collect()
}

#[test]
fn the_specification_has_each_frame_and_no_other() {
    let signed_in = &[When::SignedIn, When::Always];
    let after = "# Frames after signing in";
    assert_eq!(table(after, "From the client"), spellings::<ClientFrame>(signed_in));
    assert_eq!(table(after, "From the server"), spellings::<ServerFrame>(signed_in));
    let carrying = &[When::Carrying];
    assert_eq!(table("# Files", "From the client"), spellings::<FileRequest>(carrying));
    assert_eq!(table("# Files", "From the server"), spellings::<FileReply>(carrying));
    for first in spellings::<ClientFrame>(carrying) {
        assert!(section("# Files").any(|line| line == first), "{first}");
    }
    let signing_in = &[When::SigningIn];
    let mut said = spellings::<ClientFrame>(signing_in);
    said.extend(spellings::<ServerFrame>(signing_in));
    // It is said here once more.
    said.insert("WAITING peer count".into());
    assert_eq!(picture(), said);
}

#[test]
fn whatever_somebody_says_who_is_known_counts() {
    let chat = ClientFrame::VERBS.iter().filter(|row| row.when() == When::SignedIn);
    let all = chat.map(|row| (row.word(), row.counts()));
    for (verb, counts) in all.chain(FileRequest::VERBS.iter().map(|row| (row.word(), row.counts())))
    {
        assert_ne!(counts, Counts::Nothing, "{verb}");
    }
}

/// Each thing once, in the order of the tables.
#[derive(Default)]
struct Entries(Vec<String>);

impl Entries {
    fn add(&mut self, entry: String) {
        if !self.0.contains(&entry) {
            self.0.push(entry);
        }
    }

    fn verbs<F: Frame>(&mut self) {
        for spelling in F::VERBS.iter().flat_map(Verb::spellings) {
            let words: Vec<&str> = spelling.split(' ').collect();
            match *words {
                [verb] => self.add(format!(r"{verb}\x0d\x0a")),
                [verb, "tinychat/2", ..] => self.add(format!("{verb} tinychat/2 ")),
                // A code behind a verb.
                [verb, code, ..] if code == code.to_uppercase() => {
                    self.add(format!("{verb} {code} "));
                }
                [verb, ..] => self.add(format!("{verb} ")),
                [] => {}
            }
        }
    }

    fn words(&mut self, words: impl IntoIterator<Item = &'static str>) {
        words.into_iter().for_each(|word| self.add(format!("{word} ")));
    }
}

#[test]
fn the_dictionary_of_the_fuzzers_has_each_verb_and_code() {
    let mut entries = Entries::default();
    entries.verbs::<ClientFrame>();
    entries.verbs::<ServerFrame>();
    entries.verbs::<FileRequest>();
    entries.verbs::<FileReply>();
    entries.words(ErrorCode::ALL.iter().map(|code| code.as_str()));
    entries.words(FileError::ALL.iter().map(|code| code.as_str()));
    entries.words(ByeReason::ALL.iter().map(|reason| reason.as_str()));
    entries.words([Presence::Online, Presence::Away].map(Presence::as_str));
    let made: String = entries.0.iter().map(|entry| format!("\"{entry}\"\n")).collect();
    let (_, rest) = DICTIONARY.split_once(BEGIN).unwrap();
    let (written, _) = rest.split_once(END).unwrap();
    assert!(written == made, "tests/fuzz/dictionary has to have between its headings\n{made}");
}

/// Messages of which some follow each other with the same words.
fn messages() -> impl Strategy<Value = Vec<Message>> {
    let words = (0..2u64, 1..3u64, any::<[u8; 16]>(), 0..2u64, "[a-z]{0,9}");
    let message = words.prop_map(|(from, n, origin, time, text)| Message {
        origin: Origin::from_bytes(origin),
        time: Timestamp(time),
        ..Message::text(from, n, text)
    });
    vec(message, 1..9)
}

proptest! {
    #[test]
    fn a_batch_is_written_like_its_messages(messages in messages(), first in 1..9_999u64) {
        let peer: Name = "marie".parse().unwrap();
        let (mut batch, mut single) = (BytesMut::new(), BytesMut::new());
        encode_messages(&mut batch, &peer, first, &messages);
        for (seq, message) in (first..).zip(messages) {
            ServerFrame::Message { peer: peer.clone(), seq, message }.encode(&mut single);
        }
        prop_assert_eq!(batch, single);
    }
}

#[test]
fn a_frame_is_no_longer_than_is_said_and_can_be_as_long() {
    let peer: Name = "marie".parse().unwrap();
    let body = vec![b'.'; MAX_BODY];
    let message = Message { time: Timestamp(MAX_NUMBER), ..Message::text(1, MAX_NUMBER, body) };
    let longest = longest_frame(&peer, &message);
    let mut out = BytesMut::new();
    ServerFrame::Message { peer, seq: MAX_NUMBER, message }.encode(&mut out);
    assert_eq!(out.len(), longest);
}

#[test]
fn header_lines_are_those_of_whole_frames() {
    let [mut chunk, mut online, mut blocks] = <[BytesMut; 3]>::default();
    chunk_line(&mut chunk, 7, 5);
    blocks_line(&mut blocks, 6);
    online_line(&mut online, 2, 6);
    let mut whole = BytesMut::new();
    FileReply::Chunk { offset: 7, body: Bytes::from_static(b"hello") }.encode(&mut whole);
    assert_eq!(whole, [&chunk[..], b"hello\r\n"].concat());
    whole.clear();
    let names = vec!["marie".parse().unwrap()];
    ServerFrame::Online { count: 2, names: names.clone() }.encode(&mut whole);
    assert_eq!(whole, [&online[..], b"marie\n\r\n"].concat());
    whole.clear();
    ServerFrame::Blocks { names }.encode(&mut whole);
    assert_eq!(whole, [&blocks[..], b"marie\n\r\n"].concat());
}
