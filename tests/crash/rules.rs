//! Each of these rules of delivery is needed: without it the rounds of this harness fail. `just rules` takes away one after
//! the other in a copy of the sources, builds that, and plays; the usual tests only see that each still stands where it
//! is looked for.
//!
//! The numbers are those of the chapter Delivery in `src/wire/mod.rs`. What the rounds cannot show, since it takes more
//! bad luck than they have, the models show: `tests/model`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A rule that is taken away.
struct Rule {
    /// Whose it is, its number, and what it says.
    says: &'static str,
    file: &'static str,
    /// What stands there, once.
    found: &'static str,
    instead: &'static str,
    /// The kind of rounds that fail.
    rounds: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        says: "server 3: what is told to be stored is on the disk",
        file: "src/mailbox/embedded/writer.rs",
        found: "        let tried = self.try_commit(number, changes);\n",
        // On a disk that takes its time.
        instead: "        self.tell(Event::Committed(commits(changes)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        let tried = self.try_commit(number, changes);\n",
        rounds: "lost_outbox",
    },
    Rule {
        says: "sender 1: that a number was sent is on the disk before it is",
        file: "src/client/store/outbox.rs",
        found: "\"UPDATE message SET sent = 1\n",
        instead: "\"UPDATE message SET sent = 0\n",
        rounds: "restored",
    },
    Rule {
        says: "sender 2: what is above `have` is sent in order",
        file: "src/client/store/outbox.rs",
        found: "         ORDER BY n LIMIT ?\",",
        instead: "         ORDER BY n DESC LIMIT ?\",",
        rounds: "storm",
    },
    Rule {
        says: "sender 3: a message is kept and sent again also when it is stored",
        file: "src/client/store/outbox.rs",
        found: "               AND state IN ('waiting', 'stored') AND bounces < ?\n         ORDER BY n",
        instead: "               AND state = 'waiting' AND bounces < ?\n         ORDER BY n",
        rounds: "restored",
    },
    Rule {
        says: "sender 5: a `have` above all that was sent means a copy",
        file: "src/client/core/exchange/frames.rs",
        found: "        if own.have <= self.store",
        instead: "        if own.have < u64::MAX || own.have <= self.store",
        rounds: "restored",
    },
    Rule {
        says: "sender 5: only one above, for a server may have been restored",
        file: "src/client/core/exchange/frames.rs",
        found: "        if own.have <= self.store",
        instead: "        if own.have == self.store",
        rounds: "restored",
    },
    Rule {
        says: "sender 5: a copy sends anew also what was sent or stored",
        file: "src/client/store/outbox.rs",
        found: "                                  AND state IN ('waiting', 'stored')) AS fresh",
        instead: "                                  AND state = 'waiting' AND sent = 0) AS fresh",
        rounds: "restored",
    },
    Rule {
        says: "sender 5: a copy sends anew with the same origins",
        file: "src/client/store/outbox.rs",
        found: "\"UPDATE message SET installation = ?1, n = fresh.n,",
        instead: "\"UPDATE message SET origin = randomblob(16), installation = ?1, n = fresh.n,",
        rounds: "restored",
    },
    Rule {
        says: "sender 5: a copy sends anew in the order of writing",
        file: "src/client/store/outbox.rs",
        found: "row_number() OVER (PARTITION BY peer ORDER BY id) AS n",
        instead: "row_number() OVER (PARTITION BY peer ORDER BY id DESC) AS n",
        rounds: "restored",
    },
    Rule {
        says: "receiver 2: a message that is there is a duplicate, whatever its number",
        file: "src/client/store/history.rs",
        found: "    if let Some(known) = duplicate(tx, server, &peer, message.origin, &hash)? {",
        instead: "    if let Some(known) = duplicate(tx, server, &peer, message.origin, &hash)?
        .filter(|it| *it < 0)
    {",
        rounds: "restored",
    },
    Rule {
        says: "receiver 2: what has another message's number is bounced, not acknowledged",
        file: "src/client/store/history.rs",
        found: "id)?.then_some(Verdict::Bounced))",
        instead: "id)?.then_some(Verdict::Known))",
        rounds: "restored",
    },
    Rule {
        says: "receiver 1: what is acknowledged is on the disk",
        file: "src/client/core/exchange/intake.rs",
        found: "        for (peer, _, message) in &messages {\n",
        instead: "        for (peer, seq, message) in &messages {
            connection.answer(&ClientFrame::Ack { peer: peer.clone(), seq: *seq });
            connection.progress(false).await?;\n",
        rounds: "drain",
    },
    Rule {
        says: "receiver 3: what bounces is said before anything above it is acknowledged",
        file: "src/client/core/exchange/intake.rs",
        found: "    let mut acknowledged = BTreeMap::new();\n",
        instead: "    let mut acknowledged = BTreeMap::new();
    for (peer, seq, _) in answers.iter().filter(|(.., bounces)| !bounces) {
        connection.answer(&ClientFrame::Ack { peer: peer.clone(), seq: *seq });
    }\n",
        rounds: "mixed_queue",
    },
];

/// How many moments are played without a rule: most show in the first few rounds.
const MOMENTS: &str = "150";

/// As much as is printed of a finding: texts of messages are long.
const WIDTH: usize = 100;

#[test]
fn each_rule_stands_where_it_is_taken_away() {
    for Rule { says, file, found, instead, .. } in RULES {
        let text = fs::read_to_string(sources().join(file)).unwrap();
        assert_eq!(text.matches(found).count(), 1, "{says}: in {file} {found:?}");
        assert_ne!(found, instead);
    }
}

#[test]
#[ignore = "builds the programs once for each rule: `just rules`"]
fn each_rule_is_missed() {
    let copy = Copy::make();
    let is_missed = |rule: &&Rule| {
        println!("without {} …", rule.says);
        let said = copy.play_without(rule);
        let found = finding(&said);
        println!("  {}", found.unwrap_or(&said));
        found.is_some()
    };
    let unnoticed: Vec<_> =
        RULES.iter().filter(|rule| !is_missed(rule)).map(|it| it.says).collect();
    assert!(unnoticed.is_empty(), "not missed: {unnoticed:#?}");
}

/// What the harness found, if rounds failed: what does not build shows nothing.
fn finding(said: &str) -> Option<&str> {
    let (_, found) = said.split_once("panicked at tests/crash/")?;
    let found = found.lines().nth(1)?;
    Some(&found[..found.floor_char_boundary(WIDTH)])
}

/// A copy of all that is built.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    const PARTS: [&str; 8] =
        ["Cargo.toml", "Cargo.lock", "README.md", "src", "share", "tests", "benches", "examples"];

    fn make() -> Self {
        let rules = sources().join("target/rules");
        let tree = rules.join("tree");
        fs::create_dir_all(&tree).unwrap();
        let parts = Self::PARTS.map(|part| sources().join(part));
        let copied = Command::new("cp").arg("-a").args(parts).arg(&tree).status().unwrap();
        assert!(copied.success());
        Self { tree, target: rules.join("build") }
    }

    /// What the rounds say.
    fn play_without(&self, Rule { file, found, instead, rounds, .. }: &Rule) -> String {
        let path = self.tree.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(found, instead, 1)).unwrap();
        let mut play = Command::new(env!("CARGO"));
        play.args(["test", "--test", "crash", rounds]).current_dir(&self.tree);
        play.env("CARGO_TARGET_DIR", &self.target).env("TINYCHAT_CRASH_KILLS", MOMENTS);
        let played = play.output().unwrap();
        fs::write(&path, text).unwrap();
        let [out, errors] = [played.stdout, played.stderr].map(|it| String::from_utf8(it).unwrap());
        out + &errors
    }
}

fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
