//! Messages that nobody fetched in time: EXPIRED, what may not pass it, and when it is forgotten.

use std::path::Path;
use std::time::Duration;

use tinychat::mailbox::{EmbeddedMailbox, Mailbox, Usage};
use tinychat::message::{Batch, Kind, Message, MessageId, SessionKey, Timestamp};
use tinychat::server::Config;

use crate::world::{FIRST_INSTALLATION, Peer, SECOND_INSTALLATION, World, story_with};

/// Messages are too old at once, and the server looks for them all the time.
fn hasty(config: &mut Config) {
    config.keep = Some(Duration::from_millis(1));
    config.timing.sweep = Duration::from_millis(5);
}

/// Messages are kept, until the server is started again as a [`hasty`] one.
fn patient(config: &mut Config) {
    config.keep = None;
}

fn numbered(n: u64) -> String {
    format!("message {n}")
}

/// Everything up to `EXPIRED peer n`; only receipts come before it.
async fn until_expired(peer: &mut Peer, whom: &str, n: u64) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = peer.next().await;
        let is_it = line == format!("EXPIRED {whom} {n}");
        lines.push(line);
        if is_it {
            return lines;
        }
    }
}

/// What comes until TALKING, with it.
async fn talk(peer: &mut Peer, whom: &str, settled: u64) -> Vec<String> {
    peer.send(&format!("TALK {whom} {settled}")).await;
    let mut lines = Vec::new();
    loop {
        let line = peer.next().await;
        let is_it = line.starts_with("TALKING ");
        lines.push(line);
        if is_it {
            return lines;
        }
    }
}

#[test]
fn who_is_there_is_told_of_each_message_that_expired() {
    story_with(hasty, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        let lines = until_expired(&mut alice, "bob", 3).await;
        let expired: Vec<_> = lines.iter().filter(|line| line.starts_with("EXPIRED")).collect();
        assert_eq!(expired, ["EXPIRED bob 1", "EXPIRED bob 2", "EXPIRED bob 3"]);
        let delivered = lines.iter().any(|line| line.starts_with("DELIVERED"));
        assert!(!delivered, "DELIVERED does not pass what is expiring: {lines:?}");
        // Bob, who comes too late, gets nothing.
        let mut bob = world.sign_in("bob").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 0");
        bob.hears_nothing().await;
    });
}

#[test]
fn each_talk_is_answered_with_what_expired_until_it_is_settled() {
    story_with(hasty, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        until_expired(&mut alice, "bob", 3).await;
        let told = |settled: u64| {
            let mut lines: Vec<_> = (settled + 1..=3).map(|n| format!("EXPIRED bob {n}")).collect();
            lines.push("TALKING bob away 3 3 3 0".into());
            lines
        };
        alice.barrier().await;
        assert_eq!(talk(&mut alice, "bob", 0).await, told(0), "ahead of TALKING");
        assert_eq!(talk(&mut alice, "bob", 1).await, told(1));
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(talk(&mut alice, "bob", 1).await, told(1), "also after a restart");
        assert_eq!(talk(&mut alice, "bob", 3).await, told(3));
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(talk(&mut alice, "bob", 0).await, told(3), "settled is settled");
    });
}

#[test]
fn only_the_installation_that_wrote_it_is_told() {
    story_with(hasty, async |world| {
        let mut alice = world.sign_in_from("alice", FIRST_INSTALLATION).await;
        alice.talk("bob").await;
        alice.say("bob", 1, "too late").await;
        until_expired(&mut alice, "bob", 1).await;
        let mut elsewhere = world.sign_in_from("alice", SECOND_INSTALLATION).await;
        assert_eq!(talk(&mut elsewhere, "bob", 0).await, ["TALKING bob away 0 0 0 0"]);
        let mut alice = world.sign_in_from("alice", FIRST_INSTALLATION).await;
        let told = ["EXPIRED bob 1", "TALKING bob away 1 1 1 0"];
        assert_eq!(talk(&mut alice, "bob", 0).await, told);
    });
}

#[test]
fn what_expires_makes_room() {
    let one_at_a_time = |config: &mut Config| {
        patient(config);
        config.quota.session = Usage { messages: 1, bytes: 0 };
    };
    story_with(one_at_a_time, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        alice.expect("ERR FULL bob 2").await;
        world.restart_with(hasty).await;
        let mut alice = world.sign_in("alice").await;
        let lines = talk(&mut alice, "bob", 0).await;
        if !lines.contains(&"EXPIRED bob 1".into()) {
            until_expired(&mut alice, "bob", 1).await;
        }
        alice.talk_settled("bob", 1).await;
        alice.say("bob", 2, "again").await;
        until_expired(&mut alice, "bob", 2).await;
    });
}

#[test]
fn what_is_young_is_delivered_behind_what_expired() {
    let an_hour = |config: &mut Config| {
        config.keep = Some(Duration::from_secs(3600));
        config.timing.sweep = Duration::from_millis(5);
    };
    story_with(an_hour, async |world| {
        world.stop().await;
        keep_messages(&world.server_folder(), [Timestamp(0), Timestamp(0), Timestamp::now()]).await;
        world.start().await;
        let mut alice = world.sign_in("alice").await;
        let lines = talk(&mut alice, "bob", 0).await;
        if !lines.contains(&"EXPIRED bob 2".into()) {
            until_expired(&mut alice, "bob", 2).await;
        }
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 3, "message 3").await;
        bob.ack("alice", 1).await;
        alice.expect("PRESENCE bob online").await;
        alice.expect("DELIVERED bob 3").await;
    });
}

/// Puts messages from alice to bob into the folder of a server that does not run, taken at these
/// times.
async fn keep_messages(folder: &Path, times: [Timestamp; 3]) {
    let mailbox = EmbeddedMailbox::open(folder).unwrap();
    let key = SessionKey::new("alice".parse().unwrap(), "bob".parse().unwrap()).unwrap();
    let installation = FIRST_INSTALLATION.parse().unwrap();
    let message = |(n, time)| Message {
        id: MessageId { installation, n },
        time,
        kind: Kind::TEXT,
        body: numbered(n).into(),
    };
    let messages: Vec<_> = (1..).zip(times).map(message).collect();
    mailbox.append(&key, &Batch::new(1, messages));
    mailbox.close().await;
}

impl World {
    /// Stops the server and starts it again, configured differently.
    async fn restart_with(&mut self, configure: impl FnOnce(&mut Config)) {
        self.stop().await;
        self.configure(configure);
        self.start().await;
    }
}
