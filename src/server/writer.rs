//! The write task of a connection: owns the socket's writing half and is the only one who writes.
//!
//! It awaits, all at once: the connection's end, answers from its read task, what others marked on
//! the link, and for each open conversation the reverse session with its batches. Whatever is ready
//! is written with one system call. It holds at most [`FLUSH_AT`] bytes and one batch beside.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_channel::Receiver;
use bytes::{Buf, BytesMut};
use futures::future::{Either, select};
use futures::stream::{AbortHandle, Abortable, SelectAll};
use futures::{AsyncWriteExt, FutureExt, Stream, StreamExt, select_biased};

use super::Host;
use super::delivery::{Delivery, Sent, SentTable, deliveries};
use super::link::{End, EndOnDrop, Link, Marks, Notices, Pulse};
use super::session::Session;
use crate::mailbox::MailboxError;
use crate::message::{Name, SessionKey};
use crate::task;
use crate::wire::codec::Frame;
use crate::wire::encode_messages;
use crate::wire::frame::{ByeReason, ErrorCode, Presence, ServerFrame, Watermarks};
use crate::wire::stream::BoxWriter;

/// When so many bytes are ready they are written before more is collected.
const FLUSH_AT: usize = 256 * 1024;

/// How long a connection that ends may take to take what it is told.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many answers wait for the write task. Behind them the read task waits, and so the peer.
pub(super) const REPLIES: usize = 16;

/// What a read task hands to its write task.
pub(super) enum Reply {
    /// To be written as it is. Boxed, because each connection holds room for [`REPLIES`] of these.
    Frame(Box<ServerFrame>),
    /// Open, or begin again, the conversation in which this connection owns the session.
    Open(Session),
    /// Close the conversation with this peer.
    Close(Name),
}

/// Writes until the connection ends, then says why and closes.
pub(super) async fn run(
    host: Arc<Host>,
    link: Arc<Link>,
    sent: SentTable,
    replies: Receiver<Reply>,
    half: BoxWriter,
    first: BytesMut,
) {
    let _both = EndOnDrop(link.clone());
    let mut writer = Writer {
        host,
        link: link.clone(),
        sent,
        conversations: HashMap::new(),
        streams: SelectAll::new(),
        out: first,
        half,
    };
    if let Err(error) = writer.serve(&replies).await {
        log::debug!("writing to {}: {error}", link.name);
        link.end(End::Gone);
        // A frame may be cut in its middle: a farewell would be taken for the rest of it.
        let _ = writer.half.close().await;
        return;
    }
    // What still waits in the sessions stays there: only answers are part of the farewell.
    while let Ok(reply) = replies.try_recv() {
        if let Reply::Frame(frame) = reply {
            frame.encode(&mut writer.out);
        }
    }
    let end = link.ended().await;
    if task::within(FAREWELL, writer.farewell(end)).await.is_none() {
        log::debug!("{} did not take its farewell", link.name);
    }
}

type DeliveryStream = Pin<Box<dyn Stream<Item = Result<Delivery, MailboxError>> + Send>>;

struct Writer {
    host: Arc<Host>,
    link: Arc<Link>,
    sent: SentTable,
    conversations: HashMap<Name, Conversation>,
    streams: SelectAll<Abortable<DeliveryStream>>,
    out: BytesMut,
    half: BoxWriter,
}

/// An open conversation, and what was last told about it.
struct Conversation {
    /// The session in which this connection's own messages go.
    own: Session,
    told: Watermarks,
    /// Expired messages were told up to this position.
    told_expired: u64,
    presence: Presence,
    stream: AbortHandle,
}

/// One of the things that a write task waits for.
enum Work {
    Ended,
    Reply(Reply),
    Notices(Notices),
    Delivery(Result<Delivery, MailboxError>),
}

impl Writer {
    async fn serve(&mut self, replies: &Receiver<Reply>) -> io::Result<()> {
        self.flush().await?;
        loop {
            let mut next = Some(self.next(replies).await);
            while let Some(work) = next {
                match work {
                    Work::Ended => return Ok(()),
                    Work::Reply(reply) => self.reply(reply),
                    Work::Notices(notices) => self.tell(notices),
                    Work::Delivery(delivery) => self.deliver(delivery),
                }
                let more = self.out.len() < FLUSH_AT;
                next = if more { self.next(replies).now_or_never() } else { None };
            }
            self.flush().await?;
        }
    }

    async fn next(&mut self, replies: &Receiver<Reply>) -> Work {
        let Self { link, streams, .. } = self;
        select_biased! {
            _ = link.ended().fuse() => Work::Ended,
            reply = replies.recv().fuse() => reply.map_or(Work::Ended, Work::Reply),
            notices = link.noticed().fuse() => Work::Notices(notices),
            delivery = streams.select_next_some() => Work::Delivery(delivery),
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
        }
    }

    fn open(&mut self, own: Session) {
        let peer = own.key().receiver().clone();
        self.close(&peer);
        let told = own.watermarks(self.link.installation);
        // Ahead of TALKING, whose `delivered` would claim them.
        let told_expired = self.tell_expired(&peer, &own, 0);
        let presence = self.host.directory.presence(&peer);
        let reverse = self.host.registry.get(&own.key().reverse());
        let waiting = reverse.map_or(0, |session| session.waiting());
        self.say(&ServerFrame::Talking { peer: peer.clone(), presence, own: told, waiting });
        let stream = deliveries(self.host.registry.clone(), own.clone());
        let (stream, handle) = futures::stream::abortable(Box::pin(stream) as DeliveryStream);
        self.streams.push(stream);
        let conversation = Conversation { own, told, told_expired, presence, stream: handle };
        self.conversations.insert(peer, conversation);
    }

    fn close(&mut self, peer: &Name) {
        if let Some(conversation) = self.conversations.remove(peer) {
            conversation.stream.abort();
        }
    }

    fn tell(&mut self, notices: Notices) {
        if notices.ping {
            self.say(&ServerFrame::Ping);
        }
        for (peer, marks) in notices.peers {
            match self.conversations.remove(&peer) {
                Some(mut conversation) => {
                    self.tell_open(&peer, marks, &mut conversation);
                    self.conversations.insert(peer, conversation);
                }
                None if marks.waiting => self.tell_waiting(peer, 0),
                None => {}
            }
        }
    }

    fn tell_open(&mut self, peer: &Name, marks: Marks, conversation: &mut Conversation) {
        if marks.receipts {
            self.tell_receipts(peer, conversation);
        }
        if marks.presence {
            let presence = self.host.directory.presence(peer);
            if std::mem::replace(&mut conversation.presence, presence) != presence {
                self.say(&ServerFrame::Presence { peer: peer.clone(), presence });
            }
        }
        if marks.room {
            self.say(&ServerFrame::Room { peer: peer.clone() });
        }
    }

    fn tell_receipts(&mut self, peer: &Name, conversation: &mut Conversation) {
        let now = conversation.own.watermarks(self.link.installation);
        conversation.told_expired =
            self.tell_expired(peer, &conversation.own, conversation.told_expired);
        let told = std::mem::replace(&mut conversation.told, now);
        if now.delivered > told.delivered {
            self.say(&ServerFrame::Delivered { peer: peer.clone(), n: now.delivered });
        }
        // Delivered implies stored.
        if now.stored > told.stored.max(now.delivered) {
            self.say(&ServerFrame::Stored { peer: peer.clone(), n: now.stored });
        }
    }

    /// Says which messages expired above a position. Returns up to where it is told then.
    fn tell_expired(&mut self, peer: &Name, own: &Session, after: u64) -> u64 {
        let mut told = after;
        for run in own.expired(self.link.installation, after) {
            for n in run.first_n..=run.last_n() {
                self.say(&ServerFrame::Expired { peer: peer.clone(), n });
            }
            told = run.last_position();
        }
        told
    }

    /// Says how many messages wait from `peer`, if there are so many at least.
    fn tell_waiting(&mut self, peer: Name, at_least: u64) {
        let Ok(key) = SessionKey::new(peer.clone(), self.link.name.clone()) else { return };
        let count = self.host.registry.get(&key).map_or(0, |session| session.waiting());
        if count >= at_least {
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
            // Each change of the table is whole before anything can panic.
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
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
        let Self { link, out, half, .. } = self;
        let writing = Box::pin(write_all(half, out, link.pulse()));
        let written = match select(writing, Box::pin(link.ended())).await {
            Either::Left((written, _)) => written,
            Either::Right((_, writing)) => match task::within(FAREWELL, writing).await {
                Some(written) => written,
                None => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        link.pulse().write_ended();
        self.out = BytesMut::new();
        written
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

/// Writes everything. The heartbeat looks at each step alone: a peer that takes little at a time is
/// slow, and one that takes nothing is dead.
async fn write_all(half: &mut BoxWriter, out: &mut BytesMut, pulse: &Pulse) -> io::Result<()> {
    while !out.is_empty() {
        pulse.write_begins();
        let written = half.write(out).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        out.advance(written);
    }
    Ok(())
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
