//! The clients of sender and receiver: what they do with what the server says.

use crate::rules::Model;
use crate::state::*;

impl Model {
    pub(crate) fn learn(&self, s: &mut S, upto: u8, fate: u8) {
        for n in 1..=upto {
            self.learn_one(s, n, fate);
        }
    }
    pub(crate) fn learn_one(&self, s: &mut S, n: u8, fate: u8) {
        let Some(w) = s.me.at(s.cinst, n) else { return };
        if self.cfg.copy > 0
            && !s.me.is_sent(w)
            && self.rule(if fate == 4 { "expired-of-sent" } else { "receipts-of-sent" })
        {
            return;
        }
        let told = &mut s.me.told[w];
        if s.me.fate[w] < fate && s.me.fate[w] < 3 {
            s.me.fate[w] = fate;
            if *told >= 3 && fate >= 3 && *told != fate {
                s.err = 5;
            }
            *told = fate.max(*told);
        }
    }
    pub(crate) fn hears(&self, s: &mut S) {
        let (f, c) = (s.down.cut(0), s.cinst);
        let n = f & 3;
        if f >= TALKING {
            let (have, st) = (f >> 4 & 3, f >> 2 & 3);
            let last = if self.rule("copy-by-sent") {
                s.me.last_sent(c)
            } else if c == s.me.inst {
                s.me.count
            } else {
                3
            };
            let copy = have > last && self.rule("copy-by-have");
            let held = std::mem::take(&mut s.held);
            for n in (1..4).filter(|n| held >> n & 1 == 1) {
                self.learn_one(s, n, 4);
            }
            self.learn(s, st, 2);
            self.learn(s, n, 3);
            (s.ptr, s.heard) = (have, st);
            s.link = if c == s.me.inst && copy && self.cfg.copy > 0 { 4 } else { 2 };
        } else {
            match f - n {
                STORED | DELIVERED if s.link == 1 && self.rule("receipts-behind-talking") => {}
                EXPIRED if s.link == 1 => s.held |= 1 << n,
                STORED => {
                    self.learn(s, n, 2);
                    s.heard = s.heard.max(n);
                }
                DELIVERED => {
                    self.learn(s, n, 3);
                    s.heard = s.heard.max(n);
                }
                EXPIRED => self.learn_one(s, n, 4),
                _ => {
                    if s.link == 2 || s.link == 4 {
                        s.link = 3;
                    }
                }
            }
        }
        if self.cfg.copy + self.cfg.forget == 0 {
            s.heard = 0;
        }
    }
    pub(crate) fn take_new(&self, s: &mut S) {
        let old = s.me.inst;
        (s.me.inst, s.me.count, s.me.settled) = (s.next_inst, 0, 0);
        s.next_inst += 1;
        let again = !self.rule("same-id-again");
        let today = !self.rule("copy-when-stored");
        let moved: Vec<_> =
            s.me.words(old)
                .filter(|&w| {
                    if again {
                        s.me.fate[w] < 3
                    } else if today {
                        s.me.fate[w] == 1
                    } else {
                        !s.me.is_sent(w)
                    }
                })
                .collect();
        for w in moved {
            s.me.count += 1;
            s.me.id[w] = s.me.inst << 2 | s.me.count;
            s.me.sent &= !(1 << w);
        }
        Self::abandon_tx(s);
    }
    pub(crate) fn abandon_tx(s: &mut S) {
        if s.tx.srv && s.tx.up.len > 0 {
            s.old_tx = s.tx;
        }
        (s.tx, s.link, s.ptr, s.down, s.held, s.heard, s.cinst) = (TX, 0, 0, V::new(), 0, 0, 0);
    }
    pub(crate) fn abandon_rx(&self, s: &mut S) {
        if s.rx.srv && (s.rx.up.len > 0 || !self.rule("old-cannot-close")) {
            s.old_rx = s.rx;
        }
        (s.rx, s.on, s.open, s.ack, s.inbox) = (RX, false, false, 0, V::new());
    }

    pub(crate) fn receives(&self, s: &mut S) {
        let f = s.inbox.cut(0);
        if !s.open && !self.rule("store-every-msg") {
            return;
        }
        let (m, n) = (f as u8 & 63, f as u8 & 3);
        let k = if self.rule("dedup-by-installation") { inst(m) } else { 0 };
        if n <= s.mark[k] {
            if !s.hist.s().iter().any(|&h| word(h) == word(m)) {
                if self.cfg.copy > 0 && self.rule("drop-the-same-only") {
                    s.hist.push(m);
                } else {
                    s.err = 2;
                }
            }
        } else {
            let twice = s.hist.s().iter().any(|&h| word(h) == word(m));
            let later = s.hist.s().iter().any(|&h| {
                inst(h) == inst(m) && h & 3 >= n
                    || word(h) > word(m)
                        && s.resent >> word(m) & 1 == 0
                        && [&s.me, &s.twin].iter().any(|f| f.id[word(h)] > 0 && f.id[word(m)] > 0)
            });
            if twice && s.resent >> word(m) & 1 == 0 || later && !twice {
                s.err = 3;
            }
            s.mark[k] = n;
            if !twice {
                s.hist.push(m);
            }
        }
        s.ack = (f >> 6) as u8;
    }
}
