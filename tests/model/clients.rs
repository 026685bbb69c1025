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
        let Some(w) = s.me.at(n) else { return };
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
        let f = s.down.cut(0);
        let n = f & 3;
        if f >= TALKING {
            let (have, st) = (f >> 4 & 3, f >> 2 & 3);
            let held = std::mem::take(&mut s.held);
            for n in (1..4).filter(|n| held >> n & 1 == 1) {
                self.learn_one(s, n, 4);
            }
            self.learn(s, st, 2);
            self.learn(s, n, 3);
            (s.ptr, s.link) = (have, 2);
        } else {
            match f - n {
                STORED | DELIVERED if s.link == 1 && self.rule("receipts-behind-talking") => {}
                EXPIRED if s.link == 1 => s.held |= 1 << n,
                STORED => self.learn(s, n, 2),
                DELIVERED => self.learn(s, n, 3),
                EXPIRED => self.learn_one(s, n, 4),
                _ => {
                    if s.link == 2 {
                        s.link = 3;
                    }
                }
            }
        }
    }
    pub(crate) fn abandon_tx(s: &mut S) {
        if s.tx.srv && s.tx.up.len > 0 {
            s.old_tx = s.tx;
        }
        (s.tx, s.link, s.ptr, s.down, s.held) = (TX, 0, 0, V::new(), 0);
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
        let hist = s.hist;
        let any = |is_meant: &dyn Fn(u8) -> bool| hist.s().iter().any(|&h| is_meant(h));
        if !any(&|h| word(h) == word(m)) || !self.rule("dedup-by-origin") {
            let is_near = |h| inst(h) == inst(m) || !self.rule("number-by-installation");
            let folders = [s.me, s.twin];
            let is_ahead = |h| {
                inst(h) == inst(m) && h & 3 > n
                    || word(h) > word(m)
                        && folders.iter().any(|f| f.id[word(h)] > 0 && f.id[word(m)] > 0)
            };
            if any(&|h| is_near(h) && h & 3 == n) {
                s.err = 2;
            } else if any(&is_ahead) {
                s.err = 3;
            }
            s.hist.push(m);
        }
        s.ack = (f >> 6) as u8;
    }
}
