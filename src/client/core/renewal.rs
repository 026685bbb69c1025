//! When this folder may take another key for others to begin with: while nothing waits for it that may be sealed for
//! the one before.
//!
//! Owned by the core. Pure: the time is an argument. Invariant: what is remembered of whom the server mentions has a
//! bound; beyond it something waits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::message::Name;

/// How often the age of the key is looked at.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Of how many people is remembered that something of theirs waits.
const MOST_WAITING: usize = 1_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Of whom something waits with whom no conversation is open.
    waiting: BTreeSet<Name>,
    /// There may be others.
    has_more: bool,
    looked: Option<Instant>,
}

impl Renewal {
    /// The connection has ended.
    pub(super) fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// So many messages of somebody wait.
    pub(super) fn waits(&mut self, peer: &Name, count: u64) {
        if count == 0 {
            self.waiting.remove(peer);
        } else if self.waiting.len() < MOST_WAITING {
            self.waiting.insert(peer.clone());
        } else {
            self.has_more |= !self.waiting.contains(peer);
        }
    }

    /// Whether nothing waits outside of conversations that are open.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && !self.has_more
    }

    /// Whether the age of the key is to be looked at: once each time.
    pub(super) fn is_to_look(&mut self, now: Instant) -> bool {
        let is_due = self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// More is known of what waits: it is to be looked at now.
    pub(super) fn look(&mut self) {
        self.looked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quiet_once_nothing_of_anybody_waits() {
        let mut renewal = Renewal::default();
        let [anna, marie] = ["anna", "marie"].map(|name| name.parse::<Name>().unwrap());
        assert!(renewal.is_quiet());
        renewal.waits(&anna, 2);
        renewal.waits(&marie, 1);
        renewal.waits(&anna, 0);
        assert!(!renewal.is_quiet());
        renewal.waits(&marie, 0);
        assert!(renewal.is_quiet());
        for n in 0..2 * MOST_WAITING {
            renewal.waits(&format!("name{n}").parse().unwrap(), 1);
        }
        assert_eq!(renewal.waiting.len(), MOST_WAITING);
        for n in 0..2 * MOST_WAITING {
            renewal.waits(&format!("name{n}").parse().unwrap(), 0);
        }
        assert!(!renewal.is_quiet(), "not all are remembered");
        renewal.disconnected();
        assert!(renewal.is_quiet());
    }

    #[test]
    fn it_is_looked_at_each_hour_and_when_more_is_known() {
        let (mut renewal, now) = (Renewal::default(), Instant::now());
        assert!(renewal.is_to_look(now) && !renewal.is_to_look(now));
        renewal.look();
        assert!(renewal.is_to_look(now) && !renewal.is_to_look(now));
        assert!(!renewal.is_to_look(now + LOOK - Duration::from_millis(1)));
        assert!(renewal.is_to_look(now + LOOK));
    }
}
