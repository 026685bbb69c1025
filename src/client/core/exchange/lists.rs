//! The device lists of those whom one writes to: asked for, believed or not, and given back to a server that lost them.
//!
//! Owned by the core. Invariant: nothing is sent to somebody before the server has shown the list that is believed, or
//! has taken it back; what is believed is on the disk first.

use std::time::Instant;

use bytes::Bytes;
use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::state::Core;
use super::super::verdict::{Known, Shown, Verdict, judge};
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::outcome::Doubt;
use crate::client::store::scope::Server;
use crate::client::store::{contacts, devices};
use crate::message::Name;
use crate::wire::frame::ClientFrame;

/// What is to be done about a list, once the store knows of it.
enum Outcome {
    /// This version is believed.
    Believed(u64),
    /// The server is to get this statement.
    Heal(Bytes),
    Doubted {
        doubt: Doubt,
        is_offered: bool,
    },
}

impl Core {
    /// Asks for the lists of which the server has told another version than the known one.
    pub(crate) fn ask_lists_where_due(&mut self, connection: &mut Connection) {
        // Under another key it is not clear whose list is meant.
        let may_ask = |peer: &Name, it: &Conversation| {
            !self.held.has_key(peer) && it.wants_list(self.held.has(peer))
        };
        let due = self.conversations.iter().filter(|(peer, it)| may_ask(peer, it));
        let due: Vec<Name> = due.map(|(peer, _)| peer.clone()).collect();
        for peer in due {
            // Who has a list has a key, and may have claimed the name a moment ago.
            if self.nobody.contains(&peer) {
                connection.answer(&ClientFrame::Key { peer: peer.clone() });
            }
            self.with(&peer, |it| it.list.asked(Instant::now()));
            connection.answer(&ClientFrame::Devices { peer });
        }
    }

    /// `TALKING` has told the version that the server has.
    pub(super) fn list_is_at(&mut self, peer: &Name, version: u64) {
        self.with(peer, |it| it.list.opened(version));
        if self.conversations.get(peer).is_some_and(|it| it.list.is_settled()) {
            self.held.believes_list(peer);
        }
    }

    pub(super) async fn take_list(
        &mut self,
        peer: Name,
        shown: Shown,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return Ok(()) };
        if !conversation.list.answered(shown.version) || self.held.has_key(&peer) {
            return Ok(());
        }
        let (server, of, refusal) =
            (self.server.clone(), peer.clone(), conversation.list.refusal());
        let believe = move |tx: &Transaction<'_>| believe(tx, &server, of, shown, refusal);
        match self.store.run(believe).await? {
            Outcome::Believed(version) => {
                self.held.believes_list(&peer);
                self.files.look();
                self.with(&peer, |it| it.list.knows(version));
            }
            Outcome::Heal(statement) => {
                self.with(&peer, |it| it.list.heals());
                connection.answer(&ClientFrame::List { statement });
            }
            Outcome::Doubted { doubt, is_offered } => {
                self.with(&peer, |it| it.list.doubted(is_offered));
                match self.held.hold_for_list(&peer, &doubt) {
                    Some(true) => self.tell(Event::ListDoubted { peer, doubt }),
                    Some(false) => self.tell_if_few(Event::ListDoubted { peer, doubt }),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// The server did not take a list back: of somebody, or of nobody whom it could read. Returns whether one was sent.
    pub(super) fn is_not_listed(&mut self, peer: Option<&Name>, because: &str) -> bool {
        let mut is_awaited = false;
        for (of, it) in &mut self.conversations {
            if it.list.is_healing() && peer.is_none_or(|peer| peer == of) {
                it.list.not_listed(because);
                is_awaited = true;
            }
        }
        is_awaited
    }
}

/// Keeps a list that is believed, or offers one that is not.
fn believe(
    tx: &Transaction<'_>,
    server: &Server,
    name: Name,
    shown: Shown,
    refusal: Option<String>,
) -> rusqlite::Result<Outcome> {
    let list = devices::known(tx, server, &name)?;
    let key = contacts::trusted(tx, server, &name)?;
    let known = Known { name, server: server.key(), key, list, refusal };
    let verdict = judge(&known, &shown);
    let Known { name, list, .. } = known;
    Ok(match verdict {
        Verdict::Same => {
            devices::withdraw(tx, server, &name)?;
            Outcome::Believed(list.version)
        }
        Verdict::Take(list) => {
            devices::keep(tx, server, &name, &list)?;
            Outcome::Believed(list.version)
        }
        Verdict::Heal => Outcome::Heal(list.statement),
        Verdict::Doubt(doubt, offer) => {
            devices::withdraw(tx, server, &name)?;
            if let Some(offer) = &offer {
                devices::offer(tx, server, &name, offer)?;
            }
            Outcome::Doubted { doubt, is_offered: offer.is_some() }
        }
    })
}
