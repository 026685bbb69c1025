//! `tinychat history`: what a person wrote and received, without a server and beside a client.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::programs::{Finished, Launch, numbered};
use crate::script::{Stage, message};
use crate::world::{FIRST_INSTALLATION, World, story};

/// John's folder as JSON, with more flags.
async fn read(folder: &Path, flags: &[&str]) -> Finished {
    let data = folder.to_str().unwrap();
    let all = [&["history", "--user", "john", "--data", data], flags].concat();
    Launch::tinychat(&all).pipe("").await
}

/// Each row as `from>to state text`.
async fn rows(folder: &Path, flags: &[&str]) -> Vec<String> {
    let finished = read(folder, &[&["--json"], flags].concat()).await;
    let rows = finished.exited(0).was_quiet().lines();
    rows.iter().map(|line| summary(&serde_json::from_str(line).unwrap())).collect()
}

fn summary(row: &Value) -> String {
    let field = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} in {row}"));
    format!("{}>{} {} {}", field("from"), field("to"), field("state"), field("text"))
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = entries.map(|it| it.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// John has written to marie and anna, and marie has answered.
async fn make_history(world: &World) {
    Launch::of(world, "john")
        .to("marie")
        .with_commands()
        .pipe("one\n/TALK anna\ntwo\n")
        .await
        .exited(0);
    Launch::of(world, "marie").to("john").pipe("three\n").await.exited(0);
    Launch::of(world, "john").to("marie").pipe("four\n").await.exited(0);
}

#[test]
fn everything_is_there_in_the_order_in_which_it_came() {
    story(async |world| {
        make_history(world).await;
        let john = world.path("john");
        let expected = [
            "john>marie delivered one",
            "john>anna stored two",
            "marie>john received three",
            "john>marie stored four",
        ];
        // What marie typed came to john before or after he wrote: he wrote at once.
        let mut found = rows(&john, &[]).await;
        found[2..].sort_by_key(|row| !row.starts_with("marie"));
        assert_eq!(found, expected);
        assert_eq!(rows(&john, &["--with", "anna"]).await, ["john>anna stored two"]);
        assert_eq!(rows(&john, &["--with", "nobody"]).await, [""; 0]);
    });
}

#[test]
fn every_state_is_told_while_a_client_uses_the_folder() {
    story(async |world| {
        let (stage, folder) = (Stage::open().await, world.path("john"));
        let john = Launch::at(stage.address(), "john", &folder).to("marie");
        let mut john = john.with(&["--follow", "--receipts"]).start();
        let mut server =
            stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 0 0").await;
        john.types("one\ntwo\nthree\nfour\n");
        server.expect_messages("marie", 1, &["one", "two", "three", "four"]).await;
        server.say_all(&["DELIVERED marie 1", "EXPIRED marie 2", "STORED marie 3"]).await;
        john.says("stored marie 3").await;
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "five")).await;
        john.prints("marie: five").await;
        assert_eq!(
            rows(&folder, &[]).await,
            [
                "john>marie delivered one",
                "john>marie expired two",
                "john>marie stored three",
                "john>marie waiting four",
                "marie>john received five",
            ]
        );
        // It has taken nothing from the client, which goes on.
        john.types("six\n");
        server.expect("ACK marie 1").await;
        server.expect_messages("marie", 5, &["six"]).await;
        server.say("STORED marie 5").await;
        john.says("stored marie 5").await;
    });
}

#[test]
fn the_servers_of_a_folder_are_told_apart_where_that_is_wanted() {
    story(async |world| {
        let port = world.address().port();
        let (folder, hosts) = (world.path("john"), ["127.0.0.1", "localhost"]);
        for host in hosts {
            let john = Launch::at(format!("{host}:{port}"), "john", &folder).to("marie");
            john.pipe(format!("by {host}\n")).await.exited(0);
        }
        let row = |host| format!("john>marie stored by {host}");
        assert_eq!(rows(&folder, &[]).await, hosts.map(row));
        for host in hosts {
            let server = format!("{host}:{port}");
            assert_eq!(rows(&folder, &["--server", &server]).await, [row(host)]);
            let (data, text) = (folder.to_str().unwrap(), format!("by {host}"));
            let flags = ["--user", "john", "--data", data, "--server", &server, "history"];
            let john = Launch::tinychat(&flags).pipe("").await;
            assert_eq!(john.exited(0).lines().len(), 1, "with the flags in front");
            assert!(john.text().contains(&text), "{}", john.text());
        }
        assert_eq!(rows(&folder, &["--server", "elsewhere"]).await, [""; 0]);
    });
}

#[test]
fn the_text_is_true_in_json_and_clean_in_lines_and_steers_no_terminal() {
    story(async |world| {
        let (stage, folder) = (Stage::open().await, world.path("john"));
        let john = Launch::at(stage.address(), "john", &folder).to("marie");
        let mut john = john.with(&["--follow"]).start();
        let mut server =
            stage.receive_talking("TALK marie 0", "TALKING marie online 0 0 0 1 0").await;
        let text = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2066}\"\\\u{2028}€\nb";
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, text)).await;
        john.prints("marie: a\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}\"\\\u{fffd}€").await;

        let json = read(&folder, &["--json"]).await;
        let line = json.exited(0).text();
        let row: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(row["text"], text, "the true text");
        assert_eq!(row["time"], "2023-11-14T22:13:20.000Z");
        for escape in ["\\u001b", "\\u007f", "\\u009b", "\\u202e", "\\u2066", "\\u2028"] {
            assert!(line.contains(escape), "{escape} in {line:?}");
        }
        let lines = read(&folder, &[]).await;
        let lines = lines.exited(0).text();
        assert!(lines.contains("marie"), "{lines}");
        for printed in [line, lines] {
            let harmful = |c: char| {
                (c.is_control() && c != '\n')
                    || ('\u{2028}'..='\u{202e}').contains(&c)
                    || c == '\u{2066}'
            };
            assert!(!printed.contains(harmful), "{printed:?}");
        }
    });
}

#[test]
fn whoever_has_no_history_is_told_so_and_gets_no_folder() {
    story(async |world| {
        let folder = world.path("john");
        for flags in [&[][..], &["--json"]] {
            let john = read(&folder, flags).await;
            john.exited(1).printed(&[]).said("john has written and received nothing here");
            assert!(!folder.exists());
        }
        // Nor where people's folders lie by default.
        let home = world.path("home");
        let john = Launch::tinychat(&["history", "--user", "john", "--json"]);
        john.variable("XDG_DATA_HOME", &home).pipe("").await.exited(1).said("nothing here");
        assert!(!home.exists());
    });
}

#[test]
fn somebody_elses_folder_is_refused() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("one\n").await.exited(0);
        let john = read(&world.path("marie"), &["--json"]).await;
        john.exited(1).printed(&[]).said("belongs to marie; choose another with --data");
    });
}

#[test]
fn without_a_name_it_is_wrong_usage() {
    async_std::task::block_on(async {
        let nobody = Launch::tinychat(&["history", "--json"]).pipe("").await;
        nobody.exited(2).printed(&[]).said("--user");
    });
}

#[test]
fn reading_changes_nothing_in_the_store() {
    story(async |world| {
        make_history(world).await;
        let folder = world.path("john");
        let (before, store) = (files(&folder), fs::read(folder.join("messages.db")).unwrap());
        read(&folder, &["--json"]).await.exited(0);
        assert!(fs::read(folder.join("messages.db")).unwrap() == store);
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        assert_eq!(files(&folder), before, "a client leaves all in one file again");
    });
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe(numbered(1..=3_000)).await.exited(0);
        let data = world.path("john");
        let flags = ["history", "--user", "john", "--json", "--data", data.to_str().unwrap()];
        let john = Launch::tinychat(&flags).read_only(1).start();
        john.close_output().await;
        john.end().await.exited(0).was_quiet();
    });
}

#[test]
fn words_and_time_narrow_it_down() {
    story(async |world| {
        make_history(world).await;
        let john = world.path("john");
        assert_eq!(rows(&john, &["--search", "THR"]).await, ["marie>john received three"]);
        assert_eq!(rows(&john, &["--search", "two", "--with", "marie"]).await, [""; 0]);
        assert_eq!(rows(&john, &["--since", "1h"]).await.len(), 4);
        let store = rusqlite::Connection::open(john.join("messages.db")).unwrap();
        store
            .execute("UPDATE message SET time = time - 7200000 WHERE body <> x'74776f'", ())
            .unwrap();
        assert_eq!(rows(&john, &["--since", "1h"]).await, ["john>anna stored two"]);
        assert_eq!(rows(&john, &["--since", "3h"]).await.len(), 4);
        store
            .execute("UPDATE message SET time = 1700000000000 WHERE body = x'74776f'", ())
            .unwrap();
        for (since, count) in [
            ("2023-11-14", 4),
            ("2023-11-14 22:13:20", 4),
            ("2023-11-14T22:13:21", 3),
            ("2023-11-14T23:13:21+01:00", 3),
            ("2023-11-15", 3),
            ("yesterday", 3),
        ] {
            assert_eq!(rows(&john, &["--since", since]).await.len(), count, "{since}");
        }
        // People are told their own time, and scripts the same wherever they run.
        let flags = ["history", "--user", "john", "--search", "two", "--data"];
        let told = async |json: &[&str]| {
            let all = [&flags, &[john.to_str().unwrap()][..], json].concat();
            Launch::tinychat(&all).variable("TZ", "JST-9").pipe("").await.text()
        };
        assert_eq!(
            told(&[]).await,
            "2023-11-15 07:13:20 john to anna (stored, in the clear): two\n"
        );
        assert!(told(&["--json"]).await.contains(r#""time":"2023-11-14T22:13:20.000Z""#));
        read(&john, &["--search", "?!"]).await.exited(2).said("no word to look for");
        read(&john, &["--since", "soon"]).await.exited(2).said("a time is like 2h, 3d, today");
    });
}

#[test]
fn what_is_looked_for_is_found_however_it_is_written() {
    story(async |world| {
        let said = "it can\u{2019}t be\nset MAX_WORD_LENGTH\ndie Straße\nwell done 👍🏽\n";
        Launch::of(world, "john").to("marie").pipe(said).await.exited(0);
        let john = world.path("john");
        for (words, row) in [
            ("can't", "it can\u{2019}t be"),
            ("word", "set MAX_WORD_LENGTH"),
            ("max_word", "set MAX_WORD_LENGTH"),
            ("STRASSE", "die Straße"),
            ("👍", "well done 👍🏽"),
        ] {
            let expected = format!("john>marie stored {row}");
            assert_eq!(rows(&john, &["--search", words]).await, [expected], "{words}");
        }
    });
}

#[test]
fn what_was_said_is_found_while_one_talks_also_with_a_damaged_index() {
    story(async |world| {
        let (mut marie, john) = (world.sign_in("marie").await, world.path("john"));
        marie.talk("john").await;
        marie.say("john", 1, "three").await;
        marie.say_all("john", 2..=600, |n| format!("message {n}")).await;
        let path = john.join("messages.db");
        let indexed = || -> i64 {
            let store = rusqlite::Connection::open(&path).unwrap();
            store.query_row("SELECT up_to FROM indexed", (), |row| row.get(0)).unwrap()
        };
        // It is made while nothing else is to be done.
        let mut runs = 0;
        while runs == 0 || indexed() == 0 {
            Launch::of(world, "john").to("marie").pipe("").await.exited(0);
            runs += 1;
            assert!(runs < 50, "there is never an index");
        }
        let search = async || {
            Launch::of(world, "john").to("marie").with_commands().pipe("/SEARCH thr\n").await
        };
        let found = " marie to john: three";
        search().await.exited(0).said(found).never_said("damaged");
        let store = rusqlite::Connection::open(&path).unwrap();
        let damage = "UPDATE word_data SET block = zeroblob(length(block)) WHERE id > 10";
        assert!(store.execute(damage, ()).unwrap() > 0);
        drop(store);
        search().await.exited(0).said("the index of words was damaged").said(found);
        search().await.exited(0).said(found).never_said("damaged");
        let nothing = Launch::of(world, "john")
            .to("marie")
            .with_commands()
            .pipe("/SEARCH zebra\n/SEARCH\n")
            .await;
        nothing.exited(1).said("nothing was found").said("no word to look for");
    });
}
