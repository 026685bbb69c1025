//! Whose device list is being given to the server: one's own, or one of somebody else that it has lost.
//!
//! Owned by the core. Pure: time and chance are arguments. Invariants: at most one list is unanswered, so that a refusal
//! that names nobody is about that one; after the server could take none for now, it is given none for a while, which
//! grows until it takes one.

use std::time::Instant;

use crate::client::line::backoff::Backoff;
use crate::message::Name;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Giving {
    /// Whose list it is, until the server has answered.
    whose: Option<Name>,
    /// Whose was given last.
    last: Option<Name>,
    /// None is given before.
    until: Option<Instant>,
    pauses: Backoff,
    /// How many pauses there were since a list was taken.
    paused: u32,
}

/// After so many pauses, some seconds in all, the person is told.
const TOLD: u32 = 5;

impl Giving {
    /// The connection has ended.
    pub(super) fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// Whether a list may be given now.
    pub(super) fn is_free(&mut self, now: Instant) -> bool {
        self.until = self.until.filter(|until| *until > now);
        self.whose.is_none() && self.until.is_none()
    }

    /// When a pause ends.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.until
    }

    /// Puts those who come behind the last one first: a list that is never taken does not keep back the others. The
    /// names are sorted.
    pub(super) fn in_turn(&self, mut names: Vec<Name>) -> Vec<Name> {
        let behind = names.partition_point(|name| Some(name) <= self.last.as_ref());
        names.rotate_left(behind);
        names
    }

    /// Somebody's list is given, or what the server has is asked for before.
    pub(super) fn begin(&mut self, whose: Name) {
        self.last = Some(whose.clone());
        self.whose = Some(whose);
    }

    /// It is not to be given, or not now.
    pub(super) fn end(&mut self, whose: &Name) {
        self.whose.take_if(|it| *it == *whose);
    }

    /// The server has taken a list.
    pub(super) fn taken(&mut self, whose: &Name) {
        if self.whose.as_ref() == Some(whose) {
            (self.whose, self.pauses, self.paused) = (None, Backoff::default(), 0);
        }
    }

    /// The server has refused a list: somebody's, or one of which it does not say whose it is. Returns whose that was,
    /// if one was given.
    pub(super) fn refused(&mut self, whose: Option<&Name>) -> Option<Name> {
        self.whose.take_if(|it| whose.is_none_or(|whose| *it == *whose))
    }

    /// The server can take none for now. `chance` is from 0 to 1. Returns whether the person is to be told: once.
    pub(super) fn pause(&mut self, now: Instant, chance: f64) -> bool {
        self.until = Some(now + self.pauses.next(chance));
        self.paused = self.paused.saturating_add(1);
        self.paused == TOLD
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn one_list_is_given_after_the_other_and_a_refusal_without_a_name_is_about_that_one() {
        let (mut giving, now) = (Giving::default(), Instant::now());
        let [anna, marie] = ["anna", "marie"].map(name);
        assert_eq!(giving.refused(None), None, "none was given");
        for refusal in [None, Some(&marie)] {
            assert!(giving.is_free(now));
            giving.begin(marie.clone());
            assert!(!giving.is_free(now));
            assert_eq!(giving.refused(Some(&anna)), None);
            giving.taken(&anna);
            giving.end(&anna);
            assert!(!giving.is_free(now), "it is not hers");
            assert_eq!(giving.refused(refusal), Some(marie.clone()));
            assert_eq!(giving.refused(refusal), None, "once");
        }
        giving.begin(anna.clone());
        giving.end(&anna);
        assert!(giving.is_free(now), "the server has it");
    }

    #[test]
    fn pauses_grow_until_a_list_is_taken() {
        let (mut giving, mut now) = (Giving::default(), Instant::now());
        let marie = name("marie");
        let mut told = 0;
        let mut pauses = |giving: &mut Giving| {
            let pauses = [(); 9].map(|()| {
                assert!(giving.is_free(now));
                giving.begin(marie.clone());
                assert!(giving.refused(None).is_some());
                told += u32::from(giving.pause(now, 1.0));
                let until = giving.due_at().unwrap();
                assert!(!giving.is_free(until - Duration::from_millis(1)));
                let pause = until - now;
                now = until;
                pause.as_millis()
            });
            assert!(giving.is_free(now));
            assert_eq!(giving.due_at(), None, "it is over");
            pauses
        };
        let first = pauses(&mut giving);
        assert_eq!(first, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
        giving.begin(marie.clone());
        giving.taken(&marie);
        assert_eq!(pauses(&mut giving), first, "they begin anew");
        assert_eq!(told, 2, "once each time");
        giving.pause(now, 1.0);
        giving.disconnected();
        assert!(giving.is_free(now), "on another connection");
    }

    #[test]
    fn each_comes_in_turn() {
        let mut giving = Giving::default();
        let all = ["anna", "john", "marie"].map(name);
        let mut given = Vec::new();
        for _ in 0..6 {
            let next = giving.in_turn(all.to_vec()).remove(0);
            giving.begin(next.clone());
            assert_eq!(giving.refused(None), Some(next.clone()));
            given.push(next);
        }
        assert_eq!(given, [all.clone(), all].concat());
    }
}
