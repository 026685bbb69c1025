//! The real programs killed, and their folders restored, at random moments, again and again: what was told holds, and
//! everything comes once and in order. `just crash 1000` plays on for a thousand kills and as many restored backups.
//!
//! A round is one world: a server, some people, some kills, and in the end everybody is let finish
//! and is held against what was typed and told. Nobody sleeps; where time is the chance itself, a
//! round waits for lines with a random limit.
//!
//! | module | what belongs there |
//! |---|---|
//! | `plan` | how many rounds, which seeds |
//! | `world` | the server that is killed and started again |
//! | `person` | somebody whose client comes, goes and is killed |
//! | `process` | a program, its input and what it prints |
//! | `store` | what lies in a data folder |
//! | `lists` | that devices come into their lists, and no list is doubted |
//! | `check` | what must hold of it |
//! | `wall` | the server's wall clock, which jumps |
//! | `backup` | copies of data folders |
//! | `record` | what was ever in a folder that is copied or restored |
//! | `removal` | rounds in which a name is taken from its owner |
//! | `restores` | rounds in which folders are copied, and restored from backups |
//! | `rules` | that the rounds fail without the rules |

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails, with its line")]

mod backup;
mod check;
mod lists;
mod person;
mod plan;
mod process;
mod record;
mod removal;
mod restores;
mod rules;
mod store;
#[path = "../shared/wall.rs"]
mod wall;
mod world;

use std::time::Duration;

use fastrand::Rng;

use crate::person::Person;
use crate::plan::{Moments, play};
use crate::world::World;

/// The longest that a round lets things happen before it kills somebody.
const LONGEST: Duration = Duration::from_millis(600);

// A storm: everybody writes to everybody, and anybody may be killed.

const KILLS_IN_A_STORM: u64 = 6;

/// How much one writes at once.
const BURST: u64 = 120;

#[test]
fn storm() {
    play("storm", Moments::Kills { share: 45 }, |random| {
        let mut world = World::new();
        let mut people =
            [["alice", "bob", "carol"], ["bob", "carol", "alice"], ["carol", "alice", "bob"]].map(
                |[name, peers @ ..]| Person::new(&world, name, &peers).following(random.bool()),
            );
        while world.kills() < KILLS_IN_A_STORM {
            for person in &mut people {
                come_or_go(person, &world, random);
            }
            world.await_moment(random, 4 * BURST, LONGEST);
            if random.u8(..) < 64 {
                world.clock_jumps(random);
            }
            strike(&mut people, &mut world, random);
        }
        settle(&mut people, &world);
        world.kills()
    });
}

fn come_or_go(person: &mut Person, world: &World, random: &mut Rng) {
    person.leave_if_ended();
    if !person.is_there() && random.u8(..) < 200 {
        person.come(world);
    }
    if person.listens() {
        for _ in 0..random.usize(0..=3) {
            person.write(random.usize(0..person.peer_count()), random.u64(1..=BURST));
        }
        if random.u8(..) < 50 {
            person.begin_to_leave();
        }
    }
}

/// Kills the server, or somebody who is there and comes back in the next turn.
fn strike(people: &mut [Person], world: &mut World, random: &mut Rng) {
    let there: Vec<_> = people.iter_mut().filter(|person| person.is_there()).collect();
    let victim = if random.bool() { random.choice(there) } else { None };
    match victim {
        Some(person) => person.kill(world),
        None => {
            world.kill_server();
            restart(world, random);
        }
    }
}

/// Starts the server again: at once, after a while, or only after it was killed once more.
fn restart(world: &mut World, random: &mut Rng) {
    if random.bool() {
        world.clock_jumps(random);
    }
    match random.u8(..) {
        0..128 => {}
        128..192 => world.await_moment(random, BURST, LONGEST / 4),
        192.. => world.start_and_kill_server(random),
    }
    world.start_server();
}

/// Lets everything finish, and holds everybody against what was typed and told.
fn settle(people: &mut [Person], world: &World) {
    people.iter_mut().filter(|person| person.is_there()).for_each(Person::leave);
    // Now all is stored. The first visit takes what waits, the second is told that it was taken.
    for _ in 0..2 {
        people.iter_mut().for_each(|person| person.visit(world));
    }
    people.iter().for_each(Person::check_written);
    for sender in people.iter() {
        for receiver in people.iter().filter(|it| it.name != sender.name) {
            receiver.check_received(sender);
        }
    }
    lists::check(people, world);
}

// A backlog that drains into a client that is killed before, between and after its commits.

const BACKLOG: u64 = 2_000;
const KILLS_IN_A_DRAIN: u64 = 4;

#[test]
fn drain() {
    play("drain", Moments::Kills { share: 20 }, |random| {
        let mut world = World::new();
        let mut john = Person::new(&world, "john", &["marie"]).following(random.bool());
        let mut marie = Person::new(&world, "marie", &["john"]).following(random.bool());
        john.come(&world);
        john.write(0, BACKLOG);
        john.leave();
        // He stays and writes on, or is away.
        if random.bool() {
            john.come(&world);
        }
        while world.kills() < KILLS_IN_A_DRAIN {
            if john.is_there() {
                john.write(0, random.u64(1..=BACKLOG / KILLS_IN_A_DRAIN));
            }
            marie.come(&world);
            world.await_moment(random, BACKLOG / 2, LONGEST / 2);
            let told = john.told(0);
            marie.kill(&mut world);
            let came = marie.messages().len() as u64;
            assert!(came >= told.delivered, "{told:?}, but only {came} came");
        }
        settle(&mut [john, marie], &world);
        world.kills()
    });
}

// An outbox that is lost: what was stored is the server's alone.

const KILLS_WITHOUT_OUTBOX: u64 = 6;

/// More than is sent while one waits, and less than a server keeps from one person to another.
const LONG_BURST: u64 = 6_000;

#[test]
fn lost_outbox() {
    play("lost_outbox", Moments::Kills { share: 15 }, |random| {
        let mut world = World::new();
        let mut john = Person::new(&world, "john", &["marie"]).following(random.bool());
        let mut marie = Person::new(&world, "marie", &["john"]).following(random.bool());
        let mut came = 0;
        while world.kills() < KILLS_WITHOUT_OUTBOX {
            john.come(&world);
            let stored = write_and_crash(&mut john, &mut world, random);
            john.lose_folder(&world);
            restart(&mut world, random);
            marie.visit(&world);
            let received = store::texts(&marie.messages(), false, "john");
            check::received_beginning(&john.handed(0), &received[came..], stored)
                .unwrap_or_else(|why| panic!("john to marie: {why}"));
            came = received.len();
        }
        lists::check(&mut [john, marie], &world);
        world.kills()
    });
}

/// John writes, and the server is killed: often while he writes, and then he is killed too; else
/// when he has left in peace. Returns how many of his messages are stored for certain.
fn write_and_crash(john: &mut Person, world: &mut World, random: &mut Rng) -> u64 {
    if random.u8(..) < 64 {
        john.write(0, random.u64(1..=BACKLOG));
        john.leave();
        world.kill_server();
        return john.handed(0).len() as u64;
    }
    john.write(0, LONG_BURST);
    john.is_told(0, "stored");
    world.await_moment(random, BACKLOG, LONGEST);
    world.kill_server();
    // So he has taken in what the server told up to its end.
    john.notices_the_end();
    john.kill(world);
    john.count_stored(0)
}

/// Somebody writes, leaves in peace or is killed, and perhaps the server is; the other comes now and then.
fn live_and_end(person: &mut Person, peer: &mut Person, world: &mut World, random: &mut Rng) {
    person.come(world);
    person.write(0, random.u64(1..=BURST));
    if random.bool() {
        peer.visit(world);
    }
    world.await_moment(random, BURST, LONGEST / 2);
    end(person, world, random);
}

/// Somebody leaves in peace or is killed, and perhaps the server is.
fn end(person: &mut Person, world: &mut World, random: &mut Rng) {
    match random.u8(..) {
        0..96 => person.leave(),
        96..160 => person.kill(world),
        160.. => {
            world.kill_server();
            person.kill(world);
            restart(world, random);
        }
    }
}
