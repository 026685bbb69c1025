//! Any bytes on standard input of the real client: they end as the same words, or as a refusal, whatever becomes of
//! its output.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use fastrand::Rng;
use tinychat::wire::MAX_TEXT;

use crate::pipe::read_all;
use crate::programs::Launch;
use crate::world::story;

/// How many inputs are tried. Others each time, but for the seed in the failure.
const INPUTS: u64 = 10;

/// What inputs are put together from: ends of lines, text, and what is none.
const PIECES: [&[u8]; 12] = [
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"word",
    b" ",
    "ü".as_bytes(),
    "👍".as_bytes(),
    b"\xff\xfe",
    b"\xc3",
    b"\0",
    b"\x1b[2J",
];

fn input(random: &mut Rng) -> Vec<u8> {
    // Most inputs are good ones.
    let kinds = if random.bool() { 8 } else { PIECES.len() };
    (0..random.usize(0..9)).flat_map(|_| PIECES[random.usize(0..kinds)].to_vec()).collect()
}

fn is_text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.contains('\0'))
}

#[test]
fn whatever_is_on_standard_input_ends_as_the_same_words_or_is_refused() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    story(async |world| {
        let mut random = Rng::with_seed(seed);
        let mut meant = Vec::new();
        for _ in 0..INPUTS {
            let input = input(&mut random);
            let lines: Vec<Option<String>> = { input.split_inclusive(|byte| *byte == b'\n') }
                .map(|line| {
                    line.strip_suffix(b"\n").map_or(line, |it| it.strip_suffix(b"\r").unwrap_or(it))
                })
                .map(is_text)
                .collect();
            let john = Launch::of(world, "john").to("marie").pipe(input.clone()).await;
            john.exited(i32::from(lines.contains(&None))).printed(&[]);
            meant.extend(lines.into_iter().flatten());
            let whole = is_text(&input).map(|text| text.replace("\r\n", "\n"));
            let whole = whole.map(|text| text.strip_suffix('\n').unwrap_or(&text).to_string());
            let whole = whole.filter(|text| !text.is_empty());
            let john = Launch::of(world, "john").with(&["send", "--to", "marie", "-"]);
            john.pipe(input).await.exited(i32::from(whole.is_none())).printed(&[]);
            meant.extend(whole);
        }
        Launch::of(world, "marie").to("john").pipe("").await.exited(0);
        let marie = Launch::of(world, "marie").with(&["history", "--json"]).pipe("").await;
        let came = marie.lines().into_iter().map(|line| {
            let row: serde_json::Value = serde_json::from_str(&line).unwrap();
            row["text"].as_str().unwrap().to_string()
        });
        assert_eq!(came.collect::<Vec<_>>(), meant, "with the seed {seed}");
    });
}

#[test]
fn what_is_sent_from_standard_input_is_sent_as_it_is_meant_or_refused() {
    story(async |world| {
        let send = async |input: &[u8]| {
            let john = Launch::of(world, "john").with(&["send", "--to", "marie", "-"]);
            john.pipe(input).await
        };
        for input in [&b"one\r\ntwo\r\n"[..], b"three", b"\xef\xbf\xbd\n\n"] {
            send(input).await.exited(0).was_quiet();
        }
        for (input, why) in [
            (&b""[..], "the input is empty; nothing was sent"),
            (b"good\nol\xe9\n", "line 2 is not UTF-8 (its byte 3 is 0xe9): iconv"),
            (b"h\0i\0", "line 1 is no text (its byte 2 is 0x00): iconv -f UTF-16"),
            (
                "ß".repeat(MAX_TEXT).as_bytes(),
                "a message has at most 65536 bytes, and the input has more",
            ),
        ] {
            send(input).await.exited(1).said(why).printed(&[]);
        }
        assert_eq!(
            read_all(world, "marie", "john").await,
            ["john: one", "john: two", "john: three", "john: \u{fffd}", "john: "]
        );
    });
}

#[test]
fn what_is_piped_is_sent_although_nothing_can_be_printed() {
    for (reader, code) in [("gone", 0), ("full", 1)] {
        story(async |world| {
            let mut marie = world.sign_in("marie").await;
            marie.talk("john").await;
            marie.say("john", 1, "hello").await;
            marie.expect("STORED john 1").await;
            let output: OwnedFd = match reader {
                "gone" => UnixStream::pair().unwrap().1.into(),
                _ => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
            };
            let john = Launch::of(world, "john").to("marie").with(&["--receipts"]);
            let mut john = john.printing_to(output).start();
            john.types("one\n");
            let until = if code == 1 { "cannot print what marie wrote" } else { "stored marie 1" };
            john.says(until).await;
            john.types("two\n");
            john.finish().await.exited(code).said("stored marie 2");
            marie.hears("john", 1, 1, "one").await;
            marie.hears("john", 2, 2, "two").await;
            assert_eq!(read_all(world, "john", "marie").await, ["marie: hello"]);
        });
    }
}
