//! How much a task does before it yields to other tasks and to the sockets.
//!
//! Owned by the task that counts with it. Tasks are not preempted: one that always has work would otherwise keep its
//! thread to itself. A turn is short enough that nobody notices the turns of a few who never stop, and long enough that
//! ending it costs little beside what was done in it. Of many who never stop, a few get their next turn each time the
//! sockets were polled; the others wait in line. So whoever has little to do waits for the turns of a few alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_lock::Mutex;

use crate::task;

/// How many frames are handled in one turn.
const FRAMES: usize = 64;

/// How many bytes are read, or written, in one turn. After them the turn ends. Copying them takes some microseconds,
/// and passing them to the system several times that: with many turns in a row, a longer one would be felt by those who
/// wait for theirs.
const BYTES: usize = 16 * 1024;

/// How many of those who ended a turn begin another each time the sockets were polled.
const AT_ONCE: usize = 16;

/// The lines in which they wait. Whoever is first in a line holds its lock until the sockets were polled.
static LINES: [Mutex<()>; AT_ONCE] = [const { Mutex::new(()) }; AT_ONCE];

/// The line in which the next one waits, counted on without end.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The line in which those wait who are about to sign or to verify a signature, which takes longer than a turn.
static COSTLY: Mutex<()> = Mutex::new(());

/// Lets others run before such a step: one of them is done each time the sockets were polled, if it follows at once.
pub(super) async fn before_costly_step() {
    let _first = COSTLY.lock().await;
    task::let_others_run().await;
}

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
    use futures::future::{join, join_all, select};

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
        const LOOKS: usize = 100;
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
                let before = turns.get();
                for _ in 0..LOOKS {
                    task::let_others_run().await;
                }
                // Each may be late, for another test takes the lines' locks, too.
                let meanwhile = turns.get() - before;
                assert!(meanwhile <= 4 * AT_ONCE * LOOKS, "{meanwhile} turns of others");
            };
            select(pin!(busy), pin!(chatty)).await;
            assert!(turns.get() > 80 * AT_ONCE, "all had a turn again: {}", turns.get());
        });
    }

    #[test]
    fn of_many_who_sign_in_one_does_a_costly_step_at_a_time() {
        async_io::block_on(async {
            let steps = Cell::new(0);
            let busy = join_all((0..100).map(async |_| {
                before_costly_step().await;
                steps.set(steps.get() + 1);
            }));
            let chatty = async {
                while steps.get() < 90 {
                    let before = steps.get();
                    task::let_others_run().await;
                    let meanwhile = steps.get() - before;
                    assert!(meanwhile <= 4, "{meanwhile} steps of others");
                }
            };
            join(busy, chatty).await;
            assert_eq!(steps.get(), 100);
        });
    }
}
