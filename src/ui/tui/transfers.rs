//! Files in flight on the screen: the progress and speed of each. Pure.
//!
//! Owned by the [app](super::app). Invariant: it has exactly the files that move and are not done.

use std::collections::BTreeMap;

use crate::client::{FileState, Transfer, Way};
use crate::message::Timestamp;

/// How much of the rate is that of the last moment, in percent: it shows what happens and does not flicker.
const FRESH: u64 = 30;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Transfers {
    all: BTreeMap<(Way, i64), Moving>,
}

/// A file on its way.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) transfer: Transfer,
    /// Bytes a second, once something is known of it.
    pub(super) rate: Option<u64>,
    /// When it was last heard of.
    at: Timestamp,
}

impl Transfers {
    /// A file moved on, or it is otherwise with it.
    pub(super) fn take(&mut self, transfer: Transfer, now: Timestamp) {
        let key = (transfer.way, transfer.id);
        if transfer.state != FileState::Coming {
            self.all.remove(&key);
        } else if let Some(before) = self.all.get_mut(&key) {
            before.move_on(transfer, now);
        } else {
            self.all.insert(key, Moving { transfer, rate: None, at: now });
        }
    }

    /// What is on its way, those that go first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Moving> {
        self.all.values()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Moving {
    fn move_on(&mut self, transfer: Transfer, now: Timestamp) {
        let (bytes, time) =
            (transfer.done.saturating_sub(self.transfer.done), now.0.saturating_sub(self.at.0));
        // What was there before an upload went on took no time.
        if self.transfer.done > 0 && time > 0 {
            let last = bytes.saturating_mul(1_000) / time;
            let before = self.rate.unwrap_or(last);
            self.rate = Some((before * (100 - FRESH) + last.saturating_mul(FRESH)) / 100);
        }
        (self.transfer, self.at) = (transfer, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(done: u64, state: FileState) -> Transfer {
        let (way, peer, name) = (Way::Up, "marie".parse().unwrap(), "cat.png".into());
        Transfer { way, id: 1, peer, number: None, name, size: 1_000, done, state }
    }

    #[test]
    fn what_moves_has_a_rate_and_what_is_done_is_gone() {
        let mut transfers = Transfers::default();
        let rate = |it: &Transfers| it.all().next().unwrap().rate;
        for (done, time, shown) in
            [(0, 0, None), (500, 10, None), (600, 1_010, Some(100)), (800, 2_010, Some(130))]
        {
            transfers.take(transfer(done, FileState::Coming), Timestamp(time));
            assert_eq!(rate(&transfers), shown);
        }
        transfers.take(transfer(1_000, FileState::Here), Timestamp(3_000));
        assert_eq!(transfers.len(), 0);
    }
}
