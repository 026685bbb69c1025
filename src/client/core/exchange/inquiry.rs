//! Asking for the fate of messages sent under a former installation, and sending the rest of them.
//!
//! It is a short connection, signed in as that installation, before the main one: to the server it is one more client
//! of the same person, and every rule of delivery holds. Nothing is received: what waits is not acknowledged, and comes
//! again. Invariant: the next visit makes up for one that was cut short.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use async_channel::Receiver;

use super::super::exit::Exit;
use super::super::order::Order;
use super::super::state::{Core, GOODBYE, ROWS};
use crate::client::event::Event;
use crate::client::line::broken::{dismissed, refused};
use crate::client::line::connection::{Connection, Progress};
use crate::client::store::scope::Scope;
use crate::client::store::{formers, outbox};
use crate::message::{Installation, Name};
use crate::task;
use crate::wire::frame::{ClientFrame, ErrorCode, ServerFrame, Watermarks};

/// How many conversations are open at once. Others follow when one is done.
const AT_ONCE: usize = 500;

/// How long a visit may take. What is not done by then is left to the next one.
const LIMIT: Duration = Duration::from_secs(60);

/// How soon to ask again where something could not be sent.
const ASK_SOON: Duration = Duration::from_secs(60);

/// How soon to ask again for the fate of what the server has stored.
const ASK_LATER: Duration = Duration::from_secs(15 * 60);

/// A visit.
struct Inquiry {
    former: Installation,
    next: VecDeque<Name>,
    open: BTreeMap<Name, Talk>,
    /// Something new was learned.
    has_news: bool,
}

/// A conversation in it.
#[derive(Debug, Default)]
struct Talk {
    /// `TALKING` has come.
    talks: bool,
    /// The last number that was sent, or did not need to be.
    sent: u64,
    stored: u64,
    /// The last number that was ever sent.
    last: u64,
    /// What of that expired, reported before `TALKING`.
    expired: BTreeSet<u64>,
}

impl Inquiry {
    fn sent(&mut self, peer: &Name, last: u64) {
        if let Some(talk) = self.open.get_mut(peer) {
            talk.sent = last;
        }
    }
}

impl Core {
    /// The former installations of this server.
    pub(crate) async fn formers(&self) -> Result<Vec<Installation>, Exit> {
        let server = self.server.clone();
        Ok(self.store.run(move |tx| formers::all(tx, &server)).await?)
    }

    /// Makes the visit. If it fails, the client goes on all the same.
    pub(super) async fn inquire(
        &mut self,
        mut connection: Connection,
        former: Installation,
        orders: &Receiver<Order>,
    ) -> Result<(), Exit> {
        let server = self.server.clone();
        let next = self.store.run(move |tx| formers::peers(tx, &server, former)).await?.into();
        let mut inquiry = Inquiry { former, next, open: BTreeMap::new(), has_news: false };
        match self.ask(&mut inquiry, &mut connection, orders).await {
            Err(Exit::Away(because) | Exit::Busy(because)) => {
                log::warn!("not all is known of what was sent: {because}");
            }
            done => done?,
        }
        connection.quit(GOODBYE).await;
        let server = self.server.clone();
        self.store.run(move |tx| formers::settle(tx, &server, former)).await?;
        if inquiry.has_news {
            self.tell(Event::Joined);
        }
        Ok(())
    }

    /// When to ask again, if something is left to ask for.
    pub(super) async fn next_inquiry(&self) -> Result<Option<Instant>, Exit> {
        let server = self.server.clone();
        let look = move |tx: &rusqlite::Transaction<'_>| {
            let formers = formers::all(tx, &server)?;
            Ok((!formers.is_empty()).then_some(formers::has_unsent(tx, &server)?))
        };
        let left = self.store.run(look).await?;
        let after = left.map(|unsent| if unsent { ASK_SOON } else { ASK_LATER });
        Ok(after.map(|after| Instant::now() + after))
    }

    async fn ask(
        &mut self,
        inquiry: &mut Inquiry,
        connection: &mut Connection,
        orders: &Receiver<Order>,
    ) -> Result<(), Exit> {
        let until = Instant::now() + LIMIT;
        loop {
            self.open_next(inquiry, connection).await?;
            self.send_rest(inquiry, connection).await?;
            if inquiry.open.is_empty() && inquiry.next.is_empty() {
                return Ok(());
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { return Ok(()) };
            let progress =
                async { task::within(left, connection.progress(true)).await.transpose() };
            match self.meanwhile(progress, orders).await? {
                Some(Progress::Read) => self.take_answers(inquiry, connection).await?,
                Some(Progress::Wrote) => {}
                Some(Progress::Silence) => connection.break_silence()?,
                None => return Ok(()),
            }
        }
    }

    async fn open_next(
        &mut self,
        inquiry: &mut Inquiry,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        while inquiry.open.len() < AT_ONCE
            && let Some(peer) = inquiry.next.pop_front()
        {
            // Nothing is sent to somebody whose key is not known to be the same.
            connection.say(&ClientFrame::Key { peer: peer.clone() });
            self.say_talk(inquiry.former, &peer, connection).await?;
            let scope = Scope { installation: inquiry.former, ..self.scope(&peer) };
            let last = self.store.run(move |tx| outbox::last_sent(tx, &scope)).await?;
            inquiry.open.insert(peer, Talk { last, ..Talk::default() });
        }
        Ok(())
    }

    async fn say_talk(
        &self,
        former: Installation,
        peer: &Name,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let scope = Scope { installation: former, ..self.scope(peer) };
        let settled = self.store.run(move |tx| outbox::settled(tx, &scope)).await?;
        connection.say(&ClientFrame::Talk { peer: peer.clone(), settled });
        Ok(())
    }

    /// Sends what the server does not have, and closes what is done.
    async fn send_rest(
        &mut self,
        inquiry: &mut Inquiry,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let ready = |talk: &Talk| talk.talks && talk.stored >= talk.sent;
        let open = inquiry.open.iter().filter(|(_, talk)| ready(talk));
        for peer in open.map(|(peer, _)| peer.clone()).collect::<Vec<Name>>() {
            let scope = Scope { installation: inquiry.former, ..self.scope(&peer) };
            let above = inquiry.open.get(&peer).map_or(0, |talk| talk.sent);
            let limit = if self.held.contains_key(&peer) { 0 } else { ROWS };
            let take = move |tx: &rusqlite::Transaction<'_>| {
                outbox::take_unsettled(tx, &scope, above, limit)
            };
            let messages = self.store.run(take).await?;
            match messages.last() {
                Some(last) => inquiry.sent(&peer, last.n),
                None => self.close_talk(inquiry, &peer, connection).await?,
            }
            for message in messages {
                connection.say(&message.to(&peer));
            }
        }
        Ok(())
    }

    async fn close_talk(
        &mut self,
        inquiry: &mut Inquiry,
        peer: &Name,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        // The server need not keep any more what is known now.
        self.say_talk(inquiry.former, peer, connection).await?;
        connection.say(&ClientFrame::Close { peer: peer.clone() });
        inquiry.open.remove(peer);
        Ok(())
    }

    async fn take_answers(
        &mut self,
        inquiry: &mut Inquiry,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let nonsense = |error| Exit::Away(format!("the server said nonsense: {error}"));
        while let Some(frame) = connection.next_ready().map_err(nonsense)? {
            self.take_answer(frame, inquiry, connection).await?;
        }
        Ok(())
    }

    async fn take_answer(
        &mut self,
        frame: ServerFrame,
        inquiry: &mut Inquiry,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        match frame {
            ServerFrame::Key { peer, key } if inquiry.open.contains_key(&peer) => {
                self.take_key(peer, key).await
            }
            ServerFrame::Talking { peer, own, .. } => self.take_talking(peer, own, inquiry).await,
            ServerFrame::Stored { peer, n } => self.take_fates(peer, n, 0, inquiry).await,
            ServerFrame::Delivered { peer, n } => self.take_fates(peer, n, n, inquiry).await,
            ServerFrame::Expired { peer, n } => {
                let Some(talk) = inquiry.open.get_mut(&peer) else { return Ok(()) };
                if n <= talk.last {
                    talk.expired.insert(n);
                }
                if talk.talks { self.take_expired(&peer, inquiry).await } else { Ok(()) }
            }
            ServerFrame::Read { peer, n } => {
                let scope = Scope { installation: inquiry.former, ..self.scope(&peer) };
                self.store.run(move |tx| outbox::seen(tx, &scope, n)).await?;
                Ok(())
            }
            ServerFrame::Refused { peer, .. } => {
                inquiry.open.remove(&peer);
                Ok(())
            }
            ServerFrame::Error { code, peer: Some(peer), .. } if is_of_one(code) => {
                inquiry.open.remove(&peer);
                Ok(())
            }
            ServerFrame::Error { code, text, .. } => Err(refused(code, text).into()),
            ServerFrame::Bye { reason, text } => Err(dismissed(reason, text).into()),
            ServerFrame::Ping => {
                connection.answer(&ClientFrame::Pong);
                Ok(())
            }
            // The next connection is told all of it again.
            _ => Ok(()),
        }
    }

    async fn take_talking(
        &mut self,
        peer: Name,
        own: Watermarks,
        inquiry: &mut Inquiry,
    ) -> Result<(), Exit> {
        let Some(talk) = inquiry.open.get_mut(&peer) else { return Ok(()) };
        (talk.talks, talk.sent) = (true, own.have);
        // What expired is covered by `delivered`, too.
        self.take_expired(&peer, inquiry).await?;
        self.take_fates(peer, own.stored, own.delivered, inquiry).await
    }

    async fn take_fates(
        &mut self,
        peer: Name,
        stored: u64,
        delivered: u64,
        inquiry: &mut Inquiry,
    ) -> Result<(), Exit> {
        // What expired is held until `TALKING`, which says it again.
        let talk = inquiry.open.get_mut(&peer).filter(|talk| talk.talks);
        let Some(talk) = talk else { return Ok(()) };
        talk.stored = talk.stored.max(stored).max(delivered);
        self.progress = Instant::now();
        let scope = Scope { installation: inquiry.former, ..self.scope(&peer) };
        let take = move |tx: &rusqlite::Transaction<'_>| {
            outbox::receive_receipt(tx, &scope, stored, delivered)
        };
        inquiry.has_news |= self.store.run(take).await? != outbox::Moved::default();
        Ok(())
    }

    async fn take_expired(&mut self, peer: &Name, inquiry: &mut Inquiry) -> Result<(), Exit> {
        let Some(talk) = inquiry.open.get_mut(peer) else { return Ok(()) };
        let scope = Scope { installation: inquiry.former, ..self.scope(peer) };
        let expired = std::mem::take(&mut talk.expired);
        inquiry.has_news |= !expired.is_empty();
        let expire = move |tx: &rusqlite::Transaction<'_>| {
            expired.iter().try_for_each(|n| outbox::expire(tx, &scope, *n).map(drop))
        };
        Ok(self.store.run(expire).await?)
    }
}

/// Whether an error is of one conversation alone.
fn is_of_one(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Conversations
            | ErrorCode::Installations
            | ErrorCode::Name
            | ErrorCode::ToSelf
            | ErrorCode::Closed
            | ErrorCode::Unknown
    )
}
