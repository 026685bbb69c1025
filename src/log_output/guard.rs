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

/// Passes on whole lines, so that whatever is dropped leaves no piece of one; only one that is longer than a piece is cut.
fn collect(mut from: File, pieces: &SyncSender<Vec<u8>>) {
    let (mut buffer, mut filled) = ([0; PIECE], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer[filled..]) {
        filled += read;
        let whole = match memchr::memrchr(b'\n', &buffer[..filled]) {
            Some(end) => end + 1,
            None if filled == PIECE => PIECE,
            None => 0,
        };
        if whole > 0 {
            let _ = pieces.try_send(buffer[..whole].to_vec());
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
        }
    }
    if filled > 0 {
        let _ = pieces.try_send(buffer[..filled].to_vec());
    }
}

fn pass(queue: &Receiver<Vec<u8>>, mut output: impl Write) {
    let mut torn = false;
    while let Ok(piece) = queue.recv() {
        // Tried anew each time: there may be room again.
        torn = write(&mut output, piece, torn);
    }
}

/// Writes as much of a piece as can be, behind the end of a line that was `torn`. Returns whether one is torn now.
fn write(output: &mut impl Write, mut piece: Vec<u8>, torn: bool) -> bool {
    if torn {
        piece.insert(0, b'\n');
    }
    let mut rest = &piece[..];
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => break,
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let written = &piece[..piece.len() - rest.len()];
    match written.last() {
        None => torn,
        Some(last) => !rest.is_empty() && *last != b'\n',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that has room for so many bytes.
    struct Disk {
        has: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.has.extend_from_slice(&bytes[..count]);
            self.room -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cut_does_not_run_into_the_next_one() {
        for (room, had) in [(0, "three\n"), (2, "on\nthree\n"), (3, "one\nthree\n")] {
            let mut disk = Disk { has: Vec::new(), room };
            let mut torn = false;
            for line in ["one\n", "two\n"] {
                torn = write(&mut disk, line.into(), torn);
            }
            disk.room = 100;
            assert!(!write(&mut disk, "three\n".into(), torn));
            assert_eq!(String::from_utf8(disk.has).unwrap(), had, "room for {room} bytes");
        }
    }

    #[test]
    fn whole_lines_are_passed_on_however_they_come() {
        let (from, into) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (pieces, queue) = mpsc::sync_channel(QUEUE);
        let long = "x".repeat(PIECE + 1);
        let text = format!("one\ntwo\n{long}\nhalf");
        let written = text.clone();
        let writing = std::thread::spawn(move || {
            let mut into = File::from(into);
            for piece in written.as_bytes().chunks(1_000) {
                into.write_all(piece).unwrap();
            }
        });
        collect(File::from(from), &pieces);
        writing.join().unwrap();
        drop(pieces);
        let pieces: Vec<_> = queue.iter().collect();
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), text);
        let (last, others) = pieces.split_last().unwrap();
        assert_eq!(last, b"half");
        assert!(others.iter().all(|it| it.ends_with(b"\n") || it.len() == PIECE));
    }
}
