//! The server: what it does with frames, its disk, and when it dies.

use crate::events::Next;
use crate::list::List;
use crate::rules::Model;
use crate::state::*;

impl Model {
    pub(crate) fn server_steps(&self, next: &mut Next<'_>) {
        let s = next.from;
        match s.line.up.first() {
            Some(Up::Talk { .. }) => next.step("server reads TALK", (), |x| self.answers(x)),
            Some(Up::Msg { entry, .. }) => {
                next.step("server reads MSG", entry.id, |x| self.accepts(x));
            }
            _ => {}
        }
        if let Some(entry) = s.unread.first() {
            let what = "server reads on a connection from before: MSG";
            next.step(what, entry.id, |x| {
                let entry = x.unread.remove(0);
                self.takes_in_queue(x, entry);
            });
        }
        if s.memory != s.disk {
            next.step("server syncs", (), |x| x.disk = x.memory);
        }
        for slot in 0..DEVICES {
            self.delivers(next, slot);
            self.reads_reply(next, slot);
        }
    }

    fn answers(&self, s: &mut State) {
        let Up::Talk { asked, settled } = s.line.up.remove(0) else { return };
        let mut answer = Answer {
            asked,
            have: s.memory.have,
            version: s.version,
            devices: s.active,
            ..Answer::default()
        };
        if self.cfg.last_told {
            answer.last = s.memory.last;
        }
        for of in (0..INSTALLATIONS).filter(|&it| has(asked, it as u8)) {
            s.memory.bounced[of] &= u8::MAX << (settled[of] + 1).min(7);
            answer.bounced[of] = s.memory.bounced[of] & s.disk.bounced[of];
            answer.stored[of] = s.disk.have[of];
            answer.delivered[of] = self.delivered(s, of as u8);
            if !self.rule("bounced-until-settled") {
                s.memory.bounced[of] &= !answer.bounced[of];
            }
        }
        if self.rule("old-stops-at-talk") {
            s.unread.retain(|it| !has(asked, it.id.installation));
        }
        s.line.refusing = false;
        s.line.answer = Some(answer);
    }

    /// Everything up to here is delivered, or was told as bounced.
    fn delivered(&self, s: &State, installation: u8) -> u8 {
        let queue = &s.memory.queue;
        let on_disk = |entry: &Entry| s.disk.queue.iter().any(|it| it.id == entry.id);
        let is_done = |at: usize| {
            if !self.rule("ack-per-entry") {
                return queue[at..].iter().any(|it| it.acked & s.active != 0);
            }
            queue[at].acked != 0 && (on_disk(&queue[at]) || !self.rule("delivered-when-safe"))
        };
        let of = installation as usize;
        let open = (0..queue.len()).filter(|&at| queue[at].id.installation as usize == of);
        let open = open.filter(|&at| !is_done(at)).map(|at| queue[at].id.n);
        let leaving = match self.rule("delivered-waits-for-bounce") {
            true => s.memory.bounced[of] & !s.disk.bounced[of],
            false => 0,
        };
        let leaving = (1..=LAST_NUMBER).filter(|&n| has(leaving, n));
        open.chain(leaving).min().map_or(s.memory.have[of], |n| n - 1)
    }

    fn accepts(&self, s: &mut State) {
        let Up::Msg { entry, version } = s.line.up.remove(0) else { return };
        let is_known = entry.id.n <= s.memory.have[entry.id.installation as usize];
        if s.line.refusing || is_known {
            return;
        }
        if self.cfg.sealed && version != s.version && self.rule("list-version") {
            s.line.refusing = true;
            if s.line.link == Link::Talking {
                s.line.link = Link::Refused;
            }
            return;
        }
        self.takes_in_queue(s, entry);
    }

    fn takes_in_queue(&self, s: &mut State, entry: Entry) {
        let of = entry.id.installation as usize;
        if entry.id.n <= s.memory.have[of] {
            return;
        }
        s.memory.have[of] = entry.id.n;
        if self.cfg.last_told {
            s.memory.last[of] = entry.origin;
        }
        for slot in (0..DEVICES as u8).filter(|&it| has(s.active, it)) {
            s.owed[slot as usize] |= bit(entry.word);
        }
        s.memory.queue.push(Entry { wanted: s.active, ..entry });
    }

    fn delivers(&self, next: &mut Next<'_>, slot: usize) {
        let (s, device) = (next.from, &next.from.devices[slot]);
        let is_same = |one: &Entry, it: &Entry| (one.id, one.origin) == (it.id, it.origin);
        let is_sent = |entry: &Entry| device.sent.iter().any(|it| is_same(it, entry));
        let lacks = |it: &Entry| has(it.wanted & !(it.acked | it.bounced), slot as u8);
        let waits = |it: &&Entry| lacks(it) && !is_sent(it);
        if let Some(entry) = s.memory.queue.iter().find(waits).copied().filter(|_| device.on) {
            next.step("server delivers", (slot, entry.id), |x| x.devices[slot].sent.push(entry));
        }
    }

    fn reads_reply(&self, next: &mut Next<'_>, slot: usize) {
        match next.from.devices[slot].up.first() {
            Some(Reply::Ack(seq)) => {
                next.step("server reads ACK of", (slot, *seq), |x| self.acked(x, slot));
            }
            Some(Reply::Bounce(seq)) => {
                next.step("server reads BOUNCE of", (slot, *seq), |x| self.bounced(x, slot));
            }
            _ => {}
        }
    }

    /// `ACK` is cumulative on its connection, but for what bounced on it.
    fn acked(&self, s: &mut State, slot: usize) {
        let device = &mut s.devices[slot];
        let Reply::Ack(upto) = device.up.remove(0) else { return };
        let (sent, refused) = (device.sent, device.refused);
        for (at, &told) in sent[..upto as usize].iter().enumerate() {
            if !has(refused, at as u8 + 1) {
                self.settle(s, told, |it| it.acked |= bit(slot as u8));
            } else if !self.rule("ack-spares-bounced") {
                s.memory.bounced[told.id.installation as usize] &= !bit(told.id.n);
                self.settle(s, told, |it| it.acked |= bit(slot as u8));
            }
        }
    }

    fn bounced(&self, s: &mut State, slot: usize) {
        let device = &mut s.devices[slot];
        let Reply::Bounce(seq) = device.up.remove(0) else { return };
        device.refused |= bit(seq);
        let told = device.sent[seq as usize - 1];
        // Where another device has it, or will, that one gives it to this one.
        let others = |it: &Entry| it.acked != 0 || it.wanted & !bit(slot as u8) != 0;
        let queued = s.memory.queue.iter().find(|it| it.id == told.id);
        if self.cfg.lost > 0 && queued.is_some_and(others) {
            s.owed[slot] &= !bit(told.word);
        }
        self.settle(s, told, |it| it.bounced |= bit(slot as u8));
    }

    fn settle(&self, s: &mut State, told: Entry, change: impl FnOnce(&mut Entry)) {
        let is_told = |it: &&mut Entry| it.id == told.id && it.origin == told.origin;
        if let Some(entry) = s.memory.queue.iter_mut().find(is_told) {
            change(entry);
            self.forget_passed(&mut s.memory, false);
        }
    }

    /// What no device waits for any more leaves the mailbox; what none has is recorded as bounced.
    pub(crate) fn forget_passed(&self, mailbox: &mut Mailbox, by_revoking: bool) {
        let is_passed = |it: &Entry| it.wanted & !(it.acked | it.bounced) == 0;
        for entry in mailbox.queue.iter().filter(|it| is_passed(it)) {
            if entry.acked == 0 && (!by_revoking || self.rule("bounce-on-revoke")) {
                mailbox.bounced[entry.id.installation as usize] |= bit(entry.id.n);
            }
        }
        mailbox.queue.retain(|it| !is_passed(it));
    }

    /// The server comes back with what is on this disk.
    pub(crate) fn comes_back(s: &mut State, disk: Mailbox) {
        (s.memory, s.disk) = (disk, disk);
        s.hang_up();
        s.unread = List::default();
        for device in &mut s.devices {
            device.hang_up();
        }
    }
}
