//! A standard output that never fails, for a log that panics when it does.
//!
//! `femme` unwraps every write: a full disk under a log file, or a log reader that has gone, would
//! end each connection that logs a line. So the log goes into a pipe, and a thread of ours passes it
//! on to where standard output led, dropping what that does not take.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};

use rustix::fd::OwnedFd;
use rustix::io::dup;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{dup2_stdout, stdout};

/// Standard output is guarded as long as this lives. Dropping it waits until the last line is out.
pub struct Guard {
    real: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Puts the pipe in place. To be called before the first line is logged.
    pub fn install() -> io::Result<Self> {
        let (real, output) = (dup(stdout())?, dup(stdout())?);
        let (from, into) = pipe_with(PipeFlags::CLOEXEC)?;
        let passing = move || pass(File::from(from), File::from(output));
        let thread = thread::Builder::new().name("tinychat-log".into()).spawn(passing)?;
        dup2_stdout(into)?;
        Ok(Self { real, thread: Some(thread) })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // This closes the last end that writes into the pipe, which ends the thread.
        if dup2_stdout(&self.real).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn pass(mut from: File, mut output: File) {
    let mut buffer = [0; 8 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        // Tried anew each time: there may be room again.
        let _ = output.write_all(&buffer[..read]);
    }
}
