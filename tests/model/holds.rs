//! What must hold in every state, and what must come to be.

use crate::rules::Model;
use crate::search::{Successor, World};
use crate::state::*;
use crate::told::Step;

pub(crate) const ERRS: &[&str] = &[
    "",
    "the server dropped as a duplicate what nobody has",
    "the receiver sends back what has no other message's number",
    "disorder in the history",
    "a message id was made twice",
    "told one fate, then another",
    "told EXPIRED, but it never came to the server",
];

impl World for Model {
    type State = S;
    type Step = Step;
    /// The large settings want gigabytes.
    const MOST_STATES: usize = usize::MAX;

    fn start(&self) -> S {
        S::start(&self.cfg)
    }

    fn next(&self, s: &S, out: &mut Vec<Successor<Self>>) {
        self.steps(s, out);
    }

    fn broken(&self, s: &S) -> Option<&'static str> {
        if s.err != 0 {
            return Some(ERRS[s.err as usize]);
        }
        for f in [&s.me, &s.twin] {
            for w in (0..4).filter(|&w| f.told[w] > 0) {
                let has = |v: &[u8]| v.iter().any(|&m| m < REMOVE && word(m) == w);
                let got = has(s.hist.s());
                let kept = has(s.disk.s())
                    || got
                    || has(s.expired.s())
                    || self.cfg.kinds.contains('W') && (1..3).contains(&s.me.fate[w]);
                match f.told[w] {
                    2 if !kept => return Some("told STORED, but no disk has it"),
                    3 if !got => return Some("told DELIVERED, but the receiver does not have it"),
                    4 if s.gone >> w & 1 == 0 => return Some("told EXPIRED, but it never did"),
                    4 if has(s.queue.s()) || has(s.disk.s()) => {
                        return Some("told EXPIRED, but it waits in the mailbox");
                    }
                    _ => {}
                }
            }
        }
        if s.hist.s().iter().any(|&m| word(m) as u8 >= s.words) {
            return Some("in the history, but never sent");
        }
        None
    }

    fn is_done(&self, s: &S) -> bool {
        s.queue.len == 0
            && s.disk.len == 0
            && s.log.len == 0
            && (0..4).all(|w| s.me.id[w] == 0 || s.me.fate[w] >= 3)
    }
}
