//! What there is at the beginning, what people do, what may fail, and how the steps are gathered.

use std::fmt;

use crate::rules::Model;
use crate::search::Successor;
use crate::state::*;

/// A step, and what it was about.
pub(crate) struct Step(&'static str, About);

/// What a step is about.
pub(crate) enum About {
    Nothing,
    Number(usize),
    Message(Id),
    At(usize, Id),
    Seq(usize, u8),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step(what, about) = self;
        match about {
            About::Nothing => write!(f, "{what}"),
            About::Number(number) => write!(f, "{what} {number}"),
            About::Message(id) => write!(f, "{what} {id}"),
            About::At(slot, id) => write!(f, "{what} {id}, device {slot}"),
            About::Seq(slot, seq) => write!(f, "{what} seq {seq}, device {slot}"),
        }
    }
}

impl From<()> for About {
    fn from((): ()) -> Self {
        About::Nothing
    }
}

impl From<u8> for About {
    fn from(number: u8) -> Self {
        About::Number(number.into())
    }
}

impl From<usize> for About {
    fn from(number: usize) -> Self {
        About::Number(number)
    }
}

impl From<Id> for About {
    fn from(id: Id) -> Self {
        About::Message(id)
    }
}

impl From<(usize, Id)> for About {
    fn from((slot, id): (usize, Id)) -> Self {
        About::At(slot, id)
    }
}

impl From<(usize, u8)> for About {
    fn from((slot, seq): (usize, u8)) -> Self {
        About::Seq(slot, seq)
    }
}

/// Gathers what may come next.
pub(crate) struct Next<'a> {
    pub(crate) from: &'a State,
    pub(crate) out: &'a mut Vec<Successor<Model>>,
}

impl Next<'_> {
    /// A step that comes by itself.
    pub(crate) fn step(
        &mut self,
        what: &'static str,
        about: impl Into<About>,
        change: impl FnOnce(&mut State),
    ) {
        self.add(false, what, about, change);
    }

    /// A whim or a fault.
    pub(crate) fn chance(
        &mut self,
        what: &'static str,
        about: impl Into<About>,
        change: impl FnOnce(&mut State),
    ) {
        self.add(true, what, about, change);
    }

    pub(crate) fn add(
        &mut self,
        is_chance: bool,
        what: &'static str,
        about: impl Into<About>,
        change: impl FnOnce(&mut State),
    ) {
        let mut state = *self.from;
        change(&mut state);
        self.out.push(Successor { state, is_chance, step: Step(what, about.into()) });
    }
}

impl Model {
    pub(crate) fn beginning(&self) -> State {
        let cfg = &self.cfg;
        let chances = Chances {
            faults: cfg.faults,
            lost: cfg.lost,
            restore: cfg.restore,
            copy: cfg.turns.min(1),
            turns: cfg.turns,
            unreadable: cfg.unreadable,
            set_back: cfg.set_back,
            read_back: cfg.read_back,
            wiped: cfg.wiped,
            ..Chances::default()
        };
        let (version, active, sessions, installations) = (1, 1, 1, 1 + u8::from(cfg.writer));
        let mut s = State { version, active, sessions, installations, chances, ..State::default() };
        if cfg.writer {
            (s.second, s.folders[1].installation) = (Second::Used, 1);
        }
        for _ in (0..cfg.words).filter(|_| cfg.typed) {
            self.types(&mut s);
        }
        s
    }

    pub(crate) fn people_steps(&self, next: &mut Next<'_>) {
        self.devices_change(next);
        self.folders_change(next);
        self.disks_go_back(next);
        self.a_message_is_forged(next);
    }

    fn devices_change(&self, next: &mut Next<'_>) {
        let s = next.from;
        if self.cfg.link && !s.chances.linked && has(s.active, 0) {
            next.chance("device 1 is linked", (), |x| {
                x.chances.linked = true;
                x.version += 1;
                x.active |= bit(1);
                x.disk = x.memory;
            });
        }
        if self.cfg.revoke && !s.chances.revoked && has(s.active, 0) && has(s.active, 1) {
            next.chance("device 0 is revoked", (), |x| {
                x.chances.revoked = true;
                self.leaves(x);
            });
        }
        if self.cfg.replace && !s.chances.replaced && has(s.active, 0) {
            next.chance("device 0's folder becomes device 2", (), |x| self.replaces(x, false));
            if !s.devices[0].disk.history.is_empty() {
                let what = "device 0's folder, as it was before its last message, becomes device 2";
                next.chance(what, (), |x| self.replaces(x, true));
            }
        }
        for slot in (0..2).filter(|&it| s.chances.lost > 0 && has(s.active, it as u8)) {
            if s.sessions > 1 && s.devices[slot].disk.dead < s.sessions {
                next.chance("ratchets are lost, device", slot, |x| {
                    x.chances.lost -= 1;
                    x.devices[slot].disk.dead = x.sessions;
                    x.devices[slot].hang_up();
                });
            }
        }
    }

    /// The first device leaves the list.
    fn leaves(&self, s: &mut State) {
        s.active &= !bit(0);
        s.owed[0] = 0;
        for entry in s.memory.queue.iter_mut() {
            entry.wanted &= !bit(0);
        }
        self.forget_passed(&mut s.memory, true);
        s.version += 1;
        s.devices[0].hang_up();
        s.disk = s.memory;
    }

    fn replaces(&self, s: &mut State, from_before: bool) {
        s.chances.replaced = true;
        let mut disk = s.devices[0].disk;
        if from_before {
            disk.history.remove(disk.history.len() - 1);
        }
        disk.ratchets = Default::default();
        disk.dead = 0;
        s.devices[2].disk = disk;
        s.active |= bit(2);
        self.leaves(s);
    }

    fn folders_change(&self, next: &mut Next<'_>) {
        let s = next.from;
        let is_first = s.folders[0].installation == 0;
        if s.chances.restore > 0 && s.second == Second::None && is_first {
            next.chance("a backup of john's folder is made", (), |x| {
                (x.folders[1], x.second) = (x.folders[0], Second::Backup);
            });
        }
        let differs = s.folders[0] != s.folders[1];
        if s.chances.restore > 0 && s.second == Second::Backup && is_first && differs {
            next.chance("john's folder is restored", (), |x| self.restores(x));
        }
        if s.chances.copy > 0 && s.second == Second::None {
            next.chance("john's folder is copied", (), |x| {
                x.chances.copy -= 1;
                x.chances.copied = true;
                (x.folders[1], x.second) = (x.folders[0], Second::Used);
            });
        }
        self.folders_take_turns(next);
        self.writer_ends(next);
    }

    fn restores(&self, s: &mut State) {
        s.chances.restore -= 1;
        s.chances.copied = true;
        (s.folders[0], s.folders[1]) = (s.folders[1], Folder::default());
        s.second = Second::None;
        if self.rule("unclean-new-sessions") {
            s.folders[0].sessions = Keys::default();
        }
        if s.chances.set_back < self.cfg.set_back {
            self.excuse(s);
        }
        s.leave_unread();
    }

    fn folders_take_turns(&self, next: &mut Next<'_>) {
        let s = next.from;
        let is_free = self.cfg.writer;
        if s.second == Second::Used && (is_free || s.chances.turns > 0) {
            next.add(!is_free, "the client ends; one starts in the other folder", (), |x| {
                x.chances.turns -= u8::from(!is_free);
                x.leave_unread();
                x.running ^= 1;
            });
        }
    }

    /// The writer's folder tells the other one the fates that it knows, as long as it comes.
    fn writer_ends(&self, next: &mut Next<'_>) {
        let s = next.from;
        if s.second != Second::Used || !self.cfg.writer {
            return;
        }
        let fate = |row: &Row| {
            let own = s.folders[1].rows.iter().find(|it| it.id == row.id);
            own.map_or(row.fate, |it| it.fate)
        };
        if s.folders[0].rows.iter().any(|it| fate(it) > it.fate) {
            next.step("the writer's folder tells what it knows", (), |x| {
                for row in x.folders[0].rows.iter_mut() {
                    row.fate = row.fate.max(fate(row));
                }
            });
        }
        next.chance("the writer's folder never comes again", (), |x| {
            if x.running == 1 {
                x.hang_up();
            }
            (x.second, x.running) = (Second::Gone, 0);
        });
    }

    fn disks_go_back(&self, next: &mut Next<'_>) {
        let s = next.from;
        if s.chances.set_back > 0 && s.backup.is_none() {
            next.chance("a backup of the server is made", (), |x| x.backup = Some(x.disk));
        }
        if let Some(backup) = s.backup.filter(|it| *it != s.disk || *it != s.memory) {
            next.chance("the server is restored from its backup", (), |x| {
                x.chances.set_back -= 1;
                x.backup = None;
                self.excuse(x);
                Self::comes_back(x, backup);
            });
        }
        self.marie_goes_back(next);
    }

    fn marie_goes_back(&self, next: &mut Next<'_>) {
        let s = next.from;
        if s.chances.read_back > 0 && s.archive.is_none() {
            next.chance("a backup of marie's folder is made", (), |x| {
                x.archive = Some(x.devices[0].disk);
            });
        }
        if let Some(archive) = s.archive.filter(|it| *it != s.devices[0].disk) {
            next.chance("marie's folder is restored", (), |x| {
                x.chances.read_back -= 1;
                x.archive = None;
                Self::has_only(x, archive);
            });
        }
        if s.chances.wiped > 0 && s.devices[0].disk != Archive::default() {
            next.chance("marie's folder is lost", (), |x| {
                x.chances.wiped -= 1;
                Self::has_only(x, Archive::default());
            });
        }
    }

    fn has_only(s: &mut State, archive: Archive) {
        let is_kept = |it: &Had| archive.history.iter().any(|kept| kept.word == it.word);
        let lost = s.devices[0].disk.history.iter().filter(|it| !is_kept(it));
        s.excused |= lost.map(|it| bit(it.word)).fold(0, |all, it| all | it);
        s.devices[0].disk = archive;
        s.devices[0].hang_up();
    }

    /// What no folder of john's holds any more may be lost with the server's disk.
    fn excuse(&self, s: &mut State) {
        for word in 1..s.told.len() as u8 {
            let is_held = s.folders.iter().any(|it| it.rows.iter().any(|it| it.word == word));
            if !is_held {
                s.excused |= bit(word);
            }
        }
    }

    fn a_message_is_forged(&self, next: &mut Next<'_>) {
        let s = next.from;
        let may_come = !s.chances.forged && s.devices[0].on;
        let Some(n) = self.cfg.forged.filter(|_| may_come) else { return };
        let id = Id { installation: 0, n };
        let mut forge = |what, entry: Entry| {
            next.chance(what, id, |x| {
                x.chances.forged = true;
                x.devices[0].sent.push(entry);
            });
        };
        let unreadable = Entry { id, origin: UNREADABLE, ..Entry::default() };
        forge("somebody sends what nobody can read as", unreadable);
        forge("somebody makes up", Entry { id, origin: 99, ..Entry::default() });
        for &Had { word, origin, .. } in s.devices[0].disk.history.iter() {
            let repeated = Entry { id, word, origin, ..Entry::default() };
            forge("somebody repeats what marie has, as", repeated);
        }
    }

    pub(crate) fn fault_steps(&self, next: &mut Next<'_>) {
        let s = next.from;
        for kind in self.cfg.kinds.chars().filter(|_| s.chances.faults > 0) {
            match kind {
                'k' => next.chance("server is killed", (), |x| {
                    x.chances.faults -= 1;
                    Self::comes_back(x, x.disk);
                }),
                'w' if s.line.link != Link::Off => {
                    next.chance("john crashes or loses the line", (), |x| {
                        x.chances.faults -= 1;
                        x.hang_up();
                        if !self.rule("sent-before-msg") {
                            self.forgets_what_was_sent(x);
                        }
                    });
                }
                'r' => self.reader_faults(next),
                _ => {}
            }
        }
    }

    fn forgets_what_was_sent(&self, s: &mut State) {
        let folder = s.folder_mut();
        folder.sent = Each::default();
        for row in folder.rows.iter_mut() {
            row.sent = false;
        }
    }

    fn reader_faults(&self, next: &mut Next<'_>) {
        for slot in (0..DEVICES).filter(|&it| next.from.devices[it].on) {
            next.chance("crash or lost line, device", slot, |x| {
                x.chances.faults -= 1;
                x.devices[slot].hang_up();
            });
        }
    }
}
