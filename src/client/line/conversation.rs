//! The state of one conversation: whether the face has it open, and how far it is on the present connection. Pure: no
//! I/O.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::list::PeerList;
use crate::client::store::outbox::Lost;
use crate::message::MessageId;

/// How many own messages may be in flight: sent and not yet stored.
const WINDOW: u64 = 512;

/// How many messages that have come since `TALK` are remembered, to deduplicate them. More count without a check: only
/// those that were in flight before come twice; they are fewer, and come first.
const REMEMBERED: usize = 10_000;

/// How long to wait for `ROOM` before asking anyway.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How often `TALK` is sent at once, and on average: with each the outbox is sent again, and a server may refuse what it
/// likes, and say at once that there is room.
#[derive(Debug)]
struct Talks(Allowance);

impl Default for Talks {
    fn default() -> Self {
        Self(Allowance::new(10, Duration::from_secs(10)))
    }
}

/// How often the owner of a name is asked for when somebody comes and goes. The server also tells unasked when it
/// changes.
const ASK_KEY: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The face has it open. Otherwise it is only open for messages that have not arrived.
    pub(crate) faced: bool,
    /// The history has messages that were not given to the face, above this id.
    pub(crate) unshown_above: Option<i64>,
    link: Link,
    /// The peer's device list.
    pub(crate) list: PeerList,
    /// When it was opened on the present connection.
    since: Option<Instant>,
    /// All that was written may have arrived since the last check.
    unchecked: bool,
    /// What has come since `TALK`, until all that waited then has. Each counts once: the server also counts what was in
    /// flight before, but need not send it again.
    came: HashSet<MessageId>,
    /// How many more have.
    came_beyond: u64,
    /// When the owner of the name was asked for, because somebody came.
    asked: Option<Instant>,
    talks: Talks,
    /// The last message that was refused.
    refused: u64,
}

/// What is new about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Another message was refused.
    First,
    /// The same as before, once more.
    Again,
}

/// The state of a conversation on the present connection.
#[derive(Debug, Default)]
enum Link {
    /// Not opened on it.
    #[default]
    Closed,
    /// `TALK` was sent: nothing may be sent until `TALKING`.
    Opening(Opening),
    Open(Open),
    /// The server refused a message. `TALK` at this time at the latest.
    Refused(Instant),
}

#[derive(Debug)]
struct Opening {
    /// The last own number that was ever sent.
    sent: u64,
    /// Those of them that the server says expired or bounced. Whether it means messages from here, `TALKING` shows.
    lost: BTreeMap<u64, Lost>,
}

#[derive(Debug)]
struct Open {
    /// The last own number that was sent, or did not need to be.
    sent: u64,
    /// The last own number that is stored.
    stored: u64,
    /// The outbox may have something above `sent`.
    more: bool,
    /// How many of the peer's messages waited; 0 once they have come.
    waiting: u64,
}

impl Conversation {
    /// The connection has ended.
    pub(crate) fn disconnected(&mut self) {
        (self.link, self.since, self.asked) = (Link::Closed, None, None);
        self.list.disconnected();
        self.talks = Talks::default();
    }

    /// Somebody came with the peer's name. Returns whether to ask whose it is: each question counts like a message, and
    /// somebody who comes and goes without end shall not use up the rate.
    pub(crate) fn asks_who_comes(&mut self, now: Instant) -> bool {
        let asks = self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK_KEY);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// The face does not have it open any more.
    pub(crate) fn leave_face(&mut self) {
        (self.faced, self.unchecked) = (false, true);
    }

    /// `TALK` was sent. Own numbers up to `sent` were sent before.
    pub(crate) fn opening(&mut self, sent: u64, now: Instant) {
        // That it was due was asked before.
        let _ = self.talks.0.take(now);
        self.link = Link::Opening(Opening { sent, lost: BTreeMap::new() });
        self.forget_arrivals();
    }

    /// The server has lost an own message. Returns whether handling it has to wait for `TALKING`. It cannot be one that
    /// was never sent from here.
    pub(crate) fn holds(&mut self, n: u64, how: Lost) -> bool {
        let Link::Opening(Opening { sent, lost }) = &mut self.link else { return false };
        if n <= *sent {
            lost.insert(n, how);
        }
        true
    }

    /// What has waited for `TALKING`.
    pub(crate) fn take_lost(&mut self) -> BTreeMap<u64, Lost> {
        match &mut self.link {
            Link::Opening(opening) => std::mem::take(&mut opening.lost),
            _ => BTreeMap::new(),
        }
    }

    /// `TALKING` has come.
    pub(crate) fn opened(&mut self, now: Instant, have: u64, stored: u64, waiting: u64) {
        let stored = stored.min(have);
        self.link = Link::Open(Open { sent: have, stored, more: true, waiting });
        self.since.get_or_insert(now);
        self.unchecked = true;
        self.settle_arrivals();
    }

    /// A message was refused. Returns whether that is news; between `TALK` and `TALKING` it is not, and for a message
    /// that was not sent it means nothing.
    pub(crate) fn refused(
        &mut self,
        n: u64,
        now: Instant,
        after: Option<Duration>,
    ) -> Option<News> {
        if !matches!(&self.link, Link::Open(open) if n <= open.sent) {
            return None;
        }
        self.link = Link::Refused(now + after.unwrap_or(ASK_AGAIN));
        let before = std::mem::replace(&mut self.refused, n);
        Some(if before == n { News::Again } else { News::First })
    }

    /// `TALK` itself was refused. It is retried later.
    pub(crate) fn refused_to_open(&mut self, now: Instant, after: Duration) {
        self.link = Link::Refused(now + after);
    }

    /// Makes `TALK` be sent again, so that what waits comes and is counted.
    pub(crate) fn ask_anew(&mut self) {
        if matches!(self.link, Link::Open(_)) {
            self.link = Link::Closed;
        }
    }

    /// There is room again: it is time for `TALK`.
    pub(crate) fn room(&mut self, now: Instant) {
        if let Link::Refused(at) = &mut self.link {
            *at = now;
        }
    }

    /// Something was put into the outbox.
    pub(crate) fn more(&mut self) {
        if let Link::Open(open) = &mut self.link {
            open.more = true;
        }
    }

    /// Everything up to `n` is stored. Returns whether that is more than before.
    pub(crate) fn stored(&mut self, n: u64) -> bool {
        let Link::Open(open) = &mut self.link else { return false };
        let n = n.min(open.sent);
        let more = n > open.stored;
        open.stored = open.stored.max(n);
        self.unchecked = true;
        more
    }

    /// The fate of something that was written has become known.
    pub(crate) fn fate_known(&mut self) {
        self.unchecked = true;
    }

    /// Whether to check if everything that was written has arrived. True once each time.
    pub(crate) fn is_to_be_checked(&mut self) -> bool {
        std::mem::take(&mut self.unchecked)
    }

    /// A message of the peer has come.
    pub(crate) fn came(&mut self, id: MessageId) {
        if matches!(&self.link, Link::Opening(_) | Link::Open(Open { waiting: 1.., .. })) {
            if self.came.len() < REMEMBERED {
                self.came.insert(id);
            } else {
                self.came_beyond += 1;
            }
            self.settle_arrivals();
        }
    }

    fn settle_arrivals(&mut self) {
        if let Link::Open(open) = &mut self.link
            && self.came.len() as u64 + self.came_beyond >= open.waiting
        {
            open.waiting = 0;
            self.forget_arrivals();
        }
    }

    fn forget_arrivals(&mut self) {
        (self.came, self.came_beyond) = (HashSet::new(), 0);
    }

    /// Whether everything that was written is stored.
    pub(crate) fn has_sent_all(&self) -> bool {
        matches!(&self.link, Link::Open(open) if !open.more && open.stored >= open.sent)
    }

    /// Whether it has caught up and only waits: for others, or, if `held`, for whatever holds it.
    pub(crate) fn is_idle(&self, held: bool) -> bool {
        match self.link {
            Link::Closed | Link::Opening(_) => false,
            Link::Refused(_) => true,
            Link::Open(_) => held || self.has_sent_all(),
        }
    }

    /// When it was opened on the present connection.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether `TALK` is due: never sent, or refused long enough ago.
    pub(crate) fn is_talk_due(&self, now: Instant) -> bool {
        let is_time = match self.link {
            Link::Closed => true,
            Link::Refused(at) => at <= now,
            Link::Opening(_) | Link::Open(_) => false,
        };
        is_time && self.talks.0.due_at(now).is_none()
    }

    /// When `TALK` becomes due by its timer, or `DEVICES`.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let (allowed, keys) = (self.talks.0.due_at(now), self.list.keys_due_at(now));
        match self.link {
            Link::Closed => allowed,
            Link::Refused(at) => allowed.max(Some(at)).into_iter().chain(keys).min(),
            Link::Opening(_) => None,
            Link::Open(_) => keys,
        }
    }

    /// What may be sent: messages above a number, and how many.
    pub(crate) fn may_send(&self) -> Option<(u64, u32)> {
        let Link::Open(open) = &self.link else { return None };
        if !self.list.is_settled() {
            return None;
        }
        let room = WINDOW.saturating_sub(open.sent.saturating_sub(open.stored));
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        (open.more && room > 0).then_some((open.sent, room))
    }

    /// Messages up to `last` were sent; `all`: those were all that the outbox had.
    pub(crate) fn sent(&mut self, last: Option<u64>, all: bool) {
        if let Link::Open(open) = &mut self.link {
            open.sent = last.unwrap_or(open.sent);
            open.more = !all;
        }
    }

    /// Whether what is written in one transaction is sent at once, with nothing before it.
    pub(crate) fn sends_at_once(&self) -> bool {
        let Link::Open(open) = &self.link else { return false };
        self.list.is_settled() && !open.more && open.sent.saturating_sub(open.stored) < WINDOW / 2
    }

    /// Whether to ask for the peer's device list; `has_files`: there are files to be sent; `is_held`: nothing is sent until
    /// somebody decides.
    pub(crate) fn wants_list(&self, has_files: bool, is_held: bool, now: Instant) -> bool {
        match &self.link {
            Link::Open(open) => self.list.is_due(open.more || has_files, is_held, now),
            // What comes is opened all the same.
            Link::Refused(_) => self.list.is_due_for_keys(now),
            Link::Closed | Link::Opening(_) => false,
        }
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.link, Link::Open(_))
    }

    /// Whether `TALK` was sent, and `TALKING` has not come.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.link, Link::Opening(_))
    }

    /// Whether it is open and everything that waited has come.
    pub(crate) fn has_caught_up(&self) -> bool {
        matches!(&self.link, Link::Open(open) if open.waiting == 0)
    }

    /// Whether the server takes no more at the moment.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.link, Link::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Installation;

    #[test]
    fn nothing_is_sent_between_talk_and_talking() {
        let mut conversation = Conversation::default();
        let now = Instant::now();
        assert!(conversation.is_talk_due(now));
        conversation.opening(0, Instant::now());
        conversation.more();
        assert_eq!(conversation.may_send(), None);
        assert!(!conversation.is_talk_due(now));
        conversation.opened(Instant::now(), 7, 5, 0);
        assert_eq!(conversation.may_send(), Some((7, 510)));
    }

    #[test]
    fn a_window_bounds_what_is_under_way() {
        let mut conversation = Conversation::default();
        conversation.opened(Instant::now(), 0, 0, 0);
        conversation.sent(Some(512), false);
        assert_eq!(conversation.may_send(), None);
        assert!(conversation.stored(100));
        assert!(!conversation.stored(100), "the same again is no progress");
        assert_eq!(conversation.may_send(), Some((512, 100)));
        conversation.sent(Some(520), true);
        assert_eq!(conversation.may_send(), None);
        conversation.more();
        assert_eq!(conversation.may_send(), Some((520, 92)));
    }

    #[test]
    fn a_refusal_stops_sending_until_room_or_time() {
        let mut conversation = Conversation::default();
        let now = Instant::now();
        conversation.opened(Instant::now(), 0, 0, 0);
        assert_eq!(conversation.refused(1, now, None), None, "of what was not sent");
        conversation.sent(Some(1), true);
        assert_eq!(conversation.refused(1, now, None), Some(News::First));
        assert_eq!(conversation.refused(1, now, None), None, "told once");
        assert_eq!(conversation.may_send(), None);
        assert!(!conversation.is_talk_due(now));
        assert!(conversation.is_talk_due(now + ASK_AGAIN));
        conversation.room(now);
        assert!(conversation.is_talk_due(now));
        conversation.opening(0, Instant::now());
        assert_eq!(conversation.refused(1, now, None), None, "of the time before TALK");
        conversation.opened(now, 1, 0, 0);
        assert_eq!(conversation.refused(1, now, None), Some(News::Again));
    }

    #[test]
    fn whoever_refuses_without_end_is_not_asked_without_end() {
        let (mut conversation, start) = (Conversation::default(), Instant::now());
        let mut asked = 0;
        for step in 0..1_000 {
            let now = start + step * Duration::from_millis(100);
            if conversation.is_talk_due(now) {
                asked += 1;
                conversation.opening(1, now);
                conversation.opened(now, 1, 0, 0);
                conversation.refused(1, now, Some(Duration::ZERO));
            }
            conversation.room(now);
        }
        assert_eq!(asked, 100, "in 100 s");
        conversation.opened(start, 1, 0, 0);
        conversation.ask_anew();
        let due = conversation.due_at(start + Duration::from_millis(99_900));
        assert_eq!(due, Some(start + Duration::from_secs(100)), "it goes on");
        conversation.disconnected();
        assert!(conversation.is_talk_due(start), "on another connection it is new");
    }

    #[test]
    fn it_has_caught_up_when_what_waited_has_come() {
        let mut conversation = Conversation::default();
        assert!(!conversation.has_caught_up());
        let id = |n| MessageId { installation: Installation::from_u64(1), n };
        conversation.opening(0, Instant::now());
        conversation.came(id(1));
        conversation.opened(Instant::now(), 0, 0, 2);
        conversation.came(id(1));
        assert!(!conversation.has_caught_up(), "the same one again");
        conversation.came(id(2));
        assert!(conversation.has_caught_up());
    }

    #[test]
    fn what_comes_without_end_is_counted_and_not_remembered() {
        let mut conversation = Conversation::default();
        let id = |n| MessageId { installation: Installation::from_u64(1), n };
        let all = 3 * REMEMBERED as u64;
        conversation.opening(0, Instant::now());
        conversation.opened(Instant::now(), 0, 0, all);
        for n in 1..all {
            conversation.came(id(n));
            assert!(conversation.came.len() <= REMEMBERED && !conversation.has_caught_up());
        }
        conversation.came(id(all));
        assert!(conversation.has_caught_up());
    }

    #[test]
    fn all_is_sent_when_the_last_is_stored() {
        let mut conversation = Conversation::default();
        conversation.opened(Instant::now(), 0, 0, 0);
        assert!(!conversation.has_sent_all(), "the outbox was not looked at");
        conversation.sent(Some(2), true);
        assert!(!conversation.has_sent_all());
        conversation.stored(2);
        assert!(conversation.has_sent_all());
    }

    #[test]
    fn what_expired_waits_for_talking_and_is_never_of_what_was_not_sent() {
        let mut conversation = Conversation::default();
        assert!(!conversation.holds(1, Lost::Expired));
        conversation.opening(3, Instant::now());
        for n in [2, 4, 3, 2] {
            assert!(conversation.holds(n, Lost::Bounced));
        }
        assert_eq!(conversation.take_lost(), [2, 3].map(|n| (n, Lost::Bounced)).into());
        conversation.opened(Instant::now(), 3, 3, 0);
        assert!(!conversation.holds(1, Lost::Expired), "there is nothing to wait for");
    }

    #[test]
    fn it_is_asked_now_and_then_who_comes_however_often_somebody_does() {
        let (mut conversation, now) = (Conversation::default(), Instant::now());
        assert!(conversation.asks_who_comes(now));
        assert!(!(0..1_000).any(|_| conversation.asks_who_comes(now)));
        assert!(conversation.asks_who_comes(now + ASK_KEY));
        conversation.disconnected();
        assert!(conversation.asks_who_comes(now + ASK_KEY), "on another connection");
    }
}
