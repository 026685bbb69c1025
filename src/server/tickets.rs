//! Tickets: words by which a connection that carries files is known to be somebody's who is signed in.
//!
//! Issued on a connection where somebody talks, and good as long as that lives; so whoever is banned, replaced
//! or gone carries no more. Invariant: what is carried for one person, and in all, keeps to its limit.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_channel::{Receiver, Sender};
use dashmap::DashMap;
use thiserror::Error;

use crate::message::Name;
use crate::trust::{SecretDigest, Ticket};
use crate::wire::frame::ErrorCode;

/// How many connections carry files for one person at once.
const CARRIERS_OF_ONE: usize = 8;

/// All that are good.
pub(super) struct Tickets {
    holders: DashMap<SecretDigest, Holder>,
    carriers: Arc<AtomicUsize>,
    max_carriers: usize,
}

struct Holder {
    name: Name,
    ended: Receiver<Infallible>,
    carriers: Arc<AtomicUsize>,
}

/// A ticket that is good as long as this lives.
pub(super) struct Issued {
    tickets: Arc<Tickets>,
    ticket: Ticket,
    /// Closed with it.
    _alive: Sender<Infallible>,
}

/// Somebody carries files for somebody.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) name: Name,
    /// Closed when whoever it is for is not signed in there any more.
    pub(super) ended: Receiver<Infallible>,
    _counted: [Counted; 2],
}

/// Why nobody carries anything.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum PassError {
    #[error("this ticket is not good, or not any more; ask for another")]
    Unknown,
    #[error("as many files are carried as may be at once; try again later")]
    TooMany,
}

impl PassError {
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::Unknown => ErrorCode::Ticket,
            Self::TooMany => ErrorCode::Busy,
        }
    }
}

impl Tickets {
    pub(super) fn new(max_carriers: usize) -> Self {
        Self { holders: DashMap::new(), carriers: Arc::default(), max_carriers }
    }

    /// A new one for somebody.
    pub(super) fn issue(tickets: &Arc<Self>, name: &Name) -> Issued {
        let (ticket, (alive, ended)) = (Ticket::generate(), async_channel::bounded(1));
        let holder = Holder { name: name.clone(), ended, carriers: Arc::default() };
        tickets.holders.insert(ticket.digest(), holder);
        Issued { tickets: tickets.clone(), ticket, _alive: alive }
    }

    /// Lets a connection carry files for whom the ticket was issued to.
    pub(super) fn redeem(&self, ticket: &Ticket) -> Result<Pass, PassError> {
        let holder = self.holders.get(&ticket.digest()).ok_or(PassError::Unknown)?;
        let _counted = [
            Counted::of(&holder.carriers, CARRIERS_OF_ONE)?,
            Counted::of(&self.carriers, self.max_carriers)?,
        ];
        Ok(Pass { name: holder.name.clone(), ended: holder.ended.clone(), _counted })
    }
}

impl Issued {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        self.tickets.holders.remove(&self.ticket.digest());
    }
}

/// One that is counted as long as this lives.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn of(count: &Arc<AtomicUsize>, most: usize) -> Result<Self, PassError> {
        let counted = Self(count.clone());
        if count.fetch_add(1, Ordering::Relaxed) >= most {
            Err(PassError::TooMany)
        } else {
            Ok(counted)
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_as_long_as_its_holder_is_signed_in() {
        let tickets = Arc::new(Tickets::new(64));
        let issued = Tickets::issue(&tickets, &"john".parse().unwrap());
        let pass = tickets.redeem(&issued.ticket()).unwrap();
        assert_eq!(pass.name.as_str(), "john");
        assert!(!pass.ended.is_closed());
        let ticket = issued.ticket();
        drop(issued);
        assert!(pass.ended.is_closed());
        assert_eq!(tickets.redeem(&ticket).unwrap_err(), PassError::Unknown);
        assert_eq!(tickets.redeem(&Ticket::generate()).unwrap_err(), PassError::Unknown);
    }

    #[test]
    fn neither_one_nor_all_carry_more_than_they_may() {
        let tickets = Arc::new(Tickets::new(CARRIERS_OF_ONE + 1));
        let (john, marie) = ("john".parse().unwrap(), "marie".parse().unwrap());
        let (john, marie) = (Tickets::issue(&tickets, &john), Tickets::issue(&tickets, &marie));
        let redeem = |issued: &Issued| tickets.redeem(&issued.ticket());
        let mut johns: Vec<_> = (0..CARRIERS_OF_ONE).map(|_| redeem(&john).unwrap()).collect();
        assert_eq!(redeem(&john).unwrap_err(), PassError::TooMany);
        let _marie = redeem(&marie).unwrap();
        assert_eq!(redeem(&marie).unwrap_err(), PassError::TooMany);
        johns.pop();
        assert!(redeem(&marie).is_ok(), "and what was refused does not count");
    }
}
