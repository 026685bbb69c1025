//! What a write task has to say next, one thing at a time.
//!
//! Owned by the [writer](super::writer), which takes from it as long as it has room. Invariant: what is due is
//! said before anything that was taken later, and is not encoded before there is room for it.

use std::collections::{VecDeque, hash_map};
use std::vec;

use super::shared::Reply;
use crate::message::Name;
use crate::server::link::{Marks, Notices};
use crate::server::sessions::Delivery;
use crate::server::sessions::Session;

/// When this many bytes are ready, they are written before more is collected. With one more frame of usual length they
/// fit into one TLS record: each record costs a write to the system, too.
pub(super) const FLUSH_AT: usize = 16 * 1024 - 512;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Due {
    /// What did not fit wholly. It is continued first.
    rest: Option<Item>,
    /// Who has written how much, for somebody who has just signed in.
    waiting: vec::IntoIter<(Name, u64)>,
    replies: VecDeque<Reply>,
    ping: bool,
    announcement: bool,
    peers: hash_map::IntoIter<Name, Marks>,
}

/// One thing to say.
pub(super) enum Item {
    /// How many messages wait from somebody.
    Waiting(Name, u64),
    Reply(Reply),
    Ping,
    /// What the operator says to everybody.
    Announcement,
    /// What was marked about somebody.
    Marks(Name, Marks),
    /// The conversation of this session opens. Expired messages were reported up to this number.
    Opening(Session, u64),
    Delivery(Delivery),
}

impl Due {
    pub(super) fn waiting(waiting: Vec<(Name, u64)>) -> Self {
        Self { waiting: waiting.into_iter(), ..Self::default() }
    }

    /// Answers of the read task, and what others marked.
    pub(super) fn notices(replies: VecDeque<Reply>, notices: Notices) -> Self {
        let Notices { peers, ping, announcement } = notices;
        Self { replies, ping, announcement, peers: peers.into_iter(), ..Self::default() }
    }

    /// What is due before all else.
    pub(super) fn first(item: Item) -> Self {
        Self { rest: Some(item), ..Self::default() }
    }

    /// Puts back what did not fit wholly.
    pub(super) fn put_back(&mut self, rest: Item) {
        self.rest = Some(rest);
    }

    /// What is due next.
    pub(super) fn take(&mut self) -> Option<Item> {
        let rest = self.rest.take();
        rest.or_else(|| self.waiting.next().map(|(peer, count)| Item::Waiting(peer, count)))
            .or_else(|| self.replies.pop_front().map(Item::Reply))
            .or_else(|| std::mem::take(&mut self.ping).then_some(Item::Ping))
            .or_else(|| std::mem::take(&mut self.announcement).then_some(Item::Announcement))
            .or_else(|| self.peers.next().map(|(peer, marks)| Item::Marks(peer, marks)))
    }

    /// The answers among what is left.
    pub(super) fn into_replies(self) -> VecDeque<Reply> {
        self.replies
    }
}
