//! Peers that never stop, and peers that ask for much at once: the others do not notice.

use async_std::task;

use crate::operators::{serve, sign_in};
use crate::world::story;

/// How often alice and bob exchange something meanwhile.
const EXCHANGES: u64 = 50;

/// More answers than a write task is handed at once.
const QUESTIONS: usize = 1_000;

/// The real server has one thread for everybody.
#[test]
fn somebody_who_never_stops_does_not_keep_others_from_talking() {
    story(async |world| {
        let (server, address) = serve(&world.path("flooded"), &[]).await;
        let mut mallory = sign_in(world, address, "mallory").await;
        let flood = task::spawn(async move {
            // What needs no answer, as fast as the server takes it.
            let words = b"PONG\r\n".repeat(20_000);
            loop {
                mallory.send_bytes(&words).await;
            }
        });
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        let mut bob = sign_in(world, address, "bob").await;
        bob.talk("alice").await;
        alice.expect("PRESENCE bob online").await;
        for n in 1..=EXCHANGES {
            alice.say("bob", n, "can you hear me?").await;
            bob.hears("alice", n, n, "can you hear me?").await;
            bob.ack("alice", n).await;
        }
        let _: Option<()> = flood.cancel().await;
        server.signal("TERM");
        server.exits(0).await;
    });
}

#[test]
fn who_asks_much_at_once_gets_every_answer() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.send_bytes(&b"PING\r\n".repeat(QUESTIONS)).await;
        for _ in 0..QUESTIONS {
            alice.expect("PONG").await;
        }
        let conversations: String =
            (0..QUESTIONS).map(|n| format!("TALK friend{n} 0\r\n")).collect();
        alice.send_bytes(conversations.as_bytes()).await;
        for n in 0..QUESTIONS {
            alice.expect(&format!("TALKING friend{n} away 0 0 0 0 0")).await;
        }
    });
}
