//! Explores every interleaving, breadth first, so that a counterexample is a shortest one.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// What can be explored.
pub(crate) trait World {
    type State: Clone + Eq + Hash;
    type Step: fmt::Display;
    /// How many states are looked at before it is given up, which bounds the memory.
    const MOST_STATES: usize;
    fn start(&self) -> Self::State;
    /// Adds everything that may happen next.
    fn next(&self, state: &Self::State, out: &mut Vec<Successor<Self>>);
    /// What does not hold in a state, if something does not.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
    /// Whether all has come to be that must.
    fn is_done(&self, state: &Self::State) -> bool;
}

/// A state that may come next.
pub(crate) struct Successor<W: World + ?Sized> {
    pub(crate) state: W::State,
    /// Whether nobody can count on this step: somebody's whim, or a fault.
    pub(crate) is_chance: bool,
    pub(crate) step: W::Step,
}

/// How much was explored; `depth`: how many steps the furthest state is away.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) depth: usize,
}

/// Why it was not shown that all holds.
pub(crate) enum Failure {
    /// What did not hold, and the steps that lead there.
    Broken(&'static str, Vec<String>),
    /// There are more than [`World::MOST_STATES`].
    TooLarge,
}

/// Safety in every state; and from every state a path without chance leads to where all is done.
pub(crate) fn explore<W: World>(world: &W) -> Result<Explored, Failure> {
    let seen = Seen::new(world.start());
    let mut search = Search { world, seen, edges: vec![], starts: vec![0] };
    let explored = search.all()?;
    search.all_can_be_done()?;
    Ok(explored)
}

struct Search<'a, W: World> {
    world: &'a W,
    seen: Seen<W::State>,
    /// Where the steps lead that can be counted on, state by state; `starts` says where each one's begin.
    edges: Vec<u32>,
    starts: Vec<usize>,
}

impl<W: World> Search<'_, W> {
    fn all(&mut self) -> Result<Explored, Failure> {
        let (mut out, mut at, mut steps) = (vec![], 0, 0);
        let (mut depth, mut level) = (0, 1);
        while at < self.seen.states.len() {
            if at == level {
                (depth, level) = (depth + 1, self.seen.states.len());
            }
            if self.seen.states.len() > W::MOST_STATES {
                return Err(Failure::TooLarge);
            }
            steps += self.look_at(at, &mut out)?;
            at += 1;
        }
        Ok(Explored { states: at, steps, depth })
    }

    fn look_at(&mut self, at: usize, out: &mut Vec<Successor<W>>) -> Result<usize, Failure> {
        let state = self.seen.states[at].clone();
        if let Some(what) = self.world.broken(&state) {
            return Err(Failure::Broken(what, self.trace(at)));
        }
        self.world.next(&state, out);
        let steps = out.len();
        for next in out.drain(..) {
            let index = self.seen.index(next.state, at);
            if !next.is_chance {
                self.edges.push(index);
            }
        }
        self.starts.push(self.edges.len());
        Ok(steps)
    }

    fn all_can_be_done(&self) -> Result<(), Failure> {
        let states = &self.seen.states;
        let mut good: Vec<bool> = states.iter().map(|it| self.world.is_done(it)).collect();
        let mut changed = true;
        while changed {
            changed = false;
            // Successors mostly lie behind, so a few backward sweeps settle it.
            for at in (0..states.len()).rev() {
                let mut successors = self.edges[self.starts[at]..self.starts[at + 1]].iter();
                if !good[at] && successors.any(|&it| good[it as usize]) {
                    (good[at], changed) = (true, true);
                }
            }
        }
        let what = "stuck: without further faults something never arrives";
        good.iter()
            .position(|it| !it)
            .map_or(Ok(()), |at| Err(Failure::Broken(what, self.trace(at))))
    }

    fn trace(&self, mut at: usize) -> Vec<String> {
        let (mut lines, mut out) = (vec![], vec![]);
        while at != 0 {
            let parent = self.seen.parents[at] as usize;
            out.clear();
            self.world.next(&self.seen.states[parent], &mut out);
            let came = out.iter().find(|it| it.state == self.seen.states[at]);
            lines.push(came.expect("it was reached from there").step.to_string());
            at = parent;
        }
        lines.reverse();
        lines
    }
}

/// The states that were seen, each once, and from where.
struct Seen<S> {
    states: Vec<S>,
    parents: Vec<u32>,
    /// Open addressing: indices into `states`, or [`FREE`].
    table: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl<S: Eq + Hash> Seen<S> {
    fn new(start: S) -> Self {
        let mut seen = Seen { states: vec![], parents: vec![], table: vec![FREE; 1 << 16] };
        seen.index(start, 0);
        seen
    }

    fn index(&mut self, state: S, parent: usize) -> u32 {
        if self.states.len() * 2 > self.table.len() {
            self.grow();
        }
        let place = self.place(&state);
        if self.table[place] == FREE {
            self.table[place] = self.states.len() as u32;
            self.states.push(state);
            self.parents.push(parent as u32);
        }
        self.table[place]
    }

    /// Where a state is in the table, or would be.
    fn place(&self, state: &S) -> usize {
        let mask = self.table.len() - 1;
        let mut place = BuildHasherDefault::<Mix>::default().hash_one(state) as usize & mask;
        while self.table[place] != FREE && self.states[self.table[place] as usize] != *state {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        self.table = vec![FREE; self.table.len() * 4];
        for at in 0..self.states.len() {
            let place = self.place(&self.states[at]);
            self.table[place] = at as u32;
        }
    }
}

/// A fast hash; nobody attacks it.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 32
    }
}
