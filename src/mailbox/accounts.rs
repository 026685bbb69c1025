//! The state of a sender's installations in one session, as long as they are remembered: which numbers were accepted,
//! which expired or bounced. Pure: no I/O, no clock.
//!
//! Owned by the session's ledger, and by the mailbox in between. Invariant: an installation's records of one fate
//! ascend, do not touch each other, and lie above what is settled and not above what was accepted.

use std::collections::BTreeMap;

use crate::message::{Installation, MessageId};

/// What is known of each of a sender's installations in one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<Installation, Account>);

/// What is known of one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The highest number accepted.
    pub n: u64,
    /// The sender's client knows, and has on its disk, what became of everything up to here.
    pub settled: u64,
    /// The session's last position when the installation was last heard from, or [`ORPHANED`](Self::ORPHANED).
    pub seen: u64,
    /// What expired and is not settled.
    pub expired: Records,
    /// What bounced and is not settled.
    pub bounced: Records,
}

/// Ranges of numbers: the first of each, and its last.
pub type Records = BTreeMap<u64, u64>;

impl Account {
    /// What is [`seen`](Self::seen) of an installation once whoever wrote from it has lost the sender's name, until it is
    /// heard from again. No session has so many positions.
    pub const ORPHANED: u64 = u64::MAX;

    /// Whether whoever wrote from it has lost the sender's name, and it was not heard from since.
    pub fn is_orphan(&self) -> bool {
        self.seen == Self::ORPHANED
    }

    /// Returns whether it is later than before.
    fn hear(&mut self, position: u64) -> bool {
        let is_later = position > self.seen || self.is_orphan();
        if is_later {
            self.seen = position;
        }
        is_later
    }

    /// The records of one fate.
    pub fn records(&self, fate: Fate) -> &Records {
        match fate {
            Fate::Expired => &self.expired,
            Fate::Bounced => &self.bounced,
        }
    }

    /// How many records there are.
    pub fn record_count(&self) -> usize {
        Fate::ALL.map(|fate| self.records(fate).len()).iter().sum()
    }

    pub(crate) fn records_mut(&mut self, fate: Fate) -> &mut Records {
        match fate {
            Fate::Expired => &mut self.expired,
            Fate::Bounced => &mut self.bounced,
        }
    }
}

/// How a message ended that its receiver does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was kept as long as messages are, or its receiver's name was removed.
    Expired,
    /// Its receiver did not take it: the sender is to send it anew.
    Bounced,
}

impl Fate {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Expired, Self::Bounced];
}

impl Accounts {
    /// What is known of an installation, if it is remembered.
    pub fn get(&self, installation: Installation) -> Option<&Account> {
        self.0.get(&installation)
    }

    /// All installations that are remembered.
    pub fn iter(&self) -> impl Iterator<Item = (Installation, &Account)> {
        self.0.iter().map(|(installation, account)| (*installation, account))
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many messages expired and are not settled.
    pub fn expired(&self) -> u64 {
        let records = self.0.values().flat_map(|account| &account.expired);
        records.map(|(first, last)| last - first + 1).sum()
    }

    /// A message was accepted, and has this position.
    pub fn take(&mut self, id: MessageId, position: u64) {
        let account = self.0.entry(id.installation).or_default();
        account.n = account.n.max(id.n);
        account.hear(position);
    }

    /// A remembered installation was heard from when the session's last position was this one, or is
    /// [orphaned](Account::ORPHANED). Returns whether that is later than before.
    pub fn hear(&mut self, installation: Installation, position: u64) -> bool {
        self.0.get_mut(&installation).is_some_and(|account| account.hear(position))
    }

    /// Messages with consecutive numbers ended, above all that ended so before. Those that are recorded already are not
    /// recorded again.
    pub fn end(&mut self, installation: Installation, fate: Fate, first: u64, last: u64) {
        let account = self.0.entry(installation).or_default();
        account.n = account.n.max(last);
        let records = account.records_mut(fate);
        let before = records.last_entry();
        let known = before.as_ref().map_or(0, |record| *record.get());
        let first = first.max(known + 1);
        match before {
            _ if first > last => {}
            Some(mut record) if known + 1 == first => *record.get_mut() = last,
            _ => drop(records.insert(first, last)),
        }
    }

    /// The sender's client knows what became of everything up to `n`: no more is said of it. Returns how much of that
    /// is possible, if it is new or there was a record of it.
    pub fn settle(&mut self, installation: Installation, n: u64) -> Option<u64> {
        let account = self.0.get_mut(&installation)?;
        // It can only speak of what was accepted.
        let n = n.min(account.n);
        let is_new = n > account.settled;
        account.settled = account.settled.max(n);
        let had_record = Fate::ALL.map(|fate| drop_up_to(account.records_mut(fate), n));
        (is_new || had_record.contains(&true)).then_some(n)
    }

    /// Forgets an installation.
    pub fn forget(&mut self, installation: Installation) {
        self.0.remove(&installation);
    }

    /// Restores what was written down of an installation.
    pub(crate) fn restore(&mut self, installation: Installation) -> &mut Account {
        self.0.entry(installation).or_default()
    }
}

/// Returns whether there was something to drop.
fn drop_up_to(records: &mut Records, n: u64) -> bool {
    let mut had_record = false;
    while let Some(record) = records.first_entry().filter(|it| *it.key() <= n) {
        had_record = true;
        let (_, last) = record.remove_entry();
        if last > n {
            records.insert(n + 1, last);
        }
    }
    had_record
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const A: Installation = Installation::from_u64(1);
    const B: Installation = Installation::from_u64(2);

    fn records(accounts: &Accounts) -> Vec<(u64, u64)> {
        let account = accounts.get(A).into_iter();
        account.flat_map(|it| &it.expired).map(|(first, last)| (*first, *last)).collect()
    }

    #[test]
    fn records_that_follow_each_other_are_one_whoever_wrote_in_between() {
        let mut accounts = Accounts::default();
        for n in 1..=1_000 {
            accounts.end(A, Fate::Expired, n, n);
            accounts.end(B, Fate::Expired, n, n);
        }
        assert_eq!(records(&accounts), [(1, 1_000)]);
        accounts.end(A, Fate::Expired, 1_002, 1_003);
        assert_eq!(records(&accounts), [(1, 1_000), (1_002, 1_003)]);
        assert_eq!(accounts.expired(), 2_002);
    }

    #[test]
    fn doing_it_again_changes_nothing() {
        let mut accounts = Accounts::default();
        let steps: [&dyn Fn(&mut Accounts); 4] = [
            &|it| it.take(MessageId { installation: A, n: 9 }, 9),
            &|it| it.end(A, Fate::Expired, 1, 3),
            &|it| {
                it.settle(A, 2);
            },
            &|it| it.end(A, Fate::Expired, 5, 6),
        ];
        steps.iter().for_each(|step| step(&mut accounts));
        assert_eq!(records(&accounts), [(3, 3), (5, 6)]);
        for from in 0..steps.len() {
            let mut again = accounts.clone();
            steps[from..].iter().for_each(|step| step(&mut again));
            assert_eq!(again, accounts, "from {from}");
        }
    }

    #[test]
    fn who_is_not_remembered_is_not_heard_of() {
        let mut accounts = Accounts::default();
        assert!(!accounts.hear(A, 7) && accounts.is_empty());
        accounts.take(MessageId { installation: A, n: 1 }, 3);
        assert!(accounts.hear(A, 7) && !accounts.hear(A, 7) && !accounts.hear(A, 5));
        assert_eq!(accounts.get(A).unwrap().seen, 7);
    }

    #[test]
    fn who_is_orphaned_is_so_until_it_is_heard_from() {
        let mut accounts = Accounts::default();
        accounts.take(MessageId { installation: A, n: 1 }, 3);
        let heard_at: [&dyn Fn(&mut Accounts); 2] =
            [&|it| _ = it.hear(A, 7), &|it| it.take(MessageId { installation: A, n: 2 }, 7)];
        for heard in heard_at {
            assert!(accounts.hear(A, Account::ORPHANED));
            accounts.end(A, Fate::Expired, 1, 1);
            accounts.settle(A, 1);
            assert!(accounts.get(A).unwrap().is_orphan());
            heard(&mut accounts);
            assert_eq!(accounts.get(A).unwrap().seen, 7);
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_numbers(
            steps in prop::collection::vec((any::<bool>(), 1..4u64, 1..60u64), 0..40),
        ) {
            let (mut accounts, mut set, mut next) = (Accounts::default(), BTreeSet::new(), 1);
            for (expires, count, n) in steps {
                if expires {
                    let first = next + n % 3;
                    accounts.end(A, Fate::Expired, first, first + count - 1);
                    set.extend(first..first + count);
                    next = first + count;
                } else {
                    let settled = accounts.settle(A, n);
                    let had = set.first().is_some_and(|first| *first <= n);
                    set.retain(|it| *it > n);
                    prop_assert!(!had || settled.is_some());
                }
                let told = records(&accounts);
                prop_assert!(told.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", told);
                let told: BTreeSet<u64> = told.into_iter().flat_map(|(first, last)| first..=last).collect();
                prop_assert_eq!(&told, &set);
            }
        }
    }
}
