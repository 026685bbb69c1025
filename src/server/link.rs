//! What others may know of a connection, and tell it: whose it is, whether it is alive, that it ends.
//!
//! Made when somebody has signed in; held by both tasks of the connection, and by everybody who has something to tell
//! it. News is *marked* here, not queued: receipts, presence and counts are looked up when the write task gets to them.
//! Invariant: a slow connection costs one mark for each peer, and nobody waits for it.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;

use crate::log_output::Foreign;
use crate::message::{Installation, Name};
use crate::wire::frame::{ByeReason, ErrorCode, Presence};

/// Distinguishes a connection from all others of this process. A later one has a higher id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ConnectionId(pub(super) u64);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) name: Name,
    pub(super) installation: Installation,
    /// What `HELLO` said: whether a person is there, for others to know.
    pub(super) presence: Presence,
    notices: Mutex<Notices>,
    /// Boxed, because most of the time there is none.
    end: OnceLock<Box<End>>,
    /// Of the read task, and of the write task.
    wakers: [AtomicWaker; 2],
    pulse: Pulse,
}

/// What a connection holds for each of its peers. Without random keys, which are as large as an empty
/// table; a client that chose its peers for their hashes would slow down itself.
pub(super) type ByPeer<T> = HashMap<Name, T, BuildHasherDefault<DefaultHasher>>;

/// One of a connection's two tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Read,
    Write,
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer is gone: end of the stream, or an error of the transport.
    Gone,
    /// With `BYE`.
    Bye(ByeReason),
    /// The peer broke the protocol, or cannot be served.
    Failed(ErrorCode, String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("gone"),
            Self::Bye(reason) => f.write_str(reason.as_str()),
            Self::Failed(code, text) => write!(f, "{}, {}", code.as_str(), Foreign(text)),
        }
    }
}

/// What the write task has to look up for one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Watermarks moved.
    pub(super) receipts: bool,
    /// The peer came or went.
    pub(super) presence: bool,
    /// More waits from the peer.
    pub(super) waiting: bool,
    /// There is room again.
    pub(super) room: bool,
    /// The peer's name has another owner, or none any more.
    pub(super) key: bool,
    /// The peer has a new device list.
    pub(super) list: bool,
}

/// Everything marked since the last look.
#[derive(Debug, Default)]
pub(super) struct Notices {
    pub(super) peers: ByPeer<Marks>,
    pub(super) ping: bool,
}

impl Notices {
    fn is_empty(&self) -> bool {
        self.peers.is_empty() && !self.ping
    }
}

impl Link {
    pub(super) fn new(
        id: ConnectionId,
        name: Name,
        installation: Installation,
        presence: Presence,
    ) -> Self {
        Self {
            id,
            name,
            installation,
            presence,
            notices: Mutex::default(),
            end: OnceLock::new(),
            wakers: Default::default(),
            pulse: Pulse::default(),
        }
    }

    /// Marks something about `peer` for the write task.
    pub(super) fn mark(&self, peer: &Name, set: impl FnOnce(&mut Marks)) {
        set(self.notices().peers.entry(peer.clone()).or_default());
        self.wake(Side::Write);
    }

    /// Has the write task send `PING`.
    pub(super) fn mark_ping(&self) {
        self.notices().ping = true;
        self.wake(Side::Write);
    }

    /// Takes everything that was marked, if there is anything. Only the write task calls this.
    pub(super) fn poll_noticed(&self, context: &Context<'_>) -> Poll<Notices> {
        self.wakers[Side::Write as usize].register(context.waker());
        let notices = self.take_notices();
        if notices.is_empty() { Poll::Pending } else { Poll::Ready(notices) }
    }

    /// The same without waiting.
    pub(super) fn take_notices(&self) -> Notices {
        std::mem::take(&mut *self.notices())
    }

    /// Ends the connection, for the first reason that is given.
    pub(super) fn end(&self, end: End) {
        if self.end.set(Box::new(end)).is_ok() {
            self.wake(Side::Read);
            self.wake(Side::Write);
        }
    }

    /// Whether the connection has ended. Each side is woken once it has.
    pub(super) fn poll_ended(&self, side: Side, context: &Context<'_>) -> Poll<&End> {
        self.wakers[side as usize].register(context.waker());
        self.end.get().map_or(Poll::Pending, |end| Poll::Ready(end))
    }

    /// Waits for the connection's end.
    pub(super) async fn ended(&self, side: Side) -> &End {
        poll_fn(|context| self.poll_ended(side, context)).await
    }

    /// Wakes a task, which then looks again.
    pub(super) fn wake(&self, side: Side) {
        self.wakers[side as usize].wake();
    }

    /// When this connection was last heard, and since when it has read nothing.
    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        // A mark is complete before anything can panic.
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends its connection when dropped, so that a task that panics takes its sibling with it.
pub(super) struct EndOnDrop(pub(super) Arc<Link>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(End::Gone);
    }
}

/// Signs of life, for the heartbeat. The tasks only leave them, without reading a clock; the heartbeat counts its own
/// looks since it found one.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: AtomicBool,
    /// Whether a write is in progress, and how often one began or made progress.
    writing: AtomicBool,
    steps: AtomicU32,
    // What the heartbeat found.
    pinged: AtomicBool,
    seen_steps: AtomicU32,
    silent: AtomicU32,
    stalled: AtomicU32,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            heard: AtomicBool::new(true),
            writing: AtomicBool::new(false),
            steps: AtomicU32::new(0),
            pinged: AtomicBool::new(false),
            seen_steps: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            stalled: AtomicU32::new(0),
        }
    }
}

/// For how many looks of the heartbeat a peer was silent, and read nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stillness {
    pub(super) silent: u32,
    pub(super) stalled: u32,
}

impl Pulse {
    pub(super) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// A write begins, goes on or ends.
    pub(super) fn writes(&self, under_way: bool) {
        self.writing.store(under_way, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Looks for signs of life since the last look. Only the heartbeat calls this.
    pub(super) fn look(&self) -> Stillness {
        let heard = self.heard.swap(false, Ordering::Relaxed);
        if heard {
            self.pinged.store(false, Ordering::Relaxed);
        }
        let steps = self.steps.load(Ordering::Relaxed);
        let stepped = self.seen_steps.swap(steps, Ordering::Relaxed) != steps;
        let stalls = self.writing.load(Ordering::Relaxed) && !stepped;
        let count = |looks: &AtomicU32, still: bool| {
            let now = if still { looks.load(Ordering::Relaxed).saturating_add(1) } else { 0 };
            looks.store(now, Ordering::Relaxed);
            now
        };
        Stillness { silent: count(&self.silent, !heard), stalled: count(&self.stalled, stalls) }
    }

    /// True once for each silence. Only the heartbeat calls this.
    pub(super) fn take_ping(&self) -> bool {
        !self.pinged.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeat_counts_its_looks() {
        let pulse = Pulse::default();
        let look = |silent, stalled| assert_eq!(pulse.look(), Stillness { silent, stalled });
        look(0, 0);
        look(1, 0);
        look(2, 0);
        assert!(pulse.take_ping() && !pulse.take_ping(), "once for a silence");
        pulse.heard();
        look(0, 0);
        assert!(pulse.take_ping());
        pulse.writes(true);
        look(1, 0);
        look(2, 1);
        pulse.writes(true);
        look(3, 0);
        look(4, 1);
        pulse.writes(false);
        pulse.writes(true);
        look(5, 0);
        pulse.writes(false);
        look(6, 0);
        look(7, 0);
    }
}
