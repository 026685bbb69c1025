//! Everything that may happen next: what the three do by themselves, what people do, and faults.

use crate::rules::Model;
use crate::search::Successor;
use crate::state::*;
use crate::told::Step;

impl Model {
    pub(crate) fn steps(&self, s: &S, out: &mut Vec<Successor<Self>>) {
        macro_rules! step {
            ($fault:expr, $what:expr, $arg:expr, |$x:ident| $body:expr) => {{
                let mut $x = *s;
                $body;
                self.tidy(&mut $x);
                out.push(Successor {
                    state: $x,
                    is_chance: $fault,
                    step: Step($what, $arg as u16),
                });
            }};
        }
        let i = s.me.inst;
        let is_final_kept = self.cfg.expire + self.cfg.forget > 0 && self.rule("final-fate-first");
        // the sender's client
        if s.words < self.cfg.msgs {
            step!(true, "user types", s.words << 4 | i << 2 | (s.me.count + 1), |x| {
                x.me.count += 1;
                x.words += 1;
                let (n, id, w) = (x.me.count, i << 2 | x.me.count, s.words);
                (x.me.fate[w as usize], x.me.id[w as usize]) = (1, id);
                if x.have[i as usize] >= n
                    || x.hist.s().iter().chain(x.disk.s()).any(|m| m & 15 == id)
                {
                    x.err = 4;
                }
                if x.link == 1 && !self.rule("talk-before-msg") && x.tx.srv {
                    x.tx.up.push(w << 2 | n);
                } // typed on a fresh connection: sent at once
            });
        }
        if s.link == 0 {
            step!(false, "sender connects, TALK in", i, |x| {
                x.tx = Tx { srv: true, inst: i, ..TX };
                x.tx.up.push(TALK | s.me.settled);
                x.link = 1;
            });
        }
        if s.link == 2 {
            let done = if self.rule("outbox-until-delivered") { 3 } else { 2 };
            let w =
                s.me.words()
                    .filter(|&w| s.me.id[w] & 3 > s.ptr && s.me.fate[w] < done)
                    .min_by_key(|&w| s.me.id[w]);
            if let Some(w) = w {
                step!(false, "sender sends MSG", (w as u8) << 4 | s.me.id[w], |x| {
                    x.ptr = s.me.id[w] & 3;
                    if x.tx.srv {
                        x.tx.up.push((w as u8) << 2 | x.ptr);
                    }
                });
            }
        }
        if s.link == 3 {
            step!(false, "sender tries again: TALK settled", s.me.settled, |x| {
                x.link = 1;
                if x.tx.srv {
                    x.tx.up.push(TALK | s.me.settled);
                }
            });
        }
        if s.link == 2 && s.anew > 0 {
            step!(true, "sender asks anew: TALK settled", s.me.settled, |x| {
                (x.link, x.anew) = (1, s.anew - 1);
                if x.tx.srv {
                    x.tx.up.push(TALK | s.me.settled);
                }
            });
        }
        if s.down.len > 0 {
            step!(false, "sender reads", s.down.a[0], |x| self.hears(&mut x));
        }
        if s.link > 0 && !s.tx.srv {
            step!(false, "sender sees its connection dead", 0, |x| Self::abandon_tx(&mut x));
        }
        let final_to = (1..=s.me.count)
            .take_while(|&n| s.me.at(n).is_none_or(|w| s.me.fate[w] >= 3))
            .last()
            .unwrap_or(0);
        if self.cfg.expire > 0 && final_to > s.me.settled {
            step!(false, "sender commits fates up to", final_to, |x| x.me.settled = final_to);
        }
        // the server
        if s.tx.srv && s.tx.up.len > 0 {
            step!(false, "server reads sender's", s.tx.up.a[0], |x| self.tx_frame(&mut x, false));
        }
        if s.old_tx.srv {
            step!(false, "server reads sender's OLD connection:", s.old_tx.up.a[0], |x| self
                .tx_frame(&mut x, true));
        }
        if s.old_tx.srv {
            step!(false, "server ends sender's old connection", 0, |x| x.old_tx = TX);
        }
        if s.rx.srv && s.rx.up.len > 0 {
            step!(false, "server reads receiver's", s.rx.up.a[0], |x| self.rx_frame(&mut x, false));
        }
        if s.old_rx.srv && s.old_rx.up.len > 0 {
            step!(false, "server reads receiver's OLD connection:", s.old_rx.up.a[0], |x| self
                .rx_frame(&mut x, true));
        }
        if s.old_rx.srv {
            step!(false, "server ends receiver's old connection", 0, |x| {
                x.old_rx = RX;
                if !self.rule("old-cannot-close") {
                    x.rx.open = false;
                }
            });
        }
        if s.rx.srv && s.rx.open {
            let m =
                s.queue.s().iter().find(|&&m| !s.rx.sent.s().iter().any(|&e| e as u8 & 63 == m));
            if let Some(&m) = m.filter(|&&m| !s.log.has(EXPIRE | m)) {
                let e = (s.rx.seq as u16) << 6 | m as u16;
                step!(false, "server delivers", e, |x| {
                    x.rx.sent.push(e);
                    x.inbox.push(e);
                    x.rx.seq += 1;
                });
            }
        }
        if s.w == 0 && s.log.len > 0 {
            step!(false, "writer hands over ops:", s.log.len, |x| self.receipts(&mut x, |x| {
                x.w = x.log.len;
                V::new()
            }));
            if !self.rule("commit-in-order") && s.log.len > 1 {
                step!(false, "writer hands over the newest op only", 0, |x| {
                    let o = x.log.cut(x.log.len as usize - 1);
                    let mut l = V::new();
                    l.push(o);
                    for &p in x.log.s() {
                        l.push(p);
                    }
                    x.log = l;
                    x.w = 1;
                });
            }
        }
        if s.w > 0 {
            step!(false, "fsync done, ops:", s.w, |x| self.receipts(&mut x, |x| {
                let mut gone = V::new();
                for _ in 0..s.w {
                    let op = x.log.cut(0);
                    Self::apply(x, op);
                    if op & EXPIRE != 0 && self.rule("expired-after-sync") {
                        gone.push(op & 63);
                    }
                }
                (x.w, x.unsure) = (0, false);
                gone
            }));
        }
        if s.expire > 0 {
            for &m in s.queue.s() {
                if s.disk.has(m) && !s.log.has(REMOVE | m) && !s.log.has(EXPIRE | m) {
                    step!(true, "server expires", m, |x| {
                        x.expire -= 1;
                        self.receipts(&mut x, |x| {
                            if !self.rule("expiry-in-place") {
                                x.queue.drop(m);
                            }
                            x.log.push(EXPIRE | m);
                            let mut g = V::new();
                            if !self.rule("expired-after-sync") {
                                g.push(m);
                            }
                            g
                        });
                    });
                }
            }
        }
        if s.forget > 0 {
            for j in 0..3u8 {
                let of = |v: &[u8]| v.iter().any(|&m| inst(m) == j as usize);
                if s.have[j as usize] > 0
                    && !of(s.queue.s())
                    && !of(s.disk.s())
                    && !of(s.log.s())
                    && (!of(s.expired.s()) || !self.rule("forget-without-record"))
                    && !(s.tx.srv && s.tx.inst == j)
                {
                    step!(true, "server forgets installation", j, |x| {
                        x.forget -= 1;
                        x.have[j as usize] = 0;
                        x.dhave[j as usize] = 0;
                        for e in s.expired {
                            if inst(e) == j as usize {
                                x.expired.drop(e);
                            }
                        }
                    });
                }
            }
        }
        // the receiver's client
        if !s.on {
            step!(false, "receiver connects, TALK", 0, |x| {
                (x.on, x.open) = (true, true);
                x.rx = Rx { srv: true, ..RX };
                x.rx.up.push(TALK);
            });
        }
        if s.on && !s.rx.srv {
            step!(false, "receiver sees its connection dead", 0, |x| self.abandon_rx(&mut x));
        }
        if s.inbox.len > 0 {
            step!(false, "receiver gets and commits", s.inbox.a[0], |x| self.receives(&mut x));
        }
        if s.ack > 0 {
            step!(false, "receiver sends ACK", s.ack, |x| {
                x.ack = 0;
                if x.rx.srv {
                    x.rx.up.push(s.ack);
                }
            });
        }
        if s.on && s.open && s.close > 0 {
            step!(true, "receiver sends CLOSE", 0, |x| {
                x.open = false;
                x.close -= 1;
                if x.rx.srv {
                    x.rx.up.push(CLOSE);
                }
            });
        }
        if s.on && !s.open {
            step!(false, "receiver sends TALK again", 0, |x| {
                x.open = true;
                if x.rx.srv {
                    x.rx.up.push(TALK);
                }
            });
        }
        // faults
        if s.lost > 0 {
            step!(true, "sender's folder is lost; a new installation starts", 1, |x| {
                Self::abandon_tx(&mut x);
                (x.lost, x.twin, x.me) = (0, s.me, Folder::new(s.next_inst));
                x.next_inst += 1;
            });
        }
        for k in self.cfg.kinds.chars().filter(|_| s.faults > 0) {
            match k {
                'k' => step!(true, "server is killed and restarts", 0, |x| {
                    x.faults -= 1;
                    self.server_dies(&mut x, k);
                }),
                'p' => {
                    if s.w > 0 {
                        step!(true, "power cut at the server", 0, |x| {
                            x.faults -= 1;
                            self.server_dies(&mut x, k);
                        });
                    }
                }
                'W' => step!(true, "server comes back with an empty disk", 0, |x| {
                    x.faults -= 1;
                    self.server_dies(&mut x, k);
                }),
                's' => {
                    step!(true, "sender crashes", 0, |x| {
                        x.faults -= 1;
                        Self::abandon_tx(&mut x);
                    });
                    step!(true, "sender crashes, unsynced fates lost", 0, |x| {
                        x.faults -= 1;
                        Self::abandon_tx(&mut x);
                        for w in 0..4 {
                            let f = &mut x.me.fate[w];
                            let is_kept =
                                s.me.id[w] & 3 <= s.me.settled || *f >= 3 && is_final_kept;
                            if *f > 0 && !is_kept {
                                *f = 1;
                            }
                        }
                    });
                    if !self.rule("outbox-before-send") && s.me.count > 0 {
                        let w = s.words as usize - 1;
                        step!(true, "sender crashes before its outbox was written", 0, |x| {
                            x.faults -= 1;
                            Self::abandon_tx(&mut x);
                            x.me.count -= 1;
                            x.words -= 1;
                            (x.me.fate[w], x.me.id[w]) = (0, 0);
                        });
                    }
                }
                'r' => {
                    if s.on {
                        step!(true, "receiver crashes", 0, |x| {
                            x.faults -= 1;
                            if !self.rule("store-then-ack") && x.hist.len > 0 {
                                x.hist.cut(x.hist.len as usize - 1);
                            }
                            self.abandon_rx(&mut x);
                        });
                    }
                }
                't' => {
                    if s.link > 0 && s.tx.srv {
                        step!(true, "sender gives its connection up", 0, |x| {
                            x.faults -= 1;
                            Self::abandon_tx(&mut x);
                        });
                    }
                }
                'u' => {
                    if s.tx.srv {
                        step!(true, "server loses sender's connection", 0, |x| {
                            x.faults -= 1;
                            x.tx = TX;
                        });
                    }
                }
                'v' => {
                    if s.on && s.rx.srv {
                        step!(true, "receiver gives its connection up", 0, |x| {
                            x.faults -= 1;
                            self.abandon_rx(&mut x);
                        });
                    }
                }
                _ => {
                    if s.rx.srv {
                        step!(true, "server loses receiver's connection", 0, |x| {
                            x.faults -= 1;
                            x.rx = RX;
                        });
                    }
                }
            }
        }
    }
    /// Drops what can no longer matter, so that equal futures are equal states.
    pub(crate) fn tidy(&self, s: &mut S) {
        if s.old_tx.up.len == 0 || !s.old_tx.srv {
            s.old_tx = TX;
        }
        if s.old_rx.up.len == 0 && self.rule("old-cannot-close") {
            s.old_rx = RX;
        }
        if !s.tx.srv {
            s.tx = TX;
        }
        if !s.rx.srv {
            s.rx = RX;
        }
    }
}
