//! Which conversations are open without a face: those in which something that was written has not
//! arrived, so that it is sent and what becomes of it is heard.
//!
//! A server holds a limited number open on one connection, so there are places, and a [`Queue`] for
//! them: whoever is owed something *unsent* comes first, the rest in turn. Invariant: whoever waits for a
//! place gets one in bounded time, whatever the others do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::line::connection::Connection;
use super::super::store::outbox;
use super::{Core, Exit};
use crate::message::Name;
use crate::wire::MAX_CONVERSATIONS;
use crate::wire::frame::ClientFrame;

/// How many conversations are open at most that the face does not have open. Others wait for their turn.
const PLACES: usize = 500;

/// How often some give their places to those who wait.
const TURN: Duration = Duration::from_secs(1);

/// How many do then.
const TURNS_AT_ONCE: usize = 50;

/// What waits for a place, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Something is to be sent.
    Unsent,
    /// Something is to be heard of, or could not be sent the last time.
    Rest,
}

/// Who waits for a place. As long as what was written to so many people has not arrived.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<(Need, u64), Name>,
    tickets: BTreeMap<Name, (Need, u64)>,
    last: u64,
}

impl Queue {
    /// Puts somebody at the end of those with the same need. Who waits with a greater one stays there.
    pub(super) fn join(&mut self, peer: Name, need: Need) {
        match self.tickets.get(&peer) {
            Some((before, _)) if *before <= need => return,
            _ => self.leave(&peer),
        }
        self.last += 1;
        self.order.insert((need, self.last), peer.clone());
        self.tickets.insert(peer, (need, self.last));
    }

    /// Somebody needs no place any more, or has one.
    pub(super) fn leave(&mut self, peer: &Name) {
        if let Some(ticket) = self.tickets.remove(peer) {
            self.order.remove(&ticket);
        }
    }

    /// Who is next.
    fn next(&mut self) -> Option<Name> {
        let (_, peer) = self.order.pop_first()?;
        self.tickets.remove(&peer);
        Some(peer)
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many have something unsent; of more than there are places, so many.
    fn urgent(&self) -> usize {
        self.order.range(..(Need::Rest, 0)).take(PLACES).count()
    }
}

/// Who has to give up a place: how many at least, how many wait with something unsent, and how many wait
/// while it is time to take turns.
fn give_way(excess: usize, urgent: usize, in_turn: usize) -> usize {
    excess.max(urgent).max(in_turn.min(TURNS_AT_ONCE))
}

impl Core {
    /// What an earlier run, or an earlier connection, left in the outbox waits for places.
    pub(super) async fn queue_outbox(&mut self) -> Result<(), Exit> {
        let (server, installation) = (self.server.clone(), self.installation);
        let look = move |tx: &rusqlite::Transaction<'_>| {
            outbox::unsettled_peers(tx, &server, installation)
        };
        for (peer, unsent) in self.store.run(look).await? {
            self.want_place(&peer, if unsent { Need::Unsent } else { Need::Rest });
        }
        Ok(())
    }

    /// Has a conversation open as soon as there is a place.
    pub(super) fn want_place(&mut self, peer: &Name, need: Need) {
        if !self.conversations.contains_key(peer) {
            self.queue.join(peer.clone(), need);
        }
    }

    /// Closes what is done, and gives free places to whoever is next.
    pub(super) async fn give_places(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        self.close_settled(connection).await?;
        let (faced, without) = self.count_places();
        let most = PLACES.min(MAX_CONVERSATIONS.saturating_sub(faced));
        self.take_turns(connection, most, without);
        let (_, without) = self.count_places();
        for _ in without..most {
            let Some(peer) = self.queue.next() else { break };
            self.conversations.entry(peer).or_default();
        }
        Ok(())
    }

    /// When somebody who waits for a place is to get one.
    pub(super) fn turn_at(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(self.last_turn + TURN)
    }

    /// How many conversations the face has open, and how many others are.
    fn count_places(&self) -> (usize, usize) {
        let faced = self.conversations.values().filter(|it| it.faced).count();
        (faced, self.conversations.len() - faced)
    }

    /// Closes conversations that the face does not have open, once the fate of all that was written is known.
    async fn close_settled(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let files = &self.files;
        let mut done = Vec::new();
        for (peer, conversation) in &mut self.conversations {
            let may_be = !conversation.faced && conversation.has_sent_all() && !files.go_to(peer);
            if may_be && conversation.is_to_be_checked() {
                done.push(peer.clone());
            }
        }
        for peer in done {
            let scope = self.scope(&peer);
            if self.store.run(move |tx| outbox::is_settled(tx, &scope)).await? {
                self.close(&peer, connection);
            }
        }
        Ok(())
    }

    /// Has those who were heard longest make room, if others wait for it.
    fn take_turns(&mut self, connection: &mut Connection, most: usize, without: usize) {
        let free = most.saturating_sub(without);
        let waiting = self.queue.tickets.len().saturating_sub(free);
        let is_time = self.last_turn.elapsed() >= TURN;
        let in_turn = if is_time { waiting } else { 0 };
        let urgent = self.queue.urgent().saturating_sub(free);
        let leaving = give_way(without.saturating_sub(most), urgent, in_turn);
        if is_time {
            self.last_turn = Instant::now();
        }
        for peer in self.idle(leaving) {
            self.close(&peer, connection);
            self.queue.join(peer, Need::Rest);
        }
    }

    /// Those without a face that can do nothing but wait, the longest open first.
    fn idle(&self, most: usize) -> Vec<Name> {
        if most == 0 {
            return Vec::new();
        }
        let waits = |peer: &Name| self.held.contains_key(peer) || self.files.go_to(peer);
        let mut idle: Vec<_> = { self.conversations.iter() }
            .filter(|(peer, it)| !it.faced && it.is_idle(waits(peer)))
            .map(|(peer, it)| (it.since(), peer.clone()))
            .collect();
        idle.sort();
        idle.into_iter().take(most).map(|(_, peer)| peer).collect()
    }

    fn close(&mut self, peer: &Name, connection: &mut Connection) {
        self.conversations.remove(peer);
        self.nobody.remove(peer);
        connection.say(&ClientFrame::Close { peer: peer.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(number: usize) -> Name {
        format!("friend{number}").parse().unwrap()
    }

    #[test]
    fn what_is_unsent_comes_first_and_the_rest_in_turn() {
        let mut queue = Queue::default();
        queue.join(name(1), Need::Rest);
        queue.join(name(2), Need::Rest);
        queue.join(name(3), Need::Unsent);
        queue.join(name(2), Need::Unsent);
        queue.join(name(3), Need::Rest);
        assert_eq!(queue.urgent(), 2);
        let order = std::iter::from_fn(|| queue.next()).collect::<Vec<_>>();
        assert_eq!(order, [name(3), name(2), name(1)]);
        assert!(queue.is_empty() && queue.tickets.is_empty());
    }

    proptest! {
        /// Whoever comes and goes: each turn takes the oldest of the most urgent.
        #[test]
        fn nobody_waits_twice_or_is_passed(steps in prop::collection::vec((0usize..9, 0u8..4), 0..80)) {
            let (mut queue, mut model) = (Queue::default(), Vec::<(Need, Name)>::new());
            for (who, what) in steps {
                match what {
                    0 => {
                        model.sort_by_key(|(need, _)| *need);
                        let next = (!model.is_empty()).then(|| model.remove(0).1);
                        prop_assert_eq!(queue.next(), next);
                    }
                    1 => {
                        queue.leave(&name(who));
                        model.retain(|(_, peer)| *peer != name(who));
                    }
                    _ => {
                        let need = if what == 2 { Need::Unsent } else { Need::Rest };
                        queue.join(name(who), need);
                        let before = model.iter().position(|(_, peer)| *peer == name(who));
                        if before.is_none_or(|at| model[at].0 > need) {
                            model.retain(|(_, peer)| *peer != name(who));
                            model.push((need, name(who)));
                        }
                    }
                }
            }
        }
    }
}
