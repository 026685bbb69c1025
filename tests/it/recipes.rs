//! The scripts of README and of the manual, run as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use crate::echo::WithinASecond;
use crate::pipe::read_all;
use crate::programs::{Launch, Program, comes_for_real};
use crate::sealed::comes;
use crate::world::{World, patiently, story};

/// A folder in which a shell finds `tinychat`, john's settings, and a `notify-send` that writes into a file.
struct Bench {
    folder: PathBuf,
    texts: Option<String>,
}

impl Bench {
    fn new(world: &World) -> Self {
        let folder = world.path("bench");
        fs::create_dir_all(folder.join("tinychat")).unwrap();
        let (server, data) = (world.address(), world.path("john"));
        comes_for_real(server, "john");
        let settings =
            format!("server = \"{server}\"\ntls = false\nuser = \"john\"\ndata = {data:?}\n");
        fs::write(folder.join("tinychat/config.toml"), settings).unwrap();
        let notify = folder.join("notify-send");
        fs::write(&notify, "#!/bin/sh\necho \"$1\" >> \"$NOTIFIED\"\n").unwrap();
        fs::set_permissions(&notify, fs::Permissions::from_mode(0o755)).unwrap();
        let manual = include_str!("../../share/man/tinychat.1.md");
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
        Self { folder, texts: readme.ok().map(|readme| readme + manual) }
    }

    /// A script that stands in README, or in the manual.
    fn runs(&self, script: &str) -> Launch {
        let stands = self.texts.as_ref().is_none_or(|texts| texts.contains(script));
        assert!(stands, "neither README nor the manual has {script:?}");
        let client = PathBuf::from(env!("CARGO_BIN_EXE_tinychat"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path =
            format!("{}:{}:{path}", self.folder.display(), client.parent().unwrap().display());
        let script = format!("cd {}; {script}", self.folder.display());
        Launch::program("sh")
            .with_group()
            .with(&["-c", &script])
            .variable("PATH", path)
            .variable("XDG_CONFIG_HOME", &self.folder)
            .variable("NOTIFIED", self.folder.join("notified"))
    }
}

#[test]
fn a_file_from_a_script() {
    story(async |world| {
        comes(world, "marie").await;
        let bench = Bench::new(world);
        fs::write(bench.folder.join("report.pdf"), "%PDF-1.7").unwrap();
        let script = "tinychat send --to marie --file report.pdf \"as you asked\"";
        bench.runs(script).pipe("").await.exited(0);
        let told = "john: [file 1: report.pdf, application/pdf, 8 B] as you asked";
        assert_eq!(read_all(world, "marie", "john").await, [told]);
    });
}

#[test]
fn a_cron_job_and_a_line_of_a_log() {
    story(async |world| {
        let bench = Bench::new(world);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        fs::write(bench.folder.join("backup.log"), "begun\ndone in 7 min\n").unwrap();
        bench.runs("df -h / | tinychat send --to marie -").pipe("").await.exited(0);
        assert!(marie.hear().await.text.starts_with("Filesystem"));
        let script = "tail -n 1 backup.log | tinychat send --to marie --wait delivered -";
        let sent = bench.runs(script).start();
        marie.hears("john", 2, 2, "done in 7 min").await;
        marie.ack("john", 2).await;
        sent.finish().await.exited(0);
    });
}

/// When marie has what john waits for.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// At once: her receipt may overtake the server's disk.
    AtOnce,
    /// She is there, and says so once it is stored.
    Late,
    /// She comes once it is stored.
    Away,
}

#[test]
fn a_line_of_a_log_is_known_to_have_arrived_within_a_second_in_whichever_order_receipts_come() {
    const SCRIPT: &str = "tail -n 1 backup.log | tinychat send --to marie --wait delivered -";
    for runs in [false, true] {
        story(async |world| {
            let bench = Bench::new(world);
            fs::write(bench.folder.join("backup.log"), "done in 7 min\n").unwrap();
            let mut anna = world.sign_in("anna").await;
            anna.talk("john").await;
            let beside = Launch::of(world, "john").to("anna").with(&["--follow"]);
            let beside = runs.then(|| beside.start());
            if runs {
                anna.expect("PRESENCE john online").await;
            }
            let (mut n, mut known) = (0, WithinASecond::begin().await);
            for order in [Order::AtOnce, Order::Late, Order::Away, Order::AtOnce, Order::Away] {
                let mut marie = match order {
                    Order::Away => None,
                    _ => Some(world.sign_in("marie").await),
                };
                if let Some(marie) = &mut marie {
                    marie.talk("john").await;
                }
                let sent = bench.runs(SCRIPT).start();
                n += 1;
                let (mut seq, mut last) = (1, n);
                if !matches!(order, Order::AtOnce) {
                    // What is stored behind it says that it is stored.
                    if let Some(marie) = &mut marie {
                        marie.hears("john", 1, n, "done in 7 min").await;
                    } else {
                        is_written(world, n).await;
                    }
                    let next = Launch::of(world, "john").with(&["send", "--to", "marie", "next"]);
                    next.pipe("").await.exited(0);
                    n += 1;
                    (seq, last) = (2, n);
                }
                let mut marie = match marie {
                    Some(marie) => marie,
                    None => world.sign_in("marie").await,
                };
                if matches!(order, Order::Away) {
                    marie.talk("john").await;
                }
                while marie.hear().await.n < last {}
                let read = Instant::now();
                marie.ack("john", seq).await;
                sent.finish().await.exited(0);
                known.done_since(read).await;
                marie.quit().await;
            }
            known.holds();
            drop(beside);
        });
    }
}

/// John's message with this number is on his disk.
async fn is_written(world: &World, n: u64) {
    let count = "SELECT count(*) FROM message WHERE own = 1";
    let written = async {
        loop {
            let store = rusqlite::Connection::open(world.path("john/messages.db"));
            let rows = store.and_then(|it| it.query_row(count, (), |row| row.get::<_, i64>(0)));
            if rows.is_ok_and(|rows| rows.cast_unsigned() >= n) {
                return;
            }
            async_std::task::yield_now().await;
        }
    };
    patiently("john has written", written).await;
}

#[test]
fn a_notice_on_a_word_beside_a_tail_of_one_person() {
    story(async |world| {
        let bench = Bench::new(world);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let begins =
            async |program: &mut Program| program.says("following what others write").await;
        let mut tail = bench.runs("tinychat tail --json --with marie").start();
        begins(&mut tail).await;
        let script = "tinychat tail | while read -r line; do case \"$line\" in *fire*) notify-send \"$line\" ;; esac; done";
        let mut notices = bench.runs(script).start();
        begins(&mut notices).await;
        for (n, text) in [(1, "hello"), (2, "there is a fire"), (3, "bye")] {
            marie.say("john", n, text).await;
        }
        for text in ["hello", "there is a fire", "bye"] {
            let line = tail.next_line().await;
            let message: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&message["from"], &message["text"]), (&"marie".into(), &text.into()));
        }
        let notified = bench.folder.join("notified");
        while fs::read_to_string(&notified).unwrap_or_default() != "marie: there is a fire\n" {
            assert!(tail.is_running() && notices.is_running());
        }
        let status = bench.runs("tinychat status --json").pipe("").await.exited(0).text();
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!((&status["running"], &status["unread"]["marie"]), (&true.into(), &3.into()));
    });
}

#[test]
fn a_script_that_wants_commands_says_so() {
    story(async |world| {
        let bench = Bench::new(world);
        let _marie = world.sign_in("marie").await;
        let script = "echo /ONLINE | tinychat --user john --commands";
        bench.runs(script).pipe("").await.exited(0).said("1 online: marie");
        let script = "tinychat --user john --to bot < /dev/null";
        bench.runs(script).pipe("").await.exited(0).printed(&[]).was_quiet();
    });
}

#[test]
fn all_that_was_said_goes_into_a_file() {
    story(async |world| {
        let bench = Bench::new(world);
        Launch::of(world, "john").to("marie").pipe("one\ntwo\n").await.exited(0);
        let script = "tinychat history --with marie --json > marie.jsonl";
        bench.runs(script).pipe("").await.exited(0).printed(&[]);
        let text = fs::read_to_string(bench.folder.join("marie.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2);
    });
}

#[test]
fn a_bot_reads_what_nobody_has_read() {
    story(async |world| {
        let bench = Bench::new(world);
        Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "a question").await;
        let mut bot = bench.runs("tinychat tail --json --unread").start();
        let line: Value = serde_json::from_str(&bot.next_line().await).unwrap();
        assert_eq!((&line["from"], &line["text"]), (&"marie".into(), &"a question".into()));
    });
}
