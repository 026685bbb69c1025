//! What everybody has on disk, in memory and under way. Small: millions of these are kept.

use std::hash::{Hash, Hasher};

use crate::rules::Cfg;

/// A short queue of bytes that lives in the state; it panics rather than forget something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct V<const N: usize, T = u8> {
    pub(crate) len: u8,
    pub(crate) a: [T; N],
}
impl<const N: usize, T: Copy + PartialEq + From<u8>> V<N, T> {
    pub(crate) fn new() -> Self {
        V { len: 0, a: [T::from(0); N] }
    }
    pub(crate) fn s(&self) -> &[T] {
        &self.a[..self.len as usize]
    }
    pub(crate) fn push(&mut self, x: T) {
        self.a[self.len as usize] = x;
        self.len += 1;
    }
    pub(crate) fn cut(&mut self, i: usize) -> T {
        let x = self.a[i];
        self.a.copy_within(i + 1..self.len as usize, i);
        self.len -= 1;
        self.a[self.len as usize] = T::from(0);
        x
    }
    pub(crate) fn has(&self, x: T) -> bool {
        self.s().contains(&x)
    }
    pub(crate) fn drop(&mut self, x: T) {
        if let Some(i) = self.s().iter().position(|&y| y == x) {
            self.cut(i);
        }
    }
}

impl<const N: usize> IntoIterator for V<N> {
    type Item = u8;
    type IntoIter = std::iter::Take<std::array::IntoIter<u8, N>>;
    fn into_iter(self) -> Self::IntoIter {
        self.a.into_iter().take(self.len as usize)
    }
}
/// The server's end of a sender's connection, and of a receiver's. `up` is what the client wrote and the server has not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tx {
    pub(crate) srv: bool,
    pub(crate) inst: u8,
    pub(crate) talked: bool,
    pub(crate) refusing: bool,
    pub(crate) settled: u8,
    pub(crate) up: V<6>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rx {
    pub(crate) srv: bool,
    pub(crate) open: bool,
    pub(crate) seq: u8,
    pub(crate) sent: V<8, u16>,
    pub(crate) up: V<12>,
}
pub(crate) const TX: Tx = Tx {
    srv: false,
    inst: 0,
    talked: false,
    refusing: false,
    settled: 0,
    up: V { len: 0, a: [0; 6] },
};
pub(crate) const RX: Rx = Rx {
    srv: false,
    open: false,
    seq: 1,
    sent: V { len: 0, a: [0; 8] },
    up: V { len: 0, a: [0; 12] },
};

/// A sender's data folder. By word, which stands for its origin: its id (0: it is not in this folder), its fate, what its owner was
/// told. Fates: 0 nothing, 1 waiting, 2 stored, 3 delivered, 4 expired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Folder {
    pub(crate) inst: u8,
    pub(crate) count: u8,
    pub(crate) settled: u8,
    pub(crate) id: [u8; 4],
    pub(crate) fate: [u8; 4],
    pub(crate) told: [u8; 4],
}
impl Folder {
    pub(crate) const fn new(inst: u8) -> Self {
        Folder { inst, count: 0, settled: 0, id: [0; 4], fate: [0; 4], told: [0; 4] }
    }
    /// The words that have an id.
    pub(crate) fn words(&self) -> impl Iterator<Item = usize> + '_ {
        (0..4).filter(|&w| self.id[w] != 0)
    }
    pub(crate) fn at(&self, n: u8) -> Option<usize> {
        self.words().find(|&w| self.id[w] & 3 == n)
    }
}

/// A message: word * 16 + installation * 4 + n, n from 1; its id is the lower half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct S {
    // the sender's folder, and the one that was lost
    pub(crate) me: Folder,
    pub(crate) twin: Folder,
    pub(crate) words: u8,
    pub(crate) next_inst: u8,
    pub(crate) link: u8,
    pub(crate) ptr: u8,
    pub(crate) held: u8,
    pub(crate) down: V<12>, // link: 0 none, 1 TALK sent, 2 talking, 3 refused
    pub(crate) tx: Tx,
    pub(crate) old_tx: Tx,
    // server: memory; journal (log[..w] handed to the OS, none of it synced); synced disk
    pub(crate) queue: V<6>,
    pub(crate) have: [u8; 3],
    pub(crate) log: V<12>,
    pub(crate) w: u8,
    pub(crate) unsure: bool,
    pub(crate) disk: V<6>,
    pub(crate) dhave: [u8; 3],
    pub(crate) expired: V<6>,
    pub(crate) gone: u8,
    // receiver's client: history on disk
    pub(crate) on: bool,
    pub(crate) open: bool,
    pub(crate) ack: u8,
    pub(crate) inbox: V<8, u16>,
    pub(crate) hist: V<6>,
    pub(crate) rx: Rx,
    pub(crate) old_rx: Rx,
    pub(crate) faults: u8,
    pub(crate) lost: u8,
    pub(crate) close: u8,
    pub(crate) expire: u8,
    pub(crate) forget: u8,
    pub(crate) anew: u8,
    pub(crate) err: u8,
}
pub(crate) fn word(m: u8) -> usize {
    (m >> 4 & 3) as usize
}
pub(crate) fn inst(m: u8) -> usize {
    (m >> 2 & 3) as usize
}

impl Hash for S {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(bytes(self));
    }
}

fn bytes(s: &S) -> u64 {
    let mut h = 0u64;
    let mut put = |b: u64| h = (h.rotate_left(5) ^ b).wrapping_mul(0x517cc1b727220a95);
    for f in [&s.me, &s.twin] {
        for b in [f.inst, f.count, f.settled] {
            put(b as u64);
        }
        for p in [&f.id, &f.fate, &f.told] {
            put(u32::from_le_bytes(*p) as u64);
        }
    }
    for p in [
        s.words,
        s.next_inst,
        s.link,
        s.ptr,
        s.held,
        s.w,
        s.unsure as u8,
        s.gone,
        s.on as u8,
        s.open as u8,
        s.ack,
        s.faults,
        s.lost,
        s.close,
        s.expire,
        s.forget,
        s.anew,
        s.err,
    ] {
        put(p as u64);
    }
    for p in [&s.have, &s.dhave] {
        for &b in p {
            put(b as u64);
        }
    }
    for p in [
        s.down.s(),
        s.tx.up.s(),
        s.old_tx.up.s(),
        s.queue.s(),
        s.log.s(),
        s.disk.s(),
        s.expired.s(),
        s.hist.s(),
        s.rx.up.s(),
        s.old_rx.up.s(),
    ] {
        put(0xEE);
        for &b in p {
            put(b as u64);
        }
    }
    for p in [s.inbox.s(), s.rx.sent.s(), s.old_rx.sent.s()] {
        put(0xEE);
        for &b in p {
            put(b as u64);
        }
    }
    for t in [&s.tx, &s.old_tx] {
        put((t.srv as u8
            | (t.talked as u8) << 1
            | (t.refusing as u8) << 2
            | t.inst << 3
            | t.settled << 5) as u64);
    }
    for r in [&s.rx, &s.old_rx] {
        put((r.srv as u8 | (r.open as u8) << 1 | r.seq << 2) as u64);
    }
    h
}

pub(crate) const STORED: u8 = 1 << 2;
pub(crate) const DELIVERED: u8 = 2 << 2;
pub(crate) const FULL: u8 = 3 << 2;
pub(crate) const EXPIRED: u8 = 4 << 2; // | n
pub(crate) const TALKING: u8 = 0xC0; // | have << 4 | stored << 2 | delivered
pub(crate) const TALK: u8 = 0x40;
pub(crate) const CLOSE: u8 = 0x60; // else: MSG n, or ACK seq
pub(crate) const REMOVE: u8 = 0x40;
pub(crate) const EXPIRE: u8 = 0x80; // journal; else: append a message

impl S {
    pub(crate) fn start(c: &Cfg) -> Self {
        S {
            me: Folder::new(0),
            twin: Folder::new(3),
            words: 0,
            next_inst: 1,
            link: 0,
            ptr: 0,
            held: 0,
            down: V::new(),
            tx: TX,
            old_tx: TX,
            queue: V::new(),
            have: [0; 3],
            log: V::new(),
            w: 0,
            unsure: false,
            disk: V::new(),
            dhave: [0; 3],
            expired: V::new(),
            gone: 0,
            on: false,
            open: false,
            ack: 0,
            inbox: V::new(),
            hist: V::new(),
            rx: RX,
            old_rx: RX,
            faults: c.faults,
            lost: c.lost,
            close: c.close,
            expire: c.expire,
            forget: c.forget,
            anew: c.anew,
            err: 0,
        }
    }
}
