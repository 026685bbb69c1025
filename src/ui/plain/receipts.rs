//! Receipts as people and scripts see them.
//!
//! Owned by the plain face. Pure: no I/O, and the time is an argument. A person sees one short line
//! for a run of them; a script gets a line for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::message::Name;
use crate::ui::phrases::count;

/// How long receipts are collected for one line.
const COLLECT: Duration = Duration::from_millis(300);

/// Receipts that were not shown yet.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    by_peer: BTreeMap<Name, Run>,
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Run {
    /// Stored, and not delivered yet.
    stored: BTreeSet<u64>,
    delivered: u64,
}

impl Receipts {
    /// Puts receipts to those that wait to be shown.
    pub(super) fn collect(&mut self, peer: Name, stored: &[u64], delivered: &[u64], now: Instant) {
        let run = self.by_peer.entry(peer).or_default();
        run.stored.extend(stored);
        for n in delivered {
            run.stored.remove(n);
        }
        run.delivered += delivered.len() as u64;
        self.due.get_or_insert(now + COLLECT);
    }

    /// When they are to be shown.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A line for each peer and state. What is delivered need not be called stored.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.due = None;
        let lines = std::mem::take(&mut self.by_peer).into_iter().flat_map(|(peer, run)| {
            let states = [("stored", run.stored.len() as u64), ("delivered", run.delivered)];
            states
                .into_iter()
                .filter(|(_, n)| *n > 0)
                .map(move |(state, n)| format!("{state}: {} to {peer}", count(n, "message")))
        });
        lines.collect()
    }
}

/// The lines of `--receipts`.
pub(super) fn for_scripts<'a>(
    peer: &'a Name,
    stored: &'a [u64],
    delivered: &'a [u64],
) -> impl Iterator<Item = String> + 'a {
    let lines =
        |state, numbers: &'a [u64]| numbers.iter().map(move |n| format!("{state} {peer} {n}"));
    lines("stored", stored).chain(lines("delivered", delivered))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_is_one_line() {
        let (mut receipts, now) = (Receipts::default(), Instant::now());
        assert_eq!(receipts.due(), None);
        receipts.collect(name("marie"), &[1, 2], &[], now);
        receipts.collect(name("marie"), &[3], &[], now + COLLECT);
        receipts.collect(name("anna"), &[1], &[], now + COLLECT);
        assert_eq!(receipts.due(), Some(now + COLLECT), "a stream of them is shown in time");
        let lines = receipts.take_lines();
        assert_eq!(lines, ["stored: 1 message to anna", "stored: 3 messages to marie"]);
        assert_eq!(receipts.due(), None);
        assert!(receipts.take_lines().is_empty());
    }

    #[test]
    fn what_is_delivered_at_once_is_not_called_stored() {
        let (mut receipts, now) = (Receipts::default(), Instant::now());
        receipts.collect(name("marie"), &[1, 2, 3], &[1, 2], now);
        let lines = receipts.take_lines();
        assert_eq!(lines, ["stored: 1 message to marie", "delivered: 2 messages to marie"]);
        receipts.collect(name("marie"), &[], &[3], now);
        assert_eq!(receipts.take_lines(), ["delivered: 1 message to marie"]);
    }

    #[test]
    fn a_script_gets_each() {
        let lines: Vec<_> = for_scripts(&name("marie"), &[4, 5], &[3, 4]).collect();
        assert_eq!(
            lines,
            ["stored marie 4", "stored marie 5", "delivered marie 3", "delivered marie 4"]
        );
    }
}
