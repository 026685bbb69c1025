//! Which sessions there are: a `DashMap` from session key (`"john:marie"`) to [`Session`].
//!
//! Owned by the server. A session is here while its sender has the conversation open or its mailbox
//! is not empty; `TALK` by either side revives it. No guard of the map lives across an await.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use event_listener::listener;

use super::contacts::Circle;
use super::link::Link;
use super::session::{Session, Status};
use super::window::Windows;
use crate::mailbox::{Commit, Mailbox, MailboxError};
use crate::message::{Name, SessionKey, Uptime};
use crate::task;

/// See the [module](self).
pub(super) struct Registry {
    sessions: DashMap<String, Session>,
    /// By receiver: sessions in which a message was refused since the receiver last made room.
    refused: DashMap<Name, HashSet<SessionKey>>,
    /// Sessions whose sender is blocked, in which something had a body at the start.
    unwanted: Mutex<Vec<SessionKey>>,
    windows: Arc<Windows>,
    mailbox: Arc<dyn Mailbox>,
    circle: Arc<Circle>,
}

/// How long what waits may take to expire when a block ends, or a name is given up.
const RENEWAL: Duration = Duration::from_secs(5);

impl Registry {
    /// Keeps at most `memory` bytes of what waits in memory.
    pub(super) fn new(mailbox: Arc<dyn Mailbox>, circle: Arc<Circle>, memory: u64) -> Self {
        let windows = Windows::new(memory);
        let has_bodies = |key: &SessionKey| mailbox.set_aside(key, true).bytes > 0;
        let unwanted = Mutex::new(circle.all_blocks().into_iter().filter(has_bodies).collect());
        let (sessions, refused) = (DashMap::new(), DashMap::new());
        Self { sessions, refused, unwanted, windows, mailbox, circle }
    }

    /// Has what waits of people who are blocked lose its body, where a crash came between, or an earlier version
    /// left it. To be called once, when people may come.
    pub(super) async fn withhold_unwanted(&self) -> Result<(), MailboxError> {
        // It is taken whole.
        let unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
        for key in unwanted {
            // Loading it does.
            self.retire(&self.open(&key).await?);
        }
        Ok(())
    }

    pub(super) fn circle(&self) -> &Circle {
        &self.circle
    }

    pub(super) fn mailbox(&self) -> &dyn Mailbox {
        &*self.mailbox
    }

    /// A connection's own session with `key`, with the connection as its sender's.
    pub(super) async fn enter(
        &self,
        key: &SessionKey,
        link: &Arc<Link>,
    ) -> Result<Session, MailboxError> {
        loop {
            let session = self.open(key).await?;
            if session.enter(link).is_ok() {
                return Ok(session);
            }
        }
    }

    /// Brings back a session that has messages waiting, whose sender may be long gone.
    pub(super) async fn revive(&self, key: &SessionKey) -> Result<(), MailboxError> {
        if self.get(key).is_none() {
            let session = self.open(key).await?;
            self.retire(&session);
        }
        Ok(())
    }

    /// The session with `key`, if it is loaded.
    pub(super) fn get(&self, key: &SessionKey) -> Option<Session> {
        let session = self.sessions.get(&key.to_string())?.clone();
        session.is_loaded().then_some(session)
    }

    /// Waits until the reverse of a session exists: the receiver has come to talk, or has left
    /// something.
    pub(super) async fn reverse_of(&self, session: &Session) -> Session {
        let key = session.key().reverse();
        loop {
            listener!(session.changed() => changed);
            if let Some(reverse) = self.get(&key)
                && reverse.status() != Status::Retired
            {
                return reverse;
            }
            changed.await;
        }
    }

    /// A connection no longer has the conversation open.
    pub(super) fn leave(&self, session: &Session, link: &Link) {
        session.leave(link.id);
        self.retire(session);
    }

    /// The receiver has everything up to `position` on disk.
    pub(super) fn acknowledge(&self, session: &Session, position: u64) {
        if session.acknowledge(self.mailbox(), position) {
            self.announce_room(session.key().receiver());
        }
        if session.waiting() == 0 {
            self.retire(session);
        }
    }

    /// A message was refused in a session; its sender wants to know when there is room.
    pub(super) fn remember_refusal(&self, key: &SessionKey) {
        self.refused.entry(key.receiver().clone()).or_default().insert(key.clone());
    }

    /// The mailbox has made something durable.
    pub(super) fn commit(&self, commit: &Commit) {
        let Some(session) = self.get(&commit.key) else { return };
        session.commit(self.mailbox(), commit);
        if session.waiting() == 0 {
            self.retire(&session);
        }
    }

    /// Lets messages expire that wait since before a time, and says of which sessions.
    pub(super) async fn sweep(
        &self,
        before: Uptime,
        expiring: impl Fn(&SessionKey),
    ) -> Result<(), MailboxError> {
        loop {
            let overdue = self.mailbox.overdue(before).await?;
            let mut any = false;
            for (key, position) in &overdue {
                let session = self.open(key).await?;
                if session.expire(self.mailbox(), *position) {
                    any = true;
                    self.announce_room(key.receiver());
                    expiring(key);
                }
            }
            if !any {
                return Ok(());
            }
        }
    }

    /// A name was taken from its owner: nobody writes to it who does not open the conversation again.
    pub(super) fn outdate(&self, receiver: &Name) {
        self.loaded(|key| key.receiver() == receiver).iter().for_each(Session::outdate);
    }

    /// A name is given up: what waits for it expires, and every block that it stands in ends. All of that is
    /// on disk before it is `remembered` there. Returns how many messages waited.
    pub(super) async fn vacate<E>(
        &self,
        name: &Name,
        remembered: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<u64, E>, MailboxError> {
        let waiting = self.mailbox.waiting(name).into_iter();
        let waiting = waiting.filter_map(|(from, _)| SessionKey::new(from, name.clone()).ok());
        let loaded = self.loaded(|key| key.receiver() == name).into_iter();
        let mut keys: HashSet<_> = waiting.chain(loaded.map(|it| it.key().clone())).collect();
        keys.extend(self.circle.blocks_with(name));
        let renewed = self.renew(keys, remembered).await?;
        Ok(renewed.map(|waited| {
            waited.iter().filter(|(key, _)| key.receiver() == name).map(|(_, count)| count).sum()
        }))
    }

    /// A name is given up: forgets what is known of its data folders. Returns how many messages of it
    /// still wait for others.
    pub(super) async fn forget_sender(&self, name: &Name) -> Result<u64, MailboxError> {
        let mut keys: HashSet<_> = self.mailbox.sessions_of(name).await?.into_iter().collect();
        keys.extend(self.loaded(|key| key.sender() == name).iter().map(|it| it.key().clone()));
        let mut waiting = 0;
        for key in keys {
            let session = self.open(&key).await?;
            waiting += session.forget_sender(self.mailbox());
            self.retire(&session);
        }
        Ok(waiting)
    }

    /// Who has how much waiting for `receiver` that they want to hear.
    pub(super) fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)> {
        let mut waiting = self.mailbox.waiting(receiver);
        waiting.retain(|(sender, _)| !self.circle.blocks(receiver, sender));
        waiting
    }

    /// How much that is of one sender.
    pub(super) fn waiting_of(&self, key: &SessionKey) -> u64 {
        let session = self.get(key).filter(|_| !self.circle.is_blocked(key));
        session.map_or(0, |session| session.waiting())
    }

    /// Whether the receiver of a session wants to hear of its sender, or has written to them.
    pub(super) async fn knows(&self, key: &SessionKey) -> Result<bool, MailboxError> {
        if self.circle.has_accepted(key) {
            return Ok(true);
        }
        let answer = self.open(&key.reverse()).await?;
        let has_written = answer.is_used();
        self.retire(&answer);
        Ok(has_written)
    }

    /// The receiver of a session now blocks its sender: to others there is room for what they took.
    pub(super) async fn block(&self, key: &SessionKey) -> Result<(), MailboxError> {
        let session = self.open(key).await?;
        session.block(self.mailbox(), &self.circle);
        self.retire(&session);
        // Who is blocked would be told that something happened.
        self.announce_room_but_to(key.receiver(), Some(key));
        Ok(())
    }

    /// The receiver of a session wants to hear of its sender again. What was written meanwhile has no body,
    /// and must be gone from the disk before that is `remembered` there.
    pub(super) async fn unblock<E>(
        &self,
        key: &SessionKey,
        remembered: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<(), E>, MailboxError> {
        Ok(self.renew([key.clone()], remembered).await?.map(drop))
    }

    /// Has all expire that waits in sessions, and no sender be blocked in them once that is `remembered`.
    /// Returns how much waited in each.
    async fn renew<E>(
        &self,
        keys: impl IntoIterator<Item = SessionKey>,
        remembered: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<Vec<(SessionKey, u64)>, E>, MailboxError> {
        let mut sessions = Vec::new();
        let expired = task::within(RENEWAL, self.let_expire(keys, &mut sessions)).await;
        let done = match expired {
            Some(Ok(())) => Ok(remembered.await),
            Some(Err(error)) => Err(error),
            None => Err(MailboxError("it takes too long".into())),
        };
        for (session, _) in &sessions {
            session.end_renewing(self.mailbox(), &self.circle);
            self.announce_room(session.key().receiver());
            self.retire(session);
        }
        let waited = sessions.iter().map(|(session, waited)| (session.key().clone(), *waited));
        done.map(|done| done.map(|()| waited.collect()))
    }

    /// Has all expire that waits in sessions, and puts these into `sessions`, with how much that was.
    async fn let_expire(
        &self,
        keys: impl IntoIterator<Item = SessionKey>,
        sessions: &mut Vec<(Session, u64)>,
    ) -> Result<(), MailboxError> {
        for key in keys {
            let (session, waited) = loop {
                let session = self.open(&key).await?;
                if let Ok(waited) = session.begin_to_renew(self.mailbox()) {
                    break (session, waited);
                }
            };
            sessions.push((session, waited));
        }
        for (session, _) in sessions {
            session.has_expired().await;
        }
        Ok(())
    }

    /// Messages are stored again after they were refused.
    pub(super) fn announce_recovery(&self) {
        let receivers: Vec<_> = self.refused.iter().map(|entry| entry.key().clone()).collect();
        receivers.iter().for_each(|receiver| self.announce_room(receiver));
    }

    /// The sessions that are loaded, of those that are meant.
    fn loaded(&self, is_meant: impl Fn(&SessionKey) -> bool) -> Vec<Session> {
        let meant = self.sessions.iter().filter(|it| is_meant(it.value().key()) && it.is_loaded());
        meant.map(|it| it.value().clone()).collect()
    }

    async fn open(&self, key: &SessionKey) -> Result<Session, MailboxError> {
        let fresh = || Session::new(key.clone(), &self.windows);
        let session = self.sessions.entry(key.to_string()).or_insert_with(fresh).clone();
        session.load(self.mailbox(), &self.circle).await?;
        if let Some(reverse) = self.get(&key.reverse()) {
            session.set_status(Status::Active);
            reverse.set_status(Status::Active);
        }
        Ok(session)
    }

    /// Tells everybody whose messages to `receiver` were refused, each once for a refusal.
    fn announce_room(&self, receiver: &Name) {
        self.announce_room_but_to(receiver, None);
    }

    /// The same, but for one of them.
    fn announce_room_but_to(&self, receiver: &Name, but: Option<&SessionKey>) {
        let refused = self.refused.remove(receiver).map(|(_, keys)| keys).unwrap_or_default();
        for key in &refused {
            if but == Some(key) {
                self.remember_refusal(key);
            } else if let Some(session) = self.get(key) {
                session.announce_room();
            }
        }
    }

    fn retire(&self, session: &Session) {
        let key = session.key();
        let retired = self.sessions.remove_if(&key.to_string(), |_, it| it.retire());
        if retired.is_some()
            && let Some(reverse) = self.get(&key.reverse())
        {
            reverse.set_status(Status::Waiting);
        }
    }
}
