//! What the read task does with messages, and with acknowledgements.
//!
//! Invariant: once a message of a conversation was refused, no later one is accepted until `TALK`.

use super::collected::{Collected, usage};
use super::reading::{Flow, Reading, fail};
use crate::message::Name;
use crate::server::link::End;
use crate::server::people::{Versions, WRITING};
use crate::server::sessions::{Accepted, Offer, Quota, Retired, Session};
use crate::task;
use crate::wire::frame::{ByeReason, ErrorCode, Refusal, ServerFrame};

impl Reading<'_> {
    /// Offers what was collected to its session, no more at a time than one burst of the rate limit.
    pub(super) async fn accept_collected(&mut self) -> Flow {
        while let Some(mut collected) = self.collected.take() {
            let at_once = self.host.person_rates.at_once().min(collected.messages.len());
            let rest = collected.messages.split_off(at_once);
            if !rest.is_empty() {
                let Collected { ref peer, version, time, chunk, .. } = collected;
                let peer = peer.clone();
                self.collected = Some(Collected { peer, version, time, messages: rest, chunk });
            }
            self.accept(collected).await?;
        }
        Flow::Continue(())
    }

    async fn accept(&mut self, collected: Collected) -> Flow {
        let Collected { peer, version, messages, chunk, .. } = collected;
        // Dropped messages count against the rate limit, too.
        let in_time = self.keep_to_rate(usage(&messages)).await;
        let Some(conversation) = self.open.get(&peer) else {
            let text = "open the conversation with TALK first; the message was dropped";
            return self.object(ErrorCode::Closed, Some(peer), text).await;
        };
        if conversation.refusing {
            return Flow::Continue(());
        }
        let (own, list) = (conversation.own.clone(), conversation.list.versions().clone());
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
        let whole = self.host.quota_of(own.key());
        let waiting = own.waiting_of_owner() + messages.len() as u64;
        let quota = self.quota(whole, &own, waiting).await;
        let mailbox = self.host.registry.mailbox();
        if let Err(error) = mailbox.ready(&self.link.name).await {
            log::debug!("refusing what {} writes: {error}", self.link.name);
            // Duplicates need no disk.
            let Some(n) = own.first_fresh(&messages) else { return Flow::Continue(()) };
            self.host.registry.remember_refusal(own.key());
            let text = "the server cannot write to its disk now; it tries again by itself";
            return self.refuse(peer, n, Refusal::Store, text.into()).await;
        }
        let (from, since) = (self.link.id, self.host.clock.uptime());
        let offer = Offer { from, messages, chunk, since, list: &list, version };
        match own.accept(mailbox, &quota, offer) {
            // All were duplicates: no more waits than before.
            Ok(Accepted::All { fresh: 0 }) => return Flow::Continue(()),
            Ok(Accepted::All { .. }) => {}
            Ok(Accepted::UpTo { refused, because }) => {
                self.host.registry.remember_refusal(own.key());
                let text = match quota == whole {
                    true => because,
                    false => format!("{because}, as long as {peer} does not talk to you"),
                };
                self.refuse(peer.clone(), refused, Refusal::Full, text).await?;
            }
            Ok(Accepted::OfNobody { refused }) => {
                let text = format!("the name {peer} was taken from whom you wrote to");
                return self.refuse(peer, refused, Refusal::Owner, text).await;
            }
            Ok(Accepted::ForOtherDevices { refused }) => {
                return Box::pin(self.refuse_outdated(peer, refused, &list)).await;
            }
            // Only a connection that was taken over can be left behind by its session. What it still
            // had to say is in its sender's outbox.
            Err(Retired) => return Flow::Break(End::Bye(ByeReason::Replaced)),
        }
        self.host.announce_waiting(&self.link.name, &peer);
        Flow::Continue(())
    }

    /// A message was written for another device list than the newest. That is told once the newest can be told.
    async fn refuse_outdated(&mut self, peer: Name, n: u64, list: &Versions) -> Flow {
        let _ = task::within(WRITING, list.settled()).await;
        let version = list.told();
        let text = match version {
            0 => format!("{peer} has no device list"),
            _ => format!("the device list of {peer} has version {version} now"),
        };
        self.refuse(peer, n, Refusal::Devices { version }, text).await
    }

    /// Whether this is not one stranger too many. Asked once, as long as the conversation is open.
    async fn approach(&mut self, peer: &Name, own: &Session) -> Result<(), String> {
        let conversation = self.open.get_mut(peer).filter(|it| !it.approached);
        let Some(conversation) = conversation else { return Ok(()) };
        let (most, registry) = (self.host.quota_of(own.key()).strangers, &self.host.registry);
        match registry.approach(own.key(), most).await {
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

    /// The quota of a session in which `waiting` messages of its sender are about to wait.
    async fn quota(&self, quota: Quota, own: &Session, waiting: u64) -> Quota {
        if !quota.is_for_friends(waiting) {
            return quota;
        }
        match self.host.registry.knows(own.key()).await {
            Ok(true) => quota,
            Ok(false) => quota.for_stranger(),
            Err(error) => {
                log::error!("who knows whom: {error}");
                quota.for_stranger()
            }
        }
    }

    /// A message was counted when it was written; so acknowledging it costs nothing.
    pub(super) async fn acknowledge(&self, peer: &Name, seq: u64) -> Flow {
        let resolved = {
            let mut sent = self.shared.sent();
            sent.get_mut(peer).map(|sent| (sent.session().clone(), sent.acknowledge(seq)))
        };
        match resolved {
            Some((session, Ok(Some(position)))) => {
                self.host.acknowledge(&session, position);
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

    /// What is below is acknowledged; this one message goes back to its sender.
    pub(super) fn bounce(&self, peer: &Name, seq: u64) -> Flow {
        let resolved = {
            let mut sent = self.shared.sent();
            sent.get_mut(peer).map(|sent| (sent.session().clone(), sent.bounce(seq)))
        };
        let Some((session, Ok((below, position)))) = resolved else {
            return fail(
                ErrorCode::State,
                "BOUNCE for what was never sent, or was answered before",
            );
        };
        if let Some(below) = below {
            self.host.acknowledge(&session, below);
        }
        self.host.registry.bounce(&session, position);
        if !self.open.contains_key(peer) {
            self.link.mark(peer, |marks| marks.waiting = true);
        }
        Flow::Continue(())
    }

    /// Says that message `n` was refused, as are all that follow in this conversation until `TALK`.
    async fn refuse(&mut self, peer: Name, n: u64, refusal: Refusal, text: String) -> Flow {
        self.host.counters.refusals.count(refusal.code());
        if let Some(conversation) = self.open.get_mut(&peer) {
            conversation.refusing = true;
        }
        self.say(ServerFrame::Refused { peer, n, refusal, text }).await
    }
}
