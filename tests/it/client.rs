//! The client without a face, driven by its commands and events in this process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_channel::Receiver;
use async_std::net::TcpListener;
use async_std::task::spawn;
use futures::AsyncWriteExt;
use futures::future::select;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Name;
use tinychat::wire::frame::ClientFrame;
use tinychat::wire::stream::FrameReader;
use tinychat::wire::transport::{Socket, Transport};

use crate::echo::WithinASecond;
use crate::programs::comes_for_real;
use crate::script::Stage;
use crate::world::{FIRST_INSTALLATION, World, patiently, story};

/// John's client, and what it tells.
fn start(world: &World) -> (Client, Receiver<Event>) {
    start_at(world.address(), world)
}

fn start_at(server: SocketAddr, world: &World) -> (Client, Receiver<Event>) {
    comes_for_real(server, "john");
    let server = server.to_string().parse().unwrap();
    let config = Config { tls: false, ..Config::new(server, name("john"), world.path("john")) };
    Client::start(config, None).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The next message that the face is given.
async fn message(events: &Receiver<Event>) -> String {
    loop {
        let event = patiently("a message for the face", events.recv()).await.unwrap();
        if let Event::Message(message) = event {
            return String::from_utf8(message.body.to_vec()).unwrap();
        }
    }
}

#[test]
fn what_a_face_was_given_it_is_not_given_again_in_a_reopened_conversation() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "one").await;
        let (john, events) = start(world);
        john.give(Command::Talk(name("marie"))).await;
        assert_eq!(message(&events).await, "one");
        // It has not said yet that it was shown.
        john.give(Command::Close(name("marie"))).await;
        john.give(Command::Talk(name("marie"))).await;
        marie.say("john", 2, "two").await;
        assert_eq!(message(&events).await, "two");
        john.give(Command::Leave).await;
        john.join().await;
    });
}

/// How many messages a busy server sends at most before it misses the first acknowledgement. More
/// than all buffers between two sockets take.
const FLOOD: u64 = 2_000;

/// A server to which somebody signs in and talks to marie. It then sends one message after the other
/// without a pause, until one is acknowledged. Returns how many it sent.
async fn flood(listener: TcpListener) -> u64 {
    let (stream, _) = listener.accept().await.unwrap();
    let socket = Socket::Tcp(stream.try_into().unwrap());
    let Transport { reader, writer: mut half, .. } = Transport::plain(socket).unwrap();
    let mut reader = FrameReader::<ClientFrame>::new(reader);
    for answer in [
        &format!("CHALLENGE {}\r\n", "0".repeat(64)),
        "WELCOME john\r\n",
        // Nothing is said of its own list of devices.
        "",
        "KEY marie -\r\n",
        "TALKING marie online 0 0 0 0 0\r\n",
    ] {
        patiently("a frame of the client", reader.next()).await.unwrap().unwrap().unwrap();
        half.write_all(answer.as_bytes()).await.unwrap();
    }
    let sent = AtomicU64::new(0);
    let sending = async {
        let body = "x".repeat(16 * 1024);
        for n in 1..=FLOOD {
            let message = format!(
                "MSG marie {n} {FIRST_INSTALLATION} {n} {n:032x} 0 text {}\r\n{body}\r\n",
                body.len()
            );
            patiently("the client reads", half.write_all(message.as_bytes())).await.unwrap();
            sent.store(n, Ordering::SeqCst);
        }
    };
    let acknowledged = async {
        let frame = patiently("an ACK", reader.next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(frame, ClientFrame::Ack { .. }), "{frame:?}");
    };
    select(Box::pin(sending), Box::pin(acknowledged)).await;
    sent.load(Ordering::SeqCst)
}

#[test]
fn messages_are_acknowledged_while_more_keep_coming() {
    story(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (john, events) = start_at(listener.local_addr().unwrap(), world);
        john.give(Command::Talk(name("marie"))).await;
        let flood = spawn(flood(listener));
        // The face keeps up: else the client stops reading, and has time to write.
        let face = spawn(async move { while events.recv().await.is_ok() {} });
        let sent = patiently("an end of the flood", flood).await;
        assert!(sent < FLOOD, "all {sent} messages were sent without an ACK");
        john.give(Command::Leave).await;
        john.join().await;
        face.await;
    });
}

#[test]
fn what_comes_with_the_welcome_is_heard_although_nothing_follows() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, events) = start_at(stage.address(), world);
        let server = stage.receive_saying(&["WAITING marie 3"]).await;
        let waiting = async {
            loop {
                if let Event::Waiting { peer, count, .. } = events.recv().await.unwrap() {
                    return (peer, count);
                }
            }
        };
        let heard = patiently("what waits is told", waiting).await;
        assert_eq!(heard, (name("marie"), 3));
        drop(server);
        john.give(Command::Leave).await;
        john.join().await;
    });
}

#[test]
fn what_arrives_is_told_within_a_second_though_no_face_has_the_conversation_open() {
    story(async |world| {
        let (john, events) = start(world);
        let mut told = WithinASecond::begin().await;
        john.give(Command::Talk(name("marie"))).await;
        john.give(Command::Send { peer: name("marie"), text: "hello".into() }).await;
        receipt(&events, false).await;
        john.give(Command::Close(name("marie"))).await;
        for somebody in ["anna", "bob", "carol", "dave"] {
            john.give(Command::Send { peer: name(somebody), text: "hello".into() }).await;
            receipt(&events, false).await;
        }
        for somebody in ["marie", "anna", "bob", "carol", "dave"] {
            let mut peer = world.sign_in(somebody).await;
            peer.talk("john").await;
            peer.hears("john", 1, 1, "hello").await;
            let read = Instant::now();
            peer.ack("john", 1).await;
            assert_eq!(receipt(&events, true).await, name(somebody));
            told.done_since(read).await;
        }
        told.holds();
        john.give(Command::Leave).await;
        john.join().await;
    });
}

/// The next receipt that tells of something delivered, or stored alone.
async fn receipt(events: &Receiver<Event>, arrived: bool) -> Name {
    loop {
        match patiently("a receipt", events.recv()).await.unwrap() {
            Event::Receipts { peer, delivered, .. } if delivered.is_empty() != arrived => {
                return peer;
            }
            _ => {}
        }
    }
}

/// More people than a client holds conversations open with that its face does not have open.
const FRIENDS: usize = 520;

#[test]
fn what_was_written_to_more_people_than_places_goes_out_and_each_is_heard_of_in_turn() {
    story(async |world| {
        let friend = |number: usize| name(&format!("friend{number}"));
        let (john, events) = start(world);
        for number in 0..FRIENDS {
            john.give(Command::Send { peer: friend(number), text: "hello".into() }).await;
        }
        for _ in 0..FRIENDS {
            receipt(&events, false).await;
        }
        john.give(Command::Leave).await;
        john.join().await;
        // The last by name, written to while the server was away.
        let address = world.address();
        world.stop().await;
        let (john, _) = start_at(address, world);
        john.give(Command::Send { peer: name("zoe"), text: "hello".into() }).await;
        john.give(Command::Leave).await;
        john.join().await;
        world.start().await;
        let (john, events) = start(world);
        assert_eq!(receipt(&events, false).await, name("zoe"));
        for somebody in ["friend0", "friend99", "zoe", "friend519"] {
            let mut peer = world.sign_in(somebody).await;
            peer.talk("john").await;
            peer.hears("john", 1, 1, "hello").await;
            peer.ack("john", 1).await;
            assert_eq!(receipt(&events, true).await, name(somebody));
        }
        john.give(Command::Leave).await;
        john.join().await;
    });
}
