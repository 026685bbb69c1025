//! A server is its key: what was said through it is one life, at whatever address it is reached.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::programs::{Launch, Program};
use crate::tls::Hosted;
use crate::world::{World, story};

/// A store of layout 5; its rows are not of interest here.
const LAYOUT_5: &str = include_str!("../layouts/client-5.sql");

/// Another spelling of an address on this machine.
fn respelled(address: &str) -> String {
    address.replace("127.0.0.1", "localhost")
}

fn john(world: &World, server: &str, peer: &str) -> Launch {
    Launch::tinychat(&["--user", "john", "--server", server]).on(&world.path("john")).to(peer)
}

fn marie(world: &World, server: &str) -> Launch {
    Launch::tinychat(&["--user", "marie", "--server", server]).on(&world.path("marie")).to("john")
}

/// What `tinychat history` prints of John's, without the times.
async fn history(world: &World, flags: &[&str]) -> Vec<String> {
    let history = Launch::tinychat(&["history", "--user", "john"]).with(flags);
    let printed = history.on(&world.path("john")).pipe("").await.exited(0).lines();
    printed.into_iter().map(|line| line.split(' ').skip(2).collect::<Vec<_>>().join(" ")).collect()
}

/// A number that a query finds in John's store.
fn number(world: &World, query: &str) -> i64 {
    let store = Connection::open(world.path("john").join("messages.db")).unwrap();
    store.query_row(query, (), |row| row.get(0)).unwrap()
}

/// A server with the key of a folder, at an address.
async fn host(address: &str, data: &Path) -> Program {
    let mut server = Launch::operator(&["--listen", address]).on(data).start();
    server.says("join with").await;
    server
}

async fn stop(server: Program) {
    server.signal("TERM");
    server.finish().await.exited(0);
}

#[test]
fn one_server_under_two_addresses_is_one_life() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let (here, there) = (hosted.address.clone(), respelled(&hosted.address));
        john(world, &here, "marie").pipe("one\n").await.exited(0);
        marie(world, &here).pipe("hello\n").await.exited(0).printed(&["john: one"]);
        // It was not met there, but it is known.
        let second = john(world, &there, "marie").pipe("two\n").await;
        second.exited(0).printed(&["marie: hello"]).never_said("first time");
        john(world, &here, "marie").pipe("three\n").await.exited(0).printed(&[]).was_quiet();
        marie(world, &there).pipe("").await.exited(0).printed(&["john: two", "john: three"]);
        let all = history(world, &[]).await;
        assert_eq!(all.len(), 4, "{all:?}");
        assert_eq!(history(world, &["--server", &here]).await, all);
        assert_eq!(history(world, &["--server", &there]).await, all);
        assert_eq!(
            number(world, "SELECT count(DISTINCT installation) FROM message WHERE own = 1"),
            1
        );
        hosted.stop().await;
    });
}

#[test]
fn what_was_written_to_a_new_spelling_goes_out_when_that_is_known() {
    story(async |world| {
        let data = world.path("hosted");
        let hosted = Hosted::start(&[], &data).await;
        let (here, there) = (hosted.address.clone(), respelled(&hosted.address));
        john(world, &here, "marie").pipe("one\n").await.exited(0);
        hosted.stop().await;
        for (server, text) in [(&here, "two\n"), (&there, "three\n"), (&here, "four\n")] {
            let away = john(world, server, "marie").with(&["--timeout", "1s"]).pipe(text).await;
            away.exited(3).said("not sent yet; kept");
        }
        let server = host(&here, &data).await;
        john(world, &there, "marie").pipe("five\n").await.exited(0).never_said("first time");
        let words = ["john: one", "john: two", "john: three", "john: four", "john: five"];
        marie(world, &here).pipe("").await.exited(0).printed(&words);
        stop(server).await;
    });
}

#[test]
fn an_accepted_key_gets_what_was_said_and_what_was_not_sent() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let (here, there) = (hosted.address.clone(), respelled(&hosted.address));
        for server in [&here, &there] {
            john(world, server, "marie").pipe("").await.exited(0);
        }
        marie(world, &here).pipe("hello\n").await.exited(0);
        john(world, &here, "marie").pipe("one\n").await.exited(0).printed(&["marie: hello"]);
        hosted.stop().await;
        let anew = host(&here, &world.path("anew")).await;
        let refused = john(world, &here, "marie").pipe("two\n").await;
        refused.exited(3).said("HAS CHANGED").said("delete line 1 of");
        let file = world.path("john").join("known_servers");
        let lines = fs::read_to_string(&file).unwrap();
        fs::write(&file, lines.lines().nth(1).unwrap()).unwrap();
        // Marie accepts it too: it is for her, by her key, that John's words are kept.
        fs::remove_file(world.path("marie").join("known_servers")).unwrap();
        marie(world, &here).pipe("").await.exited(0).said("first time at");
        // What had not arrived is with the new server again, in its order.
        john(world, &here, "marie").pipe("three\n").await.exited(0).said("first time at");
        john(world, &there, "marie").pipe("").await.exited(0).was_quiet();
        let words = ["john: one", "john: two", "john: three"];
        marie(world, &here).pipe("").await.exited(0).printed(&words);
        assert_eq!(history(world, &["--server", &here]).await.len(), 4);
        assert_eq!(number(world, "SELECT count(DISTINCT server) FROM message"), 1);
        stop(anew).await;
    });
}

#[test]
fn an_address_that_shows_the_key_of_another_known_server_is_the_alarm() {
    story(async |world| {
        let one = Hosted::start(&[], &world.path("one")).await;
        let other = Hosted::start(&[], &world.path("other")).await;
        let (here, there) = (one.address.clone(), other.address.clone());
        john(world, &here, "marie").pipe("to one\n").await.exited(0);
        john(world, &there, "marie").pipe("to other\n").await.exited(0);
        one.stop().await;
        other.stop().await;
        let moved = host(&here, &world.path("other")).await;
        let file = world.path("john").join("known_servers");
        let lines = fs::read_to_string(&file).unwrap();
        let (_, other_line) = lines.split_once('\n').unwrap();
        // Also where the line of the first is gone: nobody said yet that they are one.
        for lines in [lines.as_str(), other_line] {
            fs::write(&file, lines).unwrap();
            let refused = john(world, &here, "marie").pipe("more to one\n").await;
            refused.exited(3).said("THE KEY OF ANOTHER SERVER THAT YOU KNOW").said(&there);
        }
        // Somebody says that the address leads to the other one: nothing of the first goes there.
        let key = other_line.trim().split_once(' ').unwrap().1;
        fs::write(&file, format!("{other_line}{here} {key}\n")).unwrap();
        john(world, &here, "marie").pipe("").await.exited(0);
        marie(world, &here).pipe("").await.exited(0).printed(&["john: to other"]);
        assert_eq!(number(world, "SELECT count(*) FROM message WHERE state = 'waiting'"), 2);
        stop(moved).await;
    });
}

#[test]
fn a_file_of_known_servers_that_was_emptied_trusts_nobody() {
    story(async |world| {
        let one = Hosted::start(&[], &world.path("one")).await;
        let other = Hosted::start(&[], &world.path("other")).await;
        for server in [&one.address, &other.address] {
            john(world, server, "marie").pipe("").await.exited(0);
        }
        let file = world.path("john").join("known_servers");
        fs::write(&file, "").unwrap();
        let refused = john(world, &one.address, "marie").pipe("hello\n").await;
        refused.exited(3).said("is empty, and there were several servers in it");
        assert_eq!(fs::read(&file).unwrap(), b"");
        fs::remove_file(&file).unwrap();
        john(world, &one.address, "marie").pipe("").await.exited(0);
        one.stop().await;
        other.stop().await;
    });
}

// Two lives of one server, as there were up to layout 5.

/// Takes what was said from one folder into a store of layout 5, as said at an address.
fn put_into_layout_5(folder: &Path, address: &str, store: &Connection) {
    let from = folder.join("messages.db");
    store.execute("ATTACH ? AS new", [from.to_str().unwrap()]).unwrap();
    let said = "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state, sent)
                SELECT ?, peer, own, installation, n, time, kind, body, state, sent FROM new.message";
    store.execute(said, [address]).unwrap();
    let installation = "INSERT INTO installation SELECT ?, id FROM new.installation";
    store.execute(installation, [address]).unwrap();
    store.execute("DETACH new", ()).unwrap();
}

/// Has messages that were not sent yet be called as those are that were written up to layout 7: by their ids.
fn forget_origins(folder: &Path) {
    let store = Connection::open(folder.join("messages.db")).unwrap();
    let by_id = "UPDATE message SET origin = unhex(installation || printf('%016x', n))";
    store.execute(by_id, ()).unwrap();
}

/// Has John have two lives of one server: what is in his folder, and in another one.
fn part(world: &World, here: &str, there: &str) {
    let (john, twin) = (world.path("john"), world.path("twin"));
    let path = world.path("messages.db");
    let store = Connection::open(&path).unwrap();
    store.execute_batch(LAYOUT_5).unwrap();
    for table in ["message", "installation", "contact", "seen", "asked", "upload", "file"] {
        store.execute(&format!("DELETE FROM {table}"), ()).unwrap();
    }
    put_into_layout_5(&john, here, &store);
    put_into_layout_5(&twin, there, &store);
    drop(store);
    fs::rename(path, john.join("messages.db")).unwrap();
    let lines = fs::read_to_string(john.join("known_servers")).unwrap();
    fs::write(john.join("known_servers"), lines.clone() + &lines.replace(here, there)).unwrap();
}

/// How far John's own messages are.
fn states(world: &World) -> Vec<String> {
    let store = Connection::open(world.path("john").join("messages.db")).unwrap();
    let query =
        "SELECT CAST(body AS TEXT) || ' ' || state FROM message WHERE own = 1 ORDER BY body";
    let mut query = store.prepare(query).unwrap();
    query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn two_lives_of_layout_5_become_one() {
    story(async |world| {
        let data = world.path("hosted");
        let hosted = Hosted::start(&[], &data).await;
        let (here, there) = (hosted.address.clone(), respelled(&hosted.address));
        john(world, &here, "marie").pipe("a, stored\n").await.exited(0);
        fs::create_dir(world.path("twin")).unwrap();
        for file in ["id_ed25519", "known_servers"] {
            fs::copy(world.path("john").join(file), world.path("twin").join(file)).unwrap();
        }
        let twin = |text: &'static str| {
            let twin = Launch::tinychat(&["--user", "john", "--server", &here, "--timeout", "1s"]);
            twin.on(&world.path("twin")).to("marie").pipe(text)
        };
        hosted.stop().await;
        twin("b, stored\n").await.exited(3);
        forget_origins(&world.path("twin"));
        let server = host(&here, &data).await;
        twin("").await.exited(0);
        stop(server).await;
        twin("c, sent\nd, not sent\n").await.exited(3);
        let away = john(world, &here, "marie").with(&["--timeout", "1s"]);
        away.pipe("e, not sent\n").await.exited(3);
        part(world, &here, &there);
        let store = Connection::open(world.path("john").join("messages.db")).unwrap();
        // As a kill behind the sending of it leaves it.
        let sent = "UPDATE message SET sent = 1 WHERE CAST(body AS TEXT) = 'c, sent'";
        assert_eq!(store.execute(sent, ()).unwrap(), 1);
        drop(store);

        let server = host(&here, &data).await;
        john(world, &there, "marie").pipe("f, new\n").await.exited(0).was_quiet();
        let all = ["a, stored", "b, stored", "c, sent", "d, not sent", "e, not sent", "f, new"];
        assert_eq!(states(world), all.map(|it| format!("{it} stored")));
        let read = marie(world, &here).pipe("").await.exited(0).lines();
        let mut sorted = read.clone();
        sorted.sort();
        assert_eq!(sorted, all.map(|it| format!("john: {it}")), "each once: {read:?}");
        john(world, &here, "marie").pipe("").await.exited(0).was_quiet();
        assert_eq!(states(world), all.map(|it| format!("{it} delivered")));
        stop(server).await;
    });
}
