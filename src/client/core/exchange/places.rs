//! Places for conversations that are open without the face: who has one, and who makes room.
//!
//! Owned by the core. Invariant: no more conversations are open than the server allows.

use std::time::{Duration, Instant};

use super::super::exit::Exit;
use super::super::queue::{Need, PLACES};
use super::super::state::Core;
use crate::client::line::connection::Connection;
use crate::client::store::outbox;
use crate::message::Name;
use crate::wire::MAX_CONVERSATIONS;
use crate::wire::frame::ClientFrame;

/// How often some places are given to conversations that wait.
const TURN: Duration = Duration::from_secs(1);

/// How many at a time.
const TURNS_AT_ONCE: usize = 50;

impl Core {
    /// Queues conversations for what an earlier run, or an earlier connection, left in the outbox.
    pub(crate) async fn queue_outbox(&mut self) -> Result<(), Exit> {
        let (server, installation) = (self.server.clone(), self.installation);
        let look = move |tx: &rusqlite::Transaction<'_>| {
            outbox::unsettled_peers(tx, &server, installation)
        };
        for (peer, unsent) in self.store.run(look).await? {
            self.want_place(&peer, if unsent { Need::Unsent } else { Need::Rest });
        }
        Ok(())
    }

    /// Queues a conversation to be opened as soon as there is a place.
    pub(crate) fn want_place(&mut self, peer: &Name, need: Need) {
        if !self.conversations.contains_key(peer) {
            self.queue.join(peer.clone(), need);
        }
    }

    /// Closes what is done, and gives free places to the next ones.
    pub(crate) async fn give_places(&mut self, connection: &mut Connection) -> Result<(), Exit> {
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
    pub(crate) fn turn_at(&self) -> Option<Instant> {
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

    /// Lets those that were open longest make room, if others wait.
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
        let waits = |peer: &Name| self.held.stops(peer) || self.files.go_to(peer);
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

/// Who has to give up a place: how many at least, how many wait with something unsent, and how many wait
/// while it is time to take turns.
fn give_way(excess: usize, urgent: usize, in_turn: usize) -> usize {
    excess.max(urgent).max(in_turn.min(TURNS_AT_ONCE))
}
