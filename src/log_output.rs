//! A standard output that never fails and never blocks, for a logger that would panic at the one and stop the server at
//! the other.
//!
//! `femme` unwraps every write: a full disk under a log file, or a log reader that has gone, would end each connection
//! that logs a line; one that reads no more would stop the thread that logs it. So the log goes into a pipe. One thread
//! of ours always empties it into a bounded queue, and another passes that on to the original standard output. What
//! does not fit, or is not read, is dropped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::io::dup;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stdout, stdout};

use crate::task;

/// How many pieces of log, of up to [`PIECE`] bytes, wait for a slow reader.
const QUEUE: usize = 256;
const PIECE: usize = 8 * 1024;

/// How long the end waits for the last line to be taken.
const PATIENCE: Duration = Duration::from_millis(500);

/// Standard output is guarded as long as this lives. Dropping it waits a little for the last line.
pub struct Guard {
    real: OwnedFd,
    passed: Receiver<()>,
}

impl Guard {
    /// Puts the pipe in place. To be called before the first line is logged.
    pub fn install() -> io::Result<Self> {
        let (real, output) = (dup(stdout())?, dup(stdout())?);
        let (from, into) = pipe_with(PipeFlags::CLOEXEC)?;
        let (pieces, queue) = mpsc::sync_channel(QUEUE);
        let (done, passed) = mpsc::channel();
        task::spawn_thread("tinychat-log", move || collect(File::from(from), &pieces))?;
        task::spawn_thread("tinychat-log-out", move || {
            pass(&queue, File::from(output));
            drop(done);
        })?;
        dup2_stdout(into)?;
        Ok(Self { real, passed })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // This closes the last end that writes into the pipe, which ends both threads.
        if dup2_stdout(&self.real).is_ok() {
            let _ = self.passed.recv_timeout(PATIENCE);
        }
    }
}

fn collect(mut from: File, pieces: &SyncSender<Vec<u8>>) {
    let mut buffer = [0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let _ = pieces.try_send(buffer[..read].to_vec());
    }
}

fn pass(queue: &Receiver<Vec<u8>>, mut output: File) {
    while let Ok(piece) = queue.recv() {
        // Tried anew each time: there may be room again.
        let _ = output.write_all(&piece);
    }
}
