//! From a session to its receiver's connection: the stream of batches that a write task sends.
//!
//! Owned by one connection. Invariant: positions are sent in order without a gap, wherever the messages come from. What
//! is sent again, on this connection or another, counts against its receiver's rate limit as if they wrote it.

use std::sync::Arc;

use async_channel::Receiver;
use event_listener::listener;
use futures::Stream;
use futures::stream::unfold;

use super::registry::Registry;
use super::session::{Drain, Lease, NotNow, Queued, Session};
use super::window::Held;
use crate::mailbox::{MailboxError, Usage};
use crate::message::{Batch, Name};
use crate::server::limits::PersonRates;

/// How much is read from the mailbox at once.
const REFILL: Usage = Usage { messages: 1_024, bytes: 256 * 1024 };

/// Messages to send to a receiver: those of `batch` above `after`.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) peer: Name,
    pub(crate) session: Session,
    pub(crate) batch: Batch,
    pub(crate) after: u64,
}

/// All messages to the owner of `own` from its peer, beginning with the oldest one that waits. Awaits the reverse
/// session, again whenever it retires. Never ends by itself.
pub(crate) fn deliveries(
    registry: Arc<Registry>,
    rates: Arc<PersonRates>,
    own: Session,
) -> impl Stream<Item = Result<Delivery, MailboxError>> + Send {
    let source = Source { registry, rates, own, draining: None };
    unfold(source, |mut source| async move { Some((source.next().await, source)) })
}

struct Source {
    registry: Arc<Registry>,
    rates: Arc<PersonRates>,
    own: Session,
    draining: Option<Draining>,
}

struct Draining {
    session: Session,
    lease: Lease,
    batches: Receiver<Queued>,
    /// What was sent, up to and with this position.
    cursor: u64,
    refill_to: u64,
}

impl Source {
    async fn next(&mut self) -> Result<Delivery, MailboxError> {
        loop {
            let Some(draining) = &mut self.draining else {
                self.draining = Some(self.begin().await);
                continue;
            };
            match draining.next(&self.registry, &self.rates).await? {
                Some(batch) => {
                    let after = std::mem::replace(&mut draining.cursor, batch.last());
                    let session = draining.session.clone();
                    let peer = session.key().sender().clone();
                    return Ok(Delivery { peer, session, batch, after });
                }
                None => self.draining = None,
            }
        }
    }

    async fn begin(&self) -> Draining {
        loop {
            let session = self.registry.reverse_of(&self.own).await;
            listener!(session.changed() => changed);
            match session.drain() {
                Ok(Drain { lease, batches, cursor, refill_to }) => {
                    let session = session.clone();
                    return Draining { session, lease, batches, cursor, refill_to };
                }
                Err(NotNow::Retired) => {}
                Err(NotNow::HeldBack) => changed.await,
            }
        }
    }
}

impl Draining {
    /// The next batch with something above the cursor; `None` when delivery has to begin again. Withheld messages
    /// expire first: they have nothing to deliver.
    async fn next(
        &mut self,
        registry: &Registry,
        rates: &PersonRates,
    ) -> Result<Option<Batch>, MailboxError> {
        let Some(batch) = self.next_batch(registry).await? else { return Ok(None) };
        if let Some(position) = batch.last_withheld() {
            log::error!("{}: a message without its body was to be delivered", self.session.key());
            self.session.expire(registry.mailbox(), position);
            return Ok(None);
        }
        let again = self.session.send(&batch, self.cursor);
        if !again.is_empty() {
            rates.wait_for(self.session.key().receiver(), again).await;
            if self.session.is_held_back() {
                return Ok(None);
            }
        }
        Ok(Some(batch))
    }

    async fn next_batch(&mut self, registry: &Registry) -> Result<Option<Batch>, MailboxError> {
        loop {
            if self.cursor < self.refill_to {
                let key = self.session.key();
                let batch = registry.mailbox().pending(key, self.cursor, REFILL).await?;
                if self.session.is_held_back() {
                    // The mailbox may have left out what may not be passed yet.
                    return Ok(None);
                }
                if batch.messages().is_empty() {
                    // Acknowledged meanwhile, through an older connection.
                    self.cursor = self.refill_to;
                    continue;
                }
                return Ok(Some(batch));
            }
            let held = match self.batches.recv().await {
                Ok(Queued::Batch(held)) => held,
                Ok(Queued::More) => {
                    self.refill_to = self.session.resume();
                    continue;
                }
                Err(_) => return Ok(None),
            };
            let batch = Held::batch(&held).clone();
            if batch.last() <= self.cursor {
                continue;
            }
            if batch.first() > self.cursor + 1 {
                self.refill_to = batch.last();
                continue;
            }
            return Ok(Some(batch));
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        self.session.stop_draining(self.lease);
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;
    use futures::FutureExt;
    use governor::clock::DefaultClock;

    use super::super::quota::Quota;
    use super::*;
    use crate::mailbox::{Commit, MemoryMailbox};
    use crate::message::{Installation, Message, SessionKey, Timestamp};
    use crate::server::limits::Rates;
    use crate::server::link::{ConnectionId, Link};
    use crate::server::sessions::Offer;
    use crate::wire::frame::Presence;

    fn key() -> SessionKey {
        SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
    }

    fn registry() -> Arc<Registry> {
        Arc::new(Registry::new(Arc::new(MemoryMailbox::default()), Arc::default(), 0))
    }

    /// The session's sender is there, on this connection.
    async fn enter(registry: &Registry, key: &SessionKey, id: u64) -> Session {
        let link = Link::new(
            ConnectionId(id),
            key.sender().clone(),
            Installation::from_u64(1),
            Presence::Online,
        );
        registry.enter(key, &Arc::new(link)).await.unwrap()
    }

    fn source(registry: &Arc<Registry>, own: Session) -> Source {
        let rates = PersonRates::new(&Rates::UNLIMITED, DefaultClock::default());
        Source { registry: registry.clone(), rates: Arc::new(rates), own, draining: None }
    }

    fn message(n: u64) -> Message {
        Message::text(1, n, "hello")
    }

    /// A crash would bring it back behind those that passed it, and its receiver would drop it.
    #[test]
    fn nothing_passes_what_expires_before_that_is_committed() {
        block_on(async {
            // All of it comes from the mailbox.
            let (registry, key) = (registry(), key());
            let john = enter(&registry, &key, 1).await;
            let marie = enter(&registry, &key.reverse(), 2).await;
            let messages = (1..=4).map(message).collect();
            let offer = Offer::of(1, messages);
            john.accept(registry.mailbox(), &Quota::default(), offer).unwrap();
            john.commit(registry.mailbox(), &Commit { key: key.clone(), up_to: 4, ended_up_to: 0 });

            let mut source = source(&registry, marie);
            source.draining = Some(source.begin().await);
            assert!(john.expire(registry.mailbox(), 2));
            assert!(source.next().now_or_never().is_none(), "it waits for the commit");
            john.commit(registry.mailbox(), &Commit { key, up_to: 0, ended_up_to: 2 });
            let Delivery { batch, .. } = source.next().await.unwrap();
            assert_eq!((batch.first(), batch.last()), (3, 4));
        });
    }

    #[test]
    fn what_is_withheld_expires_when_it_would_be_delivered() {
        block_on(async {
            let (registry, key) = (registry(), key());
            let john = enter(&registry, &key, 1).await;
            let marie = enter(&registry, &key.reverse(), 2).await;
            let withheld = Message::withheld(message(2).id, Timestamp(2), 5);
            let messages = vec![message(1), withheld, message(3)];
            let (mailbox, quota) = (registry.mailbox(), Quota::default());
            john.accept(mailbox, &quota, Offer::of(1, messages)).unwrap();
            let commit = Commit { key: key.clone(), up_to: 3, ended_up_to: 0 };
            john.commit(mailbox, &commit);

            let mut source = source(&registry, marie);
            assert!(source.next().now_or_never().is_none(), "it waits for the commit");
            john.commit(mailbox, &Commit { up_to: 0, ended_up_to: 2, ..commit });
            let Delivery { batch, .. } = source.next().await.unwrap();
            assert_eq!((batch.first(), batch.last()), (3, 3));
        });
    }
}
