//! Those whose person may have to confirm that their key signs: for `PROVE` they have longer than others.
//!
//! Owned by the server. They have said `HELLO` with the key that owns the name, which anybody may, for a public key is no
//! secret. So there are few of them; where there is one more, the oldest *gives way*, and has what everybody has, and
//! no less: else whoever knows a key could keep its owner out. Invariant: no more than one of a key, [`OF_AN_ADDRESS`] of an
//! address and [`IN_ALL`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use super::origin::Origin;
use crate::trust::PublicKey;

/// How many come from one address. This machine's own is not counted, as behind a proxy.
const OF_AN_ADDRESS: usize = 8;

/// How many there are.
const IN_ALL: usize = 256;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Confirming {
    table: Mutex<Table<Sender<Infallible>>>,
}

impl Confirming {
    /// One more.
    pub(crate) fn enter(&self, key: PublicKey, origin: Option<Origin>) -> Place<'_> {
        let (stays, gives_way) = async_channel::bounded(1);
        let (number, gone) = self.table().enter(key, origin, stays);
        drop(gone);
        Place { confirming: self, number, gives_way }
    }

    fn table(&self) -> MutexGuard<'_, Table<Sender<Infallible>>> {
        // Each change is whole before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them, as long as this lives.
pub(crate) struct Place<'a> {
    confirming: &'a Confirming,
    number: u64,
    gives_way: Receiver<Infallible>,
}

impl Place<'_> {
    /// Waits until it gives way to another one.
    pub(crate) async fn gives_way(&self) {
        // Nothing but the end is received there.
        let _ = self.gives_way.recv().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.confirming.table().leave(self.number);
    }
}

/// Who is there, by when they came. Pure.
struct Table<T> {
    there: BTreeMap<u64, Entry<T>>,
    last: u64,
}

struct Entry<T> {
    key: PublicKey,
    origin: Option<Origin>,
    item: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { there: BTreeMap::new(), last: 0 }
    }
}

impl<T> Table<T> {
    /// One more: its number, and who gives way.
    fn enter(&mut self, key: PublicKey, origin: Option<Origin>, item: T) -> (u64, Vec<T>) {
        let mut gone = Vec::new();
        gone.extend(self.make_room(1, |it| it.key == key));
        gone.extend(self.make_room(OF_AN_ADDRESS, |it| origin.is_some() && it.origin == origin));
        gone.extend(self.make_room(IN_ALL, |_| true));
        self.last += 1;
        self.there.insert(self.last, Entry { key, origin, item });
        (self.last, gone)
    }

    fn leave(&mut self, number: u64) {
        self.there.remove(&number);
    }

    /// Removes the oldest of those who are alike if there are as many as may be.
    fn make_room(&mut self, most: usize, is_alike: impl Fn(&Entry<T>) -> bool) -> Option<T> {
        let mut alike = self.there.iter().filter(|(_, it)| is_alike(it));
        let (oldest, _) = alike.next()?;
        let oldest = *oldest;
        let is_full = 1 + alike.count() >= most;
        is_full.then(|| self.there.remove(&oldest)).flatten().map(|it| it.item)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::trust::Identity;

    fn keys(count: usize) -> Vec<PublicKey> {
        (0..count).map(|_| Identity::generate().unwrap().public()).collect()
    }

    fn address(number: u8) -> Option<Origin> {
        Some(format!("192.0.2.{number}").parse().unwrap())
    }

    #[test]
    fn who_comes_again_with_a_key_has_the_place_of_the_first() {
        let (keys, mut table) = (keys(2), Table::default());
        assert!(table.enter(keys[0], address(1), 'a').1.is_empty());
        assert!(table.enter(keys[1], address(1), 'b').1.is_empty());
        assert_eq!(table.enter(keys[0], address(2), 'c').1, ['a']);
        assert_eq!(table.there.len(), 2);
    }

    #[test]
    fn the_oldest_of_an_address_gives_way_and_nobody_from_here() {
        let (keys, mut table) = (keys(4 * OF_AN_ADDRESS), Table::default());
        let (first, others) = keys.split_at(OF_AN_ADDRESS);
        for (number, key) in first.iter().enumerate() {
            assert!(table.enter(*key, address(1), number).1.is_empty());
        }
        assert!(table.enter(others[0], address(2), 100).1.is_empty());
        assert_eq!(table.enter(others[1], address(1), 101).1, [0]);
        for key in &others[2..] {
            assert!(table.enter(*key, None, 102).1.is_empty());
        }
    }

    #[test]
    fn the_oldest_of_all_gives_way() {
        let (keys, mut table) = (keys(IN_ALL + 2), Table::default());
        let mut numbers = Vec::new();
        for (number, key) in keys[..IN_ALL].iter().enumerate() {
            let (number, gone) = table.enter(*key, None, number);
            assert!(gone.is_empty());
            numbers.push(number);
        }
        assert_eq!(table.enter(keys[IN_ALL], None, IN_ALL).1, [0]);
        table.leave(numbers[1]);
        assert!(table.enter(keys[IN_ALL + 1], None, IN_ALL).1.is_empty());
    }

    #[test]
    fn who_gives_way_is_told_and_who_leaves_leaves_nothing() {
        let (keys, confirming) = (keys(1), Confirming::default());
        let first = confirming.enter(keys[0], None);
        assert!(first.gives_way().now_or_never().is_none());
        let second = confirming.enter(keys[0], None);
        assert!(first.gives_way().now_or_never().is_some());
        drop(first);
        assert!(second.gives_way().now_or_never().is_none());
        drop(second);
        assert!(confirming.table().there.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn there_are_never_more_than_may_be_and_only_the_oldest_go(
            steps in prop::collection::vec((0_usize..300, 0_u8..40, any::<bool>()), 0..600)
        ) {
            let (keys, mut table) = (keys(300), Table::default());
            let mut there: BTreeMap<u64, (usize, u8)> = BTreeMap::new();
            for (step, (key, at, leaves)) in steps.into_iter().enumerate() {
                if leaves {
                    let number = there.keys().nth(step % there.len().max(1)).copied();
                    number.into_iter().for_each(|number| {
                        table.leave(number);
                        there.remove(&number);
                    });
                    continue;
                }
                let (number, gone) = table.enter(keys[key], address(at), step);
                prop_assert!(gone.len() <= 2);
                there.insert(number, (key, at));
                there.retain(|number, _| table.there.contains_key(number));
                prop_assert_eq!(there.len(), table.there.len());
                prop_assert!(there.contains_key(&number) && there.len() <= IN_ALL);
                let (mut by_key, mut by_address) = (HashMap::new(), HashMap::new());
                for (key, at) in there.values() {
                    *by_key.entry(*key).or_insert(0) += 1;
                    *by_address.entry(*at).or_insert(0) += 1;
                }
                prop_assert!(by_key.values().all(|count| *count == 1));
                prop_assert!(by_address.values().all(|count| *count <= OF_AN_ADDRESS));
            }
        }
    }
}
