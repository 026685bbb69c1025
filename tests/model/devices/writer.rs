//! John's client: what it sends, and what it does with what the server says.

use crate::events::Next;
use crate::rules::Model;
use crate::state::*;

impl Model {
    pub(crate) fn writer_steps(&self, next: &mut Next<'_>) {
        self.may_type(next);
        self.asks(next);
        self.sends(next);
        if next.from.line.answer.is_some() {
            next.step("john reads TALKING", (), |x| self.hears(x));
        }
    }

    fn may_type(&self, next: &mut Next<'_>) {
        let s = next.from;
        let most = self.cfg.words + (self.cfg.restore + self.cfg.turns).min(1);
        if s.typed < most && s.folder().rows.len() < self.cfg.words as usize {
            next.chance("john types", s.typed + 1, |x| self.types(x));
        }
    }

    pub(crate) fn types(&self, s: &mut State) {
        s.typed += 1;
        let word = s.typed;
        let folder = s.folder_mut();
        let id = number(folder);
        let origin = if self.rule("origin-for-life") { word } else { by_id(id) };
        let row = Row { word, origin, id, fate: Fate::Waiting, ..Row::default() };
        folder.rows.push(row);
        if self.cfg.writer && s.running == 1 {
            s.folders[0].rows.push(Row { sent: true, ..row });
        }
    }

    fn asks(&self, next: &mut Next<'_>) {
        let s = next.from;
        let waits = s.folder().rows.iter().any(|it| it.is_open() && it.sent);
        let is_idle = s.line.up.is_empty() && self.unsent(s).is_none();
        let asks = match s.line.link {
            Link::Off | Link::Refused => true,
            Link::Talking => waits && is_idle,
            Link::Asked => false,
        };
        if asks {
            next.step("john asks: TALK", (), |x| {
                if x.line.link == Link::Off {
                    x.line.sessions = x.folder().sessions;
                }
                x.line.link = Link::Asked;
                let talk = self.talk(x);
                x.line.up.push(talk);
            });
        }
    }

    fn talk(&self, s: &State) -> Up {
        let folder = s.folder();
        let mut asked = bit(folder.installation);
        if self.rule("fates-by-person") {
            let open = folder.rows.iter().filter(|it| it.is_open());
            asked |= open.fold(0, |all, it| all | bit(it.id.installation));
        }
        let mut settled = Each::default();
        for of in (0..INSTALLATIONS as u8).filter(|&it| has(asked, it)) {
            settled[of as usize] = self.settled(s, of);
        }
        Up::Talk { asked, settled }
    }

    /// The number up to which everything is final that this folder made.
    fn settled(&self, s: &State, installation: u8) -> u8 {
        if self.is_anothers(s, installation) {
            return 0;
        }
        let folder = s.folder();
        let rows = folder.rows.iter().filter(|it| it.id.installation == installation);
        let unsettled = rows.filter_map(|it| {
            let first =
                if it.before > 0 && self.rule("settled-by-message") { it.before } else { it.id.n };
            it.is_open().then_some(first)
        });
        unsettled.min().map_or(folder.made[installation as usize], |n| n - 1)
    }

    /// Whether another folder of john's writes with this installation.
    fn is_anothers(&self, s: &State, installation: u8) -> bool {
        self.cfg.writer && s.running == 0 && installation == 1 && s.second == Second::Used
    }

    /// The row that is to be sent next.
    fn unsent(&self, s: &State) -> Option<usize> {
        let folder = s.folder();
        let is_next = |it: &Row| it.id.installation == folder.installation && it.id.n > s.line.at;
        folder.rows.iter().position(|it| is_next(it) && it.is_open())
    }

    fn sends(&self, next: &mut Next<'_>) {
        let s = next.from;
        if let Some(at) = self.unsent(s).filter(|_| s.line.link == Link::Talking) {
            next.step("john sends MSG", s.folder().rows[at].id, |x| self.send(x, at));
        }
    }

    fn send(&self, s: &mut State, at: usize) {
        let mut row = s.folder().rows[at];
        let behind = s.line.sessions;
        if self.cfg.sealed {
            self.seal(s, &mut row);
        }
        row.sent = true;
        let Row { id, word, origin, keys, version, .. } = row;
        let mut sessions = s.line.sessions;
        if !self.rule("seal-in-txn") {
            (sessions, row.keys) = (behind, Keys::default());
        }
        let folder = s.folder_mut();
        folder.rows[at] = row;
        folder.sessions = sessions;
        let last = &mut folder.sent[id.installation as usize];
        *last = id.n.max(*last);
        s.line.at = id.n;
        let entry = Entry { id, word, origin, keys, ..Entry::default() };
        s.line.up.push(Up::Msg { entry, version });
    }

    /// Seals for the devices of the list that the server told.
    fn seal(&self, s: &mut State, row: &mut Row) {
        let anew = row.keys == Keys::default()
            || !self.rule("same-ciphertext")
            || !self.rule("seal-in-txn");
        if !anew && row.version == s.line.version {
            return;
        }
        for slot in 0..DEVICES as u8 {
            let key = &mut row.keys[slot as usize];
            if !has(s.line.devices, slot) {
                *key = Key::default();
            } else if *key == Key::default() || anew {
                *key = self.next_key(s, slot, row.word);
            }
        }
        row.version = s.line.version;
    }

    fn next_key(&self, s: &mut State, slot: u8, word: u8) -> Key {
        let ratchet = &mut s.line.sessions[slot as usize];
        if ratchet.session == 0 {
            *ratchet = Key { session: s.sessions, index: 0 };
            s.sessions += 1;
        }
        ratchet.index += 1;
        let used = Used { slot, key: *ratchet, word };
        if s.used.iter().any(|it| it.slot == slot && it.key == used.key && it.word != word) {
            s.wrong = Some("one message key was used for two messages");
        }
        if !s.used.contains(&used) {
            s.used.push(used);
            s.used.sort_unstable();
        }
        used.key
    }

    fn hears(&self, s: &mut State) {
        let answer = s.line.answer.take().expect("there is an answer");
        if !self.rule("bounced-held") {
            self.hears_bounced(s, &answer);
        }
        if self.is_copy(s.folder(), &answer) && self.rule("copy-takes-new-installation") {
            return self.becomes_new(s, &answer);
        }
        if self.rule("bounced-before-talking") {
            self.hears_bounced(s, &answer);
            self.hears_numbers(s, &answer);
        } else {
            self.hears_numbers(s, &answer);
            self.hears_bounced(s, &answer);
        }
        if self.rule("resent-by-person") {
            self.resends_of_others(s, &answer);
        }
        let own = s.folder().installation as usize;
        let (at, version, devices) = (answer.have[own], answer.version, answer.devices);
        s.line = Line { link: Link::Talking, at, version, devices, ..s.line };
    }

    /// Whether the server has what this folder did not send.
    fn is_copy(&self, folder: &Folder, answer: &Answer) -> bool {
        let own = folder.installation as usize;
        let last = answer.last[own];
        let is_mine = last == 0 || folder.rows.iter().any(|it| it.origin == last);
        let sent = if self.rule("last-sent-kept") {
            folder.sent[own]
        } else {
            let rows = folder.rows.iter().filter(|it| it.id.installation as usize == own);
            rows.filter(|it| it.sent).map(|it| it.id.n).max().unwrap_or(0)
        };
        answer.have[own] > sent || !is_mine
    }

    fn becomes_new(&self, s: &mut State, answer: &Answer) {
        if !s.chances.copied {
            s.wrong = Some("took itself for a copy, but is none");
            return;
        }
        if s.installations as usize == INSTALLATIONS {
            s.wrong = Some("a new installation again and again");
            return;
        }
        let new = s.installations;
        s.installations += 1;
        let folder = s.folder_mut();
        folder.installation = new;
        folder.sessions = Keys::default();
        if !self.rule("copy-sends-all-anew") {
            self.hears_bounced(s, answer);
            self.hears_numbers(s, answer);
        }
        let stays = if self.rule("copy-sends-all-anew") { Fate::Delivered } else { Fate::Stored };
        for row in self.rows_where(s, |it| it.id.installation != new && it.fate < stays) {
            self.renumber(s, row);
        }
        s.hang_up();
    }

    /// What bounced goes back to waiting, with a new number.
    fn hears_bounced(&self, s: &mut State, answer: &Answer) {
        let bounced = |it: &Row| has(answer.bounced[it.id.installation as usize], it.id.n);
        for row in self.rows_where(s, bounced) {
            let is_final = row.fate == Fate::Delivered;
            let counts = row.sent || !self.rule("bounced-of-sent");
            if self.is_anothers(s, row.id.installation)
                || !counts
                || is_final && self.rule("delivered-is-final")
            {
                continue;
            }
            if is_final {
                s.wrong = Some("told DELIVERED, and then something else");
            } else if !row.sent {
                s.wrong = Some("told that it is sent again, but it never was sent");
            }
            if self.rule("new-session-on-bounce") {
                s.folder_mut().sessions = Keys::default();
            }
            s.line.sessions = s.folder().sessions;
            self.renumber(s, row);
        }
    }

    fn hears_numbers(&self, s: &mut State, answer: &Answer) {
        let mut told = s.told;
        for row in s.folder_mut().rows.iter_mut() {
            let of = row.id.installation as usize;
            if !row.sent || !has(answer.asked, row.id.installation) {
                continue;
            }
            if has(answer.bounced[of], row.id.n) && self.rule("bounced-before-talking") {
                continue;
            }
            if row.id.n <= answer.delivered[of] {
                row.fate = row.fate.max(Fate::Delivered);
            } else if row.id.n <= answer.stored[of] {
                row.fate = row.fate.max(Fate::Stored);
            }
            if !row.is_open() {
                row.before = 0;
            }
            let told = &mut told[row.word as usize];
            *told = row.fate.max(*told);
        }
        s.told = told;
    }

    /// What a server does not have any more of an installation that nobody uses is sent from here.
    fn resends_of_others(&self, s: &mut State, answer: &Answer) {
        let own = s.folder().installation;
        let lacking = |it: &Row| {
            let of = it.id.installation;
            let is_told = of != own && has(answer.asked, of);
            is_told && it.is_open() && it.id.n > answer.have[of as usize]
        };
        for row in self.rows_where(s, lacking) {
            if !self.is_anothers(s, row.id.installation) {
                self.renumber(s, row);
            }
        }
    }

    fn rows_where(&self, s: &State, is_meant: impl Fn(&Row) -> bool) -> Vec<Row> {
        s.folder().rows.iter().copied().filter(is_meant).collect()
    }

    fn renumber(&self, s: &mut State, row: Row) {
        let folder = s.folder_mut();
        if folder.made[folder.installation as usize] == LAST_NUMBER {
            s.wrong = Some("bounced again and again");
            return;
        }
        let id = number(folder);
        let origin = if self.rule("origin-for-life") { row.origin } else { by_id(id) };
        folder.rows.retain(|it| it.id != row.id);
        let before = match row.before {
            _ if row.id.installation != id.installation => 0,
            0 => row.id.n,
            before => before,
        };
        let (word, fate) = (row.word, Fate::Waiting);
        let anew = Row { word, origin, id, before, fate, ..Row::default() };
        folder.rows.push(anew);
        folder.rows.sort_unstable_by_key(|it| it.id);
        if self.cfg.writer && s.running == 1 {
            let copies = &mut s.folders[0].rows;
            copies.retain(|it| it.id != row.id);
            copies.push(Row { sent: true, ..anew });
            copies.sort_unstable_by_key(|it| it.id);
        }
    }
}

/// Makes the next number.
fn number(folder: &mut Folder) -> Id {
    let installation = folder.installation;
    let made = &mut folder.made[installation as usize];
    *made += 1;
    Id { installation, n: *made }
}

/// An origin that is nothing but the id.
fn by_id(id: Id) -> u8 {
    16 + id.installation * 8 + id.n
}
