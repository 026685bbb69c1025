//! What everybody has on disk, in memory and under way. Small: millions of these are kept.

use std::fmt;

use crate::list::List;

/// How many installations there can be; their numbers count from 0.
pub(crate) const INSTALLATIONS: usize = 4;
/// Numbers of messages count from 1 to this one. Who needs more is sending in circles.
pub(crate) const LAST_NUMBER: u8 = 5;
/// Marie's device slots: 0 from the start; 1 linked later, empty; 2 takes the place of 0.
pub(crate) const DEVICES: usize = 3;

/// The origin of a payload that nobody can read.
pub(crate) const UNREADABLE: u8 = 0;

/// Something for each installation.
pub(crate) type Each = [u8; INSTALLATIONS];
/// Numbers of an installation as bits.
pub(crate) type Numbers = u8;

/// A message's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) struct Id {
    pub(crate) installation: u8,
    pub(crate) n: u8,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", ["a", "b", "c", "d"][self.installation as usize], self.n)
    }
}

/// A place in a double ratchet: which session, and how far its chain is. Session 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) struct Key {
    pub(crate) session: u8,
    pub(crate) index: u8,
}

/// A key for each of marie's device slots.
pub(crate) type Keys = [Key; DEVICES];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) enum Fate {
    #[default]
    None,
    Waiting,
    Stored,
    Delivered,
}

/// A message in a folder of john's. `origin` stands for the payload and its hash, too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Row {
    pub(crate) word: u8,
    pub(crate) origin: u8,
    pub(crate) id: Id,
    pub(crate) fate: Fate,
    pub(crate) sent: bool,
    /// The lowest number of the same installation that it had before and that bounced; 0 if none.
    pub(crate) before: u8,
    pub(crate) keys: Keys,
    pub(crate) version: u8,
}

impl Row {
    /// Whether its fate is not final.
    pub(crate) fn is_open(&self) -> bool {
        self.fate < Fate::Delivered
    }
}

/// A data folder of john's, as it is on its disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Folder {
    pub(crate) installation: u8,
    /// The highest number that was made, by installation; and the highest that may have been sent.
    pub(crate) made: Each,
    pub(crate) sent: Each,
    pub(crate) rows: List<Row, 4>,
    pub(crate) sessions: Keys,
}

/// What john's second folder is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) enum Second {
    #[default]
    None,
    /// A backup of the first.
    Backup,
    /// One that is used like the first: its copy, or one that only writes.
    Used,
    /// It never comes again, and john's list says so.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) enum Link {
    #[default]
    Off,
    /// `TALK` was sent.
    Asked,
    Talking,
    /// What was sealed for an older list was refused.
    Refused,
}

/// From john's client to the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) enum Up {
    #[default]
    None,
    /// Asks for the installations that are bits in `asked`.
    Talk {
        asked: u8,
        settled: Each,
    },
    Msg {
        entry: Entry,
        version: u8,
    },
}

/// `BOUNCED` for all asked installations, and then `TALKING` with the numbers of each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Answer {
    pub(crate) asked: u8,
    pub(crate) bounced: [Numbers; INSTALLATIONS],
    pub(crate) have: Each,
    pub(crate) stored: Each,
    pub(crate) delivered: Each,
    pub(crate) last: Each,
    pub(crate) version: u8,
    pub(crate) devices: u8,
}

/// The connection of john's running client, both ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Line {
    pub(crate) link: Link,
    /// The last number that went out.
    pub(crate) at: u8,
    pub(crate) version: u8,
    pub(crate) devices: u8,
    pub(crate) up: List<Up, 5>,
    pub(crate) answer: Option<Answer>,
    pub(crate) refusing: bool,
    /// The sessions as they are in memory.
    pub(crate) sessions: Keys,
}

/// A message on the server. Devices are bits: for whom it is, who has it, who could not read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) word: u8,
    pub(crate) origin: u8,
    pub(crate) keys: Keys,
    pub(crate) wanted: u8,
    pub(crate) acked: u8,
    pub(crate) bounced: u8,
}

/// The session john:marie, in the server's memory or on its disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Mailbox {
    pub(crate) queue: List<Entry, 6>,
    pub(crate) have: Each,
    pub(crate) bounced: [Numbers; INSTALLATIONS],
    /// The payload of `have`, where `TALKING` tells it.
    pub(crate) last: Each,
}

/// From marie's client to the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) enum Reply {
    #[default]
    None,
    Ack(u8),
    Bounce(u8),
}

/// A message in marie's history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Had {
    pub(crate) word: u8,
    pub(crate) origin: u8,
    pub(crate) id: Id,
}

/// A data folder of marie's, as it is on its disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Archive {
    pub(crate) history: List<Had, 6>,
    pub(crate) ratchets: List<Key, 6>,
    /// Sessions below this one are lost.
    pub(crate) dead: u8,
}

/// One of marie's devices and its connection, both ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Device {
    pub(crate) disk: Archive,
    pub(crate) on: bool,
    /// What was delivered on this connection: *seq* is the place here, from 1. The client has taken in the first `taken`.
    pub(crate) sent: List<Entry, 8>,
    pub(crate) taken: u8,
    /// The *seq* that is due for `ACK`; 0 if none.
    pub(crate) due: u8,
    /// `BOUNCE`s that were not said at once, as bits.
    pub(crate) late: u8,
    pub(crate) up: List<Reply, 8>,
    /// What the server has read a `BOUNCE` of, as bits.
    pub(crate) refused: u8,
}

/// A message key that was used for a word, towards a device slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) struct Used {
    pub(crate) slot: u8,
    pub(crate) key: Key,
    pub(crate) word: u8,
}

/// What may still happen, or has happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct Chances {
    pub(crate) faults: u8,
    pub(crate) lost: u8,
    pub(crate) restore: u8,
    pub(crate) copy: u8,
    pub(crate) turns: u8,
    pub(crate) unreadable: u8,
    pub(crate) forged: bool,
    pub(crate) set_back: u8,
    pub(crate) read_back: u8,
    pub(crate) wiped: u8,
    pub(crate) linked: bool,
    pub(crate) revoked: bool,
    pub(crate) replaced: bool,
    /// Whether a folder of john's was copied or restored.
    pub(crate) copied: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct State {
    // John. `running`: which folder's client runs.
    pub(crate) folders: [Folder; 2],
    pub(crate) second: Second,
    pub(crate) running: u8,
    pub(crate) line: Line,
    /// What the server has not read of the connection of a folder that is not used now as it was then.
    pub(crate) unread: List<Entry, 3>,
    pub(crate) typed: u8,
    pub(crate) installations: u8,
    pub(crate) sessions: u8,
    // The server. `active`: marie's devices, as bits.
    pub(crate) memory: Mailbox,
    pub(crate) disk: Mailbox,
    pub(crate) backup: Option<Mailbox>,
    pub(crate) version: u8,
    pub(crate) active: u8,
    // Marie.
    pub(crate) devices: [Device; DEVICES],
    pub(crate) archive: Option<Archive>,
    // What john was told, by word; what devices are owed, and what nobody can be owed any more, as bits by word.
    pub(crate) told: [Fate; 5],
    pub(crate) owed: [u8; DEVICES],
    pub(crate) excused: u8,
    pub(crate) used: List<Used, 24>,
    pub(crate) chances: Chances,
    pub(crate) wrong: Option<&'static str>,
}

impl State {
    pub(crate) fn folder(&self) -> &Folder {
        &self.folders[self.running as usize]
    }

    pub(crate) fn folder_mut(&mut self) -> &mut Folder {
        &mut self.folders[self.running as usize]
    }

    /// The client ends, and the server reads later what is under way.
    pub(crate) fn leave_unread(&mut self) {
        let up = std::mem::take(&mut self.line).up;
        self.unread = List::default();
        for frame in up.iter() {
            if let Up::Msg { entry, .. } = frame {
                self.unread.push(*entry);
            }
        }
    }

    /// The client ends, or its connection does.
    pub(crate) fn hang_up(&mut self) {
        self.line = Line::default();
    }
}

impl Device {
    pub(crate) fn hang_up(&mut self) {
        *self = Device { disk: self.disk, ..Device::default() };
    }

    pub(crate) fn has(&self, word: u8) -> bool {
        self.disk.history.iter().any(|it| it.word == word)
    }
}

pub(crate) fn bit(at: u8) -> u8 {
    1 << at
}

pub(crate) fn has(bits: u8, at: u8) -> bool {
    bits >> at & 1 == 1
}
