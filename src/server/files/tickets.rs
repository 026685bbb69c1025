//! Tickets: words that prove that a connection that carries files belongs to somebody who is signed in.
//!
//! Issued on a connection where somebody talks, and valid as long as that lives; so whoever is banned, replaced or gone
//! carries no more. When the limit is reached, a carrier that stands still gives way to a new one, or else one of
//! somebody who has more of them. Invariant: the carriers of one person, and all together, keep to their limits.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use dashmap::DashMap;
use thiserror::Error;

use crate::message::Name;
use crate::trust::{SecretDigest, Ticket};
use crate::wire::frame::ErrorCode;

/// How many connections carry files for one person at once.
const CARRIERS_OF_ONE: usize = 8;

/// How long one of them may carry nothing before it gives way to a new one. A disk may take some seconds to keep a
/// file, or to read what there is of one.
const STILL: Duration = Duration::from_secs(10);

/// All that are valid.
pub(crate) struct Tickets {
    holders: DashMap<SecretDigest, Holder>,
    carriers: Arc<Carriers>,
}

struct Holder {
    name: Name,
    ended: Receiver<Infallible>,
}

/// All connections that carry.
struct Carriers {
    most: usize,
    began: Instant,
    last: AtomicU64,
    all: Mutex<HashMap<u64, Carrying>>,
}

/// One that carries. It ends when this is dropped.
struct Carrying {
    name: Name,
    /// When it last carried something, in milliseconds since the first could.
    moved: Arc<AtomicU64>,
    _wanted: Sender<Infallible>,
}

/// A ticket that is valid as long as this lives.
pub(crate) struct Issued {
    tickets: Arc<Tickets>,
    ticket: Ticket,
    /// Closed with it.
    _alive: Sender<Infallible>,
}

/// Somebody carries files for somebody.
pub(crate) struct Pass {
    pub(crate) name: Name,
    /// Closed when the person is not signed in there any more.
    pub(crate) ended: Receiver<Infallible>,
    /// Closed when it gives way to another.
    pub(super) displaced: Receiver<Infallible>,
    id: u64,
    moved: Arc<AtomicU64>,
    carriers: Arc<Carriers>,
}

/// Why nobody carries anything.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum PassError {
    #[error("this ticket is not good, or not any more; ask for another")]
    Unknown,
    #[error("as many files are carried as may be at once; try again later")]
    TooMany,
}

impl PassError {
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            Self::Unknown => ErrorCode::Ticket,
            Self::TooMany => ErrorCode::Busy,
        }
    }
}

impl Tickets {
    pub(crate) fn new(max_carriers: usize, now: Instant) -> Self {
        let carriers =
            Carriers { most: max_carriers, began: now, last: 0.into(), all: Mutex::default() };
        Self { holders: DashMap::new(), carriers: Arc::new(carriers) }
    }

    /// A new one for somebody.
    pub(crate) fn issue(tickets: &Arc<Self>, name: &Name) -> Issued {
        let (ticket, (alive, ended)) = (Ticket::generate(), async_channel::bounded(1));
        tickets.holders.insert(ticket.digest(), Holder { name: name.clone(), ended });
        Issued { tickets: tickets.clone(), ticket, _alive: alive }
    }

    /// How many connections carry files.
    pub(crate) fn carrying(&self) -> u64 {
        self.carriers.all().len() as u64
    }

    /// Lets a connection carry files for the person to whom the ticket was issued.
    pub(crate) fn redeem(&self, ticket: &Ticket, now: Instant) -> Result<Pass, PassError> {
        let holder = self.holders.get(&ticket.digest()).ok_or(PassError::Unknown)?;
        Carriers::begin(&self.carriers, &holder, now).ok_or(PassError::TooMany)
    }
}

impl Carriers {
    /// Counts one more; if there is no room, another gives way to it. None if none does.
    fn begin(carriers: &Arc<Self>, holder: &Holder, now: Instant) -> Option<Pass> {
        let time = carriers.time(now);
        let mut all = carriers.all();
        let own = all.values().filter(|it| it.name == holder.name).count();
        if own >= CARRIERS_OF_ONE {
            let stillest = stillest(&all, time, |it| it.name == holder.name)?;
            all.remove(&stillest);
        }
        if all.len() >= carriers.most {
            let gives_way = stillest(&all, time, |_| true).or_else(|| surplus(&all, own))?;
            all.remove(&gives_way);
        }
        let id = carriers.last.fetch_add(1, Ordering::Relaxed);
        let (moved, (wanted, displaced)) = (Arc::new(time.into()), async_channel::bounded(1));
        let (name, ended) = (holder.name.clone(), holder.ended.clone());
        let carrying = Carrying { name: name.clone(), moved: Arc::clone(&moved), _wanted: wanted };
        all.insert(id, carrying);
        Some(Pass { name, ended, displaced, id, moved, carriers: carriers.clone() })
    }

    fn time(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u64, Carrying>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that has stood still for longest, among those meant, if that is too long.
fn stillest(
    all: &HashMap<u64, Carrying>,
    time: u64,
    is_meant: impl Fn(&Carrying) -> bool,
) -> Option<u64> {
    let meant = all.iter().filter(|(_, it)| is_meant(it));
    let (id, longest) = meant.min_by_key(|(_, it)| it.moved())?;
    let still = Duration::from_millis(time.saturating_sub(longest.moved()));
    (still >= STILL).then_some(*id)
}

/// Of the person who carries most, the connection that moved the longest ago; if they have more than `own` and one.
fn surplus(all: &HashMap<u64, Carrying>, own: usize) -> Option<u64> {
    let mut counts: HashMap<&Name, usize> = HashMap::new();
    all.values().for_each(|it| *counts.entry(&it.name).or_default() += 1);
    let (name, _) = counts.into_iter().filter(|(_, it)| *it > own + 1).max_by_key(|(_, it)| *it)?;
    let theirs = all.iter().filter(|(_, it)| it.name == *name);
    theirs.min_by_key(|(_, it)| it.moved()).map(|(id, _)| *id)
}

impl Carrying {
    fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }
}

impl Pass {
    /// Something of a file was carried.
    pub(super) fn moved(&self, now: Instant) {
        self.moved.store(self.carriers.time(now), Ordering::Relaxed);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // One that gave way was removed already.
        self.carriers.all().remove(&self.id);
    }
}

impl Issued {
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        self.tickets.holders.remove(&self.ticket.digest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// Tickets of some people, and how they are redeemed.
    struct Desk {
        tickets: Arc<Tickets>,
        now: Instant,
        issued: HashMap<&'static str, Issued>,
    }

    impl Desk {
        fn new(max_carriers: usize, names: &[&'static str]) -> Self {
            let now = Instant::now();
            let tickets = Arc::new(Tickets::new(max_carriers, now));
            let issue =
                |name: &&'static str| (*name, Tickets::issue(&tickets, &name.parse().unwrap()));
            let issued = names.iter().map(issue).collect();
            Self { tickets, now, issued }
        }

        fn redeem(&self, name: &str) -> Result<Pass, PassError> {
            self.tickets.redeem(&self.issued[name].ticket(), self.now)
        }

        fn redeem_all(&self, name: &str, count: usize) -> Vec<Pass> {
            (0..count).map(|_| self.redeem(name).unwrap()).collect()
        }

        fn refuses(&self, name: &str) -> bool {
            self.redeem(name).err() == Some(PassError::TooMany)
        }
    }

    fn displaced(passes: &[Pass]) -> Vec<bool> {
        passes.iter().map(|pass| pass.displaced.is_closed()).collect()
    }

    #[test]
    fn a_ticket_is_good_as_long_as_its_holder_is_signed_in() {
        let mut desk = Desk::new(64, &["john"]);
        let pass = desk.redeem("john").unwrap();
        assert_eq!(pass.name.as_str(), "john");
        assert!(!pass.ended.is_closed());
        let issued = desk.issued.remove("john").unwrap();
        let ticket = issued.ticket();
        drop(issued);
        assert!(pass.ended.is_closed());
        for ticket in [ticket, Ticket::generate()] {
            let refused = desk.tickets.redeem(&ticket, desk.now).err();
            assert_eq!(refused, Some(PassError::Unknown));
        }
    }

    #[test]
    fn neither_one_nor_all_carry_more_than_they_may() {
        let desk = Desk::new(CARRIERS_OF_ONE + 1, &["john", "marie"]);
        let mut johns = desk.redeem_all("john", CARRIERS_OF_ONE);
        assert!(desk.refuses("john"));
        johns.pop();
        let _johns = (desk.redeem("john").unwrap(), johns);
        let _marie = desk.redeem("marie").unwrap();
        assert!(desk.refuses("john"), "and what was refused does not count");
    }

    #[test]
    fn one_that_stands_still_gives_way_also_to_another_of_the_same_person() {
        let mut desk = Desk::new(64, &["john"]);
        let mut johns = desk.redeem_all("john", CARRIERS_OF_ONE);
        desk.now += STILL - MOMENT;
        johns[0].moved(desk.now);
        assert!(desk.refuses("john"));
        desk.now += MOMENT;
        johns[1].moved(desk.now);
        johns.push(desk.redeem("john").unwrap());
        let gone = displaced(&johns);
        assert_eq!((gone[0], gone[1], gone[8]), (false, false, false));
        assert_eq!(gone.iter().filter(|it| **it).count(), 1);
        drop(johns);
        assert!(desk.tickets.carriers.all().is_empty());
    }

    #[test]
    fn of_all_the_one_gives_way_that_stands_still_for_longest() {
        let mut desk = Desk::new(4, &["john", "marie", "anna"]);
        let johns = desk.redeem_all("john", 2);
        let maries = desk.redeem_all("marie", 2);
        desk.now += STILL;
        [&johns[0], &johns[1], &maries[0]].iter().for_each(|pass| pass.moved(desk.now));
        let _anna = desk.redeem("anna").unwrap();
        assert_eq!((displaced(&johns), displaced(&maries)), (vec![false; 2], vec![false, true]));
    }

    #[test]
    fn where_all_go_on_whoever_has_most_gives_one_up_to_who_has_least() {
        let mut desk = Desk::new(4, &["john", "marie", "anna"]);
        let mut johns = desk.redeem_all("john", 3);
        let marie = desk.redeem("marie").unwrap();
        desk.now += MOMENT;
        [&johns[0], &johns[2]].iter().for_each(|pass| pass.moved(desk.now));
        let mut annas = desk.redeem_all("anna", 1);
        assert_eq!(displaced(&johns), [false, true, false]);
        // Two, one and one: nobody would have less by it.
        assert!(["john", "marie", "anna"].iter().all(|name| desk.refuses(name)));
        assert!(!marie.displaced.is_closed());
        // What gave way ends some time later.
        johns.remove(1);
        assert!(desk.refuses("anna"));
        annas.clear();
        assert!(desk.redeem("marie").is_ok());
    }
}
