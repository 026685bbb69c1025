//! What the programs exit with, and what they do where standard output is closed or full.

use std::fs::{self, File};
use std::process::Stdio;

use tinychat::exit::Exit;

use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::{Finished, Launch};
use crate::world::{Peer, World, patiently, story};

// The codes.

#[test]
fn both_programs_explain_the_codes() {
    story(async |_| {
        for (program, exits) in
            [(Launch::tinychat(&[]), Exit::CLIENT), (Launch::operator(&[]), Exit::SERVER)]
        {
            let help = program.with(&["--help"]).pipe("").await.exited(0).text();
            assert!(help.ends_with(&format!("{}\n", Exit::explain(exits))), "{help}");
        }
    });
}

#[test]
fn what_is_kept_exits_with_three_and_goes_out_by_itself() {
    story(async |world| {
        let (address, data) = (world.address(), world.path("john"));
        world.stop().await;
        let john = || Launch::at(address, "john", &data).with(&["--timeout", "1"]);
        let again = "goes out with the next run of any tinychat of this folder: do not send it";
        john().with(&["send", "--to", "marie", "one"]).pipe("").await.exited(3).said(again);
        john().to("marie").pipe("two\nthree\n").await.exited(3).said(again);
        world.start().await;
        let late = john().with(&["send", "--to", "marie", "--wait", "delivered", "four"]);
        let late = late.pipe("").await;
        late.exited(3).said("not delivered after 1 s; the server has it and delivers it by itself");
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        for (n, text) in (1..).zip(["one", "two", "three", "four"]) {
            marie.hears("john", n, n, text).await;
        }
        marie.hears_nothing().await;
    });
}

#[test]
fn a_pipe_that_fails_keeps_all_that_it_was_given() {
    story(async |world| {
        world.sign_in("john").await.quit().await;
        let lines: String = (1..=200).map(|n| format!("line {n}\n")).collect();
        let john = Launch::of(world, "john").to("marie").pipe(lines).await;
        john.exited(3).said("belongs to somebody with another key");
        john.said("200 messages not sent; kept in ").never_said("goes out with the next run");
        // What may still come is lost, and told to be.
        let john = Launch::of(world, "john").to("marie").start();
        john.types("line 201\n");
        let john = john.end().await;
        john.exited(1).said("the input was not read to its end").said("201 messages not sent");
    });
}

#[test]
fn a_process_that_is_stopped_takes_nothing_from_whoever_has_given_up() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut owner = Launch::of(world, "john").with(&["tail"]).start();
        owner.says("following what others write").await;
        owner.signal("STOP");
        let send = async |text: &str| {
            let send = ["--timeout", "1", "send", "--to", "marie", text];
            Launch::of(world, "john").with(&send).pipe("").await
        };
        send("nobody has it").await.exited(1).said("does not answer").never_said("kept");
        owner.signal("CONT");
        // 3 says that it is kept.
        let sent = async { while send("second").await.code() == 1 {} };
        patiently("the owner goes on", sent).await;
        marie.hears("john", 1, 1, "second").await;
        marie.hears_nothing().await;
    });
}

// Outputs.

/// An output that takes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Output {
    /// Nobody reads it any more.
    Closed,
    /// A disk that is full.
    Full,
}

impl Output {
    fn open(self) -> Stdio {
        match self {
            Self::Closed => std::io::pipe().unwrap().1.into(),
            Self::Full => File::options().write(true).open("/dev/full").unwrap().into(),
        }
    }

    /// Whoever has no reader ends quietly; whoever cannot print says so in a line.
    fn is_told(self, ended: &Finished, words: &[&str], prints: bool) {
        let fails = self == Self::Full && prints;
        let told = ended.err.lines().filter(|line| line.contains("cannot"));
        assert_eq!(
            (ended.code(), told.count(), ended.err.contains("panicked")),
            (i32::from(fails), usize::from(fails), false),
            "{words:?} with a {self:?} output: {}",
            ended.err
        );
    }
}

/// Each command of the client, and whether it prints.
const CLIENT: &[(&[&str], bool)] = &[
    (&["--help"], true),
    (&["--version"], true),
    (&["send", "--help"], true),
    (&["config"], true),
    (&["man"], true),
    (&["completions", "bash"], true),
    (&["history"], true),
    (&["history", "--json"], true),
    (&["status"], true),
    (&["status", "--json"], true),
    (&["files", "--free", "marie"], true),
    (&["send", "--to", "marie", "hi"], false),
    (&["tail"], true),
];

/// Each command of the operator. What prints nothing is told by the exit code alone.
const OPERATOR: &[(&[&str], bool)] = &[
    (&["--help"], true),
    (&["--version"], true),
    (&["user", "--help"], true),
    (&["man"], true),
    (&["completions", "bash"], true),
    (&["config", "--config", "FILE"], true),
    (&["check"], true),
    (&["du"], true),
    (&["status"], true),
    (&["invite"], true),
    (&["invite", "list"], true),
    (&["backup", "FILE"], false),
    (&["restore", "FILE"], false),
    (&["drill", "FILE"], true),
    (&["announce", "hi"], true),
    (&["user", "list"], true),
    (&["user", "list", "--json"], true),
    (&["user", "show", "eve"], true),
    (&["user", "ban", "eve"], true),
    (&["user", "bans"], true),
    (&["user", "limit", "eve"], true),
    (&["user", "unban", "eve"], true),
    (&["user", "reset-key", "eve"], true),
    (&["user", "remove", "eve"], true),
    (&["user", "purge", "--yes", "bob"], true),
];

#[test]
fn each_command_has_its_rows() {
    story(async |_| {
        for (program, rows) in
            [(Launch::tinychat as fn(&[&str]) -> Launch, CLIENT), (Launch::operator, OPERATOR)]
        {
            let mut groups = vec![vec![]];
            while let Some(group) = groups.pop() {
                let help = program(&group).with(&["--help"]).pipe("").await.exited(0).text();
                for command in commands(&help) {
                    let words = [group.as_slice(), &[command]].concat();
                    let prefix = |row: &&[&str]| row.starts_with(&words);
                    assert!(rows.iter().any(|(row, _)| prefix(row)), "{words:?} has no row");
                    if words == ["user"] {
                        groups.push(vec!["user"]);
                    }
                }
            }
        }
    });
}

/// The names below `Commands:`.
fn commands(help: &str) -> Vec<&'static str> {
    let rows = [CLIENT, OPERATOR].concat().into_iter().flat_map(|(words, _)| words);
    let known: Vec<&'static str> = rows.copied().collect();
    let listed = help.split("Commands:").nth(1).unwrap_or_default();
    let listed = listed.split("\n\n").next().unwrap_or_default().lines();
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap());
    names.map(|name| *known.iter().find(|it| **it == name).expect(name)).collect()
}

#[test]
fn each_command_of_the_client_bears_outputs_that_are_closed_or_full() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "hello").await;
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        for output in [Output::Closed, Output::Full] {
            for (words, prints) in CLIENT {
                let john = Launch::of(world, "john").with(words).printing_to(output.open());
                let ended = if *words == ["tail"] {
                    tells(john, &mut marie, output).await
                } else {
                    john.pipe("").await
                };
                output.is_told(&ended, words, *prints);
            }
        }
    });
}

/// Somebody writes once it follows. One that nobody reads does not wait for that.
async fn tells(john: Launch, marie: &mut Peer, output: Output) -> Finished {
    let mut tail = john.start();
    if output == Output::Full {
        tail.says("following").await;
        marie.say("john", 2, "hello").await;
    }
    tail.end().await
}

#[test]
fn each_command_of_the_operator_bears_outputs_that_are_closed_or_full() {
    story(async |world| {
        let data = world.path("server-1");
        for output in [Output::Closed, Output::Full] {
            let (server, address) = serve(&data, &[]).await;
            for name in ["eve", "bob"] {
                sign_in(world, address, name).await.quit().await;
            }
            let file = world.path("backup");
            for (words, prints) in OPERATOR {
                let path = file.to_str().unwrap();
                let named: Vec<&str> =
                    words.iter().map(|it| if *it == "FILE" { path } else { it }).collect();
                let folder = folder_of(world, words);
                let operator = Launch::operator(&named).on(&folder).printing_to(output.open());
                output.is_told(&operator.pipe("").await, words, *prints);
            }
            operate(&["check"], &world.path("restored")).await.exited(0);
            fs::remove_file(&file).unwrap();
            fs::remove_dir_all(world.path("restored")).unwrap();
            stop(server).await;
        }
    });
}

/// On which folder a command works.
fn folder_of(world: &World, words: &[&str]) -> std::path::PathBuf {
    world.path(if words[0] == "restore" { "restored" } else { "server-1" })
}
