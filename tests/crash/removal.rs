//! Rounds in which a name is taken from its owner and claimed by somebody else, among kills: whatever one was sent, the
//! other is never sent, and whatever was written ends as something.

use std::collections::HashSet;

use fastrand::Rng;

use crate::person::Person;
use crate::plan::{Moments, play};
use crate::store::texts;
use crate::world::World;
use crate::{BURST, LONGEST, check, lists, live_and_end, restart};

/// How many kills a round makes before the next owner has read all.
const KILLS_IN_A_REMOVAL: u64 = 4;

#[test]
fn removed_name() {
    play("removed_name", Moments::Kills { share: 10 }, |random| {
        let mut world = World::new();
        let mut john = Person::new(&world, "john", &["marie"]).following(random.bool());
        let mut marie = Person::new(&world, "marie", &["john"]).following(random.bool());
        marie.visit(&world);
        john.visit(&world);
        live_and_end(&mut john, &mut marie, &mut world, random);
        lose_the_name(&mut john, &mut marie, &mut world, random);
        let next = Person::next_owner(&world, "marie", &["john"]);
        let mut next = next.following(random.bool());
        next.visit(&world);
        while world.kills() < KILLS_IN_A_REMOVAL {
            live_on(&mut john, &mut next, &mut world, random);
        }
        let last = say_the_last(&mut john, &world);
        next.visit(&world);
        john.visit(&world);
        check_both(&john, &marie, &next, &last);
        lists::await_all(&mut [john, next], &world);
        world.kills()
    });
}

/// Somebody writes to an owner who is there or not, or has blocked them; the owner goes, and the name is removed beside a
/// server that runs, or was killed.
fn lose_the_name(from: &mut Person, owner: &mut Person, world: &mut World, random: &mut Rng) {
    owner.come(world);
    if random.u8(..) < 64 {
        owner.command("BLOCK", 0);
    }
    from.come(world);
    from.write(0, random.u64(1..=BURST));
    world.await_moment(random, BURST, LONGEST / 2);
    owner.kill(world);
    from.write(0, random.u64(1..=BURST));
    world.await_moment(random, BURST, LONGEST / 2);
    if random.bool() {
        world.kill_server();
        world.remove_name(owner.name, random);
        restart(world, random);
    } else {
        world.remove_name(owner.name, random);
    }
    from.kill(world);
}

/// Somebody trusts the next owner and writes; one of all is killed.
fn live_on(from: &mut Person, next: &mut Person, world: &mut World, random: &mut Rng) {
    next.come(world);
    from.come(world);
    from.trusts(0);
    from.write(0, random.u64(1..=BURST));
    world.await_moment(random, BURST, LONGEST / 2);
    if random.bool() {
        world.kill_server();
        restart(world, random);
    }
    from.kill(world);
    next.kill(world);
}

/// Somebody writes a few more, all of which go out.
fn say_the_last(from: &mut Person, world: &World) -> Vec<String> {
    from.come(world);
    from.trusts(0);
    from.write(0, 3);
    from.leave();
    from.handed(0)
}

fn check_both(from: &Person, owner: &Person, next: &Person, last: &[String]) {
    let [first_read, then_read] =
        [owner, next].map(|reader| texts(&reader.messages(), false, from.name));
    let sent = from.messages();
    let of_both: HashSet<_> = first_read.iter().chain(&then_read).collect();
    assert_eq!(of_both.len(), first_read.len() + then_read.len(), "something was read twice");
    let written = texts(&sent, true, owner.name);
    for read in [&first_read, &then_read] {
        check::in_order(&written, read).unwrap_or_else(|why| panic!("to {}: {why}", owner.name));
    }
    assert!(then_read.ends_with(last), "what was written at last is missing");
    for message in &sent {
        match &*message.state {
            "delivered" => assert!(of_both.contains(&message.text), "{} is lost", message.number.1),
            "expired" => assert!(!then_read.contains(&message.text), "{} came", message.number.1),
            state => panic!("{} is only {state}", message.number.1),
        }
    }
}
