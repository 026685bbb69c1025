//! Conversations: which there are, which one is in front, and how one gets from one to another.
//!
//! Invariant: whoever is left finds it as it was left.

use super::super::conversation::{Anchor, Conversation};
use super::super::memory::Person;
use super::state::App;
use crate::client::{Command, Query};
use crate::message::Name;
use crate::ui::phrases::news;
use crate::ui::typing::composer::Composer;

impl App {
    /// Where somebody is in the list; at its end from now on if they were not.
    pub(super) fn conversation(&mut self, peer: &Name) -> usize {
        if let Some(index) = self.conversations.iter().position(|it| it.peer == *peer) {
            return index;
        }
        let conversation = self.closed.remove(peer).unwrap_or_else(|| self.begin(peer));
        self.conversations.push(conversation);
        self.conversations.len() - 1
    }

    /// The conversation with somebody, if there is one, also if it was closed.
    pub(super) fn find(&mut self, peer: &Name) -> Option<&mut Conversation> {
        let open = self.conversations.iter_mut().find(|it| it.peer == *peer);
        open.or_else(|| self.closed.get_mut(peer))
    }

    /// A new one, as it is remembered from last time.
    pub(super) fn begin(&self, peer: &Name) -> Conversation {
        let mut fresh = Conversation::new(peer.clone());
        if let Some(Person { draft, scroll, muted, written }) =
            self.memory.people.get(peer.as_str())
        {
            fresh.composer = Composer::with(draft.clone());
            fresh.written.clone_from(written);
            fresh.set_anchor(scroll.map(|(id, skip)| Anchor { id, skip }));
            fresh.muted = *muted;
        }
        fresh
    }

    pub(super) fn turn_to(&mut self, index: usize) {
        self.end_recalling();
        if let Some(before) = self.current_mut() {
            before.leave();
            before.panel.pass();
        }
        self.overlay = None;
        self.origin = None;
        self.current = Some(index);
        let pane = self.pane();
        let it = &mut self.conversations[index];
        it.enter(&pane);
        it.panel.take_over(std::mem::take(&mut self.panel));
        let lobby = std::mem::take(&mut self.lobby);
        if !lobby.is_empty() {
            // What was being written is kept to be brought back.
            self.cut = lobby.text().to_string();
        }
        let (peer, is_request) = (it.peer.clone(), it.request > 0);
        if !is_request {
            self.open(peer);
        }
    }

    /// Has the client hear of somebody.
    pub(super) fn open(&mut self, peer: Name) {
        let index = self.conversation(&peer);
        self.conversations[index].request = 0;
        if self.open.insert(peer.clone()) {
            self.give(Command::Talk(peer.clone()));
            self.give(Command::Key(Some(peer)));
        }
    }

    /// Turns to a message that was found.
    pub(super) fn go_to(&mut self, peer: &Name, id: i64, query: Query) {
        let here = self.current().map(|it| (it.peer.clone(), it.anchor()));
        let origin = self.origin.take().or(here);
        let index = self.conversation(peer);
        self.turn_to(index);
        self.conversations[index].go_to(id, query);
        self.origin = origin;
    }

    /// Turns back to where one was.
    pub(super) fn go_back(&mut self) {
        let Some((peer, anchor)) = self.origin.take() else { return };
        if let Some(it) = self.current_mut() {
            it.set_anchor(None);
        }
        let index = self.conversation(&peer);
        self.turn_to(index);
        self.conversations[index].set_anchor(anchor);
    }

    pub(super) fn talk_to(&mut self, peer: Name) {
        if peer == self.user {
            return self.tell("nobody can talk to themselves here");
        }
        let index = self.conversation(&peer);
        self.conversations[index].request = 0;
        self.turn_to(index);
    }

    pub(super) fn close(&mut self, peer: Option<Name>) {
        let named = peer.or_else(|| self.current().map(|it| it.peer.clone()));
        let place = |peer: &Name| self.conversations.iter().position(|it| it.peer == *peer);
        let Some(index) = named.as_ref().and_then(place) else {
            let open = self.conversations.iter().map(|it| &it.peer);
            return self.tell(news::not_open(named.as_ref(), open));
        };
        let gone = self.conversations.remove(index);
        if self.open.remove(&gone.peer) {
            self.give(Command::Close(gone.peer.clone()));
        }
        self.closed.insert(gone.peer.clone(), gone);
        self.current = match self.current {
            Some(current) if current == index => None,
            Some(current) if current > index => Some(current - 1),
            other => other,
        };
        if self.current.is_none() && index > 0 {
            self.turn_to(index - 1);
        }
    }
}
