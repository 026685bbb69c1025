//! Marie's client: what it takes, and what it says of what it does not take.

use crate::events::Next;
use crate::rules::Model;
use crate::state::*;

/// How many message keys a ratchet may skip.
const GAP: u8 = 1;

/// What becomes of a message at the reader.
enum Verdict {
    Taken,
    Known,
    Bounced,
}

impl Model {
    pub(crate) fn reader_steps(&self, next: &mut Next<'_>, slot: usize) {
        let (s, device) = (next.from, &next.from.devices[slot]);
        if !has(s.active, slot as u8) {
            return;
        }
        if !device.on {
            return next.step("device connects: TALK", slot, |x| x.devices[slot].on = true);
        }
        self.takes_in(next, slot);
        if device.due > 0 {
            next.step("device says ACK", (slot, device.due), |x| {
                let device = &mut x.devices[slot];
                device.up.push(Reply::Ack(device.due));
                device.due = 0;
            });
        }
        for seq in (1..8).filter(|&it| has(device.late, it)) {
            next.step("device says BOUNCE at last", (slot, seq), |x| {
                x.devices[slot].late &= !bit(seq);
                x.devices[slot].up.push(Reply::Bounce(seq));
            });
        }
    }

    fn takes_in(&self, next: &mut Next<'_>, slot: usize) {
        let (s, device) = (next.from, &next.from.devices[slot]);
        let Some(entry) = device.sent.get(device.taken as usize).copied() else { return };
        next.step("device takes in", (slot, entry.id), |x| self.takes(x, slot, entry, true));
        if s.chances.unreadable > 0 && entry.word != 0 {
            next.chance("device cannot read", (slot, entry.id), |x| {
                x.chances.unreadable -= 1;
                self.takes(x, slot, entry, false);
            });
        }
        if !self.rule("open-in-txn") && s.chances.faults > 0 {
            next.chance("device is killed between ratchet and history at", (slot, entry.id), |x| {
                x.chances.faults -= 1;
                self.opens(&mut x.devices[slot].disk, slot, &entry);
                x.devices[slot].hang_up();
            });
        }
    }

    /// One transaction: ratchet and history.
    fn takes(&self, s: &mut State, slot: usize, entry: Entry, is_readable: bool) {
        let mut disk = s.devices[slot].disk;
        let verdict = self.judge(&mut disk, slot, &entry, is_readable);
        if matches!(verdict, Verdict::Taken) {
            self.check_history(s, &disk, &entry);
            disk.history.push(Had { word: entry.word, origin: entry.origin, id: entry.id });
        }
        let device = &mut s.devices[slot];
        device.taken += 1;
        if matches!(verdict, Verdict::Bounced) {
            if self.rule("bounce-before-ack") {
                device.up.push(Reply::Bounce(device.taken));
            } else {
                device.late |= bit(device.taken);
            }
        } else {
            device.due = device.taken;
        }
        device.disk = disk;
        if matches!(verdict, Verdict::Known) && entry.word != 0 && !device.has(entry.word) {
            s.wrong = Some("acknowledged as known, but never had");
        }
    }

    fn judge(&self, disk: &mut Archive, slot: usize, entry: &Entry, is_readable: bool) -> Verdict {
        let has_number = |it: &Had| it.id == entry.id;
        let is_same =
            |it: &Had| it.origin == entry.origin && (has_number(it) || self.rule("origin-dedup"));
        if disk.history.iter().any(is_same) {
            return Verdict::Known;
        }
        if disk.history.iter().any(has_number) {
            return if self.rule("used-number-bounced") {
                Verdict::Bounced
            } else {
                Verdict::Known
            };
        }
        let opens = !self.cfg.sealed || self.opens(disk, slot, entry);
        if opens && is_readable && entry.origin != UNREADABLE {
            Verdict::Taken
        } else {
            Verdict::Bounced
        }
    }

    /// Whether the envelope opens; the ratchet moves if it does.
    fn opens(&self, disk: &mut Archive, slot: usize, entry: &Entry) -> bool {
        let key = entry.keys[slot];
        if key.session == 0 || key.session < disk.dead {
            return false;
        }
        let last =
            disk.ratchets.iter().find(|it| it.session == key.session).map_or(0, |it| it.index);
        if key.index <= last || key.index - last > GAP + 1 {
            return false;
        }
        disk.ratchets.retain(|it| it.session != key.session);
        disk.ratchets.push(key);
        disk.ratchets.sort_unstable();
        true
    }

    fn check_history(&self, s: &mut State, disk: &Archive, entry: &Entry) {
        if entry.word == 0 {
            return;
        }
        if disk.history.iter().any(|it| it.word == entry.word) {
            s.wrong = Some("the same words twice in a history");
        }
        if self.cfg.is_in_order() && disk.history.iter().any(|it| it.word > entry.word) {
            s.wrong = Some("disorder in a history");
        }
    }
}
