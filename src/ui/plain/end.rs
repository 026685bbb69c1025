//! The end of the plain face: what is still in the outbox, how that is reported, and the exit code.
//!
//! Owned by the [face](super::face). Invariant: the exit code is true of every line that was read. What is read after
//! the client has failed is kept like what came before it, for no script can know how far its lines had come.

use std::time::{Duration, Instant};

use async_channel::Receiver;

use super::face::Face;
use super::keyboard::Keyboard;
use crate::client::{Ending, Event, Failure};
use crate::exit::Exit;
use crate::task;
use crate::ui::phrases::news;
use crate::ui::start::entry;
use crate::ui::typing::command::{self, Input};
use crate::ui::typing::input::Line;

/// How long the rest of a script's lines may take to come once the client has failed. What comes later is lost, and
/// told to be.
const REST: Duration = Duration::from_secs(3);

impl Face {
    /// Reads what a script has piped in, so that it is kept.
    pub(super) async fn keep_rest(&mut self, keyboard: &mut Keyboard, ending: &Ending) {
        let is_over = ending.failure.is_none() && !self.leaving;
        if self.screen.interactive || self.signal.is_some() || self.all_read || is_over {
            return;
        }
        let until = Instant::now() + REST;
        while !self.all_read {
            let left = until.saturating_duration_since(Instant::now());
            let next = task::within(left, keyboard.next(&self.screen, &self.known)).await;
            let Some(line) = next else { return };
            self.keep(line).await;
        }
    }

    async fn keep(&mut self, line: Option<Line>) {
        match line {
            None => self.all_read = true,
            Some(Line::Text(line)) if self.takes_commands() => match command::parse(&line) {
                Ok(Input::Text(text)) => self.say(text).await,
                Ok(Input::Quit) => self.all_read = true,
                _ => self.mistake(&format!("{line} came too late; it was not done")),
            },
            line => _ = self.read(line).await,
        }
    }

    /// The client has ended, and these are its last events. Gives what to exit with.
    pub(super) fn end(&mut self, ending: Option<Ending>, events: &Receiver<Event>) -> Exit {
        let Some(Ending { failure, unsent }) = ending else {
            self.screen.problem(entry::LOST_CLIENT);
            return Exit::Failed;
        };
        self.show_receipts();
        let rest = self.announcements.take_rest(Instant::now());
        rest.iter().for_each(|line| self.screen.note(line));
        if let Some(failure) = &failure {
            failure.to_string().lines().for_each(|line| self.screen.problem(line));
        }
        let unsent = unsent + self.count_kept(events);
        if unsent > 0 {
            let kept = match &failure {
                Some(Failure::Name(_)) => news::kept_under(unsent, &self.user, &self.data),
                _ => {
                    let held = failure.as_ref().is_some_and(Failure::is_hold);
                    news::kept(unsent, held, self.screen.interactive)
                }
            };
            self.screen.problem(&kept);
        }
        self.exit(failure.as_ref(), unsent)
    }

    /// How much was written behind the end.
    fn count_kept(&mut self, events: &Receiver<Event>) -> u64 {
        let mut kept = 0;
        while let Ok(event) = events.try_recv() {
            match event {
                Event::Written { .. } => kept += 1,
                Event::Objection { because } | Event::NotSent { because } => {
                    self.mistake(&because);
                }
                _ => {}
            }
        }
        kept
    }

    fn exit(&mut self, failure: Option<&Failure>, unsent: u64) -> Exit {
        if let Some(signal) = self.signal {
            return signal.exit();
        }
        if failure.is_some() && !self.all_read && !self.screen.interactive {
            self.mistake("the input was not read to its end; what was not read is not kept");
        }
        match failure {
            _ if self.failed => Exit::Failed,
            Some(failure) => entry::exit_of(failure, unsent),
            None if self.leaving && unsent > 0 => Exit::Kept,
            None => Exit::Done,
        }
    }
}
