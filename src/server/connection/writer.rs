//! The write task of a connection: owns the socket's writing half and is the only one that writes.
//!
//! It awaits, all at once: the connection's end, answers from its read task, what others marked on the link, and for
//! each open conversation the reverse session with its batches. Whatever is ready is written with one system call. It
//! encodes one thing after another, as far as there is room: what is [`Due`] is not encoded earlier, and long answers
//! are encoded piece by piece. So for a peer that reads nothing, however much there is to say, the buffer holds
//! [`FLUSH_AT`] bytes and one more frame, and names: those that all answers to `ONLINE` share, or those that one person
//! blocks.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::stream::{Abortable, SelectAll};
use futures::{AsyncWrite, AsyncWriteExt, Stream, StreamExt};

use super::due::{Due, FLUSH_AT, Item};
use super::sent::Sent;
use super::shared::{Reply, Shared};
use super::told::{Conversation, tell_ended};
use super::turn::Turn;
use crate::mailbox::MailboxError;
use crate::message::{Message, Name, SessionKey};
use crate::server::host::Host;
use crate::server::link::{ByPeer, End, EndOnDrop, Link, Marks, Notices, Side};
use crate::server::people::{Lines, Listed};
use crate::server::sessions::Session;
use crate::server::sessions::{Delivery, deliveries};
use crate::task;
use crate::trust::PublicKey;
use crate::wire::codec::Frame;
use crate::wire::frame::{ByeReason, ErrorCode, ServerFrame};
use crate::wire::transport::BoxWriter;
use crate::wire::{blocks_line, encode_messages, longest_frame, online_line};

/// How much is handed to the system before the task yields: what was collected, with a frame of usual length.
const WRITE_AT_ONCE: usize = 2 * FLUSH_AT;

/// The same for lists of names, which are encoded so much at a time. It yields each time: many peers that read slowly may
/// be sent one at once.
const NAMES_AT_ONCE: usize = 8 * 1024;

/// How long a connection that ends may take to read its farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// Writes until the connection ends, then says why and closes. Begins with `first`, and with what waits from whom.
pub(super) async fn run(
    host: Arc<Host>,
    link: Arc<Link>,
    shared: Arc<Shared>,
    half: BoxWriter,
    first: BytesMut,
    waiting: Vec<(Name, u64)>,
) {
    let _both = EndOnDrop(link.clone());
    let mut writer = Writer {
        host,
        link,
        shared,
        conversations: ByPeer::default(),
        streams: None,
        told_key: None,
        due: Some(Box::new(Due::waiting(waiting))),
        out: first,
        names: Lines::default(),
        half,
        turn: Turn::default(),
    };
    let served = writer.serve().await;
    Box::pin(writer.leave(served)).await;
}

type DeliveryStream = Pin<Box<dyn Stream<Item = Result<Delivery, MailboxError>> + Send>>;

struct Writer {
    host: Arc<Host>,
    link: Arc<Link>,
    shared: Arc<Shared>,
    conversations: ByPeer<Conversation>,
    /// Messages of open conversations; none until the first one opens.
    streams: Option<Box<SelectAll<Abortable<DeliveryStream>>>>,
    /// The last answer to `KEY`.
    told_key: Option<(Name, Option<PublicKey>)>,
    /// None while there is nothing.
    due: Option<Box<Due>>,
    out: BytesMut,
    /// Encoded when all of `out` is written: who is online, or is blocked. Nothing is added behind them before.
    names: Lines,
    half: BoxWriter,
    turn: Turn,
}

/// How many of these messages fit; one at least.
fn fitting(peer: &Name, messages: &[Message], room: usize) -> usize {
    let mut bytes = 0;
    let beyond = messages.iter().position(|message| {
        let is_full = bytes >= room;
        bytes += longest_frame(peer, message);
        is_full
    });
    beyond.unwrap_or(messages.len()).max(1)
}

/// How far a write came.
enum Flushed {
    /// This many bytes were written.
    Part(usize),
    Done(io::Result<()>),
    /// The connection has ended, and the peer has not read everything yet.
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
        while self.out.len() < FLUSH_AT && self.names.is_empty() {
            if self.link.poll_ended(Side::Write, context).is_ready() {
                return Poll::Ready(ControlFlow::Break(()));
            }
            if let Some(item) = self.next_due() {
                self.tell(item);
            } else if let Poll::Ready((replies, notices)) = self.poll_noticed(context) {
                self.due = Some(Box::new(Due::notices(replies, notices)));
            } else if let Poll::Ready(delivery) = self.poll_delivery(context) {
                self.begin_to_deliver(delivery);
            } else if self.out.len() > before {
                break;
            } else {
                self.turn.rested();
                return Poll::Pending;
            }
        }
        Poll::Ready(ControlFlow::Continue(()))
    }

    /// What the read task answers, and what others marked. The marks are taken first and told last: none is told before
    /// an answer that was given before it.
    fn poll_noticed(&self, context: &Context<'_>) -> Poll<(VecDeque<Reply>, Notices)> {
        let marked = self.link.poll_noticed(context);
        let replies = self.shared.take_replies(&self.link);
        match marked {
            Poll::Ready(notices) => Poll::Ready((replies, notices)),
            Poll::Pending if replies.is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready((replies, Notices::default())),
        }
    }

    fn poll_delivery(&mut self, context: &mut Context<'_>) -> Poll<Result<Delivery, MailboxError>> {
        // Without an open conversation the streams end; another may be opened.
        let next = self.streams.as_mut().map(|streams| streams.poll_next_unpin(context));
        match next {
            Some(Poll::Ready(Some(delivery))) => Poll::Ready(delivery),
            _ => Poll::Pending,
        }
    }

    fn next_due(&mut self) -> Option<Item> {
        let next = self.due.as_mut()?.take();
        if next.is_none() {
            self.due = None;
        }
        next
    }

    /// Says one thing; puts back what there is no room for.
    fn tell(&mut self, item: Item) {
        match item {
            Item::Waiting(peer, count) => self.say(&ServerFrame::Waiting { peer, count }),
            Item::Reply(reply) => self.reply(reply),
            Item::Ping => self.say(&ServerFrame::Ping),
            Item::Announcement => {
                if let Some(frame) = self.host.announced(&self.link) {
                    self.say(&frame);
                }
            }
            Item::Marks(peer, marks) => self.tell_marks(peer, marks),
            Item::Opening(own, told_ended) => self.go_on_opening(own, told_ended),
            Item::Delivery(delivery) => self.deliver(delivery),
        }
    }

    fn put_back(&mut self, rest: Item) {
        match &mut self.due {
            Some(due) => due.put_back(rest),
            None => self.due = Some(Box::new(Due::first(rest))),
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
            Reply::Online(listed) => self.tell_online(*listed),
            Reply::Blocks => self.tell_blocks(),
        }
    }

    fn tell_online(&mut self, listed: Listed) {
        online_line(&mut self.out, listed.count, listed.names.length());
        self.names = listed.names;
    }

    fn tell_blocks(&mut self) {
        self.names = Lines::of(&self.host.registry.circle().blocked_by(&self.link.name));
        blocks_line(&mut self.out, self.names.length());
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
        // Whoever asked before TALK was not told yet what happened in between.
        if self
            .told_key
            .take()
            .is_some_and(|it| it.0 == peer && it.1 != self.host.names.owner(&peer))
        {
            self.tell_key(peer);
        }
        self.go_on_opening(own, 0);
    }

    fn go_on_opening(&mut self, own: Session, told_ended: u64) {
        let peer = own.key().receiver().clone();
        let told = own.watermarks(self.link.installation);
        // Before TALKING, whose `delivered` would include them.
        let (told_ended, all) = tell_ended(&own, self.link.installation, told_ended, &mut self.out);
        if !all {
            return self.put_back(Item::Opening(own, told_ended));
        }
        let presence = self.host.presence(&peer, &self.link.name);
        let waiting = self.host.registry.waiting_of(&own.key().reverse());
        let version = self.host.lists.version(&peer);
        self.say(&ServerFrame::Talking {
            peer: peer.clone(),
            presence,
            own: told,
            waiting,
            version,
        });
        let told_read = own.read_up_to(self.link.installation);
        if told_read > 0 {
            self.say(&ServerFrame::Read { peer: peer.clone(), n: told_read });
        }
        let Host { registry, person_rates, .. } = &*self.host;
        let stream = deliveries(registry.clone(), person_rates.clone(), own.clone());
        let (stream, handle) = futures::stream::abortable(Box::pin(stream) as DeliveryStream);
        self.streams.get_or_insert_default().push(stream);
        let conversation =
            Conversation { own, told, told_ended, told_read, version, presence, stream: handle };
        self.conversations.insert(peer, conversation);
    }

    fn close(&mut self, peer: &Name) {
        if let Some(conversation) = self.conversations.remove(peer) {
            conversation.stream.abort();
        }
    }

    fn tell_marks(&mut self, peer: Name, marks: Marks) {
        let Self { host, link, conversations, out, .. } = self;
        let all_told = match conversations.get_mut(&peer) {
            Some(conversation) => conversation.tell(host, link, &peer, marks, out),
            None if marks.waiting => return self.tell_waiting(peer, 0),
            None => true,
        };
        if !all_told {
            self.put_back(Item::Marks(peer, marks));
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

    fn begin_to_deliver(&mut self, delivery: Result<Delivery, MailboxError>) {
        match delivery {
            Ok(delivery) => self.deliver(delivery),
            Err(error) => {
                log::error!("reading what waits for {}: {error}", self.link.name);
                let text = "the server cannot read its messages now; try again later".into();
                self.link.end(End::Failed(ErrorCode::Busy, text));
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let Delivery { peer, session, batch, after } = delivery;
        let messages = batch.after(after);
        let first = batch.last() + 1 - messages.len() as u64;
        let room = FLUSH_AT.saturating_sub(self.out.len());
        let messages = &messages[..fitting(&peer, messages, room)];
        let count = messages.len() as u64;
        let seq = {
            let mut sent = self.shared.sent();
            let sent = sent.entry(peer.clone()).or_insert_with(|| Sent::new(session.clone()));
            sent.assign(&session, first, count)
        };
        encode_messages(&mut self.out, &peer, seq, messages);
        let after = first + count - 1;
        if after < batch.last() {
            self.put_back(Item::Delivery(Delivery { peer, session, batch, after }));
        }
    }

    fn say(&mut self, frame: &ServerFrame) {
        frame.encode(&mut self.out);
    }

    /// Writes all that was collected. Does not wait for a peer that ends meanwhile, or that reads nothing until the
    /// heartbeat ends it.
    async fn flush(&mut self) -> io::Result<()> {
        self.link.pulse().writes(true);
        let written = loop {
            match poll_fn(|context| self.poll_flush(context)).await {
                // A peer that reads everything may be sent more at once.
                Flushed::Part(written) if self.names.is_empty() => self.turn.bytes(written).await,
                Flushed::Part(_) => self.turn.end().await,
                Flushed::Done(written) => break written,
                Flushed::Ended => {
                    let late = || Err(io::ErrorKind::TimedOut.into());
                    let writing = Box::pin(task::within(FAREWELL, self.write_rest()));
                    break writing.await.unwrap_or_else(late);
                }
            }
        };
        self.link.pulse().writes(false);
        (self.out, self.names) = Default::default();
        written
    }

    /// Writes what was encoded, and the names behind it, however long that takes.
    async fn write_rest(&mut self) -> io::Result<()> {
        self.encode_names();
        while !self.out.is_empty() {
            self.half.write_all(&self.out).await?;
            self.out.clear();
            self.encode_names();
        }
        Ok(())
    }

    /// Encodes some of the names once nothing else is left to write.
    fn encode_names(&mut self) {
        if self.out.is_empty() {
            self.names.move_to(&mut self.out, NAMES_AT_ONCE);
        }
    }

    /// Writes as long as the peer reads. The heartbeat looks at each step alone: a peer that reads little at a time is
    /// slow, and one that reads nothing is dead.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Flushed> {
        self.encode_names();
        if !self.out.is_empty() {
            let next = &self.out[..self.out.len().min(WRITE_AT_ONCE)];
            match Pin::new(&mut self.half).poll_write(context, next) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Flushed::Done(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.link.pulse().writes(true);
                    return Poll::Ready(Flushed::Part(written));
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
        let end = link.ended(Side::Write).await;
        if task::within(FAREWELL, self.farewell(end)).await.is_none() {
            log::debug!("{} did not take its farewell", link.name);
        }
    }

    async fn farewell(mut self, end: &End) {
        // The peer may be gone already; then there is nobody to tell.
        let _ = self.write_rest().await;
        // What still waits in the sessions stays there: only answers are part of the farewell.
        let due = self.due.take().map(|due| due.into_replies()).unwrap_or_default();
        let replies = due.into_iter().chain(self.shared.take_replies(&self.link));
        for reply in replies.filter(Reply::is_answer) {
            self.reply(reply);
            let _ = self.write_rest().await;
        }
        match end {
            End::Gone => {}
            End::Bye(reason) => {
                let text = goodbye(&self.host, *reason);
                self.say(&ServerFrame::Bye { reason: *reason, text });
            }
            End::Failed(code, text) => {
                self.say(&ServerFrame::Error { code: *code, peer: None, text: text.clone() });
            }
        }
        let _ = self.write_rest().await;
        let _ = self.half.close().await;
    }
}

/// A server that stops says what its operator says to everybody.
fn goodbye(host: &Host, reason: ByeReason) -> String {
    let announced = host.announcement.text(host.clock.uptime());
    if let Some(text) = announced.filter(|_| reason == ByeReason::Shutdown) {
        return format!("the server stops: {text}");
    }
    let text = match reason {
        ByeReason::Quit => "goodbye",
        ByeReason::Replaced => "you signed in elsewhere, which takes over",
        ByeReason::Shutdown => "the server stops; what waits is sent when you come again",
        ByeReason::Idle => "nothing was heard for too long",
        ByeReason::Unknown => "",
    };
    text.into()
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
