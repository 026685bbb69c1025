//! The client without a face, driven by its commands and events in this process.

use async_channel::Receiver;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Name;

use crate::world::{World, patiently, story};

/// John's client, and what it tells.
fn start(world: &World) -> (Client, Receiver<Event>) {
    let config = Config {
        server: world.address().to_string().parse().unwrap(),
        user: name("john"),
        data: world.path("john"),
        patience: None,
    };
    Client::start(config).unwrap()
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
