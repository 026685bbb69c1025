//! People who make sure of each other's keys: by digits that both compare. Real programs, and the real server.

use crate::programs::Launch;
use crate::world::{World, story};

/// Somebody who has their name and no more to do.
async fn is_there(world: &World, name: &str) {
    Launch::of(world, name).to("nobody").pipe("").await.exited(0);
}

/// The digits that one of two people is shown.
async fn digits(world: &World, name: &str, peer: &str) -> String {
    let asked = Launch::of(world, name).to(peer).with_commands();
    let asked = asked.pipe(format!("/FINGERPRINT {peer}\n")).await;
    let mut lines = asked.exited(0).err.lines().filter_map(|it| it.strip_prefix("-- "));
    let is_digits = |it: &&str| it.bytes().filter(u8::is_ascii_digit).count() == 60;
    lines.find(is_digits).unwrap_or_else(|| panic!("no digits:\n{}", asked.err)).into()
}

#[test]
fn two_people_are_shown_the_same_digits_and_others_with_anybody_else() {
    story(async |world| {
        for name in ["alice", "bob", "carol"] {
            is_there(world, name).await;
        }
        let seen = digits(world, "alice", "bob").await;
        assert_eq!(digits(world, "bob", "alice").await, seen);
        assert_ne!(digits(world, "alice", "carol").await, seen);
        let own = Launch::of(world, "alice").to("bob").with_commands();
        let own = own.pipe("/FINGERPRINT\n").await;
        own.exited(0).said("your key: SHA256:").never_said("digits of you both");
    });
}
