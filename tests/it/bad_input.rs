//! Garbage, rule breaking, and connections cut at any byte: each gets its answer, and alice and bob,
//! who chat on the same server, notice nothing.

use std::time::Duration;

use tinychat::trust::tls::Channel;
use tinychat::wire::{HANDSHAKE_SECONDS, SIGN_IN_NAMESPACE, sign_in_text};

use crate::times::SetTimes;
use crate::world::{FIRST_INSTALLATION, Peer, World, message, story, story_with};

const ORIGIN: &str = "000000000000000000000000000000b1";

/// Two people who must not be disturbed.
struct Bystanders {
    alice: Peer,
    bob: Peer,
    n: u64,
}

impl Bystanders {
    async fn come(world: &World) -> Self {
        let (alice, bob) = world.conversation("alice", "bob").await;
        Self { alice, bob, n: 0 }
    }

    /// One message each way and its receipt, and nothing else.
    async fn chat_on(&mut self) {
        self.n += 1;
        let Self { alice, bob, n } = self;
        alice.say("bob", *n, "fine weather").await;
        bob.hears("alice", *n, *n, "fine weather").await;
        bob.ack("alice", *n).await;
        alice.expect(&format!("DELIVERED bob {n}")).await;
        bob.say("alice", *n, "indeed").await;
        alice.hears("bob", *n, *n, "indeed").await;
        alice.ack("bob", *n).await;
        bob.expect(&format!("DELIVERED alice {n}")).await;
    }
}

/// What somebody sends, and what must come of it.
struct Case {
    story: &'static str,
    bytes: Vec<u8>,
    /// The beginnings of the lines that answer.
    answer: &'static str,
    closes: bool,
}

fn case(story: &'static str, bytes: impl AsRef<[u8]>, answer: &'static str) -> Case {
    Case { story, bytes: bytes.as_ref().into(), answer, closes: true }
}

fn survives(story: &'static str, bytes: impl AsRef<[u8]>, answer: &'static str) -> Case {
    Case { closes: false, ..case(story, bytes, answer) }
}

impl Case {
    async fn tell(&self, mut mallory: Peer) {
        println!("{}", self.story);
        mallory.try_to_send(&self.bytes).await;
        for line in self.answer.lines() {
            mallory.expect(line).await;
        }
        if self.closes {
            mallory.end().await;
        } else {
            mallory.hears_nothing().await;
        }
    }
}

fn hello(name: &str, key: &str, installation: &str) -> String {
    format!("HELLO tinychat/2 {name} {key} {installation} online\r\n")
}

/// What breaks the form of a frame, whoever sends it and whenever.
fn malformed() -> Vec<Case> {
    let long_line = [b"TALK ".as_slice(), &[b'x'; 508], b"\r\n"].concat();
    vec![
        case("a line that is too long", &long_line, "ERR LINE -"),
        case("a line without an end", [b'x'; 10_000], "ERR LINE -"),
        case("an unknown verb", "GET / HTTP/1.1\r\n\r\n", "ERR VERB -"),
        case("a verb in small letters", "ping\r\n", "ERR VERB -"),
        case("an empty line", "\r\n", "ERR VERB -"),
        case("a server's verb", "WELCOME mallory\r\n", "ERR VERB -"),
        case("a line that ends with LF alone", "PING\n", "ERR BAD -"),
        case("a line with a control character", "TALK b\tb 0\r\n", "ERR BAD -"),
        case("a line that is not UTF-8", b"TALK b\xff 0\r\n", "ERR BAD -"),
        case("two spaces between words", "TALK  bob 0\r\n", "ERR BAD -"),
        case("a space at the end", "PING \r\n", "ERR BAD -"),
        case("a word too few", "TALK bob\r\n", "ERR BAD -"),
        case("a word too many", "ACK bob 1 1\r\n", "ERR BAD -"),
        case("a number with a sign", "TALK bob +1\r\n", "ERR BAD -"),
        case("a number with a leading zero", "TALK bob 01\r\n", "ERR BAD -"),
        case("a number beyond 64 bits", "ACK bob 18446744073709551616\r\n", "ERR BAD -"),
        case(
            "a message without a number",
            format!("MSG bob 0 {ORIGIN} text 0 1\r\nx\r\n"),
            "ERR BAD -",
        ),
        case(
            "an origin in capitals",
            format!("MSG bob 1 {} text 0 1\r\nx\r\n", "A".repeat(32)),
            "ERR BAD -",
        ),
        case(
            "an origin of 31 digits",
            format!("MSG bob 1 {} text 0 1\r\nx\r\n", "a".repeat(31)),
            "ERR BAD -",
        ),
        case("a kind in capitals", format!("MSG bob 1 {ORIGIN} TEXT 0 1\r\nx\r\n"), "ERR BAD -"),
        case("a body without a length", format!("MSG bob 1 {ORIGIN} text\r\n"), "ERR BAD -"),
        case("a negative length", format!("MSG bob 1 {ORIGIN} text 0 -1\r\n"), "ERR BAD -"),
        case(
            "a body longer than announced",
            format!("MSG bob 1 {ORIGIN} text 0 5\r\nhello world\r\n"),
            "ERR BAD -",
        ),
        case(
            "a body longer than allowed",
            format!("MSG bob 1 {ORIGIN} text 0 81921\r\n"),
            "ERR BODY -",
        ),
        case(
            "a body of all there is",
            format!("MSG bob 1 {ORIGIN} text 0 9223372036854775807\r\n"),
            "ERR BODY -",
        ),
        case("a proof longer than allowed", "PROVE 2049\r\n", "ERR BODY -"),
    ]
}

#[test]
fn what_is_no_frame_is_answered_and_closed_before_signing_in() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        for case in malformed() {
            case.tell(world.connect().await).await;
            bystanders.chat_on().await;
        }
    });
}

#[test]
fn what_is_no_frame_is_answered_and_closed_after_signing_in() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        for case in malformed() {
            case.tell(world.sign_in("mallory").await).await;
            bystanders.chat_on().await;
        }
    });
}

#[test]
fn what_cannot_come_before_signing_in_is_refused() {
    story(async |world| {
        let key = world.identity("mallory").public().to_string();
        let good = hello("mallory", &key, FIRST_INSTALLATION);
        let name = |name| hello(name, &key, FIRST_INSTALLATION);
        let long_name = "m".repeat(33);
        let mut bystanders = Bystanders::come(world).await;
        for case in [
            case("another version", good.replace("chat/2", "chat/1"), "ERR VERSION -"),
            case("a version and no more", "HELLO irc\r\n", "ERR VERSION -"),
            case("a name with a colon", name("mal:lory"), "ERR NAME -"),
            case("a name with a slash", name("../mallory"), "ERR NAME -"),
            case("a name like a flag", name("-mallory"), "ERR NAME -"),
            case("a name that is too long", name(&long_name), "ERR NAME -"),
            case("a name with an override", name("mal\u{202e}lory"), "ERR NAME -"),
            case("an empty name", name(""), "ERR BAD -"),
            case("an installation in words", hello("mallory", &key, "home"), "ERR BAD -"),
            case("a presence that is none", good.replace(" online", " busy"), "ERR BAD -"),
            case("a presence in capitals", good.replace(" online", " AWAY"), "ERR BAD -"),
            case("no presence", good.replace(" online", ""), "ERR BAD -"),
            case("a key that is none", hello("mallory", "key", FIRST_INSTALLATION), "ERR KEY -"),
            case("MSG before HELLO", message("bob", 1, "hi"), "ERR STATE -"),
            case("TALK before HELLO", "TALK bob 0\r\n", "ERR STATE -"),
            case("ONLINE before HELLO", "ONLINE\r\n", "ERR STATE -"),
            case("PING before HELLO", "PING\r\n", "ERR STATE -"),
            case("PROVE before HELLO", "PROVE 2\r\nhi\r\n", "ERR STATE -"),
        ] {
            case.tell(world.connect().await).await;
            bystanders.chat_on().await;
        }
        for (story, bytes) in
            [("HELLO again", good.clone()), ("MSG before PROVE", message("bob", 1, "hi"))]
        {
            let mut mallory = world.connect().await;
            mallory.send_bytes(good.as_bytes()).await;
            mallory.challenge().await;
            case(story, bytes, "ERR STATE -").tell(mallory).await;
        }
        bystanders.chat_on().await;
    });
}

#[test]
fn what_breaks_the_rules_after_signing_in_is_answered() {
    story(async |world| {
        let key = world.identity("mallory").public().to_string();
        let after_close = format!("TALK bob 0\r\nCLOSE bob\r\n{}", message("bob", 1, "hi"));
        let mut bystanders = Bystanders::come(world).await;
        for case in [
            case("HELLO again", hello("mallory", &key, FIRST_INSTALLATION), "ERR STATE -"),
            case("PROVE again", "PROVE 2\r\nhi\r\n", "ERR STATE -"),
            case("ACK without TALK", "ACK bob 1\r\n", "ERR STATE -"),
            survives("talking to oneself", "TALK mallory 0\r\n", "ERR SELF mallory"),
            survives("talking to ONESELF", "TALK MALLORY 0\r\n", "ERR SELF mallory"),
            survives("talking to no name", "TALK a:b 0\r\n", "ERR NAME -"),
            survives(
                "a message to no name",
                format!("MSG a:b 1 {ORIGIN} text 0 2\r\nhi\r\n"),
                "ERR NAME -",
            ),
            survives("a message without TALK", message("bob", 1, "hi"), "ERR CLOSED bob"),
            survives(
                "a message after CLOSE",
                after_close,
                "TALKING bob online 0 0 0 0 0\nERR CLOSED bob",
            ),
            survives("closing what is not open", "CLOSE bob\r\nPING\r\n", "PONG"),
            survives("an answer to no PING", "PONG\r\nPING\r\n", "PONG"),
        ] {
            case.tell(world.sign_in("mallory").await).await;
            bystanders.chat_on().await;
        }
    });
}

#[test]
fn an_acknowledgement_beyond_what_was_sent_is_refused_and_counts_for_nothing() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        bystanders.alice.talk("mallory").await;
        bystanders.alice.say("mallory", 1, "hello").await;
        bystanders.alice.expect("STORED mallory 1").await;
        let mut mallory = world.sign_in("mallory").await;
        mallory.expect("WAITING alice 1").await;
        mallory.talk("alice").await;
        mallory.hears("alice", 1, 1, "hello").await;
        mallory.ack("alice", 2).await;
        mallory.expect("ERR STATE -").await;
        mallory.end().await;
        let mut mallory = world.sign_in("mallory").await;
        mallory.expect("WAITING alice 1").await;
    });
}

#[test]
fn a_thousand_conversations_may_be_open_and_no_more() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        let mut mallory = world.sign_in("mallory").await;
        let all: String = (1..=1_001).map(|n| format!("TALK friend{n} 0\r\n")).collect();
        mallory.send_bytes(all.as_bytes()).await;
        for n in 1..=1_000 {
            mallory.expect(&format!("TALKING friend{n} away 0 0 0 0 0")).await;
        }
        mallory.expect("ERR CONVERSATIONS friend1001").await;
        // One that is open may begin again; one that is closed makes room.
        assert_eq!(mallory.talk("friend7").await, "away 0 0 0 0");
        mallory.send("CLOSE friend7").await;
        assert_eq!(mallory.talk("bob").await, "online 0 0 0 0");
        bystanders.chat_on().await;
    });
}

#[test]
fn signing_in_must_not_take_for_ever() {
    let times = SetTimes::new();
    let by_these = |config: &mut tinychat::server::Config| config.times = times.clone();
    story_with(by_these, async |world| {
        let key = world.identity("mallory").public().to_string();
        let good = hello("mallory", &key, FIRST_INSTALLATION);
        let mut silent = world.connect().await;
        let mut halting = world.connect().await;
        halting.send_bytes(&good.as_bytes()[..20]).await;
        let mut undecided = world.connect().await;
        undecided.send_bytes(good.as_bytes()).await;
        undecided.challenge().await;
        times.until_asleep(3).await;
        times.pass(Duration::from_secs(HANDSHAKE_SECONDS)).await;
        for peer in [&mut silent, &mut halting, &mut undecided] {
            peer.expect("ERR TIMEOUT -").await;
        }
        for peer in [silent, halting, undecided] {
            peer.end().await;
        }
    });
}

/// Signs in, opens a conversation and writes a message, but is cut after `bytes` bytes. Returns
/// whether all of it was sent.
async fn cut_after(world: &World, mut bytes: usize) -> bool {
    let mallory = world.identity("mallory");
    let mut peer = world.connect().await;
    let hello = hello("mallory", &mallory.public().to_string(), FIRST_INSTALLATION);
    peer.send_bytes(&hello.as_bytes()[..bytes.min(hello.len())]).await;
    if bytes < hello.len() {
        return false;
    }
    bytes -= hello.len();
    let text = sign_in_text(&"mallory".parse().unwrap(), &peer.challenge().await, &Channel::Plain);
    let proof = mallory.sign(SIGN_IN_NAMESPACE, &text).unwrap();
    let proof = format!("PROVE {}\r\n{proof}\r\n", proof.len());
    let rest = format!("{proof}TALK bob 0\r\n{}", message("bob", 1, "the only message"));
    peer.send_bytes(&rest.as_bytes()[..bytes.min(rest.len())]).await;
    if bytes >= proof.len() {
        // Signed in. The server reads to the end, so that none of these takes over a later one.
        peer.close_and_read().await;
    }
    bytes >= rest.len()
}

#[test]
fn a_connection_may_be_cut_after_every_byte() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        bystanders.bob.talk("mallory").await;
        let mut bytes = 0;
        while !cut_after(world, bytes).await {
            bytes += 1;
        }
        assert!(bytes > 400, "the exchange has more bytes than {bytes}");
        let mut mallory = world.sign_in("mallory").await;
        assert_eq!(mallory.talk_until_stored("bob").await, "online 1 1 0 0");
        mallory.say("bob", 1, "the only message").await;
        mallory.say("bob", 2, "and another").await;
        bystanders.bob.hears("mallory", 1, 1, "the only message").await;
        bystanders.bob.hears("mallory", 2, 2, "and another").await;
        bystanders.bob.send("CLOSE mallory").await;
        bystanders.bob.catch_up().await;
        bystanders.chat_on().await;
    });
}

/// Frames and pieces of frames, from which random input is made that gets past the first line.
const PIECES: [&[u8]; 14] = [
    b"TALK bob 0\r\n",
    b"TALK alice 0\r\n",
    b"CLOSE bob\r\n",
    b"MSG bob 1 00000000000000000000000000000001 text 0 2\r\nhi\r\n",
    b"MSG alice 18446744073709551615 0000000000000000ffffffffffffffff text 0 0\r\n\r\n",
    b"MSG bob 2 00000000000000000000000000000002 text 0 9\r\nhi\r\n",
    b"ACK bob 1\r\n",
    b"ONLINE\r\n",
    b"PING\r\n",
    b"PONG\r\n",
    b"QUIT\r\n",
    b"\r\n",
    b" ",
    b"MSG bob ",
];

fn random_bytes(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..20) {
        if random.u8(..) < 40 {
            bytes.extend((0..random.usize(1..50)).map(|_| random.u8(..)));
        } else {
            bytes.extend(PIECES[random.usize(..PIECES.len())]);
        }
    }
    bytes
}

#[test]
fn random_bytes_hurt_nobody() {
    story(async |world| {
        let mut bystanders = Bystanders::come(world).await;
        for seed in 0..300 {
            println!("seed {seed}");
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut mallory =
                if random.bool() { world.sign_in("mallory").await } else { world.connect().await };
            mallory.try_to_send(&random_bytes(random)).await;
            if seed % 10 == 0 {
                // What mallory writes to them properly is announced to them, and that is all.
                for peer in [&mut bystanders.alice, &mut bystanders.bob] {
                    let told = peer.catch_up().await;
                    assert!(told.iter().all(|it| it.starts_with("WAITING mallory ")), "{told:?}");
                }
                drop(mallory);
                bystanders.bob.until_away("mallory").await;
                bystanders.alice.catch_up().await;
                bystanders.bob.catch_up().await;
                bystanders.chat_on().await;
            }
        }
    });
}
