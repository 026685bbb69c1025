//! A client without a face: what it reports by itself, and who receives its events.
//!
//! Owned by the command that started it, until it is told to leave or ends by itself.

use async_channel::Receiver;
use futures::future::Either;

use crate::client::{Absence, Client, Command, Event, Failure};
use crate::message::Name;
use crate::ui::console::screen::Screen;
use crate::ui::phrases::{keys, news};
use crate::ui::start::entry::{Options, race};

/// How many conversations a client without a face opens. The server holds 1,000 open.
const OPENED: usize = 900;

/// What a client does that has no face.
pub(super) struct Life {
    pub(super) options: Options,
    pub(super) client: Client,
    /// Whether somebody follows what comes.
    pub(super) follows: bool,
    /// Whom to hear in any case.
    pub(super) open: Vec<Name>,
    /// It was told that the agent does not sign.
    pub(super) is_unsigned: bool,
}

impl Life {
    /// Until it is to leave. Gives why it ended, if not as wanted.
    pub(super) async fn live(
        mut self,
        events: Receiver<Event>,
        left: Receiver<()>,
    ) -> Option<Failure> {
        if self.follows {
            self.client.give(Command::Overview).await;
        }
        for peer in &self.open {
            self.client.give(Command::Talk(peer.clone())).await;
        }
        let mut leaving = false;
        let failure = loop {
            let event = match leaving {
                false => race(events.recv(), left.recv()).await,
                true => Either::Left(events.recv().await),
            };
            match event {
                Either::Left(Ok(Event::Ended(ending))) => break ending.failure,
                Either::Left(Ok(event)) => self.take(event).await,
                Either::Left(Err(_)) => break None,
                Either::Right(_) => {
                    leaving = true;
                    self.client.give(Command::Leave).await;
                }
            }
        };
        self.client.join().await;
        failure
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_unsigned = false,
            // Nobody can do anything about a server.
            Event::Disconnected { because: because @ Absence::Agent(_), .. }
                if !self.is_unsigned =>
            {
                self.is_unsigned = true;
                let server = self.options.server.address.as_str();
                Screen::new().problem(&news::absence(server, &because));
            }
            Event::Overview(all) if self.follows => {
                for it in all.into_iter().filter(|it| it.known).take(OPENED) {
                    self.client.give(Command::Talk(it.peer)).await;
                }
            }
            Event::Joined if self.follows => self.client.give(Command::Overview).await,
            // Who is new asks the face.
            Event::Waiting { peer, known: true, .. } if self.follows => {
                self.client.give(Command::Talk(peer)).await;
            }
            Event::FirstMeeting { fingerprint } => {
                let Options { server, .. } = &self.options;
                let named = server.fingerprint.is_some();
                let lines = news::first_meeting(&server.address.to_string(), fingerprint, named);
                lines.iter().for_each(|line| Screen::new().note(line));
            }
            Event::KeyChanged { peer, was, verified, now } => {
                let lines = keys::changed_key(&peer, (was, verified), now);
                lines.iter().for_each(|line| Screen::new().problem(line));
            }
            Event::ListDoubted { peer, doubt } => {
                let lines = keys::doubted_list(&peer, &doubt);
                lines.iter().for_each(|line| Screen::new().problem(line));
            }
            Event::Objection { because } => Screen::new().problem(&because),
            _ => {}
        }
    }
}
