//! What all connections share: one [`Host`], which is handed to every task that serves them.
//!
//! Made by [`Server::bind`](super::Server::bind). Invariant: it has no lock of its own; each of its parts looks after
//! itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::Receiver;

use super::announcement::Announcement;
use super::config::Timing;
use super::counters::Counters;
use super::files::{Means, Tickets};
use super::limits::{Claims, Confirming, PersonRates};
use super::link::{ConnectionId, End, Link};
use super::listening::Endpoint;
use super::people::{Contacts, Directory, Guests, Limit, Lists, Names, Seen, Unwelcome};
use super::sessions::{Quota, Registry, Session};
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::live::Live;
use crate::message::{Name, SessionKey, Timestamp};
use crate::trust::tls::Certificates;
use crate::trust::{Fingerprint, Invite};
use crate::wire::frame::{ErrorCode, Limits, Presence, ServerFrame};

/// What all connections share.
pub(crate) struct Host {
    /// Where it listens.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) registry: Arc<Registry>,
    pub(super) directory: Arc<Directory>,
    pub(super) names: Arc<Names>,
    pub(super) contacts: Arc<Contacts>,
    pub(super) lists: Arc<Lists>,
    /// None without TLS.
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) quota: Live<Quota>,
    pub(super) blobs: Arc<Blobs>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) person_rates: Arc<PersonRates>,
    pub(super) claims: Claims,
    pub(super) confirming: Confirming,
    pub(super) guests: Guests,
    pub(super) seen: Arc<Seen>,
    pub(super) announcement: Arc<Announcement>,
    /// How long a message waits; none for ever.
    pub(super) keep: Live<Option<Duration>>,
    pub(super) clock: Arc<Clock>,
    /// When it was started, by the wall clock.
    pub(super) started: Timestamp,
    pub(super) timing: Timing,
    pub(super) last_connection: AtomicU64,
    pub(super) counters: Arc<Counters>,
    /// Closed when the server stops.
    pub(super) stopping: Receiver<Infallible>,
}

impl Host {
    pub(super) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// How many connections came.
    pub(super) fn connections(&self) -> u64 {
        self.last_connection.load(Ordering::Relaxed)
    }

    /// Tells a receiver who is online that more or less waits from a sender. Only their write task knows whether the
    /// conversation is open: a reader may still hold a session that is about to be closed.
    pub(super) fn announce_waiting(&self, sender: &Name, receiver: &Name) {
        if let Some(receiver) = self.directory.find(receiver) {
            receiver.mark(sender, |marks| marks.waiting = true);
        }
    }

    /// The receiver has everything up to `position` on disk.
    pub(super) fn acknowledge(&self, session: &Session, position: u64) {
        if let Some(took) = self.registry.acknowledge(session, position) {
            self.counters.round_trip.observe(took);
        }
    }

    /// Ends the connections of people who may no longer be signed in.
    pub(super) fn dismiss_the_unwelcome(&self) {
        let now = self.clock.uptime();
        for link in self.directory.links() {
            let refused = self.names.refuse_address(link.address, now);
            let standing = refused.and_then(|()| self.names.standing(&link.name, now));
            if let Err(unwelcome) = standing {
                dismiss(&link, unwelcome);
            }
        }
    }

    /// Has everybody be told what the operator says.
    pub(super) fn announce(&self) {
        self.directory.links().iter().for_each(|link| link.mark_announcement());
    }

    /// What the operator says to people who are there, not to programs.
    pub(super) fn announced(&self, link: &Link) -> Option<ServerFrame> {
        let text = self.announcement.text(self.clock.uptime());
        let text = text.filter(|_| link.presence == Presence::Online)?;
        Some(ServerFrame::Error { code: ErrorCode::Notice, peer: None, text })
    }

    /// Writes down who was here when, if there is something new.
    pub(super) async fn write_seen(&self) {
        let names = self.names.clone();
        self.seen.write(move |name| names.member(name).is_some()).await;
    }

    /// What a connection that carries files needs.
    pub(super) fn means_to_carry(&self) -> Means {
        Means {
            blobs: self.blobs.clone(),
            names: self.names.clone(),
            person_rates: self.person_rates.clone(),
            ping_after: self.timing.ping_after,
            idle_after: self.timing.idle_after,
            stopping: self.stopping.clone(),
            counters: self.counters.clone(),
        }
    }

    /// An address that lets somebody in: `place`, or where this server listens.
    pub(super) fn invitation(&self, place: Option<&str>, invite: &Invite) -> String {
        let own = || self.endpoints.first().map(Endpoint::public);
        let place = place.map(ToOwned::to_owned).or_else(own).unwrap_or_default();
        let key = self.fingerprint().map(|key| format!("#{key}")).unwrap_or_default();
        format!("{place}?invite={invite}{key}")
    }

    /// The server's key; none without TLS.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.certificates.as_ref().map(|it| it.current().fingerprint)
    }

    /// How much may wait in a session: limits of its sender's own, and of its receiver's, come before the server's.
    pub(super) fn quota_of(&self, key: &SessionKey) -> Quota {
        let (quota, names) = (self.quota.get(), &self.names);
        let sender = names.limits(key.sender());
        let own = |limit, usual| sender.get(limit).map_or(usual, |it| it.messages);
        let strangers = own(Limit::Strangers, quota.strangers as u64);
        Quota {
            session: sender.get(Limit::Session).unwrap_or(quota.session),
            receiver: names.limits(key.receiver()).get(Limit::Recipient).unwrap_or(quota.receiver),
            first_contact: own(Limit::FirstContact, quota.first_contact),
            strangers: usize::try_from(strangers).unwrap_or(usize::MAX),
        }
    }

    /// What `WELCOME` announces to somebody.
    pub(super) fn limits(&self, name: &Name) -> Limits {
        let (own, quota) = (self.names.limits(name), self.quota.get());
        let session = own.get(Limit::Session).unwrap_or(quota.session);
        Limits {
            handshake: self.timing.handshake.all.as_secs(),
            ping: self.timing.ping_after.as_secs(),
            idle: self.timing.idle_after.as_secs(),
            backlog: session.messages,
            backlog_bytes: session.bytes,
            recipient: quota.receiver.messages,
            recipient_bytes: quota.receiver.bytes,
            keep: self.keep.get().map_or(0, |keep| keep.as_secs()),
            file: own.get(Limit::FileSize).map_or(self.blobs.limits().file, |it| it.bytes),
            ..Limits::default()
        }
    }
}

/// Ends the connection of somebody who may no longer be signed in.
pub(super) fn dismiss(link: &Link, why: Unwelcome) {
    link.end(End::Failed(why.code(), why.to_string()));
}
