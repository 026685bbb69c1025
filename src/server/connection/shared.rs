//! What only the two tasks of a connection share: answers on their way from the read task to the write task, and which
//! messages were sent.
//!
//! Invariants: no more than [`REPLIES`] answers wait; beyond them the read task waits, and so does the peer
//! (backpressure).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::sent::SentTable;
use crate::message::Name;
use crate::server::link::{End, Link, Side};
use crate::server::people::Listed;
use crate::server::sessions::Session;
use crate::wire::frame::ServerFrame;

/// How many answers wait for the write task, none of them behind one that may be large. Beyond them the read task
/// waits, and so does the peer.
const REPLIES: usize = 16;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    /// Whether there are any: mostly there are none, and then the lock is not taken.
    has_replies: AtomicBool,
    sent: Mutex<SentTable>,
}

/// What a read task hands to its write task.
#[derive(Debug)]
pub(super) enum Reply {
    /// To be written as it is.
    Frame(Box<ServerFrame>),
    /// Open, or begin again, the conversation in which this connection owns the session.
    Open(Session),
    /// Close the conversation with this peer.
    Close(Name),
    /// Say whose name this is.
    Key(Name),
    /// Say who was online at the time of the question.
    Online(Box<Listed>),
    /// Say who is blocked.
    Blocks,
}

impl Reply {
    /// Whether it is also sent to a peer whose connection ends.
    pub(super) fn is_answer(&self) -> bool {
        !matches!(self, Self::Open(_) | Self::Close(_))
    }
}

/// Whether no more answers are taken.
fn is_full(replies: &VecDeque<Reply>) -> bool {
    let is_large = |reply: &Reply| match reply {
        Reply::Online(_) | Reply::Blocks => true,
        Reply::Frame(frame) => matches!(**frame, ServerFrame::Devices { .. }),
        _ => false,
    };
    replies.len() >= REPLIES || replies.back().is_some_and(is_large)
}

impl Shared {
    /// Hands something to the write task, waiting while that has too much to do. Only the read task
    /// calls this.
    pub(super) async fn reply(&self, link: &Link, reply: Reply) -> Result<(), End> {
        let mut reply = Some(reply);
        poll_fn(|context| {
            if let Poll::Ready(end) = link.poll_ended(Side::Read, context) {
                return Poll::Ready(Err(end.clone()));
            }
            let mut replies = self.replies();
            if is_full(&replies) {
                return Poll::Pending;
            }
            replies.extend(reply.take());
            self.has_replies.store(true, Ordering::Release);
            drop(replies);
            link.wake(Side::Write);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Takes all answers. Only the write task calls this, which is woken when there is one.
    pub(super) fn take_replies(&self, link: &Link) -> VecDeque<Reply> {
        if !self.has_replies.load(Ordering::Acquire) {
            return VecDeque::new();
        }
        let mut replies = self.replies();
        let was_full = is_full(&replies);
        let taken = std::mem::take(&mut *replies);
        self.has_replies.store(false, Ordering::Relaxed);
        drop(replies);
        if was_full {
            link.wake(Side::Read);
        }
        taken
    }

    /// What this connection has sent.
    pub(super) fn sent(&self) -> MutexGuard<'_, SentTable> {
        // Each change of the table is whole before anything can panic.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replies(&self) -> MutexGuard<'_, VecDeque<Reply>> {
        // An answer is whole before anything can panic.
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::message::Installation;
    use crate::server::link::ConnectionId;
    use crate::server::people::Lines;
    use crate::wire::frame::Presence;

    #[test]
    fn behind_a_large_answer_no_other_is_taken() {
        let link = Link::new(
            ConnectionId(1),
            "john".parse().unwrap(),
            Installation::from_u64(1),
            Presence::Online,
        );
        let shared = Shared::default();
        let listed = || Box::new(Listed { count: 0, names: Lines::default() });
        let frame = || Reply::Frame(Box::new(ServerFrame::Pong));
        let reply = |reply| shared.reply(&link, reply).now_or_never().is_some();
        assert!(reply(frame()) && reply(Reply::Online(listed())));
        assert!(!reply(frame()) && !reply(Reply::Online(listed())));
        assert_eq!(shared.take_replies(&link).len(), 2);
        assert!(reply(Reply::Blocks) && !reply(frame()) && !reply(Reply::Blocks));
        assert_eq!(shared.take_replies(&link).len(), 1);
        let (peer, version, bundle) = (link.name.clone(), 1, "a list".into());
        let list = ServerFrame::Devices { peer, version, bundle };
        assert!(reply(Reply::Frame(Box::new(list))) && !reply(frame()));
        assert_eq!(shared.take_replies(&link).len(), 1);
        assert!((0..REPLIES).all(|_| reply(frame())) && !reply(frame()));
    }
}
