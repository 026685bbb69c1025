//! How much a task does before it yields to other tasks and to the sockets.
//!
//! Owned by the task that counts with it. Tasks are not preempted: one that always has work would otherwise keep its
//! thread to itself. A turn is short enough that nobody notices the turns of a few who never stop, and long enough that
//! ending it costs little beside what was done in it.

use crate::task;

/// How many frames are handled in one turn.
const FRAMES: usize = 64;

/// How many bytes are read, or written, in one turn. After them the turn ends. Copying them takes some microseconds,
/// and passing them to the system several times that: with many turns in a row, a longer one would be felt by those who
/// wait for theirs.
const BYTES: usize = 16 * 1024;

/// What was done in this turn. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Turn {
    frames: usize,
    bytes: usize,
}

impl Turn {
    /// Counts a frame.
    pub(super) async fn frame(&mut self) {
        self.frames += 1;
        self.end_if_over().await;
    }

    /// Counts bytes.
    pub(super) async fn bytes(&mut self, count: usize) {
        self.bytes += count;
        self.end_if_over().await;
    }

    /// Begins another.
    pub(super) async fn end(&mut self) {
        *self = Self::default();
        task::let_others_run().await;
    }

    async fn end_if_over(&mut self) {
        if self.frames >= FRAMES || self.bytes >= BYTES {
            self.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_turn_ends_after_so_many_frames_or_bytes() {
        let mut turn = Turn::default();
        for _ in 0..3 {
            for _ in 1..FRAMES {
                assert!(turn.frame().now_or_never().is_some());
            }
            assert!(turn.frame().now_or_never().is_none(), "others run first");
            assert!(turn.bytes(BYTES - 1).now_or_never().is_some());
            assert!(turn.bytes(1).now_or_never().is_none(), "others run first");
        }
    }
}
