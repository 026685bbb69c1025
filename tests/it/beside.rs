//! `tinychat send`, `tail` and `status`: beside the face of the same person, alone, and while whoever owns the
//! data folder comes and goes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::programs::{Launch, Program};
use crate::screen::desk;
use crate::script::Stage;
use crate::world::{World, story};

/// Somebody's errand.
fn errand(world: &World, name: &str, words: &[&str]) -> Launch {
    Launch::of(world, name).with(words)
}

/// Somebody's `tail`, which follows from now on.
async fn tail(world: &World, name: &str, flags: &[&str]) -> Program {
    let mut tail = errand(world, name, &[&["tail"], flags].concat()).start();
    tail.says("following what others write").await;
    tail
}

#[test]
fn what_a_script_sends_beside_the_screen_appears_on_it() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = desk(world, "john", "marie");
        john.sees("marie online");
        let mode = fs::metadata(world.path("john/socket")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may ask");
        let send = errand(world, "john", &["send", "--to", "marie", "the", "backup", "is done"]);
        send.pipe("").await.exited(0).was_quiet();
        john.sees("you: the backup is done");
        marie.hears("john", 1, 1, "the backup is done").await;
        let delivered = ["send", "--to", "marie", "--wait", "delivered", "-"];
        let send = errand(world, "john", &delivered).start();
        send.types("two\nlines\n");
        let sent = send.finish();
        let acked = async {
            marie.hears("john", 2, 2, "two\nlines").await;
            marie.ack("john", 2).await;
        };
        let (sent, ()) = futures::join!(sent, acked);
        sent.exited(0);
        john.sees(" +~you: two");
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}

#[test]
fn tail_beside_the_screen_sees_what_it_sees_and_takes_nothing_away() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let mut john = desk(world, "john", "alice");
        john.sees("alice online");
        let all = tail(world, "john", &["--json"]).await;
        let mut of_bob = tail(world, "john", &["--with", "bob"]).await;
        alice.say("john", 1, "hi\u{1b}[2J").await;
        john.sees("alice: hi");
        let line = {
            let mut bob = world.sign_in("bob").await;
            bob.talk("john").await;
            john.presses("/TALK bob\r");
            john.sees("bob online");
            bob.say("john", 1, "from bob").await;
            john.sees("bob: from bob");
            of_bob.prints("bob: from bob").await;
            all.signal("INT");
            all.end().await.exited(130).lines()
        };
        let messages: Vec<Value> =
            line.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let fields = |it: &Value| (it["from"].clone(), it["to"].clone(), it["text"].clone());
        assert_eq!(fields(&messages[0]), ("alice".into(), "john".into(), "hi\u{1b}[2J".into()));
        assert_eq!(fields(&messages[1]), ("bob".into(), "john".into(), "from bob".into()));
        assert_eq!(messages.len(), 2);
        assert!(!line[0].contains('\u{1b}'), "in JSON, too, nothing steers a terminal");
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}

#[test]
fn whoever_owned_the_folder_is_killed_and_another_goes_on_without_a_lost_or_doubled_line() {
    story(async |world| {
        // John has talked to alice, so that he hears her.
        Launch::of(world, "john").to("alice").pipe("hello\n").await.exited(0);
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let first = tail(world, "john", &[]).await;
        let mut second = tail(world, "john", &[]).await;
        for n in 1..=20 {
            alice.say("john", n, &format!("message {n}")).await;
            if n == 10 {
                first.signal("KILL");
            }
        }
        for n in 1..=20 {
            second.prints(&format!("alice: message {n}")).await;
        }
        let mut third = tail(world, "john", &[]).await;
        second.signal("INT");
        second.end().await.exited(130);
        alice.say("john", 21, "for the third").await;
        third.prints("alice: for the third").await;
    });
}

#[test]
fn a_message_is_sent_once_though_the_owner_is_killed_before_it_is_stored() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
        let (address, john) = (world.address(), world.path("john"));
        world.stop().await;
        let mut owner = Launch::at(address, "john", &john).with(&["tail"]).start();
        owner.says("following what others write").await;
        let send = Launch::at(address, "john", &john).with(&["send", "--to", "marie", "once"]);
        let send = send.start();
        // It is written, and waits for the server.
        while Launch::tinychat(&["history", "--user", "john"])
            .on(&john)
            .pipe("")
            .await
            .lines()
            .len()
            < 2
        {}
        owner.kill().await;
        world.start().await;
        send.end().await.exited(0);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.hears("john", 1, 1, "hello").await;
        marie.hears("john", 2, 2, "once").await;
        marie.hears_nothing().await;
    });
}

#[test]
fn a_face_gets_the_folder_from_whoever_only_follows() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let mut follower = tail(world, "john", &["--with", "alice"]).await;
        let mut john = desk(world, "john", "alice");
        john.sees("john online");
        alice.say("john", 1, "to both").await;
        john.sees("alice: to both");
        follower.prints("alice: to both").await;
        // One face is enough.
        Launch::of(world, "john").to("alice").pipe("").await.exited(1).said("in use by another");
        john.presses("\u{3}\u{3}");
        john.ends(0);
        alice.say("john", 2, "to one").await;
        follower.prints("alice: to one").await;
    });
}

#[test]
fn ten_senders_at_once_keep_the_order_of_each() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let world = &*world;
        let senders = (0..10).map(|sender| async move {
            for n in 0..5 {
                let text = format!("{sender}/{n}");
                errand(world, "john", &["send", "--to", "marie", &text]).pipe("").await.exited(0);
            }
        });
        let all = futures::future::join_all(senders);
        let heard = async {
            let mut texts = Vec::new();
            for _ in 0..50 {
                texts.push(marie.hear().await.text);
            }
            texts
        };
        let (_, texts) = futures::join!(all, heard);
        for sender in 0..10 {
            let own = texts.iter().filter(|it| it.starts_with(&format!("{sender}/")));
            let expected: Vec<String> = (0..5).map(|n| format!("{sender}/{n}")).collect();
            assert_eq!(own.cloned().collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn status_says_how_things_are_with_and_without_a_client() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.says("are you there?");
        john.sees(" -~you: are you there?");
        let status = async || {
            let printed =
                errand(world, "john", &["status", "--json"]).pipe("").await.exited(0).text();
            serde_json::from_str::<Value>(&printed).unwrap()
        };
        let running = status().await;
        assert_eq!((&running["running"], &running["online"]), (&true.into(), &true.into()));
        assert_eq!((&running["unsent"], &running["undelivered"]), (&0.into(), &1.into()));
        john.presses("\u{3}\u{3}");
        john.ends(0);
        assert_eq!(status().await["running"], false);
        let text = errand(world, "john", &["status"]).pipe("").await.exited(0).text();
        assert!(text.contains("no client runs") && text.contains("1 stored and not"), "{text}");
    });
}

#[test]
fn a_mistake_is_told_and_nothing_is_sent() {
    story(async |world| {
        let long = "x".repeat(65_537);
        for (words, input, code, what) in [
            (&["send", "--to", "marie"][..], "", 2, "what is to be sent?"),
            (&["send", "--to", "marie", "-"], "", 1, "nothing to send"),
            (&["send", "--to", "marie", "-"], &long, 1, "at most 65536 bytes"),
            (&["send", "--to", "a:b", "hi"], "", 2, "no ':' and no '/'"),
            (&["send", "--to", "john", "hi"], "", 1, "talk to themselves"),
        ] {
            errand(world, "john", words).pipe(input).await.exited(code).said(what);
        }
        let nobody = Launch::tinychat(&["send", "--to", "marie", "hi"]);
        nobody.pipe("").await.exited(2).said("give --user");
    });
}

#[test]
fn whoever_waits_in_vain_is_told_so_and_the_message_is_kept() {
    story(async |world| {
        let (address, john) = (world.address(), world.path("john"));
        world.stop().await;
        let send = ["--timeout", "1", "send", "--to", "marie", "later"];
        Launch::at(address, "john", &john)
            .with(&send)
            .pipe("")
            .await
            .exited(3)
            .said("not stored after 1 s; it is kept; goes out with the next run of any tinychat");
        world.start().await;
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        errand(world, "john", &["send", "--to", "marie", "now"]).pipe("").await.exited(0);
        marie.hears("john", 1, 1, "later").await;
        marie.hears("john", 2, 2, "now").await;
    });
}

/// What somebody's program prints next, as JSON.
async fn object(program: &mut Program) -> Value {
    serde_json::from_str(&program.next_line().await).unwrap()
}

#[test]
fn a_bot_misses_nothing_that_another_command_fetched_and_prints_nothing_twice() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let send = |text| errand(world, "john", &["send", "--to", "alice", text]);
        send("hello").pipe("").await.exited(0);
        for (n, text) in [(1, "one"), (2, "two")] {
            alice.say("john", n, text).await;
        }
        alice.barrier().await;
        // As a cron job does: what waited comes with it, and nobody sees that.
        let delivered = ["send", "--to", "alice", "--wait", "delivered", "done"];
        let cron = errand(world, "john", &delivered).start();
        while alice.hear().await.text != "done" {}
        alice.ack("john", 2).await;
        cron.finish().await.exited(0);
        let mut bot = tail(world, "john", &["--json", "--unread"]).await;
        for text in ["one", "two"] {
            assert_eq!(object(&mut bot).await["text"], text);
        }
        alice.say("john", 3, "three").await;
        assert_eq!(object(&mut bot).await["text"], "three");
        let unread = async || {
            let status =
                errand(world, "john", &["status", "--json"]).pipe("").await.exited(0).text();
            serde_json::from_str::<Value>(&status).unwrap()["unread"].clone()
        };
        while unread().await != Value::Object(serde_json::Map::new()) {}
        bot.signal("INT");
        bot.end().await.exited(130);
        alice.say("john", 4, "four").await;
        let mut bot = tail(world, "john", &["--unread"]).await;
        bot.prints("alice: four").await;
    });
}

#[test]
fn whoever_asks_how_things_are_waits_until_the_server_has_said_who_is_new() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let asked = Launch::at(stage.address(), "john", &data).with(&["status", "--json"]).start();
        let mut server = stage.receive().await;
        // John is signed in, and looks how things are; then comes who has written.
        server.expect("PING").await;
        server.say_all(&["WAITING eve 3", "PONG"]).await;
        let status: Value = serde_json::from_str(&asked.end().await.exited(0).text()).unwrap();
        assert_eq!(status["requests"], serde_json::json!({"eve": 3}));
        assert_eq!(status["requests_known"], serde_json::json!(true));
    });
}

#[test]
fn that_nobody_knows_who_is_new_is_said() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let asked = Launch::at(stage.address(), "john", &data);
        // No server is there.
        drop(stage);
        let status = asked.with(&["--handshake", "6s", "status"]).pipe("").await;
        let text = status.exited(0).text();
        assert!(text.contains("who else has written is not known: "), "{text}");
    });
}

#[test]
fn who_is_new_is_told_to_scripts() {
    story(async |world| {
        for (name, messages) in [("alice", 2), ("eve", 1)] {
            let mut peer = world.sign_in(name).await;
            peer.talk("john").await;
            peer.say_all("john", 1..=messages, |n| format!("message {n}")).await;
            peer.talk_until_stored("john").await;
        }
        let status = errand(world, "john", &["status", "--json"]).pipe("").await.exited(0).text();
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["requests"], serde_json::json!({"alice": 2, "eve": 1}));
        let text = errand(world, "john", &["status"]).pipe("").await.exited(0).text();
        assert!(text.contains("2 messages from alice, who is new to you"), "{text}");
        let mut all = tail(world, "john", &["--json"]).await;
        for (from, request) in [("alice", 2), ("eve", 1)] {
            let expected = serde_json::json!({"from": from, "to": "john", "request": request});
            assert_eq!(object(&mut all).await, expected);
        }
        let mut plain = tail(world, "john", &["--with", "eve"]).await;
        plain.says("1 message from eve, who is new to you").await;
        all.signal("INT");
        all.end().await.exited(130);
    });
}
