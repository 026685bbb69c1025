//! What lines and events mean to the plain face, as long as it lives.
//!
//! Owned by the [face](super::face). Invariant: a signal comes before all that waits to be shown.

use std::io;
use std::time::Instant;

use async_channel::{Receiver, RecvError};
use futures::future::Either;

use super::face::{Connected, Face};
use super::keyboard::Keyboard;
use crate::client::{Command, Ending, Event, Query};
use crate::message::Name;
use crate::signals::{Interrupt, Interrupts};
use crate::task;
use crate::ui::phrases::news;
use crate::ui::start::entry::race;
use crate::ui::typing::command::{self, Input};
use crate::ui::typing::input::Line;
use crate::wire::MAX_TEXT;

/// How many names can be completed. More are not remembered.
const KNOWN: usize = 10_000;

/// How much of what was found is printed.
const FOUND: usize = 20;

impl Face {
    /// Passes lines to the client and events to the screen, until the client has ended. None if it did so without a
    /// word.
    pub(super) async fn live(
        &mut self,
        mut keyboard: Keyboard,
        events: &Receiver<Event>,
        interrupts: &mut Interrupts,
    ) -> Option<Ending> {
        loop {
            let line = keyboard.next(&self.screen, &self.known);
            let due = self.receipts.due().into_iter().chain(self.announcements.due()).min();
            let event = next_event(events, due);
            // A signal comes before all that waits to be shown.
            match race(interrupts.next(), race(event, line)).await {
                Either::Left(signal) => {
                    if !keyboard.close(&self.screen) {
                        self.screen.end_line();
                    }
                    self.interrupt(signal).await;
                }
                Either::Right(Either::Left(None)) => self.show_collected(Instant::now()),
                Either::Right(Either::Left(Some(event))) => match event {
                    Ok(Event::Ended(ending)) => {
                        self.keep_rest(&mut keyboard, &ending).await;
                        keyboard.close(&self.screen);
                        return Some(ending);
                    }
                    Ok(event) => self.show(event).await,
                    Err(_) => {
                        keyboard.close(&self.screen);
                        return None;
                    }
                },
                Either::Right(Either::Right(line)) => {
                    if !self.read(line).await {
                        keyboard.close(&self.screen);
                    }
                }
            }
        }
    }

    async fn interrupt(&mut self, signal: io::Result<Interrupt>) {
        self.signal = signal.ok();
        self.client.give(Command::Leave).await;
    }

    // What was typed.

    /// Obeys a line, or the end of input. Returns whether there is more to read.
    pub(super) async fn read(&mut self, line: Option<Line>) -> bool {
        match line {
            None => return self.end_of_input().await,
            Some(Line::Failed(because)) => self.mistake(&because),
            Some(Line::Unusable(because)) => self.mistake(&format!("{because}; it was not sent")),
            Some(Line::Text(line)) if line.is_empty() && self.screen.interactive => {}
            Some(Line::Text(line)) if self.takes_commands() => match command::parse(&line) {
                Ok(input) => return self.obey(input).await,
                Err(because) => self.mistake(&because),
            },
            Some(Line::Text(line)) => self.say(line).await,
        }
        true
    }

    /// What a script pipes in is text, whatever it looks like: nobody else's words are to give orders.
    pub(super) fn takes_commands(&self) -> bool {
        self.screen.interactive || self.options.commands
    }

    async fn end_of_input(&mut self) -> bool {
        self.all_read = true;
        if !self.options.follow || self.leaving {
            self.quit().await;
        }
        false
    }

    async fn obey(&mut self, input: Input) -> bool {
        match input {
            Input::Text(text) => self.say(text).await,
            Input::Talk(peer) => self.talk(peer).await,
            Input::Close(peer) => self.close(peer).await,
            Input::Online => self.client.give(Command::Online).await,
            Input::Status => self.client.give(Command::Status).await,
            Input::Trust(peer) => self.client.give(Command::Trust(peer)).await,
            Input::Release(peer) => self.client.give(Command::Release(peer)).await,
            Input::Verify(peer, Some(digits)) => {
                self.client.give(Command::Verify { peer, digits }).await;
            }
            Input::Verify(peer, None) => self.client.give(Command::Key(Some(peer))).await,
            Input::Card => self.client.give(Command::Card).await,
            Input::Seal(seal) => self.client.give(Command::Seal(seal)).await,
            Input::Fingerprint(name) => self.client.give(Command::Key(name)).await,
            Input::Block(None) => self.client.give(Command::Blocks).await,
            Input::Block(Some(peer)) => self.block(peer).await,
            Input::Unblock(peer) => {
                self.client.give(Command::Block { peer, blocked: false }).await;
            }
            Input::Search(words) => match Query::new(&words) {
                Some(query) => self.client.give(Command::Search { query, limit: FOUND }).await,
                None => self.mistake("there is no word to look for; usage: /SEARCH words"),
            },
            Input::Send(paths, mut caption) => {
                for path in paths {
                    let caption = caption.take();
                    self.with_peer(|peer| Command::SendFile { peer, path, caption }).await;
                }
            }
            Input::Get(number) => {
                self.asked_files.insert(number);
                self.with_peer(|peer| Command::Get { peer, number }).await;
            }
            Input::Save(number, to) => {
                self.asked_files.insert(number);
                self.with_peer(|peer| Command::Save { peer, number, to }).await;
            }
            Input::Cancel(which) => self.with_peer(|peer| Command::Cancel { peer, which }).await,
            Input::Free(number) => self.with_peer(|peer| Command::Free { peer, number }).await,
            Input::Files => self.client.give(Command::Files).await,
            Input::Mute(peer) => {
                self.mistake(&news::nothing_to_mute(peer.as_ref().or(self.current.as_ref())));
            }
            Input::Help => command::help().for_each(|line| self.screen.note(&line)),
            Input::Quit => {
                self.all_read = true;
                self.quit().await;
                return false;
            }
        }
        true
    }

    /// Somebody was heard of.
    pub(super) fn know<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        if self.screen.interactive {
            let room = KNOWN.saturating_sub(self.known.len());
            self.known.extend(names.into_iter().take(room).cloned());
        }
    }

    pub(super) async fn say(&mut self, text: String) {
        let Some(peer) = self.current.clone() else {
            return self.mistake(match self.takes_commands() {
                true => "nobody to talk to; /TALK name first. It was not sent",
                false => "nobody to talk to; give --to. It was not sent",
            });
        };
        if text.len() > MAX_TEXT {
            return self.mistake(&format!("a message has at most {MAX_TEXT} bytes; not sent"));
        }
        self.client.give(Command::Send { peer, text }).await;
    }

    /// Gives a command that concerns whom one talks to.
    async fn with_peer(&mut self, command: impl FnOnce(Name) -> Command) {
        match self.current.clone() {
            Some(peer) => self.client.give(command(peer)).await,
            None => self.mistake("nobody to talk to; /TALK name first"),
        }
    }

    pub(super) async fn talk(&mut self, peer: Name) {
        if peer == self.user {
            return self.mistake("nobody can talk to themselves here");
        }
        self.know([&peer]);
        self.announced.clear();
        self.announcements.forget(&peer);
        self.current = Some(peer.clone());
        if self.open.insert(peer.clone()) {
            self.client.give(Command::Talk(peer)).await;
        } else if self.screen.interactive {
            self.screen.note(&format!("talking to {peer}"));
        }
    }

    async fn close(&mut self, peer: Option<Name>) {
        let peer = peer.or_else(|| self.current.clone());
        let Some(peer) = peer.clone().filter(|peer| self.open.remove(peer)) else {
            return self.mistake(&news::not_open(peer.as_ref(), &self.open));
        };
        self.current.take_if(|current| *current == peer);
        if self.screen.interactive {
            self.screen.note(&format!("closed the conversation with {peer}"));
        }
        self.client.give(Command::Close(peer)).await;
    }

    async fn block(&mut self, peer: Name) {
        if peer == self.user {
            return self.mistake("you cannot block yourself");
        }
        self.know([&peer]);
        self.open.remove(&peer);
        self.current.take_if(|current| *current == peer);
        self.client.give(Command::Block { peer, blocked: true }).await;
    }

    async fn quit(&mut self) {
        if self.screen.interactive && self.connected != Connected::Yes {
            self.screen
                .note("waiting for the server to send what is written; Ctrl-C leaves at once");
        }
        self.client.give(Command::Finish).await;
    }

    pub(super) fn mistake(&mut self, because: &str) {
        self.failed |= !self.screen.interactive;
        self.screen.problem(because);
    }
}

/// The next event; none if something that was collected is to be shown before it comes.
async fn next_event(
    events: &Receiver<Event>,
    due: Option<Instant>,
) -> Option<Result<Event, RecvError>> {
    match due {
        None => Some(events.recv().await),
        Some(due) => {
            // Events that come without a pause would be taken before the time is looked at.
            let left = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            task::within(left, events.recv()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_does_not_wait_for_a_pause_between_events() {
        async_std::task::block_on(async {
            let (tell, events) = async_channel::unbounded();
            tell.try_send(Event::Connected).unwrap();
            let now = Instant::now();
            assert_eq!(next_event(&events, Some(now)).await, None);
            let later = Some(now + Duration::from_secs(3600));
            assert_eq!(next_event(&events, later).await, Some(Ok(Event::Connected)));
        });
    }
}
