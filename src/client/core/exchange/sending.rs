//! What goes to the server: conversations are opened, and what is in the outbox is sent.
//!
//! Owned by the core. Invariant: what is sent is on the disk, and has its number there.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::state::{Core, ROWS};
use crate::client::config::Seal;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::outbox::Outgoing;
use crate::client::store::scope::Scope;
use crate::client::store::sealed::sealing::{self, Taken, Want};
use crate::client::store::too_long::{self, TooLong};
use crate::client::store::{devices, outbox};
use crate::message::{Name, Timestamp};
use crate::seal::longest_inside;
use crate::wire::MAX_BODY;
use crate::wire::frame::{ClientFrame, Refusal};

/// Backpressure: when this many bytes are to be written, only acknowledgements are added.
const UNWRITTEN_HIGH: usize = 256 * 1024;

/// When to look again whether the server takes longer messages.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// When to look again whether somebody has keys to seal for.
const LOOK_FOR_KEYS: Duration = Duration::from_secs(60);

/// Why nothing can be sent yet.
enum NotYet {
    /// There is no list, and nothing may go unsealed.
    NoList,
    /// Nobody could open it.
    NoReader,
    /// Another version of the list is believed meanwhile.
    OtherList,
    /// This folder cannot show yet whose it is.
    Unsigned,
}

impl Core {
    pub(crate) async fn talk_where_due(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let now = Instant::now();
        let due: Vec<Name> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.is_talk_due(now))
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in due {
            let scope = self.scope(&peer);
            let look = move |tx: &Transaction<'_>| {
                let Scope { server, peer, .. } = &scope;
                let list = devices::known(tx, server, peer)?.version;
                let is_doubted = devices::is_offered(tx, server, peer)?;
                let has_former = devices::has_former(tx, server, peer)?;
                let numbers = (outbox::settled(tx, &scope)?, outbox::last_sent(tx, &scope)?);
                Ok((numbers, list, is_doubted, has_former))
            };
            let ((settled, sent), list, is_doubted, has_former) = self.store.run(look).await?;
            // Before everything that is said in it.
            connection.answer(&ClientFrame::Key { peer: peer.clone() });
            connection.answer(&ClientFrame::Talk { peer: peer.clone(), settled });
            self.with(&peer, |it| {
                it.opening(sent, now);
                it.list.opening(list, is_doubted);
                it.list.drains(has_former);
            });
            self.requests.remove(&peer);
            // It comes again.
            self.unopened.take(&peer);
        }
        Ok(())
    }

    /// Sends what is above the last number that was sent: new messages and retries alike.
    pub(crate) async fn send_outbox(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let peers = self.conversations.keys().filter(|peer| !self.held.stops(peer));
        let mut is_lacking = false;
        for peer in peers.cloned().collect::<Vec<Name>>() {
            if connection.unwritten() >= UNWRITTEN_HIGH {
                break;
            }
            let may_send = self.conversations.get(&peer).and_then(Conversation::may_send);
            let Some((above, room)) = may_send else { continue };
            let version = self.conversations.get(&peer).map_or(0, |it| it.list.known());
            let limit = self.keep_what_is_too_long(&peer, above, room.min(ROWS), version).await?;
            let messages = match self.take_to_send(&peer, version, above, limit).await? {
                Ok(messages) => messages,
                Err(_) if self.has_no_more(&peer, above).await? => Vec::new(),
                Err(why) => {
                    self.wait_to_send(&peer, why);
                    is_lacking = true;
                    continue;
                }
            };
            let last = messages.last().map(|message| message.n);
            let all = messages.len() < limit as usize;
            self.with(&peer, |it| it.sent(last, all));
            for message in messages {
                connection.say(&message.to(&peer, version));
            }
        }
        if is_lacking {
            self.ask_lists_where_due(connection);
        }
        Ok(())
    }

    /// What is to be sent now: sealed for those who have a device list.
    async fn take_to_send(
        &mut self,
        peer: &Name,
        version: u64,
        above: u64,
        limit: u32,
    ) -> Result<Result<Vec<Outgoing>, NotYet>, Exit> {
        let scope = self.scope(peer);
        if version == 0 {
            let may_be_plain = self.config.seal == Seal::Auto;
            let take = move |tx: &Transaction<'_>| {
                let is_plain = may_be_plain && sealing::may_be_plain(tx, &scope)?;
                is_plain.then(|| outbox::take_unsettled(tx, &scope, above, limit)).transpose()
            };
            let taken = self.store.run(take).await?;
            self.tell_left_clear(peer, taken.as_deref().unwrap_or_default());
            return Ok(taken.ok_or(NotYet::NoList));
        }
        let Some(me) = self.me() else { return Ok(Err(NotYet::Unsigned)) };
        let (keyring, now) = (self.keyring.clone(), Timestamp::now());
        let take = move |tx: &Transaction<'_>| {
            let keyring = &mut keyring.lock().unwrap_or_else(PoisonError::into_inner);
            sealing::take(tx, keyring, &me, &scope, Want { version, above, limit }, now)
        };
        Ok(match self.store.run(take).await? {
            Taken::Messages(messages) => Ok(messages),
            Taken::OtherList => Err(NotYet::OtherList),
            Taken::NoReader => Err(NotYet::NoReader),
        })
    }

    /// Whether nothing is to be sent to somebody above a number: then nothing has to be sealed either.
    async fn has_no_more(&self, peer: &Name, above: u64) -> Result<bool, Exit> {
        let scope = self.scope(peer);
        let next = move |tx: &Transaction<'_>| outbox::unsettled(tx, &scope, above, 1);
        Ok(self.store.run(next).await?.is_empty())
    }

    fn wait_to_send(&mut self, peer: &Name, why: NotYet) {
        match why {
            NotYet::NoList if self.has_asked_for_keys(peer) => self.hold_for_keys(peer),
            NotYet::NoReader => self.wait_for_keys(peer),
            NotYet::Unsigned => self.sign_where_due(),
            NotYet::NoList | NotYet::OtherList => {}
        }
    }

    /// Also of somebody whom the face has not open: what waited for them goes.
    fn tell_left_clear(&mut self, peer: &Name, messages: &[Outgoing]) {
        let numbers: Vec<u64> = messages.iter().map(|message| message.n).collect();
        if numbers.is_empty() {
            return;
        }
        if !self.nobody.contains(peer) && self.told_unsealed.insert(peer.clone()) {
            self.tell(Event::Unsealed { peer: peer.clone() });
        }
        self.tell(Event::LeftClear { peer: peer.clone(), numbers });
    }

    /// Nothing can be sealed, for only older programs have used the devices of this list: it is asked for once more, and then
    /// looked at again.
    fn wait_for_keys(&mut self, peer: &Name) {
        if !self.has_asked_for_keys(peer) {
            return;
        }
        self.with(peer, |it| it.refused_to_open(Instant::now(), LOOK_FOR_KEYS));
        let because = format!(
            "what you write to {peer} waits: the server shows no keys of {peer} to seal for; it goes out once it does"
        );
        self.tell_if_few(Event::Objection { because });
    }

    /// Whether the server was asked a moment ago what can be sealed for. Otherwise it is asked.
    fn has_asked_for_keys(&mut self, peer: &Name) -> bool {
        let now = Instant::now();
        let was_asked = |it: &Conversation| it.list.was_asked_within(LOOK_FOR_KEYS, now);
        let was_asked = self.conversations.get(peer).is_some_and(was_asked);
        if !was_asked {
            self.with(peer, |it| it.list.wants_keys());
        }
        was_asked
    }

    /// There is no list, and nothing goes unsealed: what is written waits until the server tells of one.
    fn hold_for_keys(&mut self, peer: &Name) {
        if self.held.hold_for_keys(peer) && !self.told_nobody.contains(peer) {
            self.tell(Event::Unsealable { peer: peer.clone() });
        } else {
            // Somebody beside the face may have written more.
            self.stir();
        }
    }

    /// How many messages may be sent, at most `limit`, before one that is too long for this server. If that one is the
    /// next, it is kept, with those behind it: it was written when nothing was known of the server.
    async fn keep_what_is_too_long(
        &mut self,
        peer: &Name,
        above: u64,
        limit: u32,
        version: u64,
    ) -> Result<u32, Exit> {
        let longest = self.longest_body;
        if longest == MAX_BODY {
            return Ok(limit);
        }
        let longest = if version > 0 { longest_inside(longest) } else { longest };
        let scope = self.scope(peer);
        let look = move |tx: &Transaction<'_>| too_long::first(tx, &scope, above, longest);
        match self.store.run(look).await? {
            Some(TooLong { n, length, before: 0 }) => {
                self.with(peer, |it| it.refused_to_open(Instant::now(), LOOK_AGAIN));
                let because =
                    format!("message {n} has {length} bytes, and this server takes {longest}");
                let (peer, refusal) = (peer.clone(), Refusal::Full);
                self.tell(Event::Refused { peer, n, refusal, because });
                Ok(0)
            }
            Some(TooLong { before, .. }) => Ok(limit.min(before)),
            None => Ok(limit),
        }
    }
}
