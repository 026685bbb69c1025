//! Many sealed messages: what the host has of a thousand, and what is read of ten thousand of which most expired.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use tinychat::server::Config;

use crate::lying::Liar;
use crate::pipe::read_all;
use crate::programs::{Launch, Program, numbered};
use crate::sealed::{comes, comes_by, files, leaves, spellings};
use crate::times::SetTimes;
use crate::world::{World, story, story_with};

/// The first bytes of what is looked for.
type Beginning = [u8; 8];

/// Looks for many words at once: as they are, and in base64.
#[derive(Default)]
struct Search(HashMap<Beginning, Vec<(String, Vec<u8>)>>);

impl Search {
    fn of<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        let mut search = Self::default();
        for word in words {
            for spelling in spellings(word) {
                let beginning = *spelling.first_chunk().unwrap();
                search.0.entry(beginning).or_default().push((word.clone(), spelling));
            }
        }
        search
    }

    /// The words that stand there.
    fn found_in<'a>(&self, all: impl IntoIterator<Item = &'a Vec<u8>>) -> HashSet<String> {
        // Files are made with many zeros, of which no word has any.
        let pieces = all.into_iter().flat_map(|bytes| bytes.split(|byte| *byte == 0));
        pieces.flat_map(|piece| self.found_in_piece(piece)).collect()
    }

    fn found_in_piece(&self, piece: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, beginning) in piece.windows(size_of::<Beginning>()).enumerate() {
            for (word, spelling) in self.0.get(beginning).into_iter().flatten() {
                if piece[at..].starts_with(spelling) {
                    found.push(word.clone());
                }
            }
        }
        found
    }
}

/// All that lies in a folder.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    files(folder).iter().map(|path| fs::read(path).unwrap()).collect()
}

/// So many messages, each with its own words; and the words.
fn random_messages(count: usize) -> (Vec<String>, Vec<String>) {
    let letters = |length| (0..length).map(|_| fastrand::lowercase()).collect::<String>();
    let message = |_| {
        let count = 1 + fastrand::usize(0..4);
        (0..count).map(|_| letters(20 + fastrand::usize(0..10))).collect::<Vec<_>>()
    };
    let messages: Vec<Vec<String>> = (0..count).map(message).collect();
    (messages.iter().map(|words| words.join(" ")).collect(), messages.concat())
}

/// Somebody's client, which connects through whoever writes down all that is said.
fn through(tap: &Liar, world: &World, name: &str, peer: &str) -> Program {
    let person = Launch::at(tap.address, name, &world.path(name)).to(peer);
    person.with(&["--follow", "--receipts"]).start()
}

#[test]
fn the_host_has_no_word_of_a_thousand_messages_and_nor_has_the_line() {
    const EACH: usize = 500;
    story(async |world| {
        let tap = Liar::before(world.address()).await;
        comes_by(tap.address, world, "bob").await;
        let mut alice = through(&tap, world, "alice", "bob");
        let (hers, words) = random_messages(EACH);
        alice.types(hers.iter().map(|text| format!("{text}\n")).collect::<String>());
        // They wait.
        alice.says(&format!("stored bob {EACH}")).await;
        let waiting = contents(&world.disk());
        let mut bob = through(&tap, world, "bob", "alice");
        bob.prints_all(hers.iter().map(|text| format!("alice: {text}"))).await;
        let (his, more) = random_messages(EACH);
        bob.types(his.iter().map(|text| format!("{text}\n")).collect::<String>());
        alice.prints_all(his.iter().map(|text| format!("bob: {text}"))).await;
        bob.says(&format!("delivered alice {EACH}")).await;
        let delivered = contents(&world.disk());
        let carried = tap.carried();
        let search = Search::of(words.iter().chain(&more));
        let everywhere = || waiting.iter().chain(&delivered).chain(&carried);
        assert_eq!(search.found_in(everywhere()), HashSet::new());
        let says_kind = |all: &[Vec<u8>]| {
            let kind = b" text ";
            all.iter().any(|bytes| bytes.windows(kind.len()).any(|part| part == kind))
        };
        assert!(!says_kind(&carried), "nor of what kind they are");

        // That would be found.
        let control = "tulip-bulbs-from-delft".to_owned();
        let words = ["send", "--to", "carol", &control];
        let carols = Launch::at(tap.address, "alice", &world.path("alice")).with(&words);
        carols.pipe("").await.exited(0);
        let search = Search::of([&control]);
        assert_eq!(search.found_in(&contents(&world.disk())).len(), 1);
        assert_eq!(search.found_in(&tap.carried()).len(), 1);
        assert!(says_kind(&tap.carried()));
        leaves(alice).await;
        leaves(bob).await;
    });
}

/// What expires leaves gaps in what was sealed, and a reader passes over some 2,000 at most.
#[test]
fn what_did_not_expire_of_ten_thousand_messages_is_read() {
    const READ: u64 = 300;
    const EXPIRED: u64 = 9_000;
    const LEFT: u64 = 1_000;
    let times = SetTimes::new();
    let clocks = times.clone();
    let configure = |config: &mut Config| {
        config.times = clocks;
        config.timing.sweep = Duration::from_millis(100);
    };
    story_with(configure, async |world| {
        comes(world, "bob").await;
        let alice = Launch::of(world, "alice").to("bob").with(&["--follow", "--receipts"]);
        let mut alice = alice.start();
        let printed = |numbers: std::ops::RangeInclusive<u64>| -> Vec<String> {
            numbers.map(|n| format!("alice: message {n}")).collect()
        };
        alice.types(numbered(1..=READ));
        alice.says(&format!("stored bob {READ}")).await;
        assert_eq!(read_all(world, "bob", "alice").await, printed(1..=READ));
        let gone = READ + EXPIRED;
        alice.types(numbered(READ + 1..=gone));
        alice.says(&format!("stored bob {gone}")).await;
        times.days_pass(31);
        alice.says(&format!("expired bob {gone}")).await;
        alice.types(numbered(gone + 1..=gone + LEFT));
        alice.says(&format!("stored bob {}", gone + LEFT)).await;
        assert_eq!(read_all(world, "bob", "alice").await, printed(gone + 1..=gone + LEFT));
        alice.says(&format!("delivered bob {}", gone + LEFT)).await;
        leaves(alice).await;
    });
}
