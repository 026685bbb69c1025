//! What a session knows of its messages, step by step.

use super::*;
use proptest::prelude::*;

fn id(installation: u64, n: u64) -> MessageId {
    MessageId { installation: Installation::from_u64(installation), n }
}

fn marks(ledger: &Ledger, installation: u64) -> (u64, u64, u64) {
    let it = ledger.watermarks(Installation::from_u64(installation));
    (it.have, it.stored, it.delivered)
}

#[test]
fn a_message_goes_from_taken_to_stored_to_delivered() {
    let mut ledger = Ledger::default();
    assert_eq!(marks(&ledger, 1), (0, 0, 0));
    ledger.push(id(1, 1), 5);
    ledger.push(id(1, 2), 5);
    assert_eq!(marks(&ledger, 1), (2, 0, 0));
    ledger.commit(1);
    assert_eq!(marks(&ledger, 1), (2, 1, 0));
    ledger.commit(2);
    assert_eq!(ledger.acknowledge(1), Usage::one(5));
    assert_eq!(marks(&ledger, 1), (2, 2, 1));
    assert!(ledger.acknowledge(1).is_empty());
    assert_eq!(ledger.acknowledge(2), Usage::one(5));
    assert_eq!(marks(&ledger, 1), (2, 2, 2));
    assert_eq!(ledger.waiting(), Usage::default());
}

#[test]
fn read_is_what_was_delivered_at_most() {
    let mut ledger = Ledger::default();
    ledger.push(id(1, 1), 5);
    ledger.push(id(1, 2), 5);
    let it = Installation::from_u64(1);
    assert!(!ledger.read(it, 2) && !ledger.read(Installation::from_u64(2), 1));
    ledger.acknowledge(1);
    assert!(ledger.read(it, 2) && !ledger.read(it, 1));
    assert_eq!((ledger.read_up_to(it), ledger.read.len()), (1, 1));
    ledger.acknowledge(2);
    assert!(ledger.read(it, 2) && !ledger.read(it, 2));
}

#[test]
fn acknowledged_before_its_commit_counts_as_stored() {
    let mut ledger = Ledger::default();
    ledger.push(id(1, 1), 5);
    ledger.acknowledge(1);
    assert_eq!(marks(&ledger, 1), (1, 1, 1));
}

#[test]
fn installations_have_watermarks_of_their_own() {
    let mut ledger = Ledger::default();
    for message in [id(1, 1), id(2, 1), id(1, 7), id(2, 2)] {
        assert!(!ledger.has(message));
        ledger.push(message, 1);
    }
    assert!(ledger.has(id(1, 3)), "below the highest: it has or had it");
    ledger.commit(3);
    ledger.acknowledge(1);
    assert_eq!(marks(&ledger, 1), (7, 7, 6));
    assert_eq!(marks(&ledger, 2), (2, 1, 0));
}

#[test]
fn what_expires_is_neither_delivered_nor_acknowledged() {
    let mut ledger = Ledger::default();
    for n in 1..=5 {
        ledger.push(id(1, n), 5);
    }
    ledger.commit(3);
    ledger.condemn(3);
    let (runs, freed) = ledger.begin_to_expire();
    assert_eq!((runs.len(), runs[0].count), (1, 3));
    assert_eq!(freed, Usage { messages: 3, bytes: 15 });
    assert!(ledger.is_expiring() && ledger.ended(Installation::from_u64(1), 0).is_empty());
    assert!(ledger.acknowledge(2).is_empty(), "it counts no longer");
    assert_eq!(ledger.acknowledge(4), Usage::one(5));
    assert_eq!(marks(&ledger, 1), (5, 4, 0), "delivered does not pass what is expiring");
    ledger.end(3);
    assert_eq!(marks(&ledger, 1), (5, 4, 4));
    assert_eq!(ledger.ended(Installation::from_u64(1), 0), [(Fate::Expired, 1..=3)]);
    assert_eq!(ledger.ended(Installation::from_u64(1), 1), [(Fate::Expired, 2..=3)]);
    assert_eq!(ledger.settle(Installation::from_u64(1), 2), Some(2));
    assert_eq!(ledger.settle(Installation::from_u64(1), 1), None);
    assert_eq!(ledger.ended(Installation::from_u64(1), 0), [(Fate::Expired, 3..=3)]);
    ledger.settle(Installation::from_u64(1), 4);
    assert!(ledger.ended(Installation::from_u64(1), 0).is_empty());
}

#[test]
fn what_is_to_expire_does_so_once_it_is_committed() {
    let mut ledger = Ledger::default();
    for n in 1..=3 {
        ledger.push(id(1, n), 5);
    }
    ledger.commit(1);
    ledger.condemn(9);
    ledger.push(id(1, 4), 5);
    assert_eq!(ledger.begin_to_expire().1, Usage::one(5), "only what is committed");
    ledger.end(1);
    assert!(ledger.is_expiring(), "two are still to come");
    ledger.commit(4);
    assert_eq!(ledger.begin_to_expire().1, Usage { messages: 2, bytes: 10 });
    ledger.end(3);
    assert!(!ledger.is_expiring());
    assert_eq!((ledger.waiting(), ledger.first_waiting()), (Usage::one(5), 4));
    assert_eq!(marks(&ledger, 1), (4, 4, 3));
}

/// A crash may bring back what was delivered and settled; then it may expire.
#[test]
fn a_record_of_what_was_settled_before_is_dropped_on_disk_too() {
    let it = Installation::from_u64(1);
    let mut accounts = Accounts::default();
    accounts.take(id(1, 2), 2);
    accounts.settle(it, 2);
    let waiting = vec![Outline { id: id(1, 2), length: 5, is_withheld: false }];
    let shelf = Shelf { accounts, last_position: 2, waiting };
    let mut ledger = Ledger::from_shelf(&shelf);
    ledger.condemn(2);
    ledger.begin_to_expire();
    ledger.end(2);
    assert_eq!(ledger.ended(it, 0).len(), 1);
    assert_eq!(ledger.settle(it, 2), Some(2), "the mailbox has a record to drop");
    assert!(ledger.ended(it, 0).is_empty());
    assert_eq!(ledger.settle(it, 2), None);
}

#[test]
fn what_is_withheld_counts_for_its_sender_and_frees_nothing_twice() {
    let mut ledger = Ledger::default();
    for n in 1..=3 {
        ledger.push(id(1, n), 5);
    }
    ledger.acknowledge(1);
    assert_eq!(ledger.withhold(), Usage { messages: 2, bytes: 10 });
    assert_eq!(ledger.withhold(), Usage::default());
    ledger.push_withheld(id(1, 4), 7);
    assert_eq!(ledger.waiting(), Usage { messages: 3, bytes: 17 });
    assert_eq!(ledger.acknowledge(2), Usage::one(0), "it was on its way");
    ledger.commit(4);
    ledger.condemn(4);
    ledger.push(id(1, 5), 9);
    assert_eq!(ledger.begin_to_expire().1, Usage { messages: 2, bytes: 0 });
    assert_eq!(ledger.acknowledge(5), Usage::one(9), "what came behind the block");
    assert_eq!(ledger.waiting(), Usage::default());
}

/// An earlier version left the bodies of what waited before a block.
#[test]
fn what_waits_in_front_of_something_withheld_is_withheld_too() {
    let outline = |n, is_withheld| Outline { id: id(1, n), length: 5, is_withheld };
    let waiting = vec![outline(1, false), outline(2, false), outline(3, true), outline(4, false)];
    let shelf = Shelf { last_position: 4, waiting, ..Shelf::default() };
    let mut ledger = Ledger::from_shelf(&shelf);
    assert_eq!((ledger.withheld(), ledger.waiting().bytes), (3, 20));
    assert_eq!(ledger.withhold_rest(), Usage { messages: 2, bytes: 10 });
    assert_eq!(ledger.acknowledge(3), Usage { messages: 3, bytes: 0 });
    let mut blocked = Ledger::from_shelf(&shelf);
    assert_eq!(blocked.withhold(), Usage { messages: 3, bytes: 15 });
    assert_eq!(blocked.acknowledge(4), Usage { messages: 4, bytes: 0 });
}

fn nobody(_: Installation) -> bool {
    false
}

#[test]
fn so_many_installations_have_messages_that_wait() {
    let installation = Installation::from_u64;
    let mut ledger = Ledger::default();
    for number in 1..=MAX_INSTALLATIONS as u64 {
        assert!(ledger.has_place(installation(number)));
        ledger.push(id(number, 1), 1);
    }
    assert!(!ledger.has_place(installation(99)) && ledger.has_place(installation(1)));
    assert_eq!(ledger.forget_one(nobody), None, "all of it waits");
    ledger.acknowledge(1);
    assert!(ledger.has_place(installation(99)), "whether the first knows it or not");
    assert!(ledger.has(id(1, 1)), "and that one is remembered");
    ledger.commit(2);
    ledger.condemn(2);
    ledger.begin_to_expire();
    ledger.push(id(99, 1), 1);
    assert!(!ledger.has_place(installation(1)), "what is about to expire has a place");
    ledger.end(2);
    assert!(ledger.has_place(installation(1)), "what has expired has none");
}

#[test]
fn who_was_not_heard_of_for_the_longest_is_forgotten() {
    let installation = Installation::from_u64;
    let mut ledger = Ledger::default();
    let all = MAX_REMEMBERED as u64;
    for number in 1..=all {
        assert!(ledger.remembers(installation(number)));
        ledger.push(id(number, 1), 1);
    }
    ledger.commit(1);
    ledger.condemn(1);
    ledger.begin_to_expire();
    ledger.end(1);
    assert_eq!(ledger.forget_one(nobody), None, "the others wait");
    ledger.acknowledge(all - 1);
    assert!(!ledger.remembers(installation(all + 1)) && ledger.remembers(installation(5)));
    assert_eq!(ledger.hear(installation(2)), Some(all));
    assert_eq!((ledger.hear(installation(2)), ledger.hear(installation(all + 1))), (None, None));
    ledger.settle(installation(7), 1);
    assert_eq!(ledger.forget_one(nobody), Some(installation(7)), "it knows of everything");
    assert!(ledger.remembers(installation(all + 1)), "now there is a place");
    assert!(!ledger.has(id(7, 1)) && marks(&ledger, 7) == (0, 0, 0));
    // The first has a record, the second was just here, the third is.
    let is_third = |it| it == installation(3);
    assert_eq!(ledger.forget_one(is_third), Some(installation(4)));
    assert_eq!(ledger.forget_one(nobody), Some(installation(3)));
    for _ in 0..all - 6 {
        ledger.forget_one(nobody).unwrap();
    }
    assert_eq!(ledger.forget_one(nobody), Some(installation(2)), "the last one");
    assert_eq!(ledger.forget_one(nobody), None, "one waits, and one has a record");
    assert_eq!(ledger.ended(installation(1), 0), [(Fate::Expired, 1..=1)]);
}

/// All that waits expires, and is committed.
fn all_expires(ledger: &mut Ledger) {
    let last = ledger.last_position();
    ledger.commit(last);
    ledger.condemn(last);
    ledger.begin_to_expire();
    ledger.end(last);
}

/// Two accomplices: one leaves out numbers, the other blocks and unblocks.
#[test]
fn records_are_bounded_and_who_knows_of_them_goes_on() {
    let (mut ledger, it) = (Ledger::default(), Installation::from_u64(1));
    let mut n = 0;
    let mut taken = 0;
    for round in 0..5 {
        loop {
            n += 2;
            if ledger.has_too_many_records(id(1, n)) {
                break;
            }
            ledger.push(id(1, n), 1);
            taken += 1;
            if taken % 300 == 0 {
                all_expires(&mut ledger);
            }
        }
        assert_eq!(taken, (round + 1) * MAX_RECORDS as u64, "and they do not add up");
        all_expires(&mut ledger);
        assert_eq!(ledger.ended(it, 0).len(), MAX_RECORDS);
        assert!(ledger.has_too_many_records(id(1, n + 1)), "whatever its number");
        assert!(!ledger.has_too_many_records(id(2, n + 1)), "others are not concerned");
        ledger.settle(it, n);
    }
}

/// Who loads the session reads the records of all installations.
#[test]
fn records_of_many_installations_are_bounded_together() {
    let mut ledger = Ledger::default();
    let mut taken = 0;
    for installation in 1..=30 {
        // One after the other that waits for good, and one that ends.
        for n in (2..600).step_by(2) {
            if ledger.has_too_many_records(id(installation, n)) {
                break;
            }
            ledger.push(id(installation, n), 1);
            taken += 1;
        }
        if installation % 2 == 0 {
            all_expires(&mut ledger);
        }
    }
    assert_eq!(taken, MAX_RECORDS_IN_ALL);
    assert!(ledger.has_too_many_records(id(99, 1)), "whoever it is");
    ledger.settle(Installation::from_u64(1), 600);
    assert!(!ledger.has_too_many_records(id(99, 1)), "there is room again");
    ledger.forget_idle();
    assert_eq!(ledger.records, 0);
}

#[test]
fn who_leaves_out_no_number_writes_as_much_as_there_is_room_for() {
    let mut ledger = Ledger::default();
    for n in 1..=3 * MAX_RECORDS as u64 {
        for installation in [1, 2] {
            assert!(!ledger.has_too_many_records(id(installation, n)));
            ledger.push(id(installation, n), 1);
        }
    }
    all_expires(&mut ledger);
    assert_eq!(ledger.ended(Installation::from_u64(1), 0).len(), 1);
}

#[test]
fn what_a_former_owner_of_the_name_left_counts_for_no_later_one() {
    let installation = Installation::from_u64;
    let mut ledger = Ledger::default();
    let most = MAX_INSTALLATIONS as u64;
    (0..=most).for_each(|number| ledger.push(id(number, 1), 5));
    ledger.acknowledge(1);
    assert_eq!(ledger.forget_idle(), [installation(0)]);
    assert_eq!(ledger.orphan().len(), MAX_INSTALLATIONS);
    assert!(!ledger.knows_anybody());
    assert_eq!(ledger.waiting_of_owner(), Usage::default());
    for number in 101..=100 + most {
        assert!(ledger.has_place(installation(number)));
        ledger.push(id(number, 1), 7);
    }
    assert!(ledger.knows_anybody() && !ledger.has_place(installation(99)));
    let own = Usage { messages: most, bytes: 7 * most };
    assert_eq!((ledger.waiting_of_owner(), ledger.waiting().messages), (own, 2 * most));
    ledger.acknowledge(most);
    assert!(ledger.forget_orphans().is_empty() && ledger.has(id(most, 1)), "one waits");
    assert_eq!(ledger.acknowledge(most + 1), Usage::one(5));
    assert_eq!(ledger.forget_orphans().len(), MAX_INSTALLATIONS);
    assert!(!ledger.has(id(1, 1)) && ledger.has(id(101, 1)));
    assert_eq!((ledger.waiting_of_owner(), ledger.waiting()), (own, own));
    assert!(!ledger.has_place(installation(1)), "it comes as any other");
}

#[test]
fn a_data_folder_that_comes_back_is_its_owners() {
    let it = Installation::from_u64(1);
    for writes in [false, true] {
        let mut ledger = Ledger::default();
        [id(1, 1), id(2, 1), id(1, 2)].into_iter().for_each(|it| ledger.push(it, 5));
        ledger.orphan();
        let heard = if writes { Some(3) } else { ledger.hear(it) };
        assert_eq!((heard, ledger.hear(Installation::from_u64(3))), (Some(3), None));
        ledger.push(id(1, 3), 5);
        assert_eq!(ledger.waiting_of_owner(), Usage { messages: 3, bytes: 15 });
        assert!(ledger.knows_anybody());
        ledger.acknowledge(3);
        assert_eq!(ledger.forget_orphans(), [Installation::from_u64(2)]);
        assert_eq!((ledger.waiting_of_owner(), marks(&ledger, 1)), (Usage::one(5), (3, 2, 2)));
    }
}

#[test]
fn what_nobody_owns_is_known_after_a_restart() {
    let mut accounts = Accounts::default();
    for (position, message) in (1..).zip([id(9, 1), id(1, 1), id(2, 1), id(1, 2)]) {
        accounts.take(message, position);
    }
    for orphan in [1, 9] {
        accounts.hear(Installation::from_u64(orphan), Account::ORPHANED);
    }
    let outline = |id| Outline { id, length: 5, is_withheld: false };
    let waiting = [id(1, 1), id(2, 1), id(1, 2)].map(outline).to_vec();
    let mut ledger = Ledger::from_shelf(&Shelf { accounts, last_position: 4, waiting });
    assert_eq!(ledger.waiting_of_owner(), Usage::one(5));
    assert!(ledger.forget_orphans().is_empty() && ledger.has(id(1, 2)));
    ledger.acknowledge(3);
    assert_eq!(ledger.waiting_of_owner(), Usage::default());
    ledger.condemn(4);
    ledger.begin_to_expire();
    assert_eq!(ledger.forget_orphans(), [Installation::from_u64(9)], "the other one is ending");
    ledger.end(4);
    assert_eq!(ledger.forget_orphans(), [Installation::from_u64(1)]);
    assert_eq!((ledger.records, marks(&ledger, 2)), (0, (1, 1, 1)));
}

#[test]
fn a_former_owner_has_left_no_records_to_later_ones() {
    let mut ledger = Ledger::default();
    for installation in 1..=6 {
        (1..=1_000).for_each(|n| ledger.push(id(installation, 2 * n), 1));
    }
    assert!(ledger.has_too_many_records(id(99, 1)), "with what waits");
    ledger.orphan();
    assert!(!ledger.has_too_many_records(id(99, 1)));
    all_expires(&mut ledger);
    assert_eq!(ledger.records, MAX_RECORDS_IN_ALL);
    assert!(!ledger.has_too_many_records(id(99, 1)));
    assert_eq!(ledger.forget_orphans().len(), 6);
    assert_eq!(ledger.records, 0);
}

/// The same as the ledger, slowly: every message with all that is known of it.
#[derive(Default)]
struct Reference(Vec<(MessageId, bool, bool)>);

impl Reference {
    fn marks(&self, installation: u64) -> (u64, u64, u64) {
        let own = || {
            self.0
                .iter()
                .filter(|(it, ..)| *it == id(installation, it.n))
                .map(|it| (it.0.n, it.1, it.2))
        };
        let have = own().map(|(n, ..)| n).max().unwrap_or(0);
        let below = |lowest: Option<u64>| lowest.map_or(have, |n| n - 1);
        let stored = own().filter(|(_, committed, gone)| !committed && !gone).map(|it| it.0).min();
        let delivered = own().filter(|(_, _, gone)| !gone).map(|it| it.0).min();
        (have, below(stored), below(delivered))
    }
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_list(steps in prop::collection::vec((0..4u8, 1..40u64, 1..3u64), 0..60)) {
        let (mut ledger, mut reference) = (Ledger::default(), Reference::default());
        for (step, position, installation) in steps {
            let n = reference.marks(installation).0 + 1 + position % 3;
            match step {
                0 | 1 => {
                    ledger.push(id(installation, n), 1);
                    reference.0.push((id(installation, n), false, false));
                }
                2 => {
                    ledger.commit(position);
                    reference.0.iter_mut().take(position as usize).for_each(|it| it.1 = true);
                }
                _ => {
                    ledger.acknowledge(position);
                    reference.0.iter_mut().take(position as usize).for_each(|it| it.2 = true);
                }
            }
            // A commit speaks of what was there.
            ledger.committed = ledger.committed.min(ledger.last_position);
            for installation in 1..3 {
                prop_assert_eq!(marks(&ledger, installation), reference.marks(installation));
            }
            let waiting = reference.0.iter().filter(|it| !it.2).count() as u64;
            prop_assert_eq!(ledger.waiting(), Usage { messages: waiting, bytes: waiting });
        }
    }
}

#[test]
fn what_bounces_is_not_told_as_delivered_before_that_is_committed() {
    let it = Installation::from_u64(1);
    let mut ledger = Ledger::default();
    (1..=4).for_each(|n| ledger.push(id(1, n), 5));
    ledger.commit(1);
    assert_eq!(ledger.bounce(2).0, [], "1 comes first");
    ledger.acknowledge(1);
    assert_eq!(ledger.bounce(2).1, Usage { messages: 1, bytes: 5 });
    assert_eq!(ledger.bounce(2).0, [], "once");
    ledger.acknowledge(4);
    assert!(ledger.is_ending() && !ledger.is_expiring());
    let before = Watermarks { have: 4, stored: 1, delivered: 1 };
    assert_eq!(ledger.watermarks(it), before, "neither it nor its end is on disk");
    assert_eq!(ledger.ended(it, 0), []);
    ledger.end(2);
    assert_eq!(ledger.ended(it, 0), [(Fate::Bounced, 2..=2)]);
    assert_eq!(ledger.watermarks(it), Watermarks { have: 4, stored: 4, delivered: 4 });
    assert!(!ledger.is_ending());
    ledger.settle(it, 2);
    assert_eq!(ledger.ended(it, 0), []);
}
