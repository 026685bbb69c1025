//! What was ever seen in somebody's data folder, also if the folder is an earlier one again.
//!
//! Owned by the [`Person`](crate::person::Person). Invariants, which panic where they do not hold: a message is the same
//! for life, and a folder that was never copied or restored keeps its installation.

use std::collections::{HashMap, HashSet};

use crate::check::{self, Word};
use crate::store::{Entry, Number, Origin, Stored};

/// See the [module](self).
#[derive(Clone, Default)]
pub(crate) struct Record {
    installation: Option<String>,
    /// The folder was copied or restored.
    may_begin_anew: bool,
    written: HashMap<Origin, Written>,
    /// What was received, and was not in the folder any more once that was restored.
    lost: Vec<Entry>,
}

/// An own message.
#[derive(Clone, Default)]
struct Written {
    peer: String,
    text: String,
    /// All that it was seen with.
    numbers: HashSet<Number>,
    stored: bool,
    delivered: bool,
    bounced: bool,
}

impl Record {
    /// Takes note of what is in the folder. Returns whether numbers have begun anew.
    pub(crate) fn note(&mut self, stored: &Stored) -> bool {
        for message in stored.messages.iter().filter(|it| it.own) {
            let written = self.written.entry(message.origin).or_default();
            let is_new = written.numbers.is_empty();
            assert!(is_new || written.text == message.text, "two messages have one origin");
            (written.peer, written.text) = (message.peer.clone(), message.text.clone());
            written.numbers.insert(message.number.clone());
            written.delivered |= message.state == "delivered";
            written.stored |= ["stored", "delivered"].contains(&&*message.state);
        }
        for (origin, number) in &stored.bounced {
            let written = self.written.get_mut(origin).expect("its row is there");
            written.bounced = true;
            written.numbers.insert(number.clone());
        }
        let before = std::mem::replace(&mut self.installation, stored.installation.clone());
        let begins_anew = before.is_some_and(|it| self.installation != Some(it));
        let may = self.may_begin_anew;
        assert!(!begins_anew || may, "a new installation, of a folder that was never restored");
        begins_anew
    }

    /// The folder is a copy from now on.
    pub(crate) fn is_copied(&mut self) {
        self.may_begin_anew = true;
    }

    /// The folder is an earlier one again.
    pub(crate) fn is_restored(&mut self, now: &Stored, before: &Stored) {
        self.note(before);
        (self.installation, self.may_begin_anew) = (now.installation.clone(), true);
        self.loses(now, before);
    }

    /// What one folder has received is not in the other, which takes its place.
    fn loses(&mut self, now: &Stored, before: &Stored) {
        let kept: HashSet<_> = now.messages.iter().map(|it| it.origin).collect();
        let lost = before.messages.iter().filter(|it| !it.own && !kept.contains(&it.origin));
        self.lost.extend(lost.cloned());
    }

    pub(crate) fn was_copied_or_restored(&self) -> bool {
        self.may_begin_anew
    }

    /// What was seen in another folder of the same person was seen, and what only that has received is lost: this one
    /// takes its place.
    pub(crate) fn absorb(&mut self, other: &Self, now: &Stored, before: &Stored) {
        self.loses(now, before);
        for (origin, theirs) in &other.written {
            let Written { peer, text, numbers, stored, delivered, bounced } = theirs.clone();
            let written = self.written.entry(*origin).or_default();
            (written.peer, written.text) = (peer, text);
            written.numbers.extend(numbers);
            written.stored |= stored;
            written.delivered |= delivered;
            written.bounced |= bounced;
        }
    }
}

/// One whose folder is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Folder<'a> {
    pub(crate) name: &'a str,
    pub(crate) record: &'a Record,
    pub(crate) messages: &'a [Entry],
}

/// What somebody has written to somebody, and what came of it.
pub(crate) struct Exchange<'a> {
    from: Folder<'a>,
    to: &'a str,
    received: Vec<Word>,
    /// What the receiver had once, in a folder that was replaced by an earlier one.
    lost: HashSet<Origin>,
    /// With that.
    ever_received: HashSet<Word>,
    /// Messages that the receiver ever had, by their numbers.
    numbers: HashMap<&'a Number, HashSet<Origin>>,
    receiver_was_restored: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(from: Folder<'a>, to: Folder<'a>) -> Self {
        let is_from = |it: &&Entry| !it.own && it.peer == from.name;
        let all = || to.messages.iter().chain(&to.record.lost).filter(is_from);
        let mut numbers: HashMap<_, HashSet<_>> = HashMap::new();
        for it in all() {
            numbers.entry(&it.number).or_default().insert(it.origin);
        }
        let received = to.messages.iter().filter(is_from).map(word).collect();
        let lost = to.record.lost.iter().filter(is_from).map(|it| it.origin).collect();
        let ever_received = all().map(word).collect();
        let receiver_was_restored = to.record.was_copied_or_restored();
        Self { from, to: to.name, received, lost, ever_received, numbers, receiver_was_restored }
    }

    /// Checks everything. What only the server had may be lost if it was restored; so may what came back to a sender who
    /// had it no longer, or may have, for nobody has the keys any more for which it was sealed.
    pub(crate) fn check(&self, server_was_restored: bool) -> Result<(), String> {
        check::once(&self.received)?;
        check::arrived(&self.ever_received, &self.written(|_, _| true))
            .map_err(|why| format!("from nobody: {why}"))?;
        check::arrived(&self.written(|_, it| it.delivered), &self.ever_received)
            .map_err(|why| format!("told delivered: {why}"))?;
        if !server_was_restored {
            let may_be_lost = |it: &Origin| self.came_back(it) || self.is_sealed_for_nobody(it);
            let stored = self.written(|origin, it| it.stored && !may_be_lost(origin));
            check::arrived(&stored, &self.ever_received)
                .map_err(|why| format!("told stored: {why}"))?;
        }
        let held: Vec<_> = self.sent(self.from.messages).map(word).collect();
        check::arrived(&held, &self.ever_received)?;
        self.check_order(self.from.messages)
    }

    /// What is in one folder of the sender came in the order of writing, but for what came back, or came once more to a
    /// receiver who had lost it.
    pub(crate) fn check_order(&self, folder: &[Entry]) -> Result<(), String> {
        let keeps = |origin: &Origin| !self.lost.contains(origin) && !self.came_back(origin);
        let sent = self.sent(folder).filter(|it| keeps(&it.origin)).map(word).collect::<Vec<_>>();
        let known: HashSet<_> = sent.iter().collect();
        let read = self.received.iter().filter(|it| known.contains(it)).map(|it| it.text.clone());
        let texts: Vec<_> = sent.iter().map(|it| it.text.clone()).collect();
        check::in_order(&texts, &read.collect::<Vec<_>>())
    }

    fn sent(&self, folder: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
        folder.iter().filter(|it| it.own && it.peer == self.to)
    }

    fn written(&self, which: impl Fn(&Origin, &Written) -> bool) -> HashSet<Word> {
        let all = self.from.record.written.iter().filter(|(_, it)| it.peer == self.to);
        all.filter(|(origin, it)| which(origin, it))
            .map(|(origin, it)| Word { origin: *origin, text: it.text.clone() })
            .collect()
    }

    /// Whether it may have been sealed for keys that its receiver has no longer, as whose folder was restored, by a sender
    /// who has it no longer, for the same reason.
    fn is_sealed_for_nobody(&self, origin: &Origin) -> bool {
        let has = self.from.messages.iter().any(|it| it.own && it.origin == *origin);
        self.receiver_was_restored && !has
    }

    /// Whether it bounced, as its sender knows, or as it must have: the receiver has another message with its number.
    fn came_back(&self, origin: &Origin) -> bool {
        let Some(written) = self.from.record.written.get(origin) else { return false };
        let is_others = |it: &HashSet<Origin>| it.iter().any(|other| other != origin);
        let mut numbers = written.numbers.iter().filter_map(|it| self.numbers.get(it));
        written.bounced || numbers.any(is_others)
    }
}

fn word(entry: &Entry) -> Word {
    Word { origin: entry.origin, text: entry.text.clone() }
}
