//! How much of what waits is in memory: the window of each session's channel, and all of them together. Beyond it a
//! message is in the mailbox alone.
//!
//! Owned by the registry. Invariant: what was counted is given back when it is dropped, wherever it
//! is then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mailbox::Usage;
use crate::message::Batch;

/// What one session may have in memory.
pub(super) const WINDOW: Usage = Usage { messages: 1_024, bytes: 256 * 1024 };

/// What a message costs in memory beside its body, roughly.
const OVERHEAD: u64 = 128;

/// What messages may cost in memory. They may keep that much of a read buffer alive, but not more: a one-byte body must
/// not keep all of it, past every limit.
pub(crate) fn cost(usage: Usage) -> u64 {
    usage.bytes + usage.messages * OVERHEAD
}

/// The windows of all sessions together.
#[derive(Debug)]
pub(crate) struct Windows {
    bytes: AtomicU64,
    limit: u64,
}

impl Windows {
    /// At most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicU64::new(0), limit })
    }
}

/// What one session has in memory.
#[derive(Debug)]
pub(super) struct Window {
    all: Arc<Windows>,
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Window {
    pub(crate) fn new(all: &Arc<Windows>) -> Arc<Self> {
        let (messages, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { all: all.clone(), messages, bytes })
    }

    /// Counts a batch. None if there is no room for it; its session always takes a first one, and one read brings few.
    pub(crate) fn hold(self: &Arc<Self>, batch: Batch) -> Option<Held> {
        let usage = Usage::of(&batch);
        let cost = cost(usage);
        let held = Held { batch, cost, window: self.clone() };
        let before = self.messages.fetch_add(usage.messages, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(cost, Ordering::Relaxed);
        let all_before = self.all.bytes.fetch_add(cost, Ordering::Relaxed);
        let room = before < WINDOW.messages && bytes_before < WINDOW.bytes;
        (room && all_before < self.all.limit).then_some(held)
    }
}

/// A batch that lies in a channel.
#[derive(Debug)]
pub(crate) struct Held {
    batch: Batch,
    cost: u64,
    window: Arc<Window>,
}

impl Held {
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Window { all, messages, bytes } = &*self.window;
        messages.fetch_sub(self.batch.messages().len() as u64, Ordering::Relaxed);
        bytes.fetch_sub(self.cost, Ordering::Relaxed);
        all.bytes.fetch_sub(self.cost, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn batch(messages: u64, length: usize) -> Batch {
        let message = |n| Message::text(1, n, vec![0; length]);
        Batch::new(1, (1..=messages).map(message).collect::<Vec<_>>())
    }

    #[test]
    fn a_window_is_bounded_by_messages_and_by_bytes() {
        let all = Windows::new(u64::MAX);
        for (each, length, fitting) in [(1, 0, 1_024), (100, 0, 11), (1, 64 * 1024, 4)] {
            let window = Window::new(&all);
            let held: Vec<_> =
                std::iter::from_fn(|| window.hold(batch(each, length))).take(5_000).collect();
            assert_eq!(held.len(), fitting, "{each} of {length} bytes");
        }
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0, "all of it was given back");
    }

    #[test]
    fn all_windows_share_a_limit() {
        let all = Windows::new(1_000);
        let (one, other) = (Window::new(&all), Window::new(&all));
        let held = one.hold(batch(1, 2_000)).unwrap();
        assert!(other.hold(batch(1, 1)).is_none());
        drop(held);
        assert!(other.hold(batch(1, 1)).is_some());
    }
}
