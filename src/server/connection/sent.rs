//! What a connection has sent, by the numbers that its client acknowledges.
//!
//! Shared by the two tasks of the connection: one numbers what it writes, the other turns acknowledgements back into
//! positions. Invariant: a number is never used again on a connection.

use std::collections::VecDeque;

use crate::server::link::ByPeer;
use crate::server::sessions::Session;

/// The most runs that are remembered of one peer. Beyond that the oldest is forgotten: what it says is said again by
/// any later acknowledgement. Only delivery that begins again and again, or leaves out what expired, makes more than one.
const MAX_RUNS: usize = 256;

/// Which `seq` of one peer on one connection means which position.
#[derive(Debug)]
pub(super) struct Sent {
    session: Session,
    last_seq: u64,
    /// What is in flight, oldest first. Messages with consecutive positions share a run.
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    first_seq: u64,
    first_position: u64,
    count: u64,
}

/// An answer to what was never sent, or was answered before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeverSent;

impl Sent {
    pub(super) fn new(session: Session) -> Self {
        Self { session, last_seq: 0, runs: VecDeque::new() }
    }

    /// The session that was sent from last.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Numbers messages with consecutive positions that are now sent. Returns the first number.
    pub(super) fn assign(&mut self, session: &Session, first_position: u64, count: u64) -> u64 {
        self.session = session.clone();
        let first_seq = self.last_seq + 1;
        self.last_seq += count;
        match self.runs.back_mut() {
            Some(run) if run.first_position + run.count == first_position => run.count += count,
            _ => self.runs.push_back(Run { first_seq, first_position, count }),
        }
        if self.runs.len() > MAX_RUNS {
            self.runs.pop_front();
        }
        first_seq
    }

    /// The position up to which everything is acknowledged by `seq`; `None` if it says nothing new.
    pub(super) fn acknowledge(&mut self, seq: u64) -> Result<Option<u64>, NeverSent> {
        if seq > self.last_seq {
            return Err(NeverSent);
        }
        let mut position = None;
        while let Some(run) = self.runs.front_mut().filter(|run| run.first_seq <= seq) {
            let count = run.count.min(seq + 1 - run.first_seq);
            // A conversation that was closed and opened again has begun again at a lower one.
            position = position.max(Some(run.first_position + count - 1));
            if count < run.count {
                run.first_seq += count;
                run.first_position += count;
                run.count -= count;
                break;
            }
            self.runs.pop_front();
        }
        Ok(position)
    }

    /// The position up to which everything below `seq` is [acknowledged](Self::acknowledge), if that is new, and the one
    /// that `seq` stands for, which must be in flight.
    pub(super) fn bounce(&mut self, seq: u64) -> Result<(Option<u64>, u64), NeverSent> {
        let below = self.acknowledge(seq - 1)?;
        Ok((below, self.acknowledge(seq)?.ok_or(NeverSent)?))
    }
}

/// What one connection has sent, by peer; shared by its two tasks. Kept also for conversations that
/// were closed: a number is never used again on a connection, and what was sent may still be
/// acknowledged.
pub(super) type SentTable = ByPeer<Sent>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::SessionKey;
    use crate::server::sessions::Windows;

    fn sent() -> Sent {
        let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
        Sent::new(Session::new(key, &Windows::new(u64::MAX)))
    }

    fn assign(sent: &mut Sent, first_position: u64, count: u64) -> u64 {
        let session = sent.session().clone();
        sent.assign(&session, first_position, count)
    }

    #[test]
    fn an_acknowledgement_is_cumulative_and_counts_once() {
        let mut sent = sent();
        assert_eq!(assign(&mut sent, 11, 3), 1);
        assert_eq!(assign(&mut sent, 14, 2), 4);
        assert_eq!(sent.acknowledge(2), Ok(Some(12)));
        assert_eq!(sent.acknowledge(2), Ok(None));
        assert_eq!(sent.acknowledge(1), Ok(None));
        assert_eq!(sent.acknowledge(5), Ok(Some(15)));
        assert_eq!(sent.acknowledge(6), Err(NeverSent));
    }

    #[test]
    fn what_bounces_acknowledges_what_is_below_it() {
        let mut sent = sent();
        assign(&mut sent, 11, 5);
        assert_eq!(sent.bounce(3), Ok((Some(12), 13)));
        assert_eq!(sent.bounce(3), Err(NeverSent), "once");
        assert_eq!(sent.bounce(4), Ok((None, 14)));
        assert_eq!(sent.acknowledge(5), Ok(Some(15)));
        assert_eq!(sent.bounce(6), Err(NeverSent));
    }

    #[test]
    fn numbers_go_on_when_delivery_begins_again() {
        let mut sent = sent();
        assign(&mut sent, 1, 10);
        assert_eq!(assign(&mut sent, 1, 10), 11, "never used again on this connection");
        assert_eq!(sent.acknowledge(15), Ok(Some(10)), "seq 10 stood for position 10");
        assert_eq!(sent.acknowledge(20), Ok(Some(10)));
    }

    #[test]
    fn delivery_that_begins_again_and_again_takes_no_more_and_more_room() {
        let mut sent = sent();
        let begun: Vec<_> = (0..10_000).map(|_| assign(&mut sent, 1, 1)).collect();
        assert_eq!(sent.runs.len(), MAX_RUNS);
        assert_eq!(sent.acknowledge(begun[0]), Ok(None), "too long ago");
        assert_eq!(sent.acknowledge(begun[9_999]), Ok(Some(1)));
    }

    #[test]
    fn a_gap_in_the_positions_is_no_gap_in_the_numbers() {
        let mut sent = sent();
        assign(&mut sent, 1, 2);
        assert_eq!(assign(&mut sent, 7, 2), 3);
        assert_eq!(sent.acknowledge(3), Ok(Some(7)));
        assert_eq!(sent.acknowledge(4), Ok(Some(8)));
    }
}
