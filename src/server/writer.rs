//! The write task of a connection: owns the socket's writing half and is the only one who writes.
//!
//! It awaits, all at once: the connection's end, answers from its read task, what others marked on
//! the link, and for each open conversation the reverse session with its batches. Whatever is ready
//! is written with one system call. It holds at most [`FLUSH_AT`] bytes and one batch beside.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::stream::{AbortHandle, Abortable, SelectAll};
use futures::{AsyncWrite, AsyncWriteExt, Stream, StreamExt};

use super::Host;
use super::delivery::{Delivery, Sent, deliveries};
use super::link::{ByPeer, End, EndOnDrop, Link, Marks, Notices, Reply, Side};
use super::session::Session;
use crate::mailbox::MailboxError;
use crate::message::{Installation, Name, SessionKey};
use crate::task;
use crate::trust::PublicKey;
use crate::wire::codec::Frame;
use crate::wire::encode_messages;
use crate::wire::frame::{ByeReason, ErrorCode, Presence, ServerFrame, Watermarks};
use crate::wire::transport::BoxWriter;

/// When so many bytes are ready they are written before more is collected.
const FLUSH_AT: usize = 256 * 1024;

/// How long a connection that ends may take to take what it is told.
const FAREWELL: Duration = Duration::from_secs(1);

/// Writes until the connection ends, then says why and closes.
pub(super) async fn run(host: Arc<Host>, link: Arc<Link>, half: BoxWriter, first: BytesMut) {
    let _both = EndOnDrop(link.clone());
    let conversations = ByPeer::default();
    let (streams, told_key) = (None, None);
    let mut writer = Writer { host, link, conversations, streams, told_key, out: first, half };
    let served = writer.serve().await;
    Box::pin(writer.leave(served)).await;
}

type DeliveryStream = Pin<Box<dyn Stream<Item = Result<Delivery, MailboxError>> + Send>>;

struct Writer {
    host: Arc<Host>,
    link: Arc<Link>,
    conversations: ByPeer<Conversation>,
    /// What open conversations bring; none as long as there was none.
    streams: Option<Box<SelectAll<Abortable<DeliveryStream>>>>,
    /// The last answer to `KEY`.
    told_key: Option<(Name, Option<PublicKey>)>,
    out: BytesMut,
    half: BoxWriter,
}

/// An open conversation, and what was last told about it.
struct Conversation {
    /// The session in which this connection's own messages go.
    own: Session,
    told: Watermarks,
    /// Expired messages were told up to this number.
    told_expired: u64,
    told_read: u64,
    presence: Presence,
    stream: AbortHandle,
}

impl Conversation {
    /// Tells what was marked about the peer.
    fn tell(&mut self, host: &Host, link: &Link, peer: &Name, marks: Marks, out: &mut BytesMut) {
        if marks.receipts {
            self.tell_receipts(link.installation, peer, out);
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
    }

    fn tell_receipts(&mut self, installation: Installation, peer: &Name, out: &mut BytesMut) {
        let now = self.own.watermarks(installation);
        self.told_expired = tell_expired(&self.own, installation, self.told_expired, out);
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
    }
}

/// Says which messages of a session expired above a number. Returns up to where it is told then.
fn tell_expired(own: &Session, installation: Installation, above: u64, out: &mut BytesMut) -> u64 {
    let mut told = above;
    for n in own.expired(installation, above).into_iter().flatten() {
        ServerFrame::Expired { peer: own.key().receiver().clone(), n }.encode(out);
        told = n;
    }
    told
}

/// How far a write came.
enum Flushed {
    Done(io::Result<()>),
    /// The connection has ended, and the peer has not taken everything yet.
    Ended,
}

impl Writer {
    /// Writes what comes until the connection ends.
    async fn serve(&mut self) -> io::Result<()> {
        loop {
            self.flush().await?;
            if poll_fn(|context| self.poll_collect(context)).await.is_break() {
                return Ok(());
            }
        }
    }

    /// Collects what is ready, up to what is written at once. Breaks at the connection's end.
    fn poll_collect(&mut self, context: &mut Context<'_>) -> Poll<ControlFlow<()>> {
        let before = self.out.len();
        while self.out.len() < FLUSH_AT {
            if self.link.poll_ended(Side::Write, context).is_ready() {
                return Poll::Ready(ControlFlow::Break(()));
            }
            if let Poll::Ready(notices) = self.link.poll_noticed(context) {
                self.tell(notices);
            } else if let Poll::Ready(delivery) = self.poll_delivery(context) {
                self.deliver(delivery);
            } else if self.out.len() > before {
                break;
            } else {
                return Poll::Pending;
            }
        }
        Poll::Ready(ControlFlow::Continue(()))
    }

    fn poll_delivery(&mut self, context: &mut Context<'_>) -> Poll<Result<Delivery, MailboxError>> {
        // Without an open conversation the streams end; another may be opened.
        let next = self.streams.as_mut().map(|streams| streams.poll_next_unpin(context));
        match next {
            Some(Poll::Ready(Some(delivery))) => Poll::Ready(delivery),
            _ => Poll::Pending,
        }
    }

    fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Frame(frame) => frame.encode(&mut self.out),
            Reply::Open(own) => self.open(own),
            Reply::Close(peer) => {
                self.close(&peer);
                self.tell_waiting(peer, 1);
            }
            Reply::Key(peer) => self.tell_key(peer),
        }
    }

    /// Looked up here, so that the answer is never older than what was said before it.
    fn tell_key(&mut self, peer: Name) {
        let key = self.host.names.owner(&peer);
        self.told_key = Some((peer.clone(), key));
        self.say(&ServerFrame::Key { peer, key });
    }

    fn open(&mut self, own: Session) {
        let peer = own.key().receiver().clone();
        self.close(&peer);
        // Who asked ahead of TALK was not told yet what happened in between.
        if self
            .told_key
            .take()
            .is_some_and(|it| it.0 == peer && it.1 != self.host.names.owner(&peer))
        {
            self.tell_key(peer.clone());
        }
        let told = own.watermarks(self.link.installation);
        // Ahead of TALKING, whose `delivered` would claim them.
        let told_expired = tell_expired(&own, self.link.installation, 0, &mut self.out);
        let presence = self.host.presence(&peer, &self.link.name);
        let waiting = self.host.registry.waiting_of(&own.key().reverse());
        self.say(&ServerFrame::Talking { peer: peer.clone(), presence, own: told, waiting });
        let told_read = own.read_up_to(self.link.installation);
        if told_read > 0 {
            self.say(&ServerFrame::Read { peer: peer.clone(), n: told_read });
        }
        let stream = deliveries(self.host.registry.clone(), own.clone());
        let (stream, handle) = futures::stream::abortable(Box::pin(stream) as DeliveryStream);
        self.streams.get_or_insert_default().push(stream);
        let conversation =
            Conversation { own, told, told_expired, told_read, presence, stream: handle };
        self.conversations.insert(peer, conversation);
    }

    fn close(&mut self, peer: &Name) {
        if let Some(conversation) = self.conversations.remove(peer) {
            conversation.stream.abort();
        }
    }

    fn tell(&mut self, notices: Notices) {
        for reply in notices.replies {
            self.reply(reply);
        }
        if notices.ping {
            self.say(&ServerFrame::Ping);
        }
        for (peer, marks) in notices.peers {
            let Self { host, link, conversations, out, .. } = self;
            match conversations.get_mut(&peer) {
                Some(conversation) => conversation.tell(host, link, &peer, marks, out),
                None if marks.waiting => self.tell_waiting(peer, 0),
                None => {}
            }
        }
    }

    /// Says how many messages wait from `peer`, if there are so many at least.
    fn tell_waiting(&mut self, peer: Name, at_least: u64) {
        let Ok(key) = SessionKey::new(peer.clone(), self.link.name.clone()) else { return };
        let registry = &self.host.registry;
        let count = registry.waiting_of(&key);
        if count >= at_least && !registry.circle().is_blocked(&key) {
            self.say(&ServerFrame::Waiting { peer, count });
        }
    }

    fn deliver(&mut self, delivery: Result<Delivery, MailboxError>) {
        let Delivery { peer, session, batch, after } = match delivery {
            Ok(delivery) => delivery,
            Err(error) => {
                log::error!("reading what waits for {}: {error}", self.link.name);
                let text = "the server cannot read its messages now; try again later".into();
                return self.link.end(End::Failed(ErrorCode::Busy, text));
            }
        };
        let messages = batch.after(after);
        let first = batch.last() + 1 - messages.len() as u64;
        let seq = {
            let mut sent = self.link.sent();
            let sent = sent.entry(peer.clone()).or_insert_with(|| Sent::new(session.clone()));
            sent.assign(&session, first, messages.len() as u64)
        };
        encode_messages(&mut self.out, &peer, seq, messages);
    }

    fn say(&mut self, frame: &ServerFrame) {
        frame.encode(&mut self.out);
    }

    /// Writes all that was collected. A peer that ends meanwhile, or takes nothing until the
    /// heartbeat ends it, is not waited for.
    async fn flush(&mut self) -> io::Result<()> {
        self.link.pulse().writes(true);
        let written = match poll_fn(|context| self.poll_flush(context)).await {
            Flushed::Done(written) => written,
            Flushed::Ended => {
                let rest = self.half.write_all(&self.out);
                let late = || Err(io::ErrorKind::TimedOut.into());
                Box::pin(task::within(FAREWELL, rest)).await.unwrap_or_else(late)
            }
        };
        self.link.pulse().writes(false);
        self.out = BytesMut::new();
        written
    }

    /// Writes as long as the peer takes something. The heartbeat looks at each step alone: a peer
    /// that takes little at a time is slow, and one that takes nothing is dead.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Flushed> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.half).poll_write(context, &self.out) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Flushed::Done(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.link.pulse().writes(true);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Flushed::Done(Err(error))),
                Poll::Pending => return self.poll_given_up(context),
            }
        }
        match Pin::new(&mut self.half).poll_flush(context) {
            Poll::Ready(flushed) => Poll::Ready(Flushed::Done(flushed)),
            Poll::Pending => self.poll_given_up(context),
        }
    }

    fn poll_given_up(&self, context: &mut Context<'_>) -> Poll<Flushed> {
        self.link.poll_ended(Side::Write, context).map(|_| Flushed::Ended)
    }

    /// Closes, and says why if that can still be understood.
    async fn leave(mut self, served: io::Result<()>) {
        let link = self.link.clone();
        if let Err(error) = served {
            log::debug!("writing to {}: {error}", link.name);
            link.end(End::Gone);
            // A frame may be cut in its middle: a farewell would be taken for the rest of it.
            let _ = task::within(FAREWELL, self.half.close()).await;
            return;
        }
        // What still waits in the sessions stays there: only answers are part of the farewell.
        for reply in link.take_notices().replies {
            if let Reply::Frame(frame) = reply {
                frame.encode(&mut self.out);
            }
        }
        let end = link.ended(Side::Write).await;
        if task::within(FAREWELL, self.farewell(end)).await.is_none() {
            log::debug!("{} did not take its farewell", link.name);
        }
    }

    async fn farewell(mut self, end: &End) {
        match end {
            End::Gone => {}
            End::Bye(reason) => {
                self.say(&ServerFrame::Bye { reason: *reason, text: goodbye(*reason).into() });
            }
            End::Failed(code, text) => {
                self.say(&ServerFrame::Error { code: *code, peer: None, text: text.clone() });
            }
        }
        // The peer may be gone already; then there is nobody to tell.
        let _ = self.half.write_all(&self.out).await;
        let _ = self.half.close().await;
    }
}

fn goodbye(reason: ByeReason) -> &'static str {
    match reason {
        ByeReason::Quit => "goodbye",
        ByeReason::Replaced => "you signed in elsewhere, which takes over",
        ByeReason::Shutdown => "the server stops; what waits is sent when you come again",
        ByeReason::Idle => "nothing was heard for too long",
        ByeReason::Unknown => "",
    }
}
