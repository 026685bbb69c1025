//! What the read task owns of a connection, and how it answers.
//!
//! Invariant: whatever a connection opened, it closes itself when this is dropped, and closes nothing that its
//! successor opened.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::collected::Collected;
use super::shared::{Reply, Shared};
use super::turn::Turn;
use crate::mailbox::Usage;
use crate::message::{Name, SessionKey};
use crate::server::files::Issued;
use crate::server::host::Host;
use crate::server::limits::SLOWED;
use crate::server::link::{ByPeer, End, Link, Side};
use crate::server::people::Watch;
use crate::server::sessions::Session;
use crate::task;
use crate::wire::frame::{ErrorCode, ServerFrame};

/// What the read task owns.
pub(super) struct Reading<'a> {
    pub(super) host: &'a Arc<Host>,
    pub(super) link: &'a Arc<Link>,
    pub(super) shared: Arc<Shared>,
    pub(super) open: ByPeer<Conversation>,
    pub(super) collected: Option<Collected>,
    pub(super) ticket: Option<Box<Issued>>,
    pub(super) turn: Turn,
}

/// A conversation that is open on this connection.
pub(super) struct Conversation {
    pub(super) own: Session,
    /// The device list of the peer.
    pub(super) list: Watch,
    /// A message was refused: all that follow are dropped until `TALK`.
    pub(super) refusing: bool,
    /// The receiver knows the sender, or was counted as one who does not.
    pub(super) approached: bool,
}

/// Go on, or end the connection.
pub(super) type Flow = ControlFlow<End>;

impl Reading<'_> {
    /// Backpressure for somebody who is too fast: waits, at most for a moment and while the connection lasts. If that
    /// is not enough, returns how long it would take.
    pub(super) async fn keep_to_rate(&self, written: Usage) -> Result<(), Duration> {
        let admit = || self.host.person_rates.admit(&self.link.name, written);
        let Err(wait) = admit() else { return Ok(()) };
        // What was read before the end is handled in any case.
        let _ = task::within(wait.min(SLOWED), self.link.ended(Side::Read)).await;
        if wait > SLOWED { Err(wait - SLOWED) } else { admit() }
    }

    /// Counts a frame other than a message like one, with an answer of this many bytes. Whoever asks too often is
    /// slowed down, but answered.
    pub(super) async fn count(&self, answer: usize) {
        let _ = self.keep_to_rate(Usage::one(answer)).await;
    }

    /// The key of the session in which this connection writes to `peer`; none to itself.
    pub(super) fn session_with(&self, peer: &Name) -> Option<SessionKey> {
        SessionKey::new(self.link.name.clone(), peer.clone()).ok()
    }

    pub(super) async fn to_self(&self, peer: Name) -> Flow {
        self.object(ErrorCode::ToSelf, Some(peer), "nobody can talk to themselves").await
    }

    pub(super) fn leave(&self, peer: &Name, conversation: &Conversation) {
        self.host.directory.unwatch(peer, self.link);
        self.host.registry.leave(&conversation.own, self.link);
    }

    pub(super) async fn object(&self, code: ErrorCode, peer: Option<Name>, text: &str) -> Flow {
        self.say(ServerFrame::Error { code, peer, text: text.into() }).await
    }

    pub(super) async fn say(&self, frame: ServerFrame) -> Flow {
        self.reply(Reply::Frame(Box::new(frame))).await
    }

    /// Hands something to the write task, waiting while it has too much to do.
    pub(super) async fn reply(&self, reply: Reply) -> Flow {
        self.shared.reply(self.link, reply).await.map_or_else(Flow::Break, Flow::Continue)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        for (peer, conversation) in &self.open {
            self.leave(peer, conversation);
        }
    }
}

pub(super) fn fail(code: ErrorCode, text: &str) -> Flow {
    Flow::Break(End::Failed(code, text.into()))
}
