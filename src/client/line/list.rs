//! How far a peer's device list is known on the present connection.
//!
//! Owned by its [conversation](super::conversation). Pure: the time is an argument. Invariant: messages are sent only
//! while it is settled, so that each is written for the version that the server told last.

use std::time::{Duration, Instant};

/// How often a list is asked for because it changed, while nothing is to be sent: each question counts like a message.
const ASK: Duration = Duration::from_secs(10);

/// How often it is asked for because of a key that is not known: whoever writes may have that happen without end.
const ASK_KEYS: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct PeerList {
    /// The version that is believed.
    known: u64,
    /// Another list was shown that waits to be accepted.
    is_doubted: bool,
    /// The version that the server told last.
    told: u64,
    step: Step,
    /// It is asked for even if nothing is to be sent.
    is_wanted: bool,
    /// It is asked for even if its version is known, for the keys behind it may be others.
    wants_keys: bool,
    /// When it was asked for last, and when for that reason.
    asked: Option<Instant>,
    asked_keys: Option<Instant>,
    /// The newest version of which a message has told; whether it is to be asked for because of that, and was.
    heard: u64,
    is_owed: bool,
    asked_for: u64,
    /// Devices that were gone by this version may have written what waited then, and not all of it has come.
    drains: Option<u64>,
    /// Why the server still has an older list, although it was to get the known one back.
    refusal: Option<String>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    None,
    /// `DEVICES` was sent; `CHANGED` has told this version since.
    Asked(u64),
    /// `LIST` was sent: the server gets back what it has lost.
    Healing,
}

impl PeerList {
    /// The connection has ended.
    pub(super) fn disconnected(&mut self) {
        (self.step, self.asked, self.asked_keys, self.drains) = (Step::None, None, None, None);
        if std::mem::take(&mut self.asked_for) > 0 {
            (self.is_owed, self.wants_keys) = (true, true);
        }
    }

    /// `TALK` was sent. This version is believed; `is_doubted`: another list waits to be accepted.
    pub(crate) fn opening(&mut self, known: u64, is_doubted: bool) {
        (self.known, self.is_doubted, self.step, self.refusal) =
            (known, is_doubted, Step::None, None);
    }

    /// The same; `has_former`: some that are gone may have written what waits.
    pub(crate) fn drains(&mut self, has_former: bool) {
        self.drains = has_former.then_some(self.known);
    }

    /// All that waited has come. The version by which those were gone who may have written it: once.
    pub(crate) fn takes_drained(&mut self) -> Option<u64> {
        self.drains.take()
    }

    /// `TALKING` has told the version that the server has.
    pub(crate) fn opened(&mut self, version: u64) {
        (self.told, self.is_wanted) = (version, true);
    }

    /// `CHANGED` has.
    pub(crate) fn changed(&mut self, version: u64, now: Instant) {
        if let Step::Asked(since) = &mut self.step {
            *since = version.max(*since);
            return;
        }
        self.told = version;
        self.is_wanted |= self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK);
    }

    /// Whether `DEVICES` is due. `has_more`: something is to be sent; `is_held`: but not until somebody decides.
    pub(super) fn is_due(&self, has_more: bool, is_held: bool, now: Instant) -> bool {
        let is_wanted = !self.agrees() && (self.is_wanted || (has_more && !is_held));
        matches!(self.step, Step::None) && is_wanted || self.is_due_for_keys(now)
    }

    /// A key is not known that may stand behind the list.
    pub(crate) fn wants_keys(&mut self) {
        self.wants_keys = true;
    }

    /// A message tells that there is this version. If it is newer than all that were known or heard of, the list is asked
    /// for, once. Nothing waits for that.
    pub(crate) fn hears_of(&mut self, version: u64) {
        if version > self.known.max(self.heard) {
            (self.heard, self.is_owed, self.wants_keys) = (version, true, true);
        }
    }

    /// The version of which a message has told, if the server was asked because of that and has shown an older one: once.
    pub(crate) fn takes_hidden(&mut self) -> Option<u64> {
        let asked_for = std::mem::take(&mut self.asked_for);
        (asked_for > self.known).then_some(asked_for)
    }

    /// Whether `DEVICES` was sent such a short time ago.
    pub(crate) fn was_asked_within(&self, time: Duration, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now.duration_since(asked) < time)
    }

    /// Whether `DEVICES` is due for a key that is not known.
    pub(super) fn is_due_for_keys(&self, now: Instant) -> bool {
        matches!(self.step, Step::None) && self.wants_keys && self.keys_due_at(now).is_none()
    }

    /// When it becomes due for that.
    pub(super) fn keys_due_at(&self, now: Instant) -> Option<Instant> {
        let at = self.asked_keys.filter(|_| self.wants_keys)? + ASK_KEYS;
        (at > now).then_some(at)
    }

    /// `DEVICES` was sent.
    pub(crate) fn asked(&mut self, now: Instant) {
        (self.step, self.is_wanted, self.asked) = (Step::Asked(0), false, Some(now));
        if std::mem::take(&mut self.wants_keys) {
            self.asked_keys = Some(now);
        }
        self.asked_for = if std::mem::take(&mut self.is_owed) { self.heard } else { 0 };
    }

    /// The server has answered `DEVICES` with this version. Returns whether it was asked.
    pub(crate) fn answered(&mut self, version: u64) -> bool {
        let Step::Asked(since) = self.step else { return false };
        (self.told, self.step) = (version.max(since), Step::None);
        true
    }

    /// This version is believed, and no other list is offered.
    pub(crate) fn knows(&mut self, version: u64) {
        (self.known, self.is_doubted, self.refusal) = (version, false, None);
    }

    /// The same by its user's word: what the server has now is to be compared with it.
    pub(crate) fn accepted(&mut self, version: u64) {
        self.knows(version);
        self.is_wanted = true;
    }

    /// What the server has shown is not believed.
    pub(crate) fn doubted(&mut self, is_offered: bool) {
        self.is_doubted = is_offered;
    }

    /// `LIST` was sent.
    pub(crate) fn heals(&mut self) {
        self.step = Step::Healing;
    }

    /// The server has this version now.
    pub(crate) fn listed(&mut self, version: u64) {
        if !self.is_healing() {
            return;
        }
        (self.told, self.step, self.is_wanted) = (version, Step::None, true);
        let still = || format!("it took it, and has version {version}");
        self.refusal = (version != self.known).then(still);
    }

    /// `LIST` is to be sent later. What the server has then is asked for before.
    pub(crate) fn put_off(&mut self) {
        if self.is_healing() {
            (self.step, self.is_wanted) = (Step::None, true);
        }
    }

    /// The server will not take the list.
    pub(crate) fn not_listed(&mut self, because: &str) {
        if self.is_healing() {
            (self.step, self.is_wanted, self.refusal) = (Step::None, true, Some(because.into()));
        }
    }

    /// Whether the server is to get the list back, by what it told last.
    pub(crate) fn is_to_heal(&self) -> bool {
        self.told < self.known && self.refusal.is_none()
    }

    /// Whether the server was sent the list back and has not answered.
    fn is_healing(&self) -> bool {
        matches!(self.step, Step::Healing)
    }

    /// Why the server still has an older list, if the known one was sent back in vain.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.clone()
    }

    /// The version that messages are written for.
    pub(crate) fn known(&self) -> u64 {
        self.known
    }

    /// Whether messages may be sent.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.step, Step::None) && self.agrees()
    }

    fn agrees(&self) -> bool {
        self.told == self.known && !self.is_doubted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A list that is known with a version, where the server has another one.
    fn opened(known: u64, told: u64) -> PeerList {
        let mut list = PeerList::default();
        list.opening(known, false);
        list.opened(told);
        list
    }

    #[test]
    fn a_list_that_is_known_is_not_asked_for() {
        assert!(opened(0, 0).is_settled());
        let (list, now) = (opened(3, 3), Instant::now());
        assert!(list.is_settled() && !list.is_due(true, false, now));
        let mut doubted = PeerList::default();
        doubted.opening(3, true);
        doubted.opened(3);
        assert!(!doubted.is_settled() && doubted.is_due(false, true, now), "it was another one");
    }

    #[test]
    fn another_version_is_asked_for_once_and_nothing_is_sent_before_the_answer() {
        let (mut list, now) = (opened(3, 4), Instant::now());
        assert!(list.is_due(false, false, now) && !list.is_settled());
        list.asked(now);
        assert!(!list.is_due(true, false, now) && !list.is_settled());
        assert!(list.answered(4));
        assert!(!list.answered(4), "nobody asked");
        list.knows(4);
        assert!(list.is_settled());
    }

    #[test]
    fn what_changed_meanwhile_is_asked_for_too() {
        let (mut list, now) = (opened(3, 4), Instant::now());
        list.asked(now);
        list.changed(5, now);
        assert!(list.answered(4));
        list.knows(4);
        assert!(list.is_due(true, false, now) && !list.is_settled());
    }

    #[test]
    fn whoever_changes_a_list_again_and_again_is_asked_seldom() {
        let (mut list, now) = (opened(3, 3), Instant::now());
        for version in 4..1_000 {
            list.changed(version, now);
            assert_eq!(list.is_due(false, false, now), version == 4);
            assert!(list.is_due(true, false, now), "something is to be sent");
            if version == 4 {
                list.asked(now);
                assert!(list.answered(4));
                list.knows(4);
            }
        }
        list.changed(1_000, now + ASK);
        assert!(list.is_due(false, false, now));
    }

    #[test]
    fn whoever_writes_with_unknown_keys_again_and_again_has_few_questions_asked() {
        let (mut list, start) = (opened(3, 3), Instant::now());
        let mut asked = 0;
        for step in 0..1_000 {
            let now = start + step * Duration::from_millis(100);
            list.wants_keys();
            let is_due = list.is_due(true, false, now);
            assert_eq!(is_due, list.is_due_for_keys(now));
            let due_at = start + ASK_KEYS * asked;
            assert_eq!(list.keys_due_at(now), (!is_due).then_some(due_at));
            if is_due {
                asked += 1;
                list.asked(now);
                assert!(list.answered(3));
                list.knows(3);
            }
            assert!(list.is_settled(), "nothing is held meanwhile");
        }
        assert_eq!(asked, 10, "in 100 s");
        list.disconnected();
        assert!(list.is_due_for_keys(start), "on another connection");
    }

    #[test]
    fn a_list_that_a_message_tells_of_is_asked_for_once_and_nothing_waits() {
        let (mut list, now) = (opened(3, 3), Instant::now());
        list.hears_of(3);
        assert!(!list.is_due(true, false, now));
        // What was asked before does not count.
        list.wants_keys();
        list.asked(now);
        list.hears_of(4);
        assert!(list.answered(3));
        list.knows(3);
        assert_eq!(list.takes_hidden(), None);
        let later = now + ASK_KEYS;
        assert!(list.is_due(false, true, later) && list.is_settled());
        list.asked(later);
        list.disconnected();
        list.opening(3, false);
        list.opened(3);
        assert!(list.is_due(false, true, later), "the answer was lost");
        list.asked(later);
        assert!(list.answered(3));
        list.knows(3);
        assert_eq!((list.takes_hidden(), list.takes_hidden()), (Some(4), None), "once");
        list.hears_of(4);
        assert!(!list.is_due(true, false, later + ASK_KEYS));
        list.hears_of(5);
        list.asked(later + ASK_KEYS);
        assert!(list.answered(5));
        list.knows(5);
        assert_eq!(list.takes_hidden(), None, "it is shown");
    }

    #[test]
    fn what_waited_has_come_for_the_version_that_was_believed_before() {
        let mut list = PeerList::default();
        for (has_former, drained) in [(false, None), (true, Some(3))] {
            list.opening(3, false);
            list.drains(has_former);
            list.opened(4);
            list.knows(4);
            assert_eq!((list.takes_drained(), list.takes_drained()), (drained, None));
        }
        list.drains(true);
        list.disconnected();
        assert_eq!(list.takes_drained(), None, "it comes again");
    }

    #[test]
    fn a_server_that_lost_a_list_gets_it_once() {
        let (mut list, now) = (opened(3, 2), Instant::now());
        list.asked(now);
        assert!(list.answered(2) && list.refusal().is_none());
        list.heals();
        assert!(!list.is_settled() && !list.is_due(true, false, now));
        list.listed(3);
        assert!(list.is_settled() && list.refusal().is_none());
        for took in [true, false] {
            let mut list = opened(3, 2);
            list.asked(now);
            list.answered(2);
            list.heals();
            if took {
                list.listed(2);
            } else {
                list.not_listed("no");
            }
            assert!(list.refusal().is_some() && list.is_due(false, false, now), "what has it now?");
        }
    }

    #[test]
    fn a_server_that_cannot_take_a_list_for_now_is_asked_again_and_gets_it_then() {
        let (mut list, now) = (opened(3, 2), Instant::now());
        for _ in 0..100 {
            assert!(list.is_to_heal() && list.is_due(false, false, now));
            list.asked(now);
            assert!(list.answered(2) && list.refusal().is_none());
            list.heals();
            list.put_off();
            assert!(!list.is_settled());
        }
        list.changed(3, now);
        assert!(list.is_settled() && !list.is_to_heal(), "somebody else has given it back");
        list.changed(2, now);
        list.asked(now);
        list.put_off();
        assert!(list.answered(2), "nothing was given that could be refused");
        list.heals();
        list.not_listed("no");
        assert!(!list.is_to_heal() && list.is_due(false, false, now), "what has it now?");
    }

    #[test]
    fn what_is_doubted_is_not_asked_for_again_and_again() {
        let (mut list, now) = (opened(3, 4), Instant::now());
        list.asked(now);
        list.answered(4);
        list.doubted(true);
        assert!(!list.is_due(true, true, now) && !list.is_settled());
        list.accepted(4);
        assert!(list.is_settled());
    }

    proptest! {
        /// Whatever a server says: messages are sent only for the version that it told last, none is sent while an
        /// answer is awaited, and no second question is asked meanwhile.
        #[test]
        fn what_is_sent_is_for_the_version_that_was_told(steps in prop::collection::vec((0u8..10, 0u64..4), 0..60)) {
            let (mut list, now) = (opened(1, 1), Instant::now());
            let (mut told, mut awaits) = (1, false);
            for (step, version) in steps {
                match step {
                    0 => {
                        list.opening(list.known(), false);
                        list.opened(version);
                        (told, awaits) = (version, false);
                    }
                    1 => {
                        let is_asked = matches!(list.step, Step::Asked(_));
                        list.changed(version, now);
                        if !is_asked {
                            told = version;
                        }
                    }
                    2 if list.is_due(true, false, now) => {
                        prop_assert!(!awaits);
                        list.asked(now);
                        awaits = true;
                    }
                    3 if list.answered(version) => {
                        awaits = false;
                        told = list.told;
                        prop_assert!(told >= version);
                    }
                    4 if !awaits => list.knows(version),
                    5 if !awaits => {
                        list.heals();
                        awaits = true;
                    }
                    6 if list.is_healing() => {
                        list.listed(version);
                        (told, awaits) = (version, false);
                    }
                    7 if list.is_healing() => {
                        list.not_listed("no");
                        awaits = false;
                    }
                    8 if !awaits => list.doubted(version > 1),
                    9 if list.is_healing() => {
                        list.put_off();
                        awaits = false;
                    }
                    _ => {}
                }
                if list.is_settled() {
                    prop_assert!(!awaits && list.known() == told);
                }
            }
        }
    }
}
