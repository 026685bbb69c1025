//! What a face wants of people: to block them, to trust their keys, to be told whom they look like.
//!
//! Owned by the core. What cannot be asked now is asked once the connection is there.

use super::super::exit::Exit;
use super::super::likeness::Known;
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::outcome::{Change, Trust};
use crate::client::store::{archive, contacts};
use crate::message::Name;
use crate::wire::frame::ClientFrame;

impl Core {
    /// What cannot be said now is said once the connection is there.
    pub(super) fn block(&mut self, peer: Name, blocked: bool, connection: Option<&mut Connection>) {
        if blocked {
            self.with(&peer, Conversation::leave_face);
        }
        self.blocks.want(peer, blocked);
        if let Some(connection) = connection {
            self.say_blocks(connection);
        }
    }

    pub(super) fn ask_blocks(&mut self, connection: Option<&mut Connection>) {
        self.blocks.ask();
        if let Some(connection) = connection {
            self.say_blocks(connection);
        }
    }

    /// What this connection was not told of whom one blocks.
    pub(crate) fn say_blocks(&mut self, connection: &mut Connection) {
        self.blocks.frames().iter().for_each(|frame| connection.say(frame));
    }

    /// Whoever blocks somebody while the server is away is told that it takes longer.
    pub(crate) fn tell_deferred_blocks(&mut self) {
        for (peer, blocked) in self.blocks.deferred() {
            self.tell(Event::Blocked { peer, blocked, change: Change::Later });
        }
    }

    pub(super) async fn trust(&mut self, peer: Name) -> Result<(), Exit> {
        let trust = if peer == self.config.user {
            Trust::Oneself
        } else {
            let (server, contact) = (self.server.clone(), peer.clone());
            self.store.run(move |tx| contacts::trust(tx, &server, &contact)).await?
        };
        self.held.remove(&peer);
        self.files.look();
        self.tell(Event::Trusted { peer, trust });
        Ok(())
    }

    /// What cannot be asked now is asked once the connection is there, or answered from the disk if that
    /// does not come about.
    pub(super) fn ask_key(&mut self, peer: Option<Name>, connection: Option<&mut Connection>) {
        let user = &self.config.user;
        let Some(peer) = peer.filter(|peer| peer != user) else {
            let key = Some(self.identity.public().fingerprint());
            return self.tell(Event::Key { name: user.clone(), key, current: true });
        };
        if let Some(connection) = connection {
            connection.say(&ClientFrame::Key { peer: peer.clone() });
        }
        self.asked_keys.insert(peer);
    }

    /// Somebody was met: if they are new and look like somebody whom one knows, the face is told.
    pub(crate) async fn meet(&mut self, peer: &Name) -> Result<(), Exit> {
        if self.likeness.known.is_none() {
            let server = self.server.clone();
            let mut known = Known::default();
            let names = self.store.run(move |tx| archive::known(tx, &server)).await?;
            names.iter().for_each(|name| known.add(name));
            self.likeness.known = Some(known);
        }
        if let Some(known) = self.likeness.meet(peer) {
            self.tell(Event::Alike { peer: peer.clone(), known });
        }
        Ok(())
    }

    /// The same, of somebody to whom one talks: from then on one knows them.
    pub(super) async fn meet_and_know(&mut self, peer: &Name) -> Result<(), Exit> {
        self.meet(peer).await?;
        if let Some(known) = &mut self.likeness.known {
            known.add(peer);
        }
        Ok(())
    }
}
