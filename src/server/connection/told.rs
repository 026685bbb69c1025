//! What a connection was told about an open conversation, compared with the present state.
//!
//! Owned by the [writer](super::writer). What others mark is looked up here when there is room to tell it. Invariant:
//! the fate of a number is told once, and nothing about later ones before it has been told that it expired or bounced.

use bytes::BytesMut;
use futures::stream::AbortHandle;

use super::due::FLUSH_AT;
use crate::mailbox::Fate;
use crate::message::{Installation, Name};
use crate::server::host::Host;
use crate::server::link::{Link, Marks};
use crate::server::sessions::Session;
use crate::wire::codec::Frame;
use crate::wire::frame::{Presence, ServerFrame, Watermarks};

/// An open conversation, and what was last told about it.
pub(super) struct Conversation {
    /// The session in which this connection's own messages go.
    pub(super) own: Session,
    pub(super) told: Watermarks,
    /// What expired and bounced was reported up to this number.
    pub(super) told_ended: u64,
    pub(super) told_read: u64,
    /// The version of the peer's device list.
    pub(super) version: u64,
    pub(super) presence: Presence,
    pub(super) stream: AbortHandle,
}

impl Conversation {
    /// Tells what was marked about the peer. False if there is no room for all of it.
    pub(super) fn tell(
        &mut self,
        host: &Host,
        link: &Link,
        peer: &Name,
        marks: Marks,
        out: &mut BytesMut,
    ) -> bool {
        if marks.receipts && !self.tell_receipts(link.installation, peer, out) {
            return false;
        }
        // Before the presence of the new owner.
        if marks.key {
            let key = host.names.owner(peer);
            ServerFrame::Key { peer: peer.clone(), key }.encode(out);
            // Whoever has the name now begins with another list.
            self.version = 0;
        }
        if marks.list {
            let version = host.lists.version(peer);
            if std::mem::replace(&mut self.version, version) != version {
                ServerFrame::Changed { peer: peer.clone(), version }.encode(out);
            }
        }
        if marks.presence {
            let presence = host.presence(peer, &link.name);
            if std::mem::replace(&mut self.presence, presence) != presence {
                ServerFrame::Presence { peer: peer.clone(), presence }.encode(out);
            }
        }
        if marks.room {
            ServerFrame::Room { peer: peer.clone() }.encode(out);
        }
        true
    }

    fn tell_receipts(
        &mut self,
        installation: Installation,
        peer: &Name,
        out: &mut BytesMut,
    ) -> bool {
        let now = self.own.watermarks(installation);
        let (told, all) = tell_ended(&self.own, installation, self.told_ended, out);
        self.told_ended = told;
        if !all {
            return false;
        }
        let told = std::mem::replace(&mut self.told, now);
        if now.delivered > told.delivered {
            ServerFrame::Delivered { peer: peer.clone(), n: now.delivered }.encode(out);
        }
        // Delivered implies stored.
        if now.stored > told.stored.max(now.delivered) {
            ServerFrame::Stored { peer: peer.clone(), n: now.stored }.encode(out);
        }
        let read = self.own.read_up_to(installation);
        if read > std::mem::replace(&mut self.told_read, read) {
            ServerFrame::Read { peer: peer.clone(), n: read }.encode(out);
        }
        true
    }
}

/// Says which messages of a session above a number expired or bounced, as far as there is room. Returns up to where that
/// was said, and whether it is all.
pub(super) fn tell_ended(
    own: &Session,
    installation: Installation,
    above: u64,
    out: &mut BytesMut,
) -> (u64, bool) {
    let mut told = above;
    let ended = own.ended(installation, above).into_iter();
    for (fate, n) in ended.flat_map(|(fate, numbers)| numbers.map(move |n| (fate, n))) {
        if out.len() >= FLUSH_AT {
            return (told, false);
        }
        let peer = own.key().receiver().clone();
        match fate {
            Fate::Expired => ServerFrame::Expired { peer, n }.encode(out),
            Fate::Bounced => ServerFrame::Bounced { peer, n }.encode(out),
        }
        told = n;
    }
    (told, true)
}
