//! Opens a link in the desktop's program for it.
//!
//! Owned by the [face](super::face). Invariants: the address is one argument, and no shell sees it; the program has no
//! access to the terminal; only a thread of its own waits for it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use async_channel::{Receiver, Sender};

use crate::task;

/// The program.
const PROGRAM: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// How many failures wait to be told. One that has no room is not told.
const FAILURES: usize = 4;

/// See the [module](self).
pub(super) struct Opener {
    tell: Sender<String>,
    failed: Receiver<String>,
}

impl Opener {
    pub(super) fn new() -> Self {
        let (tell, failed) = async_channel::bounded(FAILURES);
        Self { tell, failed }
    }

    /// Has it opened. What goes wrong is [told](Self::failure).
    pub(super) fn open(&self, address: String) {
        let tell = self.tell.clone();
        let started = task::spawn_thread("opener", move || {
            if let Err(because) = run(&address) {
                let _ = tell.try_send(because);
            }
        });
        if started.is_err() {
            let _ = self.tell.try_send(failure("there is no thread to be had"));
        }
    }

    /// Waits until something could not be opened. Gives why, and what to do instead.
    pub(super) async fn failure(&self) -> String {
        match self.failed.recv().await {
            Ok(because) => because,
            // This has the other end, too.
            Err(_) => futures::future::pending().await,
        }
    }
}

fn run(address: &str) -> Result<(), String> {
    let mut command = Command::new(PROGRAM);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What it starts cannot take keys that are meant for the chat.
    let status = command.process_group(0).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failure(&status.to_string())),
        Err(error) => Err(failure(&error.to_string())),
    }
}

fn failure(because: &str) -> String {
    format!("{PROGRAM} could not open it ({because}); Ctrl-O and C copy it instead")
}
