//! One connection: its [arrival](super::arrival), then the read task's loop over frames, then leaving.
//!
//! The task that runs [`serve`] is the read task; it starts the write task once somebody has signed
//! in and joins it at the end. Invariant: whatever a connection opened, it closes itself, and closes
//! nothing that its successor opened.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;

use super::arrival::{self, Arrived, Present, Who};
use super::caller::Caller;
use super::collected::{Collected, usage};
use super::turn::Turn;
use super::writer;
use crate::mailbox::Usage;
use crate::message::{Installation, MAX_NAME_CHARS, MessageId, Name, SessionKey};
use crate::server::files::{self, Issued, Tickets};
use crate::server::host::Host;
use crate::server::limits::SLOWED;
use crate::server::linger::linger;
use crate::server::link::{ByPeer, End, Link, Reply, Side};
use crate::server::sessions::Quota;
use crate::server::sessions::{Accepted, Retired, Session};
use crate::task;
use crate::wire::MAX_CONVERSATIONS;
use crate::wire::codec::{Frame, ProtocolError};
use crate::wire::frame::{ByeReason, ClientFrame, ErrorCode, Refusal, ServerFrame};
use crate::wire::stream::FrameReader;
use crate::wire::transport::BoxWriter;

/// About how long an `EXPIRED` is.
const EXPIRED_FRAME: u64 = 32;

/// Serves a connection from accepting to closing. Run by the read task. Whatever is rare is boxed: as
/// long as nothing is said each connection holds room for all that it may wait for.
pub(crate) async fn serve(host: Arc<Host>, caller: Caller) {
    let arriving = Box::pin(arrival::arrive(&host, caller));
    let Some(Arrived { who, mut reader, half }) = arriving.await else { return };
    let present = match who {
        Who::Person(present) => present,
        Who::Carrier(pass) => {
            return Box::pin(files::carry(host.clone(), pass, reader, half)).await;
        }
    };
    converse(&host, present, &mut reader, half).await;
    Box::pin(linger(reader)).await;
}

/// Everything after signing in.
async fn converse(
    host: &Arc<Host>,
    present: Present<'_>,
    reader: &mut FrameReader<ClientFrame>,
    half: BoxWriter,
) {
    let link = present.link();
    log::info!("{} signed in", link.name);
    let waiting = host.registry.waiting(&link.name);
    let writing = writer::run(host.clone(), link.clone(), half, welcome(host, link), waiting);
    let writing = task::spawn("write", writing);
    let mut reading = Reading {
        host,
        link,
        open: ByPeer::default(),
        collected: None,
        ticket: None,
        turn: Turn::default(),
    };
    let end = reading.run(reader).await;
    log::info!("{} left: {end}", link.name);
    link.end(end);
    drop(reading);
    drop(present);
    writing.await;
}

/// `WELCOME`. Behind it comes a `WAITING` for each who has written.
fn welcome(host: &Host, link: &Link) -> BytesMut {
    let mut first = BytesMut::new();
    ServerFrame::Welcome { name: link.name.clone(), limits: host.limits() }.encode(&mut first);
    first
}

/// What the read task owns.
struct Reading<'a> {
    host: &'a Arc<Host>,
    link: &'a Arc<Link>,
    open: ByPeer<Conversation>,
    collected: Option<Collected>,
    ticket: Option<Box<Issued>>,
    turn: Turn,
}

/// A conversation that is open on this connection.
struct Conversation {
    own: Session,
    /// A message was refused: all that follow are dropped until `TALK`.
    refusing: bool,
    /// The receiver knows the sender, or was counted as one who does not.
    approached: bool,
}

/// Go on, or end the connection.
type Flow = ControlFlow<End>;

impl Reading<'_> {
    /// Reads until the connection ends, and says why it does.
    async fn run(&mut self, reader: &mut FrameReader<ClientFrame>) -> End {
        let link = self.link;
        loop {
            // Signing in may have read more than its own frames.
            if let ControlFlow::Break(end) = Box::pin(self.handle_ready(reader)).await {
                return end;
            }
            let turn = &mut self.turn;
            let read = poll_fn(|context| match link.poll_ended(Side::Read, context) {
                Poll::Ready(end) => Poll::Ready(Err(end.clone())),
                Poll::Pending => {
                    let read = reader.poll_fill(context).map(Ok);
                    if read.is_pending() {
                        turn.rested();
                    }
                    read
                }
            });
            match read.await {
                Ok(Ok(0)) => return End::Gone,
                Ok(Ok(read)) => {
                    link.pulse().heard();
                    self.turn.bytes(read).await;
                }
                Ok(Err(error)) => {
                    log::debug!("reading from {}: {error}", link.name);
                    return End::Gone;
                }
                Err(end) => return end,
            }
        }
    }

    /// Handles what one read brought.
    async fn handle_ready(&mut self, reader: &mut FrameReader<ClientFrame>) -> Flow {
        loop {
            self.turn.frame().await;
            match reader.next_ready() {
                Ok(Some(ClientFrame::Message { peer, n, kind, body })) => {
                    if self.collected.as_ref().is_some_and(|collected| collected.peer != peer) {
                        self.accept_collected().await?;
                    }
                    let id = MessageId { installation: self.link.installation, n };
                    let fresh = || Collected::new(peer, self.host.clock.wall(), reader.decoder());
                    self.collected.get_or_insert_with(fresh).push(id, kind, body);
                }
                Ok(Some(ClientFrame::Ack { peer, seq })) => {
                    self.accept_collected().await?;
                    self.acknowledge(&peer, seq).await?;
                }
                Ok(Some(frame)) => {
                    self.accept_collected().await?;
                    Box::pin(self.handle(frame)).await?;
                }
                Ok(None) => return self.accept_collected().await,
                Err(error) => {
                    self.accept_collected().await?;
                    Box::pin(self.protest(&error)).await?;
                }
            }
        }
    }

    /// Has somebody who is too fast wait, at most for a moment and while the connection lasts. If that is
    /// not enough, says for how long it would be.
    async fn keep_to_rate(&self, written: Usage) -> Result<(), Duration> {
        let admit = || self.host.person_rates.admit(&self.link.name, written);
        let Err(wait) = admit() else { return Ok(()) };
        // What was read until the end is handled in any case.
        let _ = task::within(wait.min(SLOWED), self.link.ended(Side::Read)).await;
        if wait > SLOWED { Err(wait - SLOWED) } else { admit() }
    }

    /// Counts a frame that is no message like one, with an answer of so many bytes. Who asks too often is
    /// slowed, and answered all the same.
    async fn count(&self, answer: usize) {
        let _ = self.keep_to_rate(Usage::one(answer)).await;
    }

    async fn handle(&mut self, frame: ClientFrame) -> Flow {
        self.count(self.answer_length(&frame)).await;
        match frame {
            ClientFrame::Talk { peer, settled } => self.talk(peer, settled).await,
            ClientFrame::Close { peer } => self.close(peer).await,
            ClientFrame::Read { peer, installation, n } => {
                self.read(&peer, installation, n);
                Flow::Continue(())
            }
            ClientFrame::Online => {
                let listed = Box::new(self.host.online(&self.link.name));
                self.reply(Reply::Online(listed)).await
            }
            ClientFrame::Key { peer } => self.reply(Reply::Key(peer)).await,
            ClientFrame::Block { peer } => self.block(peer).await,
            ClientFrame::Unblock { peer } => self.unblock(peer).await,
            ClientFrame::Blocks => self.reply(Reply::Blocks).await,
            ClientFrame::Ticket => {
                let issue = || Box::new(Tickets::issue(&self.host.tickets, &self.link.name));
                let ticket = self.ticket.get_or_insert_with(issue).ticket();
                self.say(ServerFrame::Ticket { ticket }).await
            }
            ClientFrame::Ping => self.say(ServerFrame::Pong).await,
            ClientFrame::Pong => Flow::Continue(()),
            ClientFrame::Quit => Flow::Break(End::Bye(ByeReason::Quit)),
            ClientFrame::Hello { .. } | ClientFrame::Prove { .. } | ClientFrame::Carry { .. } => {
                fail(ErrorCode::State, "you are signed in already")
            }
            ClientFrame::Message { .. } | ClientFrame::Ack { .. } => {
                unreachable!("handle_ready looks after what is frequent")
            }
        }
    }

    /// About how many bytes a long answer has; 0 for one that is no longer than a frame.
    fn answer_length(&self, frame: &ClientFrame) -> usize {
        let Host { directory, registry, .. } = &**self.host;
        match frame {
            ClientFrame::Online => directory.length(),
            ClientFrame::Blocks => {
                registry.circle().count_blocked(&self.link.name) * MAX_NAME_CHARS
            }
            _ => 0,
        }
    }

    async fn protest(&self, error: &ProtocolError) -> Flow {
        if error.is_fatal() {
            return fail(error.code(), &error.to_string());
        }
        self.count(0).await;
        self.object(error.code(), None, &error.to_string()).await
    }

    async fn block(&mut self, peer: Name) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if let Err(error) = self.host.block(&key.reverse()).await {
            return self.object(ErrorCode::Block, Some(peer), &error.to_string()).await;
        }
        self.say(ServerFrame::Blocked { peer }).await
    }

    async fn unblock(&mut self, peer: Name) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if let Err(error) = self.host.unblock(&key.reverse()).await {
            return self.object(ErrorCode::Block, Some(peer), &error.to_string()).await;
        }
        self.say(ServerFrame::Unblocked { peer }).await
    }

    /// The key of the session in which this connection writes to `peer`; none to itself.
    fn session_with(&self, peer: &Name) -> Option<SessionKey> {
        SessionKey::new(self.link.name.clone(), peer.clone()).ok()
    }

    async fn to_self(&self, peer: Name) -> Flow {
        self.object(ErrorCode::ToSelf, Some(peer), "nobody can talk to themselves").await
    }

    async fn talk(&mut self, peer: Name, settled: u64) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if !self.open.contains_key(&peer) && self.open.len() >= MAX_CONVERSATIONS {
            let text = format!("{MAX_CONVERSATIONS} conversations are open; close one first");
            return self.object(ErrorCode::Conversations, Some(peer), &text).await;
        }
        let registry = &self.host.registry;
        let entered = async {
            registry.revive(&key.reverse()).await?;
            registry.enter(&key, self.link).await
        };
        let own = match entered.await {
            Ok(own) => own,
            Err(error) => {
                log::error!("opening {key}: {error}");
                return fail(ErrorCode::Busy, "the server cannot read its messages now");
            }
        };
        if let Err(error) = own.settle(registry.mailbox(), self.link.installation, settled) {
            if !self.open.contains_key(&peer) {
                registry.leave(&own, self.link);
            }
            return self.object(ErrorCode::Installations, Some(peer), &error.to_string()).await;
        }
        Box::pin(self.count_again(&own)).await;
        if registry.get(&key.reverse()).is_some_and(|reverse| reverse.is_used()) {
            self.host.contacts.accept(&key.reverse());
            registry.answer(&key.reverse());
        }
        self.host.directory.watch(&peer, self.link);
        let conversation = Conversation { own: own.clone(), refusing: false, approached: false };
        self.open.insert(peer, conversation);
        self.reply(Reply::Open(own)).await
    }

    /// What `TALK` tells again counts like what is new; so does what it [sends](crate::server::sessions::delivery) again.
    async fn count_again(&self, own: &Session) {
        let expired = own.expired(self.link.installation, 0).into_iter();
        let expired: u64 = expired.map(|run| 1 + run.end() - run.start()).sum();
        let again = Usage { messages: 0, bytes: expired.saturating_mul(EXPIRED_FRAME) };
        let _ = self.keep_to_rate(again).await;
    }

    async fn close(&mut self, peer: Name) -> Flow {
        if let Some(conversation) = self.open.remove(&peer) {
            self.leave(&peer, &conversation);
        }
        self.reply(Reply::Close(peer)).await
    }

    fn leave(&self, peer: &Name, conversation: &Conversation) {
        self.host.directory.unwatch(peer, self.link);
        self.host.registry.leave(&conversation.own, self.link);
    }

    /// A hint: without an open conversation it is dropped.
    fn read(&self, peer: &Name, installation: Installation, n: u64) {
        let key = self.session_with(peer).filter(|_| self.open.contains_key(peer));
        let Some(theirs) = key.map(|key| key.reverse()) else { return };
        let registry = &self.host.registry;
        if let Some(session) =
            registry.get(&theirs).filter(|_| !registry.circle().is_blocked(&theirs))
        {
            session.read(installation, n);
        }
    }

    /// Offers the collected messages to their session.
    /// Accepts what was collected, no more at a time than may be written at once.
    async fn accept_collected(&mut self) -> Flow {
        while let Some(mut collected) = self.collected.take() {
            let at_once = self.host.person_rates.at_once().min(collected.messages.len());
            let rest = collected.messages.split_off(at_once);
            if !rest.is_empty() {
                let Collected { ref peer, time, chunk, .. } = collected;
                self.collected =
                    Some(Collected { peer: peer.clone(), time, messages: rest, chunk });
            }
            self.accept(collected).await?;
        }
        Flow::Continue(())
    }

    async fn accept(&mut self, collected: Collected) -> Flow {
        let Collected { peer, messages, chunk, .. } = collected;
        // Also what is dropped takes its time.
        let in_time = self.keep_to_rate(usage(&messages)).await;
        let Some(conversation) = self.open.get(&peer) else {
            let text = "open the conversation with TALK first; the message was dropped";
            return self.object(ErrorCode::Closed, Some(peer), text).await;
        };
        if conversation.refusing {
            return Flow::Continue(());
        }
        let own = conversation.own.clone();
        if let Err(wait) = in_time {
            let Some(n) = own.first_fresh(&messages) else { return Flow::Continue(()) };
            let seconds = wait.as_secs() + 1;
            let text = format!("you write too fast; it goes on in {seconds} s");
            return self.refuse(peer, n, Refusal::Slow { seconds }, text).await;
        }
        if let Err(because) = self.approach(&peer, &own).await {
            let Some(n) = own.first_fresh(&messages) else { return Flow::Continue(()) };
            return self.refuse(peer, n, Refusal::Full, because).await;
        }
        let quota = self.quota(&own, own.waiting() + messages.len() as u64).await;
        let mailbox = self.host.registry.mailbox();
        if let Err(error) = mailbox.ready(&self.link.name).await {
            log::debug!("refusing what {} writes: {error}", self.link.name);
            // What is there already needs no disk.
            let Some(n) = own.first_fresh(&messages) else { return Flow::Continue(()) };
            self.host.registry.remember_refusal(own.key());
            let text = "the server cannot write to its disk now; it tries again by itself";
            return self.refuse(peer, n, Refusal::Store, text.into()).await;
        }
        let now = self.host.clock.uptime();
        match own.accept(mailbox, &quota, self.link.id, messages, chunk, now) {
            // All of it was there already: nobody waits for more than before.
            Ok(Accepted::All { fresh: 0 }) => return Flow::Continue(()),
            Ok(Accepted::All { .. }) => {}
            Ok(Accepted::UpTo { refused, because }) => {
                self.host.registry.remember_refusal(own.key());
                let text = match quota == self.host.quota {
                    true => because,
                    false => format!("{because}, as long as {peer} does not talk to you"),
                };
                self.refuse(peer.clone(), refused, Refusal::Full, text).await?;
            }
            Ok(Accepted::OfNobody { refused }) => {
                let text = format!("the name {peer} was taken from whom you wrote to");
                return self.refuse(peer, refused, Refusal::Owner, text).await;
            }
            // Only a connection that was taken over can be left behind by its session. What it still
            // had to say is in its sender's outbox.
            Err(Retired) => return Flow::Break(End::Bye(ByeReason::Replaced)),
        }
        self.host.announce_waiting(&self.link.name, &peer);
        Flow::Continue(())
    }

    /// Whether this is not one stranger too many. Asked once, as long as the conversation is open.
    async fn approach(&mut self, peer: &Name, own: &Session) -> Result<(), String> {
        let conversation = self.open.get_mut(peer).filter(|it| !it.approached);
        let Some(conversation) = conversation else { return Ok(()) };
        let Host { quota, registry, .. } = &**self.host;
        match registry.approach(own.key(), quota.strangers).await {
            Ok(Ok(())) => {
                conversation.approached = true;
                Ok(())
            }
            Ok(Err(too_many)) => Err(too_many.to_string()),
            Err(error) => {
                log::error!("who knows whom: {error}");
                Err("the server cannot see now whether this person knows you".into())
            }
        }
    }

    /// What may wait in a session in which `waiting` messages are about to.
    async fn quota(&self, own: &Session, waiting: u64) -> Quota {
        let Host { quota, registry, .. } = &**self.host;
        if !quota.is_for_friends(waiting) {
            return *quota;
        }
        match registry.knows(own.key()).await {
            Ok(true) => *quota,
            Ok(false) => quota.for_stranger(),
            Err(error) => {
                log::error!("who knows whom: {error}");
                quota.for_stranger()
            }
        }
    }

    /// What was sent was counted when it was written; so what acknowledges it costs nothing.
    async fn acknowledge(&self, peer: &Name, seq: u64) -> Flow {
        let resolved = {
            let mut sent = self.link.sent();
            sent.get_mut(peer).map(|sent| (sent.session().clone(), sent.acknowledge(seq)))
        };
        match resolved {
            Some((session, Ok(Some(position)))) => {
                self.host.registry.acknowledge(&session, position);
                if !self.open.contains_key(peer) {
                    self.link.mark(peer, |marks| marks.waiting = true);
                }
                Flow::Continue(())
            }
            Some((_, Ok(None))) => {
                Box::pin(self.count(0)).await;
                Flow::Continue(())
            }
            Some((_, Err(_))) | None => fail(ErrorCode::State, "ACK for what was never sent"),
        }
    }

    /// Says that message `n` was not taken, nor will be what follows in this conversation until `TALK`.
    async fn refuse(&mut self, peer: Name, n: u64, refusal: Refusal, text: String) -> Flow {
        if let Some(conversation) = self.open.get_mut(&peer) {
            conversation.refusing = true;
        }
        self.say(ServerFrame::Refused { peer, n, refusal, text }).await
    }

    async fn object(&self, code: ErrorCode, peer: Option<Name>, text: &str) -> Flow {
        self.say(ServerFrame::Error { code, peer, text: text.into() }).await
    }

    async fn say(&self, frame: ServerFrame) -> Flow {
        self.reply(Reply::Frame(Box::new(frame))).await
    }

    /// Hands something to the write task, waiting while it has too much to do.
    async fn reply(&self, reply: Reply) -> Flow {
        self.link.reply(reply).await.map_or_else(Flow::Break, Flow::Continue)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        for (peer, conversation) in &self.open {
            self.leave(peer, conversation);
        }
    }
}

fn fail(code: ErrorCode, text: &str) -> Flow {
    Flow::Break(End::Failed(code, text.into()))
}
