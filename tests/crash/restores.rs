//! Rounds in which data folders are copied, and restored from backups, among kills: nothing stored is lost, nothing comes
//! twice, and nobody counts anew for a server that is restored.
//!
//! Each folder has one backup at a time. So what is restored is always an earlier state of what it replaces, and what
//! was copied is used no more. A folder and its copy that are *both* used, in turns, are a known limit, which is not
//! tested: if one sends a number that is lost on the way, and the other one gives it to another message, the server
//! tells both that it is stored.
//!
//! What is sealed has such a limit: if the folders of its sender *and* of its receiver are restored from before it was
//! sealed, nobody has the keys for it, and nobody can send it again.
//!
//! A device list has one, too: where the server *and* somebody's folder are restored, neither may know the
//! newest version, and what that person signs next has a number that others know another list by, and doubt it. So
//! nobody has a device here whose folder is restored in the same round as the server.

use fastrand::Rng;

use crate::person::Person;
use crate::plan::{Moments, play};
use crate::record::Exchange;
use crate::store::Entry;
use crate::world::World;
use crate::{BURST, LONGEST, come_or_go, end, lists, live_and_end, restart, strike};

// Backups of either side's folder and of the server's are made at random moments, and restored at later ones.

const RESTORES_IN_A_ROUND: u64 = 5;

/// How often everybody comes until all has arrived: what comes back needs some turns.
const MOST_VISITS: usize = 12;

/// Whose folder is restored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folder {
    Of(usize),
    Server,
}

#[test]
fn restored() {
    play("restored", Moments::Restores, |random| {
        let mut folders = vec![Folder::Of(0), Folder::Of(1), Folder::Server];
        random.shuffle(&mut folders);
        folders.truncate(random.usize(1..=3));
        let mut round = Round::new(&folders, random);
        while round.made.restores() < RESTORES_IN_A_ROUND {
            round.live_on(random);
            let folder = *random.choice(&folders).expect("there is one");
            match random.u8(..) {
                0..112 => round.back_up(folder, random),
                112..224 => round.restore(folder, random),
                224.. => strike(&mut round.people, &mut round.world, random),
            }
        }
        round.settle();
        println!("{:?}", round.made);
        round.made.restores()
    });
}

/// Two people who write to each other.
struct Round {
    people: [Person; 2],
    world: World,
    made: Made,
}

/// How many of each kind were made.
#[derive(Debug, Default)]
struct Made {
    backups_of_running_clients: u64,
    backups_of_others: u64,
    backups_beside_the_server: u64,
    copies_of_killed_servers: u64,
    restored_clients: u64,
    restored_servers: u64,
}

impl Made {
    fn restores(&self) -> u64 {
        self.restored_clients + self.restored_servers
    }
}

impl Round {
    /// A round in which these may be restored.
    fn new(folders: &[Folder], random: &mut Rng) -> Self {
        let world = World::new();
        let mut people = [(0, "john", "marie"), (1, "marie", "john")].map(|(one, name, peer)| {
            let forks = [Folder::Of(one), Folder::Server].iter().all(|it| folders.contains(it));
            Person::new(&world, name, &[peer]).following(!forks && random.bool())
        });
        // A server that is restored from before somebody had their name would have others wait for a word of theirs.
        people.iter_mut().for_each(|person| person.visit(&world));
        Self { people, world, made: Made::default() }
    }

    fn live_on(&mut self, random: &mut Rng) {
        self.people.iter_mut().for_each(|person| come_or_go(person, &self.world, random));
        self.world.await_moment(random, 4 * BURST, LONGEST);
    }

    /// Of a client that runs or does not; of a server beside it, or once it is killed.
    fn back_up(&mut self, folder: Folder, random: &mut Rng) {
        let (world, made) = (&mut self.world, &mut self.made);
        match folder {
            Folder::Of(one) => {
                let person = &mut self.people[one];
                if person.is_there() && random.bool() {
                    end(person, world, random);
                }
                let runs = person.is_there();
                person.back_up(world);
                made.backups_of_running_clients += u64::from(runs);
                made.backups_of_others += u64::from(!runs);
            }
            Folder::Server if random.bool() => {
                world.back_up_server();
                made.backups_beside_the_server += 1;
            }
            Folder::Server => {
                world.kill_server();
                world.copy_server();
                restart(world, random);
                made.copies_of_killed_servers += 1;
            }
        }
    }

    /// Of whatever has a backup. A client ends before it in peace, or is killed.
    fn restore(&mut self, folder: Folder, random: &mut Rng) {
        let world = &mut self.world;
        match folder {
            Folder::Of(one) if self.people[one].has_backup() => {
                let person = &mut self.people[one];
                if person.is_there() {
                    end(person, world, random);
                }
                person.restore();
                self.made.restored_clients += 1;
            }
            Folder::Server if world.has_backup() => {
                world.kill_server();
                world.restore_server();
                restart(world, random);
                self.made.restored_servers += 1;
            }
            _ => {}
        }
    }

    /// Lets everything arrive, and holds everybody against what was ever seen in their folders.
    fn settle(&mut self) {
        self.people.iter_mut().filter(|person| person.is_there()).for_each(Person::leave);
        for visit in 1.. {
            self.people.iter_mut().for_each(|person| person.visit(&self.world));
            if visit > 1 && self.people.iter().all(Person::is_settled) {
                break;
            }
            assert!(visit < MOST_VISITS, "something does not arrive");
        }
        self.people.iter().for_each(Person::check_written);
        let [john, marie] = &self.people;
        marie.check_restored(john, &self.world);
        john.check_restored(marie, &self.world);
        lists::check(&mut self.people, &self.world);
    }
}

// Messages wait that were sealed for a folder that is lost, and behind them others that were sealed for the next one.

#[test]
fn mixed_queue() {
    play("mixed_queue", Moments::Kills { share: 5 }, |random| {
        let world = World::new();
        let mut john = Person::new(&world, "john", &["marie"]).following(random.bool());
        let mut marie = Person::new(&world, "marie", &["john"]).following(true);
        john.visit(&world);
        lists::await_all(std::slice::from_mut(&mut marie), &world);
        leave_some(&mut john, &world, random);
        marie.lose_folder(&world);
        // She looks at no conversation yet.
        let only_there = Person::new(&world, "marie", &[]).following(true);
        lists::await_all(&mut [only_there], &world);
        leave_some(&mut john, &world, random);
        let mut round = Round { people: [john, marie], world, made: Made::default() };
        round.settle();
        1
    });
}

fn leave_some(from: &mut Person, world: &World, random: &mut Rng) {
    from.come(world);
    from.write(0, random.u64(1..=BURST));
    from.leave();
}

// A folder that is copied: the original goes on and ends, then somebody goes on in the copy, or puts it in the
// original's place. All the while both write, the one whose folder it is and the other one.

const KILLS_BEFORE_A_COPY_ENDS: u64 = 4;

#[test]
fn copied_folder() {
    play("copied_folder", Moments::Kills { share: 10 }, |random| {
        let mut world = World::new();
        let mut names = ["john", "marie"];
        random.shuffle(&mut names);
        let [name, other] = names;
        let mut original = Person::new(&world, name, &[other]).following(random.bool());
        let mut peer = Person::new(&world, other, &[name]).following(random.bool());
        // The key is in both folders.
        original.visit(&world);
        both_write(&mut original, &mut peer, &mut world, random);
        let mut copy = copy_at_some_time(&mut original, &mut peer, &mut world, random);
        both_write(&mut original, &mut peer, &mut world, random);
        let before = original.messages();
        copy.remembers(&original);
        if random.bool() {
            copy.replace(original);
        }
        both_write(&mut copy, &mut peer, &mut world, random);
        while world.kills() < KILLS_BEFORE_A_COPY_ENDS {
            both_write(&mut copy, &mut peer, &mut world, random);
        }
        settle_copy(&mut copy, &mut peer, &world);
        check_copy(&copy, &peer, &before, &world);
        lists::check(&mut [copy, peer], &world);
        world.kills()
    });
}

/// Both write, one after the other or at once, and each ends.
fn both_write(one: &mut Person, other: &mut Person, world: &mut World, random: &mut Rng) {
    if random.bool() {
        live_and_end(one, other, world, random);
        live_and_end(other, one, world, random);
    } else {
        both_begin(one, other, world, random);
        end(one, world, random);
        end(other, world, random);
    }
}

/// Both come and write, for a while.
fn both_begin(one: &mut Person, other: &mut Person, world: &World, random: &mut Rng) {
    for person in [one, other] {
        person.come(world);
        person.write(0, random.u64(1..=BURST));
    }
    world.await_moment(random, BURST, LONGEST / 2);
}

/// While both are away, or both write.
fn copy_at_some_time(
    person: &mut Person,
    peer: &mut Person,
    world: &mut World,
    random: &mut Rng,
) -> Person {
    if random.bool() {
        return person.copy(world);
    }
    both_begin(person, peer, world, random);
    let copy = person.copy(world);
    end(person, world, random);
    end(peer, world, random);
    copy
}

fn settle_copy(copy: &mut Person, peer: &mut Person, world: &World) {
    for _ in 0..MOST_VISITS {
        copy.visit(world);
        peer.visit(world);
        if copy.is_settled() && peer.is_settled() {
            return;
        }
    }
    panic!("something does not arrive");
}

/// Holds both against what was ever seen in their folders, and what came against the order in the original, too.
fn check_copy(copy: &Person, peer: &Person, original: &[Entry], world: &World) {
    copy.check_written();
    peer.check_written();
    copy.check_restored(peer, world);
    peer.check_restored(copy, world);
    let (copied, peers) = (copy.messages(), peer.messages());
    let exchange = Exchange::new(copy.folder(&copied), peer.folder(&peers));
    let ordered = exchange.check_order(original);
    ordered.unwrap_or_else(|why| panic!("the original to {}: {why}", peer.name));
}
