//! Who is connected, who of them is online, and who wants to know it.
//!
//! Owned by the server. A name has at most one connection: signing in again replaces the earlier one, and only the
//! connection that is signed in may sign a name out. The earlier connection is the one that was made earlier, even if
//! its proof was heard later: it may be long dead. Whether its person is online is what the connection has said. One
//! that said `away` is served like any other, and nobody else hears of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::{DashMap, Entry};
use event_listener::{Event, listener};

use super::listing::{Listed, Listing};
use crate::message::Name;
use crate::server::link::{ConnectionId, Link, Marks};
use crate::wire::frame::Presence;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Directory {
    connected: DashMap<Name, Arc<Link>>,
    /// The names of those who are online. Changed while the name's entry in `connected` is held, so that both agree.
    listing: Mutex<Listing>,
    /// Connections with an open conversation with the name.
    watchers: DashMap<Name, HashMap<ConnectionId, Arc<Link>>>,
    /// Notified when somebody has signed out.
    left: Event,
}

impl Directory {
    /// Makes a connection the one of its name. Returns the connection that is replaced: an earlier one, or this one if
    /// a later one is there.
    pub(crate) fn sign_in(&self, link: &Arc<Link>) -> Option<Arc<Link>> {
        let replaced = match self.connected.entry(link.name.clone()) {
            Entry::Occupied(there) if there.get().id > link.id => return Some(link.clone()),
            Entry::Occupied(mut there) => {
                let replaced = there.insert(link.clone());
                self.list(link);
                Some(replaced)
            }
            Entry::Vacant(nobody) => {
                let _held = nobody.insert(link.clone());
                self.list(link);
                None
            }
        };
        let before = replaced.as_ref().map_or(Presence::Away, |it| it.presence);
        if before != link.presence {
            self.announce(&link.name);
        }
        replaced
    }

    fn list(&self, link: &Link) {
        match link.presence {
            Presence::Online => self.listing().insert(&link.name),
            Presence::Away => self.listing().remove(&link.name),
        }
    }

    /// Undoes [`sign_in`](Self::sign_in), unless another connection has replaced this one.
    pub(crate) fn sign_out(&self, link: &Link) {
        let removed = self.connected.remove_if(&link.name, |name, it| {
            let leaves = it.id == link.id;
            if leaves {
                self.listing().remove(name);
            }
            leaves
        });
        if removed.is_some() {
            if link.presence == Presence::Online {
                self.announce(&link.name);
            }
            self.left.notify(usize::MAX);
        }
    }

    /// Waits until nobody is signed in with a name.
    pub(crate) async fn until_left(&self, name: &Name) {
        loop {
            listener!(self.left => left);
            if !self.is_connected(name) {
                return;
            }
            left.await;
        }
    }

    /// The connection of a name.
    pub(crate) fn find(&self, name: &Name) -> Option<Arc<Link>> {
        self.connected.get(name).map(|link| link.clone())
    }

    /// Whether somebody is signed in with a name, online or not.
    pub(crate) fn is_connected(&self, name: &Name) -> bool {
        self.connected.contains_key(name)
    }

    /// Whether the person of a name is there, for others to know.
    pub(crate) fn presence(&self, name: &Name) -> Presence {
        self.connected.get(name).map_or(Presence::Away, |link| link.presence)
    }

    /// From now on a connection is told when `peer` comes or goes, or when the name's owner changes.
    pub(crate) fn watch(&self, peer: &Name, link: &Arc<Link>) {
        self.watchers.entry(peer.clone()).or_default().insert(link.id, link.clone());
    }

    /// Undoes [`watch`](Self::watch).
    pub(crate) fn unwatch(&self, peer: &Name, link: &Link) {
        if let Some(mut watchers) = self.watchers.get_mut(peer) {
            watchers.remove(&link.id);
        }
        self.watchers.remove_if(peer, |_, watchers| watchers.is_empty());
    }

    /// Who is online, except for these names, which are sorted.
    pub(crate) fn all_but(&self, hidden: &[Name]) -> Listed {
        // Who is hidden is looked for without the lock.
        let everybody = self.listing().everybody();
        everybody.but_for(hidden)
    }

    /// How many are signed in, and how many of them are online.
    pub(crate) fn count(&self) -> (u64, u64) {
        let online = self.listing().count();
        (self.connected.len() as u64, online)
    }

    /// About how many bytes all names take.
    pub(crate) fn length(&self) -> usize {
        self.listing().len()
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        // A panic in between is not expected; a name is corrected at its next change.
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody's connection, at this moment.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.connected.iter().map(|it| it.value().clone()).collect()
    }

    /// A name has another owner, or none any more.
    pub(crate) fn announce_owner(&self, name: &Name) {
        self.mark_watchers(name, |marks| marks.key = true);
    }

    /// Somebody has a new device list.
    pub(crate) fn announce_list(&self, name: &Name) {
        self.mark_watchers(name, |marks| marks.list = true);
    }

    fn announce(&self, name: &Name) {
        self.mark_watchers(name, |marks| marks.presence = true);
    }

    fn mark_watchers(&self, name: &Name, set: fn(&mut Marks)) {
        if let Some(watchers) = self.watchers.get(name) {
            watchers.values().for_each(|link| link.mark(name, set));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Installation;

    fn link(id: u64, name: &str) -> Arc<Link> {
        saying(Presence::Online, id, name)
    }

    fn saying(presence: Presence, id: u64, name: &str) -> Arc<Link> {
        let installation = Installation::from_u64(id);
        let name = name.parse().unwrap();
        Arc::new(Link::new(ConnectionId(id), name, installation, presence))
    }

    #[test]
    fn a_replaced_connection_does_not_sign_its_successor_out() {
        let directory = Directory::default();
        let (old, new) = (link(1, "john"), link(2, "john"));
        assert!(directory.sign_in(&old).is_none());
        assert_eq!(directory.sign_in(&new).unwrap().id, old.id);
        directory.sign_out(&old);
        assert_eq!(directory.presence(&old.name), Presence::Online);
        directory.sign_out(&new);
        assert_eq!(directory.presence(&old.name), Presence::Away);
    }

    #[test]
    fn the_later_connection_stays_whichever_signs_in_first() {
        let directory = Directory::default();
        let (old, new) = (link(1, "john"), link(2, "john"));
        assert!(directory.sign_in(&new).is_none());
        assert_eq!(directory.sign_in(&old).unwrap().id, old.id);
        directory.sign_out(&old);
        assert_eq!(directory.find(&new.name).unwrap().id, new.id);
    }

    #[test]
    fn the_word_of_the_later_connection_counts_and_watchers_are_marked_if_it_is_another() {
        use Presence::{Away, Online};
        let directory = Directory::default();
        let marie = link(1_000, "marie");
        let john = "john".parse().unwrap();
        directory.watch(&john, &marie);
        let says = |presence, id, is_told| {
            let link = saying(presence, id, "john");
            directory.sign_in(&link);
            assert_eq!(directory.presence(&john), presence, "{id}");
            assert_eq!(directory.all_but(&[]).count, u64::from(presence == Online), "{id}");
            assert!(directory.is_connected(&john));
            assert_eq!(!marie.take_notices().peers.is_empty(), is_told, "{id}");
            link
        };
        let away = says(Away, 2, false);
        let online = says(Online, 3, true);
        // Their proof, and their end, are heard late.
        directory.sign_in(&saying(Away, 1, "john"));
        directory.sign_out(&away);
        assert_eq!(directory.presence(&john), Online);
        says(Online, 4, false);
        let last = says(Away, 5, true);
        says(Away, 6, false);
        directory.sign_out(&online);
        directory.sign_out(&last);
        assert!(directory.is_connected(&john));
        directory.sign_out(&saying(Away, 6, "john"));
        assert!(!directory.is_connected(&john) && marie.take_notices().peers.is_empty());
    }

    #[test]
    fn watchers_are_marked_and_forgotten() {
        let directory = Directory::default();
        let (john, marie) = (link(1, "john"), link(2, "marie"));
        directory.watch(&marie.name, &john);
        directory.sign_in(&marie);
        let notices = john.take_notices();
        assert!(notices.peers[&marie.name].presence);
        directory.unwatch(&marie.name, &john);
        assert!(directory.watchers.is_empty());
    }
}
