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
use crate::client::config::Seal;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::outcome::Doubt;
use crate::client::store::scope::Server;
use crate::client::store::sealed::sealing;
use crate::client::store::{bounced, contacts, devices};
use crate::message::Name;
use crate::wire::frame::{ClientFrame, ErrorCode};

/// What is to be done about a list, once the store knows of it.
enum Outcome {
    /// This version is believed.
    Believed(u64),
    /// The server is to get this.
    Heal(Bytes),
    Doubted {
        doubt: Doubt,
        is_offered: bool,
    },
}

impl Core {
    /// Asks for the lists of which the server has told another version than the known one.
    pub(crate) fn ask_lists_where_due(&mut self, connection: &mut Connection) {
        let now = Instant::now();
        for (peer, it) in &mut self.conversations {
            if self.unopened.has(peer) && it.is_open() && it.list.is_settled() {
                it.list.wants_keys();
            }
        }
        // Under another key it is not clear whose list is meant.
        let may_ask = |peer: &Name, it: &Conversation| {
            let (has_files, is_held) = (self.files.go_to(peer), self.held.has(peer));
            !self.held.has_key(peer) && it.wants_list(has_files, is_held, now)
        };
        let due = self.conversations.iter().filter(|(peer, it)| may_ask(peer, it));
        let due: Vec<Name> = due.map(|(peer, _)| peer.clone()).collect();
        for peer in self.giving.in_turn(due) {
            let is_to_heal = self.conversations.get(&peer).is_some_and(|it| it.list.is_to_heal());
            if is_to_heal && !self.begins_to_heal(&peer) {
                continue;
            }
            // Who has a list has a key, and may have claimed the name a moment ago.
            if self.nobody.contains(&peer) {
                connection.answer(&ClientFrame::Key { peer: peer.clone() });
            }
            self.with(&peer, |it| it.list.asked(now));
            connection.answer(&ClientFrame::Devices { peer });
        }
    }

    /// Once all that waited has come, nothing more is taken of devices that were gone by then.
    pub(crate) async fn note_drained(&mut self) -> Result<(), Exit> {
        let mut drained = Vec::new();
        for (peer, it) in &mut self.conversations {
            if it.has_caught_up() && !self.unopened.has(peer) {
                drained.extend(it.list.takes_drained().map(|version| (peer.clone(), version)));
            }
        }
        for (peer, version) in drained {
            let server = self.server.clone();
            let note = move |tx: &Transaction<'_>| devices::drained(tx, &server, &peer, version);
            self.store.run(note).await?;
        }
        Ok(())
    }

    /// `TALKING` has told the version that the server has.
    pub(super) fn list_is_at(&mut self, peer: &Name, version: u64) {
        self.with(peer, |it| it.list.opened(version));
        if self.conversations.get(peer).is_some_and(|it| it.list.is_settled()) {
            self.held.believes_list(peer);
        }
    }

    /// What may go unsealed is decided anew by the person who uses this client.
    pub(crate) async fn seal(&mut self, seal: Seal) -> Result<(), Exit> {
        self.config.seal = seal;
        if seal == Seal::Auto {
            let server = self.server.clone();
            self.store.run(move |tx| sealing::release(tx, &server)).await?;
        }
        self.held.forget_keyless();
        self.told_unsealed.clear();
        self.tell(Event::Seal { seal });
        let faced = self.conversations.iter().filter(|(_, it)| it.faced);
        let faced: Vec<Name> = faced.map(|(peer, _)| peer.clone()).collect();
        for peer in faced {
            self.tell_sealing(&peer).await?;
        }
        Ok(())
    }

    /// Says whether what is written to somebody is sealed, when that changes; and, once, that it is not. Of a name that
    /// nobody has that is said anyway, and what is held for its key or its list goes to nobody.
    pub(crate) async fn tell_sealing(&mut self, peer: &Name) -> Result<(), Exit> {
        let open = self.conversations.get(peer).filter(|it| it.faced && it.is_open());
        let list = open.map(|it| &it.list).filter(|list| list.is_settled());
        let Some(has_list) = list.map(|list| list.known() > 0) else { return Ok(()) };
        if self.held.has(peer) {
            return Ok(());
        }
        let seals = has_list || !self.may_be_plain(peer).await?;
        if self.told_sealing.insert(peer.clone(), seals) != Some(seals) {
            self.tell(Event::Sealing { peer: peer.clone(), seals });
        }
        if !seals && !self.nobody.contains(peer) && self.told_unsealed.insert(peer.clone()) {
            self.tell(Event::Unsealed { peer: peer.clone() });
        }
        Ok(())
    }

    async fn may_be_plain(&self, peer: &Name) -> Result<bool, Exit> {
        let scope = self.scope(peer);
        if self.config.seal == Seal::Always {
            return Ok(false);
        }
        Ok(self.store.run(move |tx| sealing::may_be_plain(tx, &scope)).await?)
    }

    pub(super) async fn take_list(
        &mut self,
        peer: Name,
        shown: Shown,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        self.giving.end(&peer);
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
                self.tell_hidden(&peer, version);
                self.open_what_waits(&peer, connection).await?;
                self.tell_sealing(&peer).await?;
            }
            Outcome::Heal(bundle) => self.heal(&peer, bundle, connection),
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

    /// Somebody has written that there is a newer list than the server shows. That holds nothing: whoever writes may lie.
    fn tell_hidden(&mut self, peer: &Name, version: u64) {
        let hidden = |it: &mut Conversation| it.list.takes_hidden();
        let Some(newer) = self.conversations.get_mut(peer).and_then(hidden) else { return };
        let because = format!(
            "the server shows version {version} of {peer}'s device list, and {peer} has written of version {newer}: it has not taken that one, has lost it, or hides it, and what you write may go to a device that {peer} has dropped"
        );
        self.tell_if_few(Event::Objection { because });
    }

    /// Gives the server a list back, now or later.
    fn heal(&mut self, peer: &Name, bundle: Bytes, connection: &mut Connection) {
        self.with(peer, |it| it.list.heals());
        if self.begins_to_heal(peer) {
            connection.answer(&ClientFrame::List { bundle });
        } else {
            self.with(peer, |it| it.list.put_off());
        }
    }

    fn begins_to_heal(&mut self, peer: &Name) -> bool {
        let is_free = self.giving.is_free(Instant::now());
        if is_free {
            self.giving.begin(peer.clone());
        }
        is_free
    }

    /// The server has taken a list, and this version of it now.
    pub(super) async fn take_listed(&mut self, peer: &Name, version: u64) -> Result<(), Exit> {
        self.giving.taken(peer);
        if *peer == self.config.user {
            return self.take_own_listed(version).await;
        }
        self.with(peer, |it| it.list.listed(version));
        self.files.look();
        Ok(())
    }

    /// The server has not taken the list that it was given.
    pub(super) fn take_not_listed(&mut self, whose: &Name, code: ErrorCode, because: &str) {
        let is_own = *whose == self.config.user;
        if code == ErrorCode::Later {
            log::debug!("the device list of {whose} is given later: {because}");
            if self.giving.pause(Instant::now(), fastrand::f64()) {
                let because = format!("the device list of {whose} waits: {because}");
                self.tell_if_few(Event::Objection { because });
            }
        }
        match (code, is_own) {
            (ErrorCode::Later, true) => self.own_list.put_off(),
            (ErrorCode::Later, false) => self.with(whose, |it| it.list.put_off()),
            (_, true) => self.take_unlisted(because),
            (_, false) => self.with(whose, |it| it.list.not_listed(because)),
        }
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
    let before = list.version;
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
            if list.version > before {
                bounced::forget(tx, server, &name)?;
            }
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
