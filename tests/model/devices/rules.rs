//! The rules, each by its name, and the settings in which they are checked.

/// The protocol in a setting, perhaps without some of its rules.
pub(crate) struct Model {
    pub(crate) cfg: Cfg,
    pub(crate) away: &'static [&'static str],
}

impl Model {
    /// Whether a rule is in force.
    pub(crate) fn rule(&self, name: &str) -> bool {
        !self.away.contains(&name)
    }
}

/// Rules that can be taken away: the check in which their absence shows, and what they say.
pub(crate) struct Rule {
    /// One; or two that say the same from two sides, so that either of them is enough.
    pub(crate) away: &'static [&'static str],
    pub(crate) place: &'static str,
    pub(crate) text: &'static str,
}

const fn rule(away: &'static [&'static str], place: &'static str, text: &'static str) -> Rule {
    Rule { away, place, text }
}

/// What messages need that have an origin and can come back.
pub(crate) const RULES: &[Rule] = &[
    rule(
        &["origin-for-life"],
        "restore",
        "a message keeps its origin when it is renumbered, bounced, or sent from another installation",
    ),
    rule(
        &["origin-dedup"],
        "restore",
        "a reader drops an origin that it has, also under another number",
    ),
    rule(
        &["copy-takes-new-installation"],
        "restore",
        "a `have` above all that was sent from this folder means a copy, which takes a new installation",
    ),
    rule(
        &["copy-sends-all-anew"],
        "set-back-restored",
        "a copy believes no number, and sends all that is not final from its new installation",
    ),
    rule(&["sent-before-msg"], "plain", "that a number was sent is on disk before MSG"),
    rule(
        &["last-sent-kept"],
        "bounce",
        "the highest number that was sent is kept apart from the rows: one that bounced gives its number up",
    ),
    rule(
        &["used-number-bounced"],
        "restore-kill",
        "a message whose number another one has is bounced, not acknowledged",
    ),
    rule(
        &["old-stops-at-talk"],
        "restore",
        "a connection is no longer read once its successor's TALK was answered",
    ),
    rule(&["bounce-before-ack"], "bounce", "BOUNCE is said before any ACK at or above it"),
    rule(&["ack-spares-bounced"], "bounce", "ACK settles only what was not bounced"),
    rule(
        &["delivered-waits-for-bounce"],
        "bounce",
        "DELIVERED does not pass a bounce that is not synced",
    ),
    rule(
        &["bounced-before-talking"],
        "bounce",
        "BOUNCED is told ahead of TALKING, whose numbers do not count for what it told",
    ),
    rule(
        &["bounced-until-settled"],
        "bounce",
        "the record of a bounce stays until TALK says that it is settled",
    ),
    rule(
        &["settled-by-message"],
        "restore-lines",
        "a message that bounced is open under each number that it had, until its fate is final; `settled` stays below",
    ),
    rule(&["delivered-is-final"], "wiped", "a bounce of what was told delivered is ignored"),
    rule(
        &["bounced-held", "bounced-of-sent"],
        "restore-bounce",
        "BOUNCED waits until `have` was compared; or counts only for what was sent from this folder",
    ),
    rule(
        &["fates-by-person"],
        "writer",
        "TALK asks also for other installations under which this folder has something that is not final",
    ),
    rule(
        &["fates-by-person", "copy-sends-all-anew"],
        "restore-two",
        "the same of what a copy has sent under its former installation, if it leaves it there",
    ),
    rule(
        &["resent-by-person"],
        "writer",
        "what the server does not have of an installation that nobody uses is sent from another one",
    ),
];

/// What messages need, too, that are sealed for several devices.
pub(crate) const SEALED_RULES: &[Rule] = &[
    rule(
        &["seal-in-txn"],
        "sealed-gap",
        "ratchet step, ciphertext and number are one transaction, before MSG leaves",
    ),
    rule(
        &["same-ciphertext"],
        "sealed-gap",
        "a resend is the same ciphertext; sealed anew for another list, it keeps the envelopes of devices that stay",
    ),
    rule(&["open-in-txn"], "sealed", "ratchet step and history are one transaction at the reader"),
    rule(
        &["unclean-new-sessions"],
        "sealed-restore",
        "a writer begins new sessions whenever it starts",
    ),
    rule(&["new-session-on-bounce"], "lost", "a bounced message is sealed in new sessions"),
    rule(
        &["list-version"],
        "link",
        "the server takes only what is sealed for the present device list; a refusal is sticky until TALK",
    ),
    rule(
        &["bounce-on-revoke"],
        "revoke",
        "what waited for a revoked device alone is bounced, not dropped",
    ),
    rule(
        &["delivered-when-safe"],
        "link",
        "DELIVERED on one device's word only once the entry is synced for the others",
    ),
    rule(
        &["ack-per-entry"],
        "link",
        "delivered: a device acknowledged this entry; not: a device's cursor is beyond it",
    ),
];

/// A setting: how many words are typed, and what else may happen. Where a folder was restored, or has a copy, one word more.
#[derive(Clone, Copy)]
pub(crate) struct Cfg {
    pub(crate) name: &'static str,
    pub(crate) words: u8,
    /// All of them are typed at the beginning.
    pub(crate) typed: bool,
    pub(crate) faults: u8,
    /// `k` the server is killed, `w` the writer crashes or loses its line, `r` a reader does.
    pub(crate) kinds: &'static str,
    /// Sealed for devices; else anybody can read it who is handed it.
    pub(crate) sealed: bool,
    /// A second device of marie's is linked; the first is revoked; it is replaced by another one, with its history or an older one.
    pub(crate) link: bool,
    pub(crate) revoke: bool,
    pub(crate) replace: bool,
    /// How often a device of marie's loses its ratchets.
    pub(crate) lost: u8,
    /// How often a reader cannot read what it could another time.
    pub(crate) unreadable: u8,
    /// How often john's folder is restored from a backup of any moment.
    pub(crate) restore: u8,
    /// John's folder is copied at any moment, and so often the client ends and one starts in the other folder.
    pub(crate) turns: u8,
    /// John has a second folder that only writes, and the first has copies of what it writes. It may end for ever.
    pub(crate) writer: bool,
    /// Marie is handed a message with this number that john never sent so.
    pub(crate) forged: Option<u8>,
    /// How often the server's disk becomes what it was at any earlier moment.
    pub(crate) set_back: u8,
    /// How often marie's folder is restored from a backup of any moment, or becomes an empty one.
    pub(crate) read_back: u8,
    pub(crate) wiped: u8,
    /// `TALKING` says also which message `have` is. The protocol's does not.
    pub(crate) last_told: bool,
}

impl Cfg {
    /// Whether what bounces, or is sent again, never comes behind later words.
    pub(crate) fn is_in_order(&self) -> bool {
        let back = self.restore + self.turns + self.set_back + self.read_back + self.wiped;
        let leaves = self.revoke || self.replace || self.writer || self.forged.is_some();
        back + self.lost + self.unreadable == 0 && !leaves
    }
}

const C: Cfg = Cfg {
    name: "",
    words: 1,
    typed: false,
    faults: 1,
    kinds: "kwr",
    sealed: false,
    link: false,
    revoke: false,
    replace: false,
    lost: 0,
    unreadable: 0,
    restore: 0,
    turns: 0,
    writer: false,
    forged: None,
    set_back: 0,
    read_back: 0,
    wiped: 0,
    last_told: false,
};
const SEALED: Cfg = Cfg { sealed: true, ..C };

/// The checks that take moments.
pub(crate) const SMALL: &[Cfg] = &[
    Cfg { name: "plain", words: 2, faults: 2, ..C },
    Cfg { name: "bounce", words: 2, typed: true, unreadable: 1, ..C },
    Cfg { name: "restore", restore: 1, kinds: "w", ..C },
    Cfg { name: "restore-two", words: 2, typed: true, faults: 0, restore: 1, ..C },
    Cfg { name: "restore-kill", restore: 1, kinds: "k", ..C },
    Cfg { name: "restore-bounce", restore: 1, faults: 0, unreadable: 1, ..C },
    Cfg { name: "restore-lines", restore: 1, kinds: "w", unreadable: 1, ..C },
    Cfg { name: "copy", turns: 1, ..C },
    Cfg { name: "copy-bounce", turns: 1, faults: 0, unreadable: 1, ..C },
    Cfg { name: "writer", writer: true, kinds: "kw", unreadable: 1, ..C },
    Cfg { name: "forged", words: 2, typed: true, faults: 0, forged: Some(2), ..C },
    Cfg { name: "set-back", words: 2, faults: 0, set_back: 1, ..C },
    Cfg { name: "set-back-bounce", set_back: 1, unreadable: 1, ..C },
    Cfg { name: "read-back", kinds: "k", read_back: 1, unreadable: 1, ..C },
    Cfg { name: "turns-told", turns: 2, faults: 0, last_told: true, ..C },
    Cfg { name: "sealed", words: 2, ..SEALED },
    Cfg { name: "sealed-restored", restore: 1, kinds: "k", ..SEALED },
    Cfg { name: "sealed-gap", words: 2, kinds: "w", faults: 3, ..SEALED },
    Cfg { name: "link", link: true, ..SEALED },
    Cfg { name: "revoke", link: true, revoke: true, kinds: "kr", ..SEALED },
    Cfg { name: "replace", replace: true, kinds: "kr", ..SEALED },
    Cfg { name: "lost", link: true, lost: 1, kinds: "w", ..SEALED },
];

/// The larger ones.
pub(crate) const BIG: &[Cfg] = &[
    Cfg { name: "plain-3", words: 3, faults: 2, ..C },
    Cfg { name: "bounce-2", words: 2, unreadable: 2, ..C },
    Cfg { name: "restore-2", words: 2, restore: 1, kinds: "w", ..C },
    Cfg { name: "restore-kill-2", words: 2, restore: 1, kinds: "k", ..C },
    Cfg { name: "restore-bounce-k", restore: 1, kinds: "k", unreadable: 1, ..C },
    Cfg { name: "copy-2", words: 2, turns: 1, faults: 0, ..C },
    Cfg { name: "copy-bounce-w", turns: 1, kinds: "w", unreadable: 1, ..C },
    Cfg { name: "writer-2", words: 2, writer: true, faults: 0, unreadable: 1, ..C },
    Cfg { name: "set-back-2", words: 2, set_back: 1, kinds: "kw", ..C },
    Cfg { name: "set-back-bounce-2", words: 2, faults: 0, set_back: 1, unreadable: 1, ..C },
    Cfg { name: "set-back-restore", faults: 0, set_back: 1, restore: 1, ..C },
    Cfg { name: "set-back-copy", turns: 1, faults: 0, set_back: 1, ..C },
    Cfg { name: "set-back-restored", faults: 0, set_back: 1, restore: 1, unreadable: 1, ..C },
    Cfg { name: "read-back-restore", kinds: "k", read_back: 1, restore: 1, ..C },
    Cfg { name: "read-back-set-back", words: 2, faults: 0, read_back: 1, set_back: 1, ..C },
    Cfg {
        name: "read-back-set-back-bounce",
        faults: 0,
        read_back: 1,
        set_back: 1,
        unreadable: 1,
        ..C
    },
    Cfg { name: "copy-bounce-k", turns: 1, kinds: "k", unreadable: 1, ..C },
    Cfg { name: "restore-bounce-twice", restore: 1, faults: 0, unreadable: 2, ..C },
    Cfg { name: "read-back-2", words: 2, kinds: "k", read_back: 1, unreadable: 1, ..C },
    Cfg { name: "wiped", words: 2, typed: true, kinds: "k", wiped: 1, unreadable: 2, ..C },
    Cfg { name: "turns-told-bounce", turns: 2, faults: 0, unreadable: 1, last_told: true, ..C },
    Cfg { name: "sealed-3", words: 3, kinds: "kw", ..SEALED },
    Cfg { name: "sealed-restore", words: 2, faults: 0, restore: 1, ..SEALED },
    Cfg { name: "sealed-restore-w", words: 2, restore: 1, kinds: "w", ..SEALED },
    Cfg { name: "link-2", words: 2, link: true, kinds: "k", ..SEALED },
    Cfg { name: "revoke-2", words: 2, link: true, revoke: true, kinds: "k", ..SEALED },
    Cfg { name: "replace-2", words: 2, replace: true, kinds: "k", ..SEALED },
    Cfg { name: "lost-2", words: 2, link: true, lost: 1, faults: 0, ..SEALED },
];

/// What does not hold, and is known: a folder and its copy are used in turns, and what the one sent was lost on its way while the
/// other's message with the same number was not. It would hold if `TALKING` told which message `have` is (`turns-told`); then
/// not yet if the server is killed, too, so that both folders' words get the same number, for the one settles the other's bounce.
pub(crate) const LIMITS: &[Cfg] = &[
    Cfg { name: "turns", turns: 2, faults: 0, ..C },
    Cfg { name: "turns-kill", turns: 2, kinds: "k", last_told: true, ..C },
];
