//! What the server says: messages and receipts go to disk first, then are acknowledged and told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::line::connection::{Connection, dismissed, refused};
use super::super::line::conversation::Conversation;
use super::super::store::contacts::{self, Meeting};
use super::super::store::{history, outbox};
use super::super::{Event, Incoming};
use super::{Core, Exit, REQUESTS};
use crate::message::{Message, Name};
use crate::trust::PublicKey;
use crate::wire::frame::{ClientFrame, ErrorCode, Presence, Refusal, ServerFrame, Watermarks};

/// The longest that a server can have us wait. More would not fit into every clock.
const MAX_SECONDS: u64 = 24 * 60 * 60;

/// When to try again to open a conversation, if the server has too many open.
const REOPEN: Duration = Duration::from_secs(60);

/// What one read brought that goes to disk in one transaction.
#[derive(Default)]
struct Intake {
    messages: Vec<(Name, u64, Message)>,
    /// Own messages that were given up. Ahead of the receipts, which would claim them.
    expired: Vec<(Name, u64)>,
    /// By peer: the highest stored and delivered.
    receipts: BTreeMap<Name, (u64, u64)>,
}

impl Core {
    pub(super) async fn take_frames(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let mut intake = Intake::default();
        loop {
            let frame = connection.next_ready();
            match frame.map_err(|error| Exit::Away(format!("the server said nonsense: {error}")))? {
                Some(ServerFrame::Message { peer, seq, message }) => {
                    intake.messages.push((peer, seq, message));
                }
                // `TALKING` says it again, behind what expired.
                Some(ServerFrame::Stored { peer, .. } | ServerFrame::Delivered { peer, .. })
                    if self.is_opening(&peer) => {}
                Some(ServerFrame::Stored { peer, n }) => {
                    let (stored, _) = intake.receipts.entry(peer).or_default();
                    *stored = n.max(*stored);
                }
                Some(ServerFrame::Delivered { peer, n }) => {
                    let (_, delivered) = intake.receipts.entry(peer).or_default();
                    *delivered = n.max(*delivered);
                }
                Some(frame) => {
                    self.take_in(std::mem::take(&mut intake), connection).await?;
                    self.take_frame(frame, connection).await?;
                }
                None => return self.take_in(intake, connection).await,
            }
        }
    }

    /// Writes messages and receipts to disk, and only then acknowledges and tells of them.
    async fn take_in(&mut self, intake: Intake, connection: &mut Connection) -> Result<(), Exit> {
        let Intake { messages, expired, receipts } = intake;
        if messages.is_empty() && receipts.is_empty() {
            return Ok(());
        }
        let mut acknowledged = BTreeMap::new();
        for (peer, seq, message) in &messages {
            self.with(peer, |it| it.came(message.id));
            acknowledged.insert(peer.clone(), *seq);
        }
        let receipts: Vec<_> = receipts
            .into_iter()
            .map(|(peer, (stored, delivered))| (self.scope(&peer), stored, delivered))
            .collect();
        let expired: Vec<_> = expired.into_iter().map(|(peer, n)| (self.scope(&peer), n)).collect();
        let (server, unasked) = (self.server.clone(), self.config.unasked);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let mut fresh = Vec::new();
            for (peer, _, message) in messages {
                fresh.extend(history::receive(tx, &server, peer, message, unasked)?);
            }
            let mut given_up = Vec::new();
            for (scope, n) in expired {
                if outbox::expire(tx, &scope, n)? {
                    given_up.push((scope.peer, n));
                }
            }
            let mut moved = Vec::new();
            for (scope, stored, delivered) in receipts {
                let change = outbox::receive_receipt(tx, &scope, stored, delivered)?;
                moved.push((scope.peer, stored, delivered, change));
            }
            Ok((fresh, given_up, moved))
        };
        let (fresh, given_up, moved) = self.store.run(work).await?;
        for (peer, seq) in acknowledged {
            connection.answer(&ClientFrame::Ack { peer, seq });
        }
        if !fresh.is_empty() || moved.iter().any(|(.., change)| *change != outbox::Moved::default())
        {
            self.progress = Instant::now();
        }
        for (peer, n) in given_up {
            self.tell(Event::Expired { peer, n });
        }
        for (peer, stored, delivered, change) in moved {
            self.tell_receipts(peer, stored, delivered, change);
        }
        self.receive(fresh).await
    }

    fn tell_receipts(&mut self, peer: Name, stored: u64, delivered: u64, moved: outbox::Moved) {
        // Also what was stored before: a server that lost it is sent it again.
        let conversation = self.conversations.get_mut(&peer);
        if conversation.is_some_and(|it| it.stored(stored.max(delivered))) {
            self.progress = Instant::now();
        }
        if moved != outbox::Moved::default() {
            let outbox::Moved { stored, delivered } = moved;
            self.tell(Event::Receipts { peer, stored, delivered });
        }
    }

    /// Gives the face what it wants to see at once, and counts the rest for it.
    async fn receive(&mut self, fresh: Vec<Incoming>) -> Result<(), Exit> {
        let mut announce = BTreeSet::new();
        if fresh.iter().any(|message| message.file.is_some()) {
            self.files.look();
        }
        for message in fresh {
            match self.conversations.get(&message.peer) {
                Some(conversation) if conversation.faced => {
                    // Otherwise it is given when those before it are.
                    if conversation.unshown_above.is_none() {
                        self.give(message);
                    }
                }
                _ => drop(announce.insert(message.peer)),
            }
        }
        if announce.is_empty() { Ok(()) } else { self.announce_unshown(Some(announce)).await }
    }

    async fn take_frame(
        &mut self,
        frame: ServerFrame,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        match frame {
            ServerFrame::Talking { peer, presence, own, waiting } => {
                let conversation = self.conversations.get_mut(&peer);
                let expired = conversation.map(Conversation::take_expired).unwrap_or_default();
                self.check_counter(&peer, own, &expired).await?;
                let expired = expired.into_iter().map(|n| (peer.clone(), n)).collect();
                let receipts = BTreeMap::from([(peer.clone(), (own.stored, own.delivered))]);
                self.with(&peer, |it| it.opened(Instant::now(), own.have, own.stored, waiting));
                self.files.look();
                if self.is_faced(&peer) {
                    self.tell(Event::Opened { peer: peer.clone(), presence, waiting });
                    self.say_what_was_read(&peer, connection).await?;
                }
                self.take_in(Intake { messages: Vec::new(), expired, receipts }, connection).await
            }
            ServerFrame::Expired { peer, n } => self.expire(peer, n).await,
            ServerFrame::Read { peer, n } => {
                let scope = self.scope(&peer);
                let n = self.store.run(move |tx| outbox::seen(tx, &scope, n)).await?;
                self.tell(Event::Read { peer, n });
                Ok(())
            }
            ServerFrame::Refused { peer, n, refusal, text } => {
                self.take_refusal(peer, n, refusal, text);
                Ok(())
            }
            ServerFrame::Room { peer } => {
                self.with(&peer, |it| it.room(Instant::now()));
                Ok(())
            }
            ServerFrame::Waiting { peer, count } => {
                // About to be opened: the count comes with TALKING.
                if self.is_faced(&peer) {
                    return Ok(());
                }
                self.count_request(&peer, count).await?;
                self.tell_waiting(peer, count).await
            }
            // Of others nothing is written down, however many the server speaks of.
            ServerFrame::Key { peer, .. } if !self.awaits_key(&peer) => Ok(()),
            ServerFrame::Key { peer, key } => self.take_key(peer, key).await,
            ServerFrame::Presence { peer, presence } => {
                let comes = |it: &mut Conversation| it.asks_who_comes(Instant::now());
                if presence == Presence::Online
                    && self.conversations.get_mut(&peer).is_some_and(comes)
                {
                    connection.answer(&ClientFrame::Key { peer: peer.clone() });
                }
                if self.is_faced(&peer) {
                    self.tell(Event::Presence { peer, presence });
                }
                Ok(())
            }
            ServerFrame::Online { count, names } => {
                if let Some(left) = self.asked_online.checked_sub(1) {
                    self.asked_online = left;
                    self.tell(Event::Online { count, names });
                }
                Ok(())
            }
            ServerFrame::Ticket { ticket } => {
                self.files.take_ticket(ticket);
                Ok(())
            }
            ServerFrame::Blocked { peer } => {
                self.blocked(peer, true);
                Ok(())
            }
            ServerFrame::Unblocked { peer } => {
                self.blocked(peer, false);
                Ok(())
            }
            ServerFrame::Blocks { names } => {
                if self.blocks.listed(&names) {
                    self.tell(Event::Blocks { names });
                }
                Ok(())
            }
            ServerFrame::Ping => {
                connection.answer(&ClientFrame::Pong);
                Ok(())
            }
            ServerFrame::Error { code, peer, text } => self.take_error(code, peer, text),
            ServerFrame::Bye { reason, text } => Err(dismissed(reason, text).into()),
            _ => Ok(()),
        }
    }

    async fn count_request(&mut self, peer: &Name, count: u64) -> Result<(), Exit> {
        if count == 0 || self.is_known(peer).await? {
            self.requests.remove(peer);
        } else if self.requests.len() < REQUESTS || self.requests.contains_key(peer) {
            self.requests.insert(peer.clone(), count);
        }
        Ok(())
    }

    /// The server may have forgotten, and something may have been shown without one.
    async fn say_what_was_read(
        &self,
        peer: &Name,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        if !self.config.read_receipts {
            return Ok(());
        }
        let (server, of) = (self.server.clone(), peer.clone());
        let last = self.store.run(move |tx| history::last_shown(tx, &server, &of)).await?;
        if let Some((peer, installation, n)) = last {
            connection.answer(&ClientFrame::Read { peer, installation, n });
        }
        Ok(())
    }

    /// A server that has more than was ever sent from here has it from the original of this copy. What
    /// was written here meanwhile has numbers that the original has used, too.
    async fn check_counter(
        &mut self,
        peer: &Name,
        own: Watermarks,
        expired: &BTreeSet<u64>,
    ) -> Result<(), Exit> {
        let scope = self.scope(peer);
        if own.have <= self.store.run(move |tx| outbox::last_sent(tx, &scope)).await? {
            return Ok(());
        }
        let (scope, expired) = (self.scope(peer), expired.clone());
        let renumber =
            move |tx: &rusqlite::Transaction<'_>| outbox::renumber(tx, &scope, own, &expired);
        self.installation = self.store.run(renumber).await?;
        Err(Exit::Away("this data folder is a copy of another; it now counts on its own".into()))
    }

    fn blocked(&mut self, peer: Name, blocked: bool) {
        if let Some(change) = self.blocks.answered(&peer, blocked) {
            self.tell(Event::Blocked { peer, blocked, change });
        }
    }

    fn awaits_key(&self, peer: &Name) -> bool {
        self.conversations.contains_key(peer) || self.asked_keys.contains(peer)
    }

    /// What is not the key that is trusted, as no key is, holds what is written to its owner.
    pub(super) async fn take_key(
        &mut self,
        peer: Name,
        key: Option<PublicKey>,
    ) -> Result<(), Exit> {
        let (server, met) = (self.server.clone(), peer.clone());
        match self.store.run(move |tx| contacts::meet(tx, &server, &met, key)).await? {
            Meeting::Same => {
                self.held.remove(&peer);
                self.nobody.remove(&peer);
                self.told_nobody.remove(&peer);
            }
            Meeting::Other(was) => self.hold(&peer, was, key),
            Meeting::Nobody => self.find_nobody(&peer),
        }
        if self.asked_keys.remove(&peer) {
            let key = key.map(|key| key.fingerprint());
            self.tell(Event::Key { name: peer, key, current: true });
        }
        Ok(())
    }

    /// Nothing more is sent as before: what is under way may be refused, and behind `TALK` it is clear again
    /// whose the name is.
    fn hold(&mut self, peer: &Name, was: PublicKey, now: Option<PublicKey>) {
        if self.held.insert(peer.clone(), now) != Some(now) {
            self.with(peer, Conversation::ask_anew);
            let (was, now) = (was.fingerprint(), now.map(|now| now.fingerprint()));
            self.tell(Event::KeyChanged { peer: peer.clone(), was, now });
        }
    }

    /// A name that nobody has may be a slip of the pen.
    fn find_nobody(&mut self, peer: &Name) {
        self.held.remove(peer);
        if !self.conversations.contains_key(peer) {
            return;
        }
        self.nobody.insert(peer.clone());
        self.tell_nobody(peer);
    }

    pub(super) fn tell_nobody(&mut self, peer: &Name) {
        let is_news = self.nobody.contains(peer) && self.is_faced(peer);
        if is_news && self.told_nobody.insert(peer.clone()) {
            self.tell(Event::Nobody { peer: peer.clone() });
        }
    }

    async fn expire(&mut self, peer: Name, n: u64) -> Result<(), Exit> {
        if self.conversations.get_mut(&peer).is_some_and(|it| it.holds_expired(n)) {
            return Ok(());
        }
        let scope = self.scope(&peer);
        if self.store.run(move |tx| outbox::expire(tx, &scope, n)).await? {
            self.with(&peer, Conversation::fate_known);
            self.tell(Event::Expired { peer, n });
        }
        Ok(())
    }

    fn take_refusal(&mut self, peer: Name, n: u64, refusal: Refusal, because: String) {
        let after = match refusal {
            Refusal::Slow { seconds } => Some(Duration::from_secs(seconds.min(MAX_SECONDS))),
            Refusal::Full | Refusal::Store => None,
            // Behind the answer to KEY it is clear what may be sent.
            Refusal::Owner => Some(Duration::ZERO),
        };
        let conversation = self.conversations.get_mut(&peer);
        if conversation.is_some_and(|it| it.refused(n, Instant::now(), after)) {
            self.tell(Event::Refused { peer, n, refusal, because });
        }
    }

    fn take_error(
        &mut self,
        code: ErrorCode,
        peer: Option<Name>,
        text: String,
    ) -> Result<(), Exit> {
        let because = match &peer {
            Some(peer) => format!("{peer}: {text}"),
            None => text,
        };
        match (code, peer) {
            (ErrorCode::Conversations | ErrorCode::Installations, Some(peer)) => {
                self.with(&peer, |it| it.refused_to_open(Instant::now(), REOPEN));
                self.object(because);
                Ok(())
            }
            (ErrorCode::Block, Some(peer)) => {
                self.blocks.refused(&peer);
                self.object(because);
                Ok(())
            }
            // After an unknown one the server closes, if it is fatal.
            (ErrorCode::ToSelf, Some(peer)) if self.blocks.refused(&peer) => {
                self.object(because);
                Ok(())
            }
            (ErrorCode::Name | ErrorCode::ToSelf | ErrorCode::Closed | ErrorCode::Unknown, _) => {
                self.object(because);
                Ok(())
            }
            _ => Err(refused(code, because).into()),
        }
    }

    fn object(&mut self, because: String) {
        if let Some(because) = self.objections.take(because, Instant::now()) {
            self.tell(Event::Objection { because });
        }
    }
}
