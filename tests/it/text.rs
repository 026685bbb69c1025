//! Text is data: whatever a server or somebody says, nothing that any command prints steers a terminal, turns what
//! stands around it, or hides words. And what cannot be shown is told, not printed.

use std::path::Path;

use async_std::net::TcpListener;
use futures::AsyncWriteExt;
use serde_json::Value;

use crate::programs::{Finished, Launch, Program};
use crate::screen::Desk;
use crate::script::{Caller, Stage, message};
use crate::world::{FIRST_INSTALLATION, patiently, story};

/// What no header line of the protocol keeps a server from saying.
const SENTENCE: &str = "no\u{202e}on\u{2066}\u{2069}\u{61c}\u{200e}\u{200f}\u{2028}\u{206a}\u{206f}\u{fff9}\u{fffb}\u{e0001}\u{e0041}\u{e007f}end";

/// The same as it is shown.
const SHOWN: &str = "no\u{fffd}on\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}end";

/// A body may have more.
const BODY: &str = "\u{1b}[2J\u{7}\u{9b}31m\u{7f}\r\u{85}";

/// The flag of Scotland.
const FLAG: &str = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";

/// Written anew here, from the Unicode standard: what is tested must not say what is right.
fn is_harmful(c: char) -> bool {
    let ranges = [
        (0x00, 0x1f),
        (0x7f, 0x9f),
        (0x61c, 0x61c),
        (0x200e, 0x200f),
        (0x2028, 0x202e),
        (0x2066, 0x206f),
        (0xfff9, 0xfffb),
        (0xe0000, 0xe007f),
    ];
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(c)))
}

/// Nothing of what it printed and said does harm.
#[track_caller]
fn is_harmless(finished: &Finished) {
    for printed in [finished.text(), finished.err.clone()] {
        let rest = printed.replace('\n', "").replace(FLAG, "");
        assert!(!rest.contains(is_harmful), "{printed:?}");
    }
}

/// John's own words on a command line, with a server.
fn john(stage: &Stage, data: &Path, words: &[&str]) -> Program {
    Launch::at(stage.address(), "john", data).with(words).start()
}

async fn talking(stage: &Stage) -> Caller {
    stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 0 0").await
}

/// A message of marie's of some kind, as lines to say.
fn of_kind(n: u64, kind: &str, body: &str) -> String {
    message("marie", n, FIRST_INSTALLATION, n, body).replacen(" text ", &format!(" {kind} "), 1)
}

fn file_called(name: &str) -> String {
    let (blob, hash) = ("7".repeat(32), "0".repeat(64));
    let file = serde_json::json!({
        "blob": blob, "name": name, "type": "image/png", "size": 50_000_000, "blake3": hash, "caption": name,
    });
    file.to_string()
}

#[test]
fn what_a_server_says_to_send_does_no_harm() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let mut send = john(&stage, &data, &["send", "--to", "marie", "hello"]);
        let mut server = talking(&stage).await;
        server.say(&format!("ERR CLOSED - {SENTENCE}")).await;
        send.says(SHOWN).await;
        server.say(&format!("ERR BAD - {SENTENCE}")).await;
        let send = send.end().await;
        send.exited(3).said(&format!("tinychat: {SHOWN}"));
        is_harmless(&send);
    });
}

#[test]
fn what_is_said_to_tail_does_no_harm_and_what_it_cannot_show_it_tells() {
    story(async |world| {
        let body = format!("{SENTENCE}{BODY}{FLAG}\nsecond");
        for flags in [&[][..], &["--json"]] {
            let (stage, data) = (Stage::open().await, world.path("john"));
            let words = [&["tail", "--with", "marie"], flags].concat();
            let mut tail = john(&stage, &data, &words);
            let mut server =
                stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 4 0").await;
            tail.says("following").await;
            server.say(&format!("ERR CLOSED - {SENTENCE}")).await;
            tail.says(SHOWN).await;
            let file = file_called(&body);
            let all = [("text", body.as_str()), ("song", &body), ("file", &body), ("file", &file)];
            for (n, (kind, body)) in (1..).zip(all) {
                server.say(&of_kind(n, kind, body)).await;
            }
            let mut lines = Vec::new();
            for _ in 0..if flags.is_empty() { 6 } else { 4 } {
                lines.push(tail.next_line().await);
            }
            server.say(&format!("ERR BAD - {SENTENCE}")).await;
            let tail = tail.end().await;
            is_harmless(tail.exited(1));
            if flags.is_empty() {
                let escaped = "\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}";
                assert_eq!(lines[0], format!("marie: {SHOWN}{escaped}{FLAG}"));
                assert_eq!(lines[1], "marie: second");
                assert_eq!(lines[2], "marie: [something of kind song, which cannot be shown here]");
                assert_eq!(lines[3], "marie: [something of kind file, which cannot be shown here]");
                assert!(lines[4].starts_with("marie: [file 1: no\u{fffd}on"), "{}", lines[4]);
            } else {
                is_true(&lines, &body);
            }
            std::fs::remove_dir_all(&data).unwrap();
        }
    });
}

/// A text, two things that cannot be shown, and a file, as JSON.
fn is_true(lines: &[String], body: &str) {
    let objects: Vec<Value> = lines.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(objects[0]["text"], body, "the text is true");
    assert!(objects[0].get("kind").is_none());
    for (object, kind) in [(&objects[1], "song"), (&objects[2], "file")] {
        assert_eq!((&object["text"], &object["kind"]), (&"".into(), &kind.into()));
        assert!(object.get("file").is_none());
    }
    assert_eq!(objects[3]["file"]["name"], body);
    assert!(objects[3].get("kind").is_none());
}

#[test]
fn what_is_said_to_the_plain_face_does_no_harm_nor_does_the_history() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let body = format!("{SENTENCE}{BODY}{FLAG}\nsecond");
        let flags = ["--to", "marie", "--follow", "--receipts", "--commands"];
        let mut face = john(&stage, &data, &flags);
        let mut server =
            stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 4 0").await;
        face.types("one\n/FILES\n/STATUS\n");
        server.expect_messages("marie", 1, &["one"]).await;
        let file = file_called(&body);
        let all = [("text", body.as_str()), ("song", &body), ("file", &body), ("file", &file)];
        for (n, (kind, body)) in (1..).zip(all) {
            server.say(&of_kind(n, kind, body)).await;
        }
        for line in
            ["FULL marie 1", "SLOW marie 1 9", "STORE marie 1", "CLOSED -", "BLOCK carl", "NONE -"]
        {
            server.say(&format!("ERR {line} {SENTENCE}")).await;
        }
        face.says("sent something of kind song, which cannot be shown here").await;
        face.says("sent something of kind file, which cannot be shown here").await;
        face.types("/FILES\n/SAVE 1 /nonexistent/\n/SEARCH second\n");
        face.says("/GET 1 has it come").await;
        face.says("marie to john").await;
        server.say(&format!("BYE shutdown {SENTENCE}")).await;
        face.says("is away").await;
        face.types("/STATUS\n");
        face.says("is away since").await;
        let mut server = stage.receive().await;
        server.say(&format!("ERR BAD - {SENTENCE}")).await;
        let face = face.end().await;
        is_harmless(face.exited(1).said(SHOWN));

        let folder = data.to_str().unwrap();
        let history = ["history", "--user", "john", "--data", folder, "--with", "marie"];
        let lines = Launch::tinychat(&history).pipe("").await;
        is_harmless(lines.exited(0));
        let told = ": [something of kind song, which cannot be shown here]\n";
        assert!(lines.text().contains(told), "{}", lines.text());
        let json = Launch::tinychat(&history).with(&["--json"]).pipe("").await;
        is_harmless(json.exited(0));
        is_true(&json.lines()[1..], &body);
        let found = Launch::tinychat(&history).with(&["--search", "no"]).pipe("").await;
        assert!(!found.exited(0).text().contains("song"), "{}", found.text());
        let status =
            Launch::at(stage.address(), "john", &data).with(&["--handshake", "6s", "status"]);
        is_harmless(status.pipe("").await.exited(0));
    });
}

#[test]
fn what_is_said_to_the_full_screen_does_no_harm() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let launch = Launch::at(stage.address(), "john", &data).to("marie");
        let mut john = Desk::open(launch);
        let mut server = talking(&stage).await;
        let file = file_called(&format!("file {SENTENCE}{BODY}"));
        for (n, kind, body) in [(1, "text", SENTENCE), (2, "song", SENTENCE), (3, "file", &file)] {
            server.say(&of_kind(n, kind, body)).await;
        }
        server.say(&of_kind(4, "text", &format!("{BODY}last"))).await;
        john.sees("last");
        john.sees("(something of kind song, which cannot be");
        server.say(&format!("ERR CLOSED - objection {SENTENCE}")).await;
        john.sees("objection no");
        server.say(&format!("BYE shutdown {SENTENCE}")).await;
        john.presses("\u{3}\u{3}");
        let raw = john.ends(0);
        assert!(raw.contains(char::REPLACEMENT_CHARACTER), "what is not shown is marked");
        assert!(!raw.contains(|c: char| !c.is_ascii() && is_harmful(c)), "{raw:?}");
    });
}

/// Whoever calls is told this, and no more.
async fn babble(listener: &TcpListener, bytes: &[u8]) {
    let (mut stream, _) = patiently("a client", listener.accept()).await.unwrap();
    // It may have hung up.
    let _ = stream.write_all(bytes).await;
}

#[test]
fn whatever_bytes_a_server_begins_with_do_no_harm() {
    story(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let evil = format!("{SENTENCE}{BODY}");
        let mut bytes = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| bytes.u8(..)).take(200).collect();
        for (n, said) in [
            format!("HTTP/1.1 400 {evil}\r\n").into_bytes(),
            format!("{SENTENCE}\r\n").into_bytes(),
            format!("CHALLENGE {SENTENCE}\r\n").into_bytes(),
            format!("ERR BANNED - {SENTENCE}\r\n").into_bytes(),
            format!("ERR VERSION - {SENTENCE}\r\n").into_bytes(),
            format!("BYE {SENTENCE} {SENTENCE}\r\n").into_bytes(),
            format!("WAITING {SENTENCE} 1\r\n").into_bytes(),
            format!("BLOCKS {}\r\n{evil}\r\n", evil.len()).into_bytes(),
            [&noise[..], b"\r\n"].concat(),
        ]
        .into_iter()
        .enumerate()
        {
            for words in [&["--to", "marie"][..], &["send", "--to", "marie", "hello"]] {
                let data = world.path(&format!("john-{n}"));
                let flags = ["--timeout", "1"];
                let john = Launch::at(address, "john", &data).with(&flags).with(words).pipe("");
                let calls = async {
                    while {
                        babble(&listener, &said).await;
                        true
                    } {}
                };
                let ended = futures::future::select(Box::pin(john), Box::pin(calls)).await;
                let futures::future::Either::Left((john, _)) = ended else { unreachable!() };
                // What is said before the message is written has it kept nowhere.
                assert!([1, 3].contains(&john.code()), "{}", john.err);
                is_harmless(&john);
            }
        }
    });
}

/// What the library says of itself must hold for what a person gives on the command line, too.
#[test]
fn what_is_wrong_on_the_command_line_is_told_without_harm() {
    async_std::task::block_on(async {
        for words in
            [&["--to", SENTENCE][..], &["--server", SENTENCE, "--user", "john"], &[SENTENCE]]
        {
            let john = Launch::tinychat(words).pipe("").await;
            is_harmless(&john);
            let server = Launch::operator(words).pipe("").await;
            is_harmless(server.exited(2));
        }
    });
}
