//! The read task's loop: handles what was read, frame by frame.
//!
//! Run by [`serve`](super::serve::serve). Invariant: messages that came together are offered together, before anything
//! that came after them is handled.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::Poll;

use super::collected::Collected;
use super::reading::{Flow, Reading, fail};
use super::shared::Reply;
use crate::message::{Message, MessageId};
use crate::server::files::Tickets;
use crate::server::host::Host;
use crate::server::link::{End, Side};
use crate::wire::codec::{Counts, Frame, ProtocolError};
use crate::wire::frame::{ByeReason, ClientFrame, ErrorCode, ServerFrame};
use crate::wire::stream::FrameReader;

impl Reading<'_> {
    /// Reads until the connection ends, and says why it does.
    pub(super) async fn run(&mut self, reader: &mut FrameReader<ClientFrame>) -> End {
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
                Ok(Some(ClientFrame::Message { peer, n, origin, kind, version, body })) => {
                    let goes_with = |it: &Collected| it.version == version && it.peer == peer;
                    if self.collected.as_ref().is_some_and(|it| !goes_with(it)) {
                        self.accept_collected().await?;
                    }
                    let id = MessageId { installation: self.link.installation, n };
                    let fresh =
                        || Collected::new(peer, version, self.host.clock.wall(), reader.decoder());
                    let collected = self.collected.get_or_insert_with(fresh);
                    let time = collected.time;
                    collected.messages.push(Message { id, origin, time, kind, body });
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

    async fn handle(&mut self, frame: ClientFrame) -> Flow {
        if let Some(length) = self.answer_length(frame.verb().counts()) {
            self.count(length).await;
        }
        match frame {
            ClientFrame::Talk { peer, settled } => self.talk(peer, settled).await,
            ClientFrame::Bounce { peer, seq } => self.bounce(&peer, seq),
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
            ClientFrame::Devices { peer } => self.tell_devices(peer).await,
            ClientFrame::List { bundle } => self.take_list(&bundle).await,
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

    /// About how many bytes of an answer count: 0 of one that is no longer than a frame. None if it is counted once it
    /// was read.
    fn answer_length(&self, counts: Counts) -> Option<usize> {
        let Host { directory, registry, .. } = &**self.host;
        Some(match counts {
            Counts::Everybody => directory.length(),
            Counts::Blocked => registry.circle().length_of_blocked(&self.link.name),
            Counts::Statement => return None,
            _ => 0,
        })
    }

    async fn protest(&self, error: &ProtocolError) -> Flow {
        if error.is_fatal() {
            return fail(error.code(), &error.to_string());
        }
        self.count(0).await;
        self.object(error.code(), None, &error.to_string()).await
    }
}
