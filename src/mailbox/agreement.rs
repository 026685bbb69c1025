//! Both mailboxes agree, whatever is done to them.

use std::time::Instant;

use async_std::task::block_on;
use proptest::prelude::*;

use super::contract::{
    INSTALLATION, batch, committed, committed_list, key, list, remove, standings, up_to,
    usage_up_to,
};
use super::*;
use crate::message::SessionKey;

/// Something that is done to a mailbox; positions and numbers are fitted to what is there.
#[derive(Clone, Debug)]
enum Step {
    Append { session: usize, count: u64 },
    Remove { session: usize, count: u64 },
    Expire { session: usize, count: u64 },
    Withhold { session: usize, count: u64 },
    SetAside { session: usize, aside: bool },
    Settle { session: usize, n: u64 },
    Hear { session: usize },
    Orphan { session: usize },
    Forget { session: usize },
    KeepList { session: usize, version: u64 },
    RemoveList { session: usize },
    KeepStanding { session: usize, standing: Option<Standing> },
    WaitForCommit,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let session = 0..3usize;
    let step = prop_oneof![
        4 => (session.clone(), 1..6u64).prop_map(|(session, count)| Step::Append { session, count }),
        3 => (session.clone(), 1..6u64).prop_map(|(session, count)| Step::Remove { session, count }),
        1 => (session.clone(), 1..3u64).prop_map(|(session, count)| Step::Expire { session, count }),
        1 => (session.clone(), 1..6u64).prop_map(|(session, count)| Step::Withhold { session, count }),
        1 => (session.clone(), any::<bool>()).prop_map(|(session, aside)| Step::SetAside { session, aside }),
        1 => (session.clone(), 1..9u64).prop_map(|(session, n)| Step::Settle { session, n }),
        1 => session.clone().prop_map(|session| Step::Hear { session }),
        1 => session.clone().prop_map(|session| Step::Orphan { session }),
        1 => session.clone().prop_map(|session| Step::Forget { session }),
        1 => (session.clone(), 1..9u64).prop_map(|(session, version)| Step::KeepList { session, version }),
        1 => session.clone().prop_map(|session| Step::RemoveList { session }),
        1 => (session, prop::option::of(prop::sample::select(&Standing::ALL[..])))
            .prop_map(|(session, standing)| Step::KeepStanding { session, standing }),
        1 => Just(Step::WaitForCommit),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..40)
}

/// Both mailboxes, to which the same is done.
struct Pair {
    folder: tempfile::TempDir,
    memory: MemoryMailbox,
    embedded: EmbeddedMailbox,
    keys: Vec<SessionKey>,
    next_n: u64,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = EmbeddedMailbox::open(folder.path()).unwrap();
        let keys = vec![key("john", "marie"), key("anna", "marie"), key("marie", "john")];
        Self { folder, memory: MemoryMailbox::default(), embedded, keys, next_n: 1 }
    }

    fn both(&self, act: impl Fn(&dyn Mailbox)) {
        act(&self.memory);
        act(&self.embedded);
    }

    fn shelf(&self, key: &SessionKey) -> Shelf {
        block_on(self.memory.load(key)).unwrap()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append { session, count } => {
                let key = self.keys[session].clone();
                let first = self.shelf(&key).last_position + 1;
                let batch = batch(first, self.next_n..self.next_n + count);
                self.next_n += count;
                self.both(|mailbox| mailbox.append(&key, &batch, Instant::now()));
            }
            Step::Remove { session, count } => {
                let key = self.keys[session].clone();
                let Shelf { last_position, waiting, .. } = self.shelf(&key);
                let up_to = last_position - waiting.len() as u64 + count.min(waiting.len() as u64);
                let freed = usage_up_to(&self.memory, &key, up_to);
                self.both(|mailbox| mailbox.remove(&key, up_to, freed));
            }
            Step::Expire { session, count } => self.expire(session, count),
            Step::Withhold { session, count } => {
                let key = self.keys[session].clone();
                let Shelf { last_position, waiting, .. } = self.shelf(&key);
                let up_to = last_position - waiting.len() as u64 + count.min(waiting.len() as u64);
                let freed = usage_up_to(&self.memory, &key, up_to);
                self.both(|mailbox| mailbox.withhold(&key, up_to, freed));
            }
            Step::SetAside { session, aside } => {
                let key = self.keys[session].clone();
                let of = |mailbox: &dyn Mailbox| mailbox.set_aside(&key, aside);
                assert_eq!(of(&self.embedded), of(&self.memory));
            }
            Step::Settle { session, n } => {
                let key = self.keys[session].clone();
                // What waits, or was never taken, is not settled.
                let Shelf { accounts, waiting, .. } = self.shelf(&key);
                let taken = accounts.get(INSTALLATION).map_or(0, |account| account.n);
                let n = waiting.first().map_or(taken, |it| it.id.n - 1).min(n);
                if accounts.is_empty() {
                    return;
                }
                self.both(|mailbox| mailbox.settle(&key, INSTALLATION, n));
            }
            Step::Hear { session } => {
                let key = self.keys[session].clone();
                let last = self.shelf(&key).last_position;
                self.both(|mailbox| mailbox.hear(&key, INSTALLATION, last));
            }
            Step::Orphan { session } => {
                self.both(|mailbox| mailbox.orphan(&self.keys[session], INSTALLATION));
            }
            Step::Forget { session } => {
                let key = self.keys[session].clone();
                let Shelf { accounts, waiting, .. } = self.shelf(&key);
                if waiting.is_empty() && accounts.expired() == 0 {
                    self.both(|mailbox| mailbox.forget(&key, INSTALLATION));
                }
            }
            Step::KeepList { session, version } => {
                let (name, list) = (self.keys[session].receiver(), list(version));
                self.both(|mailbox| mailbox.keep_list(name, Some(&list)));
            }
            Step::RemoveList { session } => {
                let name = self.keys[session].receiver();
                self.both(|mailbox| mailbox.keep_list(name, None));
            }
            Step::KeepStanding { session, standing } => {
                self.both(|mailbox| mailbox.keep_standing(&self.keys[session], standing));
            }
            Step::WaitForCommit => {
                self.wait_for_commit();
                self.have_committed_the_same();
            }
            Step::Reopen => {
                block_on(self.embedded.close());
                self.embedded = EmbeddedMailbox::open(self.folder.path()).unwrap();
                self.have_committed_the_same();
                // That is not on disk.
                self.keys.iter().for_each(|key| _ = self.memory.set_aside(key, false));
            }
        }
    }

    /// The oldest messages whose numbers are consecutive.
    fn expire(&self, session: usize, count: u64) {
        let key = &self.keys[session];
        let Shelf { last_position, waiting, .. } = self.shelf(key);
        let Some(Outline { id: first, .. }) = waiting.first() else { return };
        let first_position = last_position + 1 - waiting.len() as u64;
        let mut run =
            Run { first_position, installation: INSTALLATION, first_n: first.n, count: 1 };
        for it in waiting.iter().skip(1).take(count as usize) {
            run.count += u64::from(run.is_followed_by(it.id));
        }
        let freed = usage_up_to(&self.memory, key, run.last_position());
        self.both(|mailbox| mailbox.end(key, Fate::Expired, &[run], freed));
    }

    /// Appends and removes something in a session of its own, which is committed after all else.
    fn wait_for_commit(&self) {
        let key = key("zoe", "john");
        let first = block_on(self.embedded.load(&key)).unwrap().last_position + 1;
        self.embedded.append(&key, &batch(first, [first]), Instant::now());
        committed(&self.embedded, |commit| commit.key == key && commit.up_to >= first);
        remove(&self.embedded, &key, first);
    }

    fn have_committed_the_same(&self) {
        assert_eq!(standings(&self.embedded), standings(&self.memory));
        for name in self.keys.iter().map(SessionKey::receiver) {
            assert_eq!(committed_list(&self.embedded, name), committed_list(&self.memory, name));
        }
    }

    fn agree(&self) {
        for key in &self.keys {
            let pending =
                |mailbox: &dyn Mailbox| block_on(mailbox.pending(key, 0, up_to(100))).unwrap();
            assert_eq!(pending(&self.embedded).messages(), pending(&self.memory).messages());
            assert_eq!(block_on(self.embedded.load(key)).unwrap(), self.shelf(key));
            assert_eq!(self.embedded.usage(key.receiver()), self.memory.usage(key.receiver()));
            assert_eq!(self.embedded.waiting(key.receiver()), self.memory.waiting(key.receiver()));
            assert_eq!(self.embedded.list_of(key.receiver()), self.memory.list_of(key.receiver()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_embedded_mailbox_agrees_with_the_simple_one(steps in steps()) {
        let mut pair = Pair::new();
        for step in steps {
            pair.take(step);
            pair.agree();
        }
    }
}
