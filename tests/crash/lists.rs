//! Lists of devices among all of it: whoever has a device comes into their list, and nobody is told to doubt one.
//!
//! Owned by nobody. What the server shows in the end, somebody reads who knew no list before.

use std::time::Instant;

use crate::person::Person;
use crate::process::PATIENCE;
use crate::world::World;

/// Everybody who is away comes into their list, if their folder is a device, and no list was ever doubted.
pub(crate) fn check(people: &mut [Person], world: &World) {
    await_all(people, world);
    people.iter().for_each(Person::check_unalarmed);
}

/// The first of it. Nothing waits for a client to be in its list, so those who come stay until they are.
pub(crate) fn await_all(people: &mut [Person], world: &World) {
    let mut people: Vec<_> = people.iter_mut().filter(|it| it.follows()).collect();
    // A folder that was lost has an installation from then on.
    people.iter_mut().for_each(|it| it.visit(world));
    let names: Vec<_> = people.iter().map(|it| it.name).collect();
    let devices: Vec<_> = people.iter().map(|it| it.device()).collect();
    let mut asker = Person::new(world, "asker", &names);
    people.iter_mut().for_each(|it| it.come(world));
    let until = Instant::now() + PATIENCE;
    while !devices.iter().all(|device| asker.believes(device)) {
        assert!(Instant::now() < until, "not in the lists that are shown: some of {devices:?}");
        asker.visit(world);
    }
    people.iter_mut().for_each(|it| it.leave());
}
