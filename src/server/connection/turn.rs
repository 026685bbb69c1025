//! How much a task does before it lets the others, and the sockets, in.
//!
//! Owned by the task that counts with it. Tasks are not interrupted: one that always finds something to do would
//! otherwise have its thread alone. A turn is short enough that nobody notices the turns of a few who never stop, and
//! long enough that ending it costs little beside what was done in it. Where many never stop, a few of them have a turn each
//! time the sockets were looked at, one after another: so those who have little to do wait for the turns of a few alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_lock::Mutex;

use crate::task;

/// How many frames are handled in one turn.
const FRAMES: usize = 64;

/// How many bytes are read, or written, in one turn. Behind them the turn ends. Copying as much takes some microseconds,
/// and several times that until the system has passed it on: where many have their turns one after the other, more would
/// be felt by whoever waits for theirs.
const BYTES: usize = 16 * 1024;

/// How many of those who ended a turn begin another each time the sockets were looked at.
const AT_ONCE: usize = 16;

/// Where they wait, each for the one before it.
static LINES: [Mutex<()>; AT_ONCE] = [const { Mutex::new(()) }; AT_ONCE];

/// In which line the next one waits.
static NEXT: AtomicUsize = AtomicUsize::new(0);

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

    /// There was nothing to do, and so others ran.
    pub(super) fn rested(&mut self) {
        *self = Self::default();
    }

    /// Begins another.
    pub(super) async fn end(&mut self) {
        *self = Self::default();
        let line = &LINES[NEXT.fetch_add(1, Ordering::Relaxed) % AT_ONCE];
        let _first = line.lock().await;
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
    use std::cell::Cell;
    use std::pin::pin;

    use futures::FutureExt;
    use futures::future::{join_all, select};

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
            assert!(turn.bytes(BYTES - 1).now_or_never().is_some());
            turn.rested();
            assert!(turn.bytes(1).now_or_never().is_some(), "others ran");
            turn.rested();
        }
    }

    #[test]
    fn few_of_many_who_never_stop_have_a_turn_at_a_time() {
        async_io::block_on(async {
            let turns = Cell::new(0);
            let busy = join_all((0..40 * AT_ONCE).map(async |_| {
                let mut turn = Turn::default();
                loop {
                    turns.set(turns.get() + 1);
                    turn.end().await;
                }
            }));
            let chatty = async {
                // All of them have begun.
                task::let_others_run().await;
                for _ in 0..100 {
                    let before = turns.get();
                    task::let_others_run().await;
                    let meanwhile = turns.get() - before;
                    assert!(meanwhile <= 4 * AT_ONCE, "{meanwhile} turns of others");
                }
            };
            select(pin!(busy), pin!(chatty)).await;
            assert!(turns.get() > 80 * AT_ONCE, "all had a turn again: {}", turns.get());
        });
    }
}
