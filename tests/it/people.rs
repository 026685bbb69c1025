//! What operators see of people, and what they set for them: with the real program, beside a running server and without
//! one.

use std::fs;
use std::path::Path;

use rustls::pki_types::ServerName;
use serde_json::Value;
use tinychat::server::{Config, Registration, Tls};
use tinychat::time_text::is_moment;
use tinychat::trust::Identity;
use tinychat::wire::transport::{Socket, Transport};

use crate::carrying::{Carrier, noise};
use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::Finished;
use crate::rates::{connect_from, has_more_addresses, stream_from};
use crate::times::SetTimes;
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

async fn user(words: &[&str], data: &Path) -> Finished {
    operate(&[&["user"][..], words].concat(), data).await
}

/// The objects that a command printed, one a line.
fn objects(printed: &Finished) -> Vec<Value> {
    let lines = printed.exited(0).lines();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_kept_of_people_is_shown_to_operators_also_while_no_server_runs() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        sign_in(world, address, "bob").await.quit().await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2, |n| format!("word {n}")).await;
        alice.talk_until_stored("bob").await;
        Carrier::at(world, address, &mut alice).await.upload("bob", &noise(5)).await;

        let listed = objects(&user(&["list", "--json"], &data).await);
        let names: Vec<_> = listed.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["alice", "bob"]);
        let key = world.identity("alice").public().fingerprint().to_string();
        assert_eq!((&listed[0]["status"], &listed[0]["key"]), (&"online".into(), &key.into()));
        for it in &listed {
            assert!(["since", "last_seen"].iter().all(|at| is_moment(it[at].as_str().unwrap())));
        }
        assert_eq!(listed[0]["sent_files"], serde_json::json!({"count": 1, "bytes": 5}));
        assert_eq!(listed[1]["files"], serde_json::json!({"count": 1, "bytes": 5}));
        assert_eq!(listed[1]["waiting"], serde_json::json!({"count": 2, "bytes": 12}));
        let shown = &objects(&user(&["show", "alice", "--json"], &data).await)[0];
        assert_eq!((&shown["sent"], &shown["devices"]), (&2.into(), &0.into()));

        stop(server).await;
        let shown = user(&["show", "bob"], &data).await;
        let lines = shown.exited(0).lines();
        assert_eq!((&lines[0][..], lines.len()), ("bob is away", 10));
        for line in ["waiting: 2 messages, 12 bytes", "files: 1 file, 5 bytes", "devices: 0"] {
            assert!(lines.iter().any(|it| it == line), "{line}: {lines:?}");
        }
        let after = objects(&user(&["list", "--json"], &data).await);
        assert_eq!(after[1], listed[1], "also when he was last here");
        assert_eq!(after[0]["status"], "away");
        user(&["show", "nobody"], &data).await.exited(1).said("nobody has the name nobody");
        user(&["show"], &data).await.exited(2);
    });
}

/// Somebody signs in from another address of this machine.
async fn sign_in_from(world: &World, last: u8, name: &str) -> Peer {
    let mut peer = connect_from(last, world.address());
    peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

/// Somebody who comes from there is told this, and that is all.
async fn is_banned(world: &World, last: u8, told: &str) {
    let mut peer = connect_from(last, world.address());
    let told = format!("ERR BANNED - the operator of this server has banned your address{told}");
    assert_eq!(peer.next().await, told);
    peer.end().await;
}

#[test]
fn nobody_comes_from_banned_addresses_until_that_is_over() {
    if !has_more_addresses() {
        return;
    }
    let times = SetTimes::new();
    let by = times.clone();
    story_with(
        |config| config.times = by,
        async |world| {
            let data = world.path("server");
            let mut eve = sign_in_from(world, 2, "eve").await;
            let banned = user(&["ban", "127.0.0.3/31", "--for", "2h"], &data).await;
            banned.exited(0).printed(&["banned 127.0.0.2/31 for 2h"]);
            let told =
                "ERR BANNED - the operator of this server has banned your address for 2h more";
            eve.expect(told).await;
            eve.end().await;
            world.restart().await;
            for last in [2, 3] {
                is_banned(world, last, " for 2h more").await;
            }
            for last in [1, 4] {
                sign_in_from(world, last, "alice").await;
            }
            let bans = user(&["bans"], &data).await;
            bans.exited(0).printed(&["127.0.0.2/31 for 2h more"]);
            let bans = objects(&user(&["bans", "--json"], &data).await);
            assert_eq!(bans, [serde_json::json!({"block": "127.0.0.2/31", "seconds": 7200})]);
            times.days_pass(1);
            sign_in_from(world, 2, "eve").await;
            user(&["bans"], &data).await.exited(0).printed(&[]);

            user(&["ban", "127.0.0.2"], &data).await.exited(0).printed(&["banned 127.0.0.2"]);
            is_banned(world, 2, "").await;
            let unbanned = user(&["unban", "127.0.0.2"], &data).await;
            unbanned.exited(0).printed(&["whoever comes from 127.0.0.2 may come again"]);
            sign_in_from(world, 2, "eve").await;
            user(&["unban", "127.0.0.2"], &data).await.exited(1).said("127.0.0.2 is not banned");
            let own = user(&["ban", "127.0.0.1"], &data).await;
            own.exited(1).said("this machine's own address");
        },
    );
}

#[test]
fn who_comes_from_a_banned_address_is_told_so_under_tls() {
    if !has_more_addresses() {
        return;
    }
    let own = |config: &mut Config| config.tls = Tls::Own;
    story_with(own, async |world| {
        user(&["ban", "127.0.0.2"], &world.path("server")).await.exited(0);
        let address = world.address();
        let socket = Socket::Tcp(stream_from(2, address).unwrap());
        let name = ServerName::IpAddress(address.ip().into());
        let connecting = Box::pin(Transport::connect(socket, name));
        let transport = patiently("TLS is agreed on", connecting).await.unwrap();
        let mut peer = Peer::on(transport);
        peer.expect("ERR BANNED - the operator of this server has banned your address").await;
        peer.end().await;
        let status = objects(&operate(&["status", "--json"], &world.path("server")).await);
        assert_eq!(status[0]["metrics"]["tinychat_sign_ins_total"]["banned"], 1);
    });
}

#[test]
fn a_ban_ends_by_itself() {
    let times = SetTimes::new();
    let by = times.clone();
    story_with(
        |config| config.times = by,
        async |world| {
            let data = world.path("server");
            let mut eve = world.sign_in("eve").await;
            let banned = user(&["ban", "eve", "--for", "1h"], &data).await;
            banned.exited(0).printed(&["banned eve for 1h"]);
            let told = "ERR BANNED - the operator of this server has banned you for 1h more";
            eve.expect(told).await;
            eve.end().await;
            let listed = user(&["list"], &data).await;
            assert!(listed.exited(0).lines()[0].starts_with("eve banned "), "{}", listed.text());
            times.days_pass(1);
            world.sign_in("eve").await;
            let listed = user(&["list"], &data).await;
            assert!(!listed.exited(0).text().contains("banned"), "{}", listed.text());
        },
    );
}

#[test]
fn addresses_are_banned_also_while_no_server_runs() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, _) = serve(&data, &[]).await;
        stop(server).await;
        for block in ["2001:db8::/32", "192.0.2.0/24"] {
            user(&["ban", block], &data).await.exited(0).printed(&[&format!("banned {block}")]);
        }
        let bans = ["192.0.2.0/24 for ever", "2001:db8::/32 for ever"];
        user(&["bans"], &data).await.exited(0).printed(&bans);
        let (server, _) = serve(&data, &[]).await;
        user(&["bans"], &data).await.exited(0).printed(&bans);
        stop(server).await;
        user(&["ban", "192.0.2.0/33"], &data).await.exited(2);
        user(&["ban", "eve", "--for", "soon"], &data).await.exited(2).said("like 2h or 30d");
    });
}

#[test]
fn whoever_has_long_had_a_name_that_looks_like_an_address_is_banned_by_it() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, _) = serve(&data, &[]).await;
        stop(server).await;
        let book = data.join("names");
        let key = world.identity("eve").public();
        fs::write(&book, format!("ssh-ed25519 {key} 192.0.2.7\n")).unwrap();
        user(&["ban", "192.0.2.7"], &data).await.exited(0);
        user(&["ban", "192.0.2.8"], &data).await.exited(0);
        let [block, name] = [
            r#"{"block":"192.0.2.8/32","seconds":null}"#,
            r#"{"name":"192.0.2.7","seconds":null}"#,
        ];
        user(&["bans", "--json"], &data).await.exited(0).printed(&[block, name]);
        user(&["unban", "192.0.2.7"], &data).await.exited(0);
        user(&["bans", "--json"], &data).await.exited(0).printed(&[block]);
    });
}

/// The word of an invitation that was printed.
fn word_of(invitation: &Finished) -> String {
    let line = invitation.exited(0).lines()[0].clone();
    line.split_once("?invite=").unwrap().1.split('#').next().unwrap().to_owned()
}

/// Somebody comes with an invitation, and is told this.
async fn comes_by(world: &World, name: &str, word: &str, told: &str) {
    let mut peer = world.connect().await;
    peer.prove_invited(name, &world.identity(name), Some(word)).await;
    peer.expect(told).await;
}

#[test]
fn an_invitation_is_listed_with_who_came_by_it_and_taken_back() {
    let invited = |config: &mut Config| config.registration = Registration::Invite;
    story_with(invited, async |world| {
        let data = world.path("server");
        let invitation = operate(&["invite", "--uses", "3", "--for", "2h"], &data).await;
        invitation.said("good 3 times and for 2h");
        let (group, other) = (word_of(&invitation), word_of(&operate(&["invite"], &data).await));
        for name in ["john", "marie"] {
            comes_by(world, name, &group, &format!("WELCOME {name}")).await;
        }
        let listed = objects(&operate(&["invite", "list", "--json"], &data).await);
        assert_eq!(listed.len(), 2);
        let first = listed.iter().find(|it| it["uses"] == 1 && it["came"][0] == "john").unwrap();
        assert_eq!(first["came"], serde_json::json!(["john", "marie"]));
        assert!((7_100..=7_200).contains(&first["seconds"].as_u64().unwrap()), "{first}");
        let id = first["id"].as_str().unwrap().to_owned();
        let shown = objects(&user(&["show", "john", "--json"], &data).await);
        assert_eq!(shown[0]["invitation"], id);

        let revoked = operate(&["invite", "revoke", &id], &data).await;
        revoked.exited(0).printed(&[&format!("nobody comes by the invitation {id} any more")]);
        comes_by(world, "bob", &group, "ERR INVITE -").await;
        operate(&["invite", "revoke", &id], &data).await.exited(1).said("no invitation");
        // Also while no server runs.
        world.stop().await;
        let listed = operate(&["invite", "list"], &data).await;
        let closed = format!("{id}: not open any more; john, marie came by it");
        assert!(listed.exited(0).lines().contains(&closed), "{}", listed.text());
        let open: Vec<_> = listed.lines().into_iter().filter(|it| *it != closed).collect();
        assert!(open[0].contains("good for 1 use and "), "{}", listed.text());
        world.start().await;
        comes_by(world, "bob", &other, "WELCOME bob").await;
        operate(&["invite", "--uses", "0"], &data).await.exited(2).said("1 to 10000 people");
    });
}

#[test]
fn an_invitation_ends_when_it_was_said_to() {
    let times = SetTimes::new();
    let by = times.clone();
    let invited = |config: &mut Config| {
        config.registration = Registration::Invite;
        config.times = by;
    };
    story_with(invited, async |world| {
        let data = world.path("server");
        let word = word_of(&operate(&["invite", "--uses", "2", "--for", "1h"], &data).await);
        comes_by(world, "john", &word, "WELCOME john").await;
        times.days_pass(1);
        comes_by(world, "marie", &word, "ERR INVITE -").await;
        comes_by(world, "john", &word, "WELCOME john").await;
    });
}

#[test]
fn limits_of_ones_own_come_before_those_of_all() {
    let three = |config: &mut Config| {
        config.quota.session.messages = 3;
        config.files.file = 10;
    };
    story_with(three, async |world| {
        let data = world.path("server");
        for name in ["alice", "bob"] {
            world.sign_in(name).await.quit().await;
        }
        let limits = ["limit", "alice", "--session-backlog", "1,1MiB", "--file-size", "1KiB"];
        let set = user(&limits, &data).await;
        let told = "alice has limits of their own: session-backlog 1,1048576, file-size 1024";
        set.exited(0).printed(&[told]).was_quiet();
        // Also across a restart, and the other one has what all have.
        world.restart().await;
        let (mut alice, mut bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        for peer in [&mut alice, &mut bob] {
            peer.talk("marie").await;
            peer.say_all("marie", 1..=2, |n| format!("word {n}")).await;
        }
        alice.expect("ERR FULL marie 2 1 messages").await;
        bob.expect("STORED marie 2").await;
        Carrier::of(world, &mut alice).await.upload("marie", &noise(1000)).await;
        let shown = &objects(&user(&["show", "alice", "--json"], &data).await)[0];
        let limits = serde_json::json!({"session-backlog": "1,1048576", "file-size": "1024"});
        assert_eq!(shown["limits"], limits);

        let set = user(&["limit", "alice", "--session-backlog", "default"], &data).await;
        set.exited(0).printed(&["alice has limits of their own: file-size 1024"]);
        alice.talk("marie").await;
        alice.say("marie", 2, "word 2").await;
        alice.expect("STORED marie 2").await;
        user(&["limit", "alice", "--file-size", "default"], &data).await.exited(0);
        let none = user(&["limit", "alice"], &data).await;
        none.exited(0).printed(&["alice has the limits that all have"]);
        user(&["limit", "nobody"], &data).await.exited(1).said("nobody has the name nobody");
        user(&["limit", "alice", "--strangers", "few"], &data).await.exited(2);
    });
}

#[test]
fn of_a_person_who_is_purged_nothing_is_left() {
    story(async |world| {
        let data = world.path("server");
        let (mut eve, mut marie) = world.conversation("eve", "marie").await;
        // For bob, who is away, a message and a file of hers wait; for her waits one of marie's.
        let mut bob = world.sign_in("bob").await;
        bob.talk("eve").await;
        bob.quit().await;
        eve.talk("bob").await;
        eve.say("bob", 1, "are you there?").await;
        eve.talk_until_stored("bob").await;
        Carrier::of(world, &mut eve).await.upload("bob", &noise(5)).await;
        eve.quit().await;
        marie.expect("PRESENCE eve away").await;
        marie.say("eve", 1, "come back").await;
        marie.expect("STORED eve 1").await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING eve 1").await;

        user(&["purge", "eve"], &data).await.exited(1).printed(&[]).said("user purge --yes eve");
        let purged = user(&["purge", "eve", "--yes"], &data).await;
        let lines = purged.exited(0).lines();
        assert_eq!(lines[0], "purged eve; what went:");
        for what in [
            "  1 message for them; their senders are told",
            "  1 message of theirs for others",
            "  1 file, 5 bytes of theirs",
        ] {
            assert!(lines.iter().any(|it| it == what), "{what}: {lines:?}");
        }
        let seen = fs::read_to_string(data.join("seen")).unwrap();
        assert!(seen.contains(" bob\n") && !seen.contains(" eve\n"), "{seen}");
        bob.expect("WAITING eve 0").await;
        let told = marie.catch_up_with_receipts().await;
        assert!(told.contains(&"EXPIRED eve 1".into()), "{told:?}");
        assert_eq!(bob.talk("eve").await, "away 0 0 0 0");
        bob.hears_nothing().await;
        let listed = objects(&user(&["list", "--json"], &data).await);
        assert!(listed.iter().all(|it| it["name"] != "eve" && it["files"]["count"] == 0));
        for book in ["names", "seen"] {
            world.stop().await;
            let text = fs::read_to_string(data.join(book)).unwrap();
            assert!(!text.lines().any(|line| line.ends_with(" eve")), "{text}");
            world.start().await;
        }
        // Somebody else may have the name.
        let anna = Identity::generate().unwrap();
        let mut eve = world.connect().await;
        eve.prove("eve", &anna, FIRST_INSTALLATION).await;
        eve.expect("WELCOME eve").await;
        eve.hears_nothing().await;
    });
}
