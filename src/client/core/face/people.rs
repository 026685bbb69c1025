//! Commands about people: blocking them, trusting their keys; and telling whom they look like.
//!
//! Owned by the core. What cannot be asked now is asked once the connection is there.

use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::likeness::Known;
use super::super::state::Core;
use crate::client::config::Target;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::outcome::{Change, KeyAnswer, Trust, Verification};
use crate::client::store::scope::Server;
use crate::client::store::{archive, contacts, devices};
use crate::message::Name;
use crate::trust::Digits;
use crate::trust::digits::Owner;
use crate::wire::frame::ClientFrame;

/// What becomes of what the server has shown of somebody.
type Decide = fn(&Transaction<'_>, &Server, &Name) -> rusqlite::Result<Trust>;

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

    /// Sends changes of blocks that were not sent on this connection.
    pub(crate) fn say_blocks(&mut self, connection: &mut Connection) {
        self.blocks.frames().iter().for_each(|frame| connection.say(frame));
    }

    /// Tells the face that a block takes longer, while the server is away.
    pub(crate) fn tell_deferred_blocks(&mut self) {
        for (peer, blocked) in self.blocks.deferred() {
            self.tell(Event::Blocked { peer, blocked, change: Change::Later });
        }
    }

    pub(super) async fn trust(&mut self, peer: Name) -> Result<(), Exit> {
        self.trust_by(peer, contacts::trust).await
    }

    pub(super) async fn release(&mut self, peer: Name) -> Result<(), Exit> {
        self.trust_by(peer, contacts::release).await
    }

    async fn trust_by(&mut self, peer: Name, decide: Decide) -> Result<(), Exit> {
        if peer == self.config.user {
            self.tell(Event::Trusted { peer, trust: Trust::Oneself });
            return Ok(());
        }
        let (server, contact) = (self.server.clone(), peer.clone());
        let trust = move |tx: &Transaction<'_>| {
            let trust = decide(tx, &server, &contact)?;
            Ok((trust, devices::known(tx, &server, &contact)?.version))
        };
        let (trust, list) = self.store.run(trust).await?;
        if !trust.is_refused() {
            self.goes_on_with(&peer, list);
        }
        self.tell(Event::Trusted { peer: peer.clone(), trust });
        self.tell_sealing(&peer).await
    }

    /// One's own key, in an address.
    pub(super) fn tell_card(&self) {
        let Owner { name, key } = self.as_owner();
        let fingerprint = self.server.key().or(self.config.fingerprint);
        let (address, people) = (self.config.server.clone(), [(name, key.fingerprint())].into());
        self.tell(Event::Card(Target { address, fingerprint, invite: None, people }));
    }

    pub(super) async fn verify(&mut self, peer: Name, digits: Digits) -> Result<(), Exit> {
        if peer == self.config.user {
            self.tell(Event::Verified { peer, verification: Verification::Oneself });
            return Ok(());
        }
        let (me, server, contact) = (self.as_owner(), self.server.clone(), peer.clone());
        let verify = move |tx: &Transaction<'_>| {
            let verification = contacts::verify(tx, &me, &server, &contact, &digits)?;
            Ok((verification, devices::known(tx, &server, &contact)?.version))
        };
        let (verification, list) = self.store.run(verify).await?;
        if matches!(verification, Verification::Accepted(_)) {
            self.goes_on_with(&peer, list);
        }
        self.tell(Event::Verified { peer: peer.clone(), verification });
        self.tell_sealing(&peer).await
    }

    /// What was held for somebody goes out, unless the server shows yet another key or list.
    fn goes_on_with(&mut self, peer: &Name, list: u64) {
        self.held.trusts_key(peer);
        self.held.believes_list(peer);
        self.with(peer, |it| it.list.accepted(list));
        self.files.look();
    }

    /// What cannot be asked now is asked once the connection is there, or answered from the disk if that
    /// does not come about.
    pub(super) fn ask_key(&mut self, peer: Option<Name>, connection: Option<&mut Connection>) {
        let user = &self.config.user;
        let Some(peer) = peer.filter(|peer| peer != user) else {
            let key = Some(self.identity.public().fingerprint());
            let own =
                KeyAnswer { name: user.clone(), key, current: true, pair: None, verified: false };
            return self.tell(Event::Key(own));
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

    /// The same for somebody to whom one talks: from then on they are known.
    pub(super) async fn meet_and_know(&mut self, peer: &Name) -> Result<(), Exit> {
        self.meet(peer).await?;
        if let Some(known) = &mut self.likeness.known {
            known.add(peer);
        }
        Ok(())
    }
}
