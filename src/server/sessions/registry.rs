//! All sessions: a `DashMap` from session key (`"john:marie"`) to [`Session`].
//!
//! Owned by the server. A session is here while its sender has the conversation open or its mailbox
//! is not empty; `TALK` by either side revives it. No guard of the map lives across an await.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use event_listener::listener;

use super::session::{Session, Status};
use super::strangers::{Strangers, TooManyStrangers};
use super::window::Windows;
use crate::mailbox::{Commit, Mailbox, MailboxError};
use crate::message::{Name, SessionKey, Uptime};
use crate::server::link::Link;
use crate::server::people::Circle;
use crate::task;

/// See the [module](self).
pub(crate) struct Registry {
    sessions: DashMap<String, Session>,
    /// By receiver: sessions in which a message was refused since the receiver last made room.
    refused: DashMap<Name, HashSet<SessionKey>>,
    strangers: Strangers,
    /// Sessions whose sender is blocked, in which something had a body at the start.
    unwanted: Mutex<Vec<SessionKey>>,
    windows: Arc<Windows>,
    mailbox: Arc<dyn Mailbox>,
    circle: Arc<Circle>,
}

/// How long it may take until what waits has expired, when a block ends or a name is given up, and until all else that
/// becomes of it is on the disk.
const RENEWAL: Duration = Duration::from_secs(5);

impl Registry {
    /// Keeps at most `memory` bytes of what waits in memory.
    pub(crate) fn new(mailbox: Arc<dyn Mailbox>, circle: Arc<Circle>, memory: u64) -> Self {
        let windows = Windows::new(memory);
        let has_bodies = |key: &SessionKey| mailbox.set_aside(key, true).bytes > 0;
        let unwanted = Mutex::new(circle.all_blocks().into_iter().filter(has_bodies).collect());
        let (sessions, refused, strangers) = (DashMap::new(), DashMap::new(), Strangers::default());
        let registry = Self { sessions, refused, strangers, unwanted, windows, mailbox, circle };
        registry.find_strangers();
        registry
    }

    fn find_strangers(&self) {
        for receiver in self.mailbox.receivers() {
            for (sender, _) in self.mailbox.waiting(&receiver) {
                let Ok(key) = SessionKey::new(sender, receiver.clone()) else { continue };
                if !self.circle.has_accepted(&key) {
                    self.strangers.find(&key);
                }
            }
        }
    }

    /// Removes the bodies of blocked people's waiting messages that a crash, or an earlier version, left. To be called
    /// once, when people may sign in.
    pub(crate) async fn withhold_unwanted(&self) -> Result<(), MailboxError> {
        // All of it is taken at once.
        let unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).split_off(0);
        for key in unwanted {
            // Loading the session does it.
            self.retire(&self.open(&key).await?);
        }
        Ok(())
    }

    pub(crate) fn circle(&self) -> &Circle {
        &self.circle
    }

    pub(crate) fn mailbox(&self) -> &dyn Mailbox {
        &*self.mailbox
    }

    /// How many sessions there are.
    pub(crate) fn count(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// The session with `key`, in which the connection is entered as its sender's.
    pub(crate) async fn enter(
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
    pub(crate) async fn revive(&self, key: &SessionKey) -> Result<(), MailboxError> {
        if self.get(key).is_none() {
            let session = self.open(key).await?;
            self.retire(&session);
        }
        Ok(())
    }

    /// The session with `key`, if it is loaded.
    pub(crate) fn get(&self, key: &SessionKey) -> Option<Session> {
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
    pub(crate) fn leave(&self, session: &Session, link: &Link) {
        if session.leave(link.id) {
            self.forget_refusal(session.key());
        }
        self.retire(session);
        // A session that its successor retired may also have been written to since, in vain.
        if self.get(session.key()).is_none_or(|it| it.is_left()) {
            self.strangers.remove(session.key());
        }
    }

    /// The sender of a session begins to write, and so knows its receiver. Returns whether the receiver knows them, or
    /// is one of at most `most` who do not.
    pub(crate) async fn approach(
        &self,
        key: &SessionKey,
        most: usize,
    ) -> Result<Result<(), TooManyStrangers>, MailboxError> {
        self.answer(&key.reverse());
        if most == 0 || self.strangers.has(key) || self.knows(key).await? {
            return Ok(Ok(()));
        }
        if self.strangers.add(key, most).is_ok() {
            return Ok(Ok(()));
        }
        for receiver in self.strangers.unseen(key.sender()) {
            let Ok(found) = SessionKey::new(key.sender().clone(), receiver) else { continue };
            if self.knows(&found).await? || !self.is_owed(&found).await? {
                self.strangers.remove(&found);
            } else {
                self.strangers.saw(&found);
            }
        }
        Ok(self.strangers.add(key, most))
    }

    /// Whether something waits in a session that the present owner of its sender's name has written.
    async fn is_owed(&self, key: &SessionKey) -> Result<bool, MailboxError> {
        let session = self.open(key).await?;
        let waiting = session.waiting_of_owner();
        self.retire(&session);
        Ok(waiting > 0)
    }

    /// The receiver of a session knows its sender from now on.
    pub(crate) fn answer(&self, key: &SessionKey) {
        self.strangers.remove(key);
    }

    /// The receiver has everything up to `position` on disk. Returns how long one of these messages took, if one was
    /// timed.
    pub(crate) fn acknowledge(&self, session: &Session, position: u64) -> Option<Duration> {
        let acknowledged = session.acknowledge(self.mailbox(), position);
        if acknowledged.made_room {
            self.announce_room(session.key().receiver());
        }
        if session.waiting() == 0 {
            self.retire(session);
        }
        acknowledged.took
    }

    /// The receiver did not take the oldest message, whose position this is.
    pub(crate) fn bounce(&self, session: &Session, position: u64) {
        if session.bounce(self.mailbox(), position) {
            self.announce_room(session.key().receiver());
        }
    }

    /// A message was refused in a session; its sender wants to know when there is room.
    pub(crate) fn remember_refusal(&self, key: &SessionKey) {
        self.refused.entry(key.receiver().clone()).or_default().insert(key.clone());
    }

    /// Nobody is there any more to be told that there is room.
    fn forget_refusal(&self, key: &SessionKey) {
        if let Some(mut keys) = self.refused.get_mut(key.receiver()) {
            keys.remove(key);
        }
        self.refused.remove_if(key.receiver(), |_, keys| keys.is_empty());
    }

    /// The mailbox has made something durable.
    pub(crate) fn commit(&self, commit: &Commit, expiring: impl Fn(&SessionKey)) {
        let Some(session) = self.get(&commit.key) else { return };
        if session.commit(self.mailbox(), commit) {
            self.announce_room(commit.key.receiver());
            expiring(&commit.key);
        }
        if session.waiting() == 0 {
            self.retire(&session);
        }
    }

    /// Expires messages that have waited since before a time, and says in which sessions.
    pub(crate) async fn sweep(
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

    /// A name was taken from its owner: nobody writes to it without opening the conversation again.
    pub(crate) fn outdate(&self, receiver: &Name) {
        self.loaded(|key| key.receiver() == receiver).iter().for_each(Session::outdate);
    }

    /// A name is given up: what waits for it expires, and every block that it stands in ends. All of that is
    /// on disk before it is `remembered` there. Returns how many messages waited.
    pub(crate) async fn vacate<E>(
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

    /// A name is given up: forgets its installations, and keeps what still waits of it for others from counting for its
    /// next owner. All of that is on the disk then. Returns how many messages wait.
    pub(crate) async fn forget_sender(&self, name: &Name) -> Result<u64, MailboxError> {
        let mut waiting = 0;
        for key in self.sent_by(name).await? {
            let session = self.open(&key).await?;
            waiting += session.forget_sender(self.mailbox());
            self.retire(&session);
        }
        self.strangers.forget(name);
        let synced = task::within(RENEWAL, self.mailbox.synced()).await;
        synced.unwrap_or_else(|| Err(MailboxError("it takes too long".into())))?;
        Ok(waiting)
    }

    /// All that somebody has written and waits for others expires. All of that is on the disk then. Returns how much it
    /// was in which session.
    pub(crate) async fn expire_words_of(
        &self,
        name: &Name,
    ) -> Result<Vec<(SessionKey, u64)>, MailboxError> {
        let keys = self.sent_by(name).await?;
        let Ok(gone) = self.renew(keys, async { Ok::<(), Infallible>(()) }).await?;
        Ok(gone)
    }

    async fn sent_by(&self, name: &Name) -> Result<HashSet<SessionKey>, MailboxError> {
        let mut keys: HashSet<_> = self.mailbox.sessions_of(name).await?.into_iter().collect();
        keys.extend(self.loaded(|key| key.sender() == name).iter().map(|it| it.key().clone()));
        Ok(keys)
    }

    /// From whom how many messages wait for `receiver`, without those whom they block.
    pub(crate) fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)> {
        let mut waiting = self.mailbox.waiting(receiver);
        waiting.retain(|(sender, _)| !self.circle.blocks(receiver, sender));
        waiting
    }

    /// The same for one sender.
    pub(crate) fn waiting_of(&self, key: &SessionKey) -> u64 {
        let session = self.get(key).filter(|_| !self.circle.is_blocked(key));
        session.map_or(0, |session| session.waiting())
    }

    /// Whether the receiver of a session has accepted its sender, or has written to them.
    pub(crate) async fn knows(&self, key: &SessionKey) -> Result<bool, MailboxError> {
        if self.circle.has_accepted(key) {
            return Ok(true);
        }
        let answer = self.open(&key.reverse()).await?;
        let has_written = answer.is_used();
        self.retire(&answer);
        Ok(has_written)
    }

    /// The receiver of a session now blocks its sender: what waits of them leaves room for others.
    pub(crate) async fn block(&self, key: &SessionKey) -> Result<(), MailboxError> {
        let session = self.open(key).await?;
        session.block(self.mailbox(), &self.circle);
        self.retire(&session);
        // Whoever is blocked must not be told that something happened.
        self.announce_room_but_to(key.receiver(), Some(key));
        Ok(())
    }

    /// The receiver of a session no longer blocks its sender. What was written meanwhile has no body, and must be gone
    /// from the disk before the end of the block is `remembered` there.
    pub(crate) async fn unblock<E>(
        &self,
        key: &SessionKey,
        remembered: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<(), E>, MailboxError> {
        Ok(self.renew([key.clone()], remembered).await?.map(drop))
    }

    /// Expires all that waits in sessions, and ends the blocks in them once that is `remembered`. Returns how much
    /// waited in each.
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

    /// Expires all that waits in sessions, and puts these into `sessions`, with how much it was.
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

    /// The mailbox stores messages again, after it refused them; or more may wait than before.
    pub(crate) fn announce_recovery(&self) {
        let receivers: Vec<_> = self.refused.iter().map(|entry| entry.key().clone()).collect();
        receivers.iter().for_each(|receiver| self.announce_room(receiver));
    }

    /// Those of the loaded sessions that are meant.
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

    /// The same, except for one of them.
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
        if retired.is_some() {
            self.strangers.remove(key);
        }
        if retired.is_some()
            && let Some(reverse) = self.get(&key.reverse())
        {
            reverse.set_status(Status::Waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;

    use super::*;
    use crate::mailbox::MemoryMailbox;
    use crate::message::{Installation, Message};
    use crate::server::Quota;
    use crate::server::link::ConnectionId;
    use crate::server::sessions::Offer;
    use crate::wire::frame::Presence;

    #[test]
    fn what_is_to_expire_does_so_once_it_is_committed_and_its_receiver_is_told() {
        let registry = Registry::new(Arc::new(MemoryMailbox::default()), Arc::default(), 0);
        let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
        let installation = Installation::from_u64(1);
        let link = Arc::new(Link::new(
            ConnectionId(1),
            key.sender().clone(),
            installation,
            Presence::Online,
        ));
        let session = block_on(registry.enter(&key, &link)).unwrap();
        let message = Message::text(1, 1, "hello");
        let (mailbox, quota) = (registry.mailbox(), Quota::default());
        session.accept(mailbox, &quota, Offer::of(1, vec![message])).unwrap();
        assert!(!session.expire(mailbox, 1), "it is not committed yet");
        let told = std::cell::RefCell::new(Vec::new());
        let commit = Commit { key: key.clone(), up_to: 1, ended_up_to: 0 };
        registry.commit(&commit, |it| told.borrow_mut().push(it.clone()));
        assert_eq!(told.into_inner(), [key]);
    }

    #[test]
    fn who_was_refused_and_left_is_told_nothing_and_not_remembered() {
        let mailbox: Arc<dyn Mailbox> = Arc::new(MemoryMailbox::default());
        let registry = Registry::new(mailbox, Arc::default(), 0);
        let link = |id| {
            let (name, installation) = ("eve".parse().unwrap(), Installation::from_u64(1));
            Arc::new(Link::new(ConnectionId(id), name, installation, Presence::Online))
        };
        let key = SessionKey::new("eve".parse().unwrap(), "nobody".parse().unwrap()).unwrap();
        let (old, new) = (link(1), link(2));
        let session = block_on(registry.enter(&key, &old)).unwrap();
        registry.remember_refusal(&key);
        block_on(registry.enter(&key, &new)).unwrap();
        registry.leave(&session, &old);
        assert!(!registry.refused.is_empty(), "a later connection wants to know");
        registry.leave(&session, &new);
        assert!(registry.refused.is_empty() && registry.sessions.is_empty());
    }
}
