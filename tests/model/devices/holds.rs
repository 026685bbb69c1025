//! What must hold in every state, and what must come to be.

use crate::events::{Next, Step};
use crate::rules::Model;
use crate::search::{Successor, World};
use crate::state::*;

impl World for Model {
    type State = State;
    type Step = Step;

    /// Some 3 GB.
    const MOST_STATES: usize = 3_000_000;

    fn start(&self) -> State {
        self.beginning()
    }

    fn next(&self, state: &State, out: &mut Vec<Successor<Self>>) {
        if state.wrong.is_some() {
            return;
        }
        let next = &mut Next { from: state, out };
        self.writer_steps(next);
        self.server_steps(next);
        for slot in 0..DEVICES {
            self.reader_steps(next, slot);
        }
        self.people_steps(next);
        self.fault_steps(next);
    }

    fn broken(&self, s: &State) -> Option<&'static str> {
        if s.wrong.is_some() {
            return s.wrong;
        }
        for word in 1..s.told.len() as u8 {
            // The history that a device was restored to may lack what it had.
            let is_had = s.devices.iter().any(|it| it.has(word))
                || s.chances.replaced
                || has(s.excused, word);
            match s.told[word as usize] {
                Fate::Delivered if !is_had => return Some("told DELIVERED, but no device has it"),
                Fate::Stored if !is_had && !self.is_kept(s, word) => {
                    return Some("told STORED, but it is nowhere");
                }
                _ => {}
            }
        }
        None
    }

    fn is_done(&self, s: &State) -> bool {
        let is_settled = |it: &Folder| !it.rows.iter().any(Row::is_open);
        let other_rests = s.second != Second::Used || !self.cfg.writer;
        let readers = (0..DEVICES).filter(|&it| has(s.active, it as u8));
        let mut owed = readers.flat_map(|slot| (1..s.told.len() as u8).map(move |it| (slot, it)));
        s.memory.queue.is_empty()
            && s.disk == s.memory
            && is_settled(s.folder())
            && (other_rests || is_settled(other(s)))
            && !owed.any(|(slot, word)| self.is_owed(s, slot, word))
    }
}

/// The folder whose client does not run.
fn other(s: &State) -> &Folder {
    &s.folders[1 - s.running as usize]
}

impl Model {
    /// Whether a device lacks what it will have to get.
    fn is_owed(&self, s: &State, slot: usize, word: u8) -> bool {
        let is_open = |it: &Row| it.word == word && it.is_open();
        let rests = s.second == Second::Used && other(s).rows.iter().any(is_open);
        let told = has(s.owed[slot], word) && s.told[word as usize] >= Fate::Stored;
        told && !rests
            && !has(s.excused, word)
            && !self.is_orphan(s, word)
            && !s.devices[slot].has(word)
    }

    /// What bounced is its sender's alone; a folder restored from before it was typed does not have it.
    fn is_orphan(&self, s: &State, word: u8) -> bool {
        let mut rows = s.folders.iter().flat_map(|it| it.rows.iter());
        self.cfg.unreadable > 0 && rows.all(|it| it.word != word)
    }

    /// Whether a word that was told to be stored is on a disk that will bring it.
    fn is_kept(&self, s: &State, word: u8) -> bool {
        self.is_orphan(s, word)
            || s.disk.queue.iter().any(|it| it.word == word)
            || s.folders.iter().any(|it| self.will_send(s, it, word))
    }

    /// Whether a folder has a word that it will send again.
    fn will_send(&self, s: &State, folder: &Folder, word: u8) -> bool {
        let own = folder.installation as usize;
        let is_copy = s.disk.have[own] > folder.sent[own];
        let is_bounced = |it: &Row| has(s.disk.bounced[it.id.installation as usize], it.id.n);
        let resends = |it: &Row| is_copy || self.cfg.set_back > 0 || is_bounced(it);
        let mut rows = folder.rows.iter().filter(|it| it.word == word && it.is_open());
        rows.any(|it| it.fate == Fate::Waiting || resends(it))
    }
}
