//! The server: what it does with frames, its journal, its disk, and when it dies.

use crate::rules::Model;
use crate::state::*;

impl Model {
    pub(crate) fn stored(&self, s: &S, i: u8) -> u8 {
        let skip = if s.unsure || !self.rule("stored-after-fsync") { s.w as usize } else { 0 };
        s.log.s()[skip..]
            .iter()
            .filter(|&&o| o < REMOVE && inst(o) == i as usize)
            .map(|o| (o & 3) - 1)
            .min()
            .unwrap_or(s.have[i as usize])
    }
    pub(crate) fn delivered(&self, s: &S, i: u8) -> u8 {
        let wait = self.rule("delivered-waits-for-expiry");
        let leaving = s.log.s().iter().filter(|&&o| o & EXPIRE != 0 && wait).map(|o| o & 63);
        s.queue
            .s()
            .iter()
            .copied()
            .filter(|m| wait || !s.log.has(EXPIRE | m))
            .chain(leaving)
            .filter(|&m| inst(m) == i as usize)
            .map(|m| (m & 3) - 1)
            .min()
            .unwrap_or(s.have[i as usize])
    }
    /// Does `f`, then tells the sender which watermarks it moved (EXPIRED, which `f` returns, first).
    pub(crate) fn receipts(&self, s: &mut S, f: impl FnOnce(&mut S) -> V<8>) {
        let before: Vec<_> = (0..3).map(|i| (self.stored(s, i), self.delivered(s, i))).collect();
        let gone = f(s);
        if !(s.tx.srv && s.tx.talked) {
            return;
        }
        let mine = |i| s.tx.inst == i || !self.rule("receipts-by-installation");
        let mut down = s.down;
        for &m in gone.s() {
            if mine(inst(m) as u8) {
                down.push(EXPIRED | m & 3);
            }
        }
        for i in (0..3).filter(|&i| mine(i)) {
            let (st, de) = (self.stored(s, i), self.delivered(s, i));
            if st > before[i as usize].0 && st > de {
                down.push(STORED | st);
            }
            if de > before[i as usize].1 {
                down.push(DELIVERED | de);
            }
        }
        s.down = down;
    }
    pub(crate) fn apply(s: &mut S, op: u8) {
        let (m, i) = (op & 63, inst(op));
        if op & REMOVE != 0 {
            s.disk.drop(m);
        } else if op & EXPIRE != 0 {
            s.disk.drop(m);
            s.queue.drop(m);
            if !s.expired.has(m) {
                s.expired.push(m);
                let k = s.expired.len as usize;
                s.expired.a[..k].sort_unstable_by_key(|m| (m & 15, m >> 4));
            }
            s.gone |= 1 << word(m);
        } else {
            s.disk.push(m);
            s.dhave[i] = s.dhave[i].max(m & 3);
        }
    }
    pub(crate) fn acked(&self, s: &mut S, m: u8) {
        if !s.queue.has(m) || s.log.has(EXPIRE | m) {
            return;
        }
        s.queue.drop(m);
        match s.log.s().iter().position(|&o| o == m) {
            Some(k) if k >= s.w as usize => {
                s.log.cut(k);
            } // never written at all
            Some(_) if !self.rule("cancel-only-unwritten") => {}
            _ => s.log.push(REMOVE | m),
        }
    }
    pub(crate) fn tx_frame(&self, s: &mut S, old: bool) {
        let mut t = if old { s.old_tx } else { s.tx };
        let (f, i) = (t.up.cut(0), t.inst as usize);
        let (n, m) = (f & 3, (f & 0x0C) << 2 | t.inst << 2 | f & 3);
        if f & TALK != 0 {
            (t.talked, t.refusing, t.settled) = (true, false, n);
            for e in s.expired {
                if inst(e) == i && e & 3 <= n {
                    s.expired.drop(e);
                }
            }
            if !old {
                if self.rule("expired-before-talking") {
                    for e in s.expired {
                        if inst(e) == i {
                            s.down.push(EXPIRED | e & 3);
                        }
                    }
                }
                if !self.rule("expired-until-settled") {
                    for e in s.expired {
                        if inst(e) == i {
                            s.expired.drop(e);
                        }
                    }
                }
                let st =
                    if self.rule("talking-stored") { self.stored(s, t.inst) } else { s.have[i] };
                let de = if self.rule("talking-delivered") { self.delivered(s, t.inst) } else { 0 };
                s.down.push(TALKING | s.have[i] << 4 | st << 2 | de);
            }
        } else if t.refusing { // until the next TALK
        } else if n <= s.have[i] {
            let any = |v: &[u8]| v.iter().any(|&o| o & REMOVE == 0 && word(o) == word(m));
            if !(any(s.queue.s())
                || any(s.disk.s())
                || any(s.log.s())
                || any(s.hist.s())
                || s.gone >> word(m) & 1 == 1)
            {
                s.err = 1;
            }
        } else if n > s.have[i] + 1 && !self.rule("accept-gaps") {
        } else if s.queue.len >= self.cfg.quota {
            if !old {
                s.down.push(FULL | n);
            }
            t.refusing = self.rule("sticky-refusal");
        } else {
            s.have[i] = n;
            if !self.rule("have-with-append") {
                s.dhave[i] = n;
            }
            s.queue.push(m);
            s.log.push(m);
        }
        if !old {
            s.tx = t;
        } else if s.old_tx.srv {
            s.old_tx = t;
        }
    }
    pub(crate) fn rx_frame(&self, s: &mut S, old: bool) {
        let mut r = if old { s.old_rx } else { s.rx };
        let f = r.up.cut(0);
        if !old {
            s.rx = r;
        } else {
            s.old_rx = r;
        }
        match f {
            TALK => {
                (r.open, r.sent) = (true, V::new()); // from the oldest unacknowledged, under fresh seqs
                if !self.rule("seq-never-reused") {
                    r.seq = 1;
                }
            }
            CLOSE => {
                r.open = false;
                if old && !self.rule("old-cannot-close") {
                    s.rx.open = false;
                }
            }
            seq => {
                let table =
                    if old && !self.rule("seq-table-per-connection") { s.rx.sent } else { r.sent };
                self.receipts(s, |s| {
                    for e in table.s() {
                        if e >> 6 <= seq as u16 {
                            self.acked(s, *e as u8 & 63);
                        }
                    }
                    V::new()
                });
                while self.cfg.forget > 0 && r.sent.len > 0 && r.sent.a[0] >> 6 <= seq as u16 {
                    r.sent.cut(0);
                } // what comes again has another place
            }
        }
        if !old { s.rx = r } else { s.old_rx = r }
    }
    /// `how`: kill (what was handed to the OS survives), power cut (it does not), or a disk replaced by an empty one.
    pub(crate) fn server_dies(&self, s: &mut S, how: char) {
        let written = if how == 'k' { s.log.s()[..s.w as usize].to_vec() } else { vec![] };
        if how == 'W' {
            (s.disk, s.dhave, s.expired) = (V::new(), [0; 3], V::new());
        }
        (s.log, s.w, s.unsure) = (V::new(), 0, false);
        if self.rule("sync-on-open") {
            for op in written {
                Self::apply(s, op);
            }
            (s.queue, s.have) = (s.disk, s.dhave);
        } else {
            let synced = (s.disk, s.dhave, s.expired);
            for &op in &written {
                Self::apply(s, op);
                s.log.push(op);
            }
            (s.queue, s.have, s.w, s.unsure) =
                (s.disk, s.dhave, written.len() as u8, !written.is_empty());
            (s.disk, s.dhave, s.expired) = synced;
        }
        (s.tx, s.old_tx, s.rx, s.old_rx) = (TX, TX, RX, RX);
    }
}
