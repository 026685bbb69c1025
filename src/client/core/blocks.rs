//! Whom one wants to hear no more, or again, and what of it the server has not answered.
//!
//! Owned by the core. Pure: it makes the frames, and is given the answers. The server says `UNBLOCKED` whoever it was,
//! so it is asked for `BLOCKS` right before: it answers in order. Invariant: *it was so before* is only said where no
//! earlier try, whose answer went with its connection, can have made it so.

use std::collections::{BTreeSet, VecDeque};

use crate::client::outcome::Change;
use crate::message::Name;
use crate::wire::frame::ClientFrame;

/// How much is wanted at once and answered each by each. Beyond that only the last holds of what was wanted of
/// somebody and not said yet.
const MAX_WANTED: usize = 1_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// In the order in which it was wanted.
    wanted: VecDeque<Wanted>,
    /// For whom `BLOCKS` was asked on this connection: for the face, or about somebody.
    lists: VecDeque<Option<Name>>,
    /// How often the face has asked whom one blocks, and was not told.
    asked: u64,
}

/// A block, or its end, that was not answered.
#[derive(Debug)]
struct Wanted {
    peer: Name,
    blocked: bool,
    /// Whether they were blocked before.
    was: Option<bool>,
    /// It was said to a server, maybe to one that did it and could not answer.
    said: bool,
    /// What the server says now may be what was said before.
    doubtful: bool,
    /// The face knows that it takes longer.
    deferred: bool,
}

impl Wanted {
    fn learn(&mut self, blocked: bool) {
        if self.was.is_none() && (blocked || !self.doubtful) {
            self.was = Some(blocked);
        }
    }

    fn change(&self) -> Change {
        match self.was {
            Some(was) if was == self.blocked => Change::None,
            None if !self.blocked => Change::Unknown,
            _ => Change::Made,
        }
    }
}

impl Blocks {
    /// Somebody is to be blocked, or no more; [`frames`](Self::frames) has what to say.
    pub(super) fn want(&mut self, peer: Name, blocked: bool) {
        if self.wanted.len() >= MAX_WANTED {
            self.wanted.retain(|it| it.said || it.peer != peer);
        }
        let (said, doubtful, deferred) = (false, false, false);
        self.wanted.push_back(Wanted { peer, blocked, was: None, said, doubtful, deferred });
    }

    /// The face wants to know who is blocked.
    pub(super) fn ask(&mut self) {
        self.asked += 1;
    }

    /// What a connection has to say that was not said on it.
    pub(super) fn frames(&mut self) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        for wanted in self.wanted.iter_mut().filter(|it| !it.said) {
            wanted.said = true;
            let peer = wanted.peer.clone();
            if wanted.blocked {
                frames.push(ClientFrame::Block { peer });
            } else {
                self.lists.push_back(Some(peer.clone()));
                frames.extend([ClientFrame::Blocks, ClientFrame::Unblock { peer }]);
            }
        }
        let for_face = self.lists.iter().filter(|whom| whom.is_none()).count() as u64;
        for _ in for_face..self.asked {
            self.lists.push_back(None);
            frames.push(ClientFrame::Blocks);
        }
        frames
    }

    /// The answers went with the connection. Of what was wanted of somebody the last holds.
    pub(super) fn disconnected(&mut self) {
        self.lists.clear();
        let mut told = BTreeSet::new();
        let mut last: Vec<Wanted> = std::mem::take(&mut self.wanted).into_iter().rev().collect();
        last.retain(|it| told.insert(it.peer.clone()));
        for mut wanted in last.into_iter().rev() {
            wanted.doubtful |= wanted.said;
            wanted.said = false;
            self.wanted.push_back(wanted);
        }
    }

    /// What takes longer, as the server is away, and was not told to do so.
    pub(super) fn deferred(&mut self) -> Vec<(Name, bool)> {
        let fresh = self.wanted.iter_mut().filter(|it| !it.deferred);
        fresh
            .map(|it| {
                it.deferred = true;
                (it.peer.clone(), it.blocked)
            })
            .collect()
    }

    /// The server blocks somebody, or no more. None if nobody wanted that.
    pub(super) fn answered(&mut self, peer: &Name, blocked: bool) -> Option<Change> {
        let fits = |it: &Wanted| it.said && it.peer == *peer && it.blocked == blocked;
        let index = self.wanted.iter().position(fits)?;
        Some(self.wanted.remove(index)?.change())
    }

    /// The server does not. Whether somebody wanted it.
    pub(super) fn refused(&mut self, peer: &Name) -> bool {
        let index = self.wanted.iter().position(|it| it.said && it.peer == *peer);
        index.and_then(|index| self.wanted.remove(index)).is_some()
    }

    /// Whom one blocks. Whether the face has asked; maybe nobody has.
    pub(super) fn listed(&mut self, names: &[Name]) -> bool {
        let Some(whom) = self.lists.pop_front() else { return false };
        let Some(peer) = whom else {
            self.asked = self.asked.saturating_sub(1);
            return true;
        };
        let mut about = self.wanted.iter_mut();
        let about = about.find(|it| it.said && it.peer == peer && !it.blocked);
        if let Some(wanted) = about {
            wanted.learn(names.contains(&peer));
        }
        false
    }

    /// Whether all is answered.
    pub(super) fn is_settled(&self) -> bool {
        self.wanted.is_empty() && self.asked == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carl() -> Name {
        "carl".parse().unwrap()
    }

    /// What is said, in short.
    fn said(blocks: &mut Blocks) -> Vec<&'static str> {
        let word = |frame: &ClientFrame| match frame {
            ClientFrame::Block { .. } => "BLOCK",
            ClientFrame::Unblock { .. } => "UNBLOCK",
            ClientFrame::Blocks => "BLOCKS",
            _ => "?",
        };
        blocks.frames().iter().map(word).collect()
    }

    #[test]
    fn a_list_that_nobody_asked_for_is_not_told() {
        let mut blocks = Blocks::default();
        assert!(!blocks.listed(&[carl()]));
        blocks.ask();
        assert_eq!(said(&mut blocks), ["BLOCKS"]);
        assert!(blocks.listed(&[carl()]));
        assert!(!blocks.listed(&[carl()]), "once");
    }

    #[test]
    fn who_was_blocked_and_who_was_not_is_known_before() {
        for (names, change) in [(&[carl()][..], Change::Made), (&[], Change::None)] {
            let mut blocks = Blocks::default();
            blocks.want(carl(), false);
            assert_eq!(said(&mut blocks), ["BLOCKS", "UNBLOCK"]);
            assert_eq!(said(&mut blocks), [""; 0], "once");
            assert!(!blocks.listed(names), "the face has not asked");
            assert_eq!(blocks.answered(&carl(), false), Some(change));
            assert!(blocks.is_settled());
            assert_eq!(blocks.answered(&carl(), false), None);
        }
    }

    #[test]
    fn each_asker_gets_the_list_that_was_asked_for() {
        let mut blocks = Blocks::default();
        blocks.ask();
        blocks.want(carl(), true);
        assert_eq!(said(&mut blocks), ["BLOCK", "BLOCKS"]);
        blocks.want(carl(), false);
        blocks.ask();
        assert_eq!(said(&mut blocks), ["BLOCKS", "UNBLOCK", "BLOCKS"]);
        assert_eq!(blocks.answered(&carl(), true), Some(Change::Made));
        assert!(blocks.listed(&[carl()]));
        assert!(!blocks.listed(&[carl()]));
        assert_eq!(blocks.answered(&carl(), false), Some(Change::Made));
        assert!(!blocks.is_settled());
        assert!(blocks.listed(&[]));
        assert!(blocks.is_settled());
    }

    #[test]
    fn an_answer_that_was_lost_is_not_taken_for_what_was_before() {
        let mut blocks = Blocks::default();
        blocks.want(carl(), false);
        assert_eq!(said(&mut blocks), ["BLOCKS", "UNBLOCK"]);
        blocks.disconnected();
        assert_eq!(said(&mut blocks), ["BLOCKS", "UNBLOCK"]);
        blocks.listed(&[]);
        assert_eq!(blocks.answered(&carl(), false), Some(Change::Unknown));
        // Known before the connection was lost.
        blocks.want(carl(), false);
        said(&mut blocks);
        blocks.listed(&[carl()]);
        blocks.disconnected();
        said(&mut blocks);
        blocks.listed(&[]);
        assert_eq!(blocks.answered(&carl(), false), Some(Change::Made));
    }

    #[test]
    fn what_waits_is_told_once_and_the_last_of_it_holds() {
        let mut blocks = Blocks::default();
        blocks.want(carl(), true);
        blocks.want(carl(), false);
        blocks.disconnected();
        assert_eq!(blocks.deferred(), [(carl(), false)]);
        assert_eq!(blocks.deferred(), []);
        assert_eq!(said(&mut blocks), ["BLOCKS", "UNBLOCK"]);
        assert!(blocks.refused(&carl()));
        assert!(!blocks.refused(&carl()));
        assert!(blocks.is_settled());
    }
}
