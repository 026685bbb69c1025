//! What a connection was told about an open conversation, and what is new.
//!
//! Owned by the [writer](super::writer). What others mark is looked up here when there is room to tell it.
//! Invariant: what is told of a number is told once, and nothing behind an expired one before that.

use bytes::BytesMut;
use futures::stream::AbortHandle;

use super::due::FLUSH_AT;
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
    /// Expired messages were told up to this number.
    pub(super) told_expired: u64,
    pub(super) told_read: u64,
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
        // Ahead of the presence of whoever it is now.
        if marks.key {
            let key = host.names.owner(peer);
            ServerFrame::Key { peer: peer.clone(), key }.encode(out);
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
        let (told, all) = tell_expired(&self.own, installation, self.told_expired, out);
        self.told_expired = told;
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

/// Says which messages of a session expired above a number, as far as there is room. Returns up to where it is
/// told then, and whether that is all.
pub(super) fn tell_expired(
    own: &Session,
    installation: Installation,
    above: u64,
    out: &mut BytesMut,
) -> (u64, bool) {
    let mut told = above;
    for n in own.expired(installation, above).into_iter().flatten() {
        if out.len() >= FLUSH_AT {
            return (told, false);
        }
        ServerFrame::Expired { peer: own.key().receiver().clone(), n }.encode(out);
        told = n;
    }
    (told, true)
}
