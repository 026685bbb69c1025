//! The rules of delivery, each by its name, and the settings in which they are checked.

/// The protocol in a setting, perhaps without one of its rules.
pub(crate) struct Model {
    pub(crate) cfg: Cfg,
    pub(crate) off: Option<&'static str>,
}

impl Model {
    /// Whether a rule is in force.
    pub(crate) fn rule(&self, name: &'static str) -> bool {
        self.off != Some(name)
    }
}

/// Every rule that can be taken away: its name, the check in which its absence shows, the rule.
pub(crate) const RULES: &[(&str, &str, &str)] = &[
    ("talking-delivered", "plain", "TALKING carries the delivered watermark"),
    ("talking-stored", "plain", "TALKING tells `stored` (synced) apart from `have` (accepted)"),
    ("stored-after-fsync", "plain", "STORED only after fsync"),
    ("sync-on-open", "plain", "a server that opens a store syncs it before it speaks"),
    ("accept-gaps", "plain", "the server takes any n above `have`, not only have+1"),
    (
        "talk-before-msg",
        "plain",
        "no MSG between TALK and its TALKING; then the outbox in order of n",
    ),
    ("outbox-before-send", "plain", "counter and outbox entry are on disk before MSG"),
    ("commit-in-order", "plain", "one journal: commits are prefixes of the order of acceptance"),
    ("have-with-append", "plain", "`have` on disk moves in the same batch as the message"),
    (
        "cancel-only-unwritten",
        "plain",
        "ACK of a message already handed to the writer appends a removal",
    ),
    ("store-then-ack", "plain", "the receiver commits before ACK"),
    ("dedup-by-origin", "plain", "the receiver drops what its history has, by its origin"),
    (
        "seq-table-per-connection",
        "takeover",
        "an ACK is read in the seq table of the connection it came on",
    ),
    ("seq-never-reused", "close", "seq grows over the whole connection, across CLOSE and TALK"),
    (
        "store-every-msg",
        "close",
        "a client stores every MSG that arrives, also of a closed conversation",
    ),
    (
        "old-cannot-close",
        "takeover",
        "the end of an old connection closes nothing of its successor",
    ),
    (
        "sticky-refusal",
        "quota",
        "after ERR FULL every MSG of that session is refused until the next TALK",
    ),
    (
        "receipts-by-installation",
        "folder",
        "STORED and DELIVERED go only to the installation they count for",
    ),
    (
        "number-by-installation",
        "folder",
        "a number is another message's only within its installation",
    ),
    (
        "outbox-until-delivered",
        "wipe",
        "the outbox keeps bodies until delivered and resends what TALKING lacks",
    ),
    (
        "expiry-in-place",
        "expiry",
        "an expiring message keeps its place, and delivery stops at it, until the expiry is synced",
    ),
    ("expired-after-sync", "expiry", "EXPIRED is told only after the expiry is synced"),
    (
        "delivered-waits-for-expiry",
        "expiry",
        "DELIVERED does not pass an expiry that is not synced",
    ),
    (
        "expired-before-talking",
        "expiry",
        "EXPIRED for all unsettled records goes out before TALKING",
    ),
    (
        "receipts-behind-talking",
        "anew",
        "between TALK and TALKING STORED and DELIVERED count for nothing, as EXPIRED is held until then",
    ),
    (
        "expired-until-settled",
        "expiry",
        "an expiry record stays until TALK says that it is settled",
    ),
    (
        "final-fate-first",
        "expiry",
        "delivered and expired are on the sender's disk before they are shown",
    ),
    (
        "forget-without-record",
        "forget",
        "`have` is forgotten only when nothing waits and no record of expiry is left",
    ),
];

/// A setting: how many messages, how many faults and of which kinds.
///
/// Kinds: `k` kill server, `p` power cut at server, `s` sender crash, `r` receiver crash, `t`/`u` the sender's connection breaks (seen
/// by the client first / by the server first), `v`/`w` the same for the receiver's, `W` the server's disk is replaced by an empty one.
#[derive(Clone, Copy)]
pub(crate) struct Cfg {
    pub(crate) name: &'static str,
    pub(crate) msgs: u8,
    pub(crate) faults: u8,
    pub(crate) kinds: &'static str,
    pub(crate) lost: u8,
    pub(crate) close: u8,
    pub(crate) expire: u8,
    pub(crate) forget: u8,
    pub(crate) quota: u8,
    /// How often the sender asks anew on an open connection, as it does when a name has changed hands.
    pub(crate) anew: u8,
}
const C: Cfg = Cfg {
    name: "",
    msgs: 2,
    faults: 2,
    kinds: "kpsrtuvw",
    lost: 0,
    close: 0,
    expire: 0,
    forget: 0,
    quota: 9,
    anew: 0,
};
/// The checks that take seconds.
pub(crate) const SMALL: &[Cfg] = &[
    Cfg { name: "plain", kinds: "kpsrtuvw", ..C },
    Cfg { name: "takeover", msgs: 3, kinds: "vk", ..C },
    Cfg { name: "close", msgs: 3, faults: 1, kinds: "vk", close: 1, ..C },
    Cfg { name: "quota", msgs: 3, faults: 1, quota: 1, ..C },
    Cfg { name: "folder", faults: 1, lost: 1, ..C },
    Cfg { name: "wipe", faults: 2, kinds: "Wktv", ..C },
    Cfg { name: "expiry", faults: 2, expire: 1, ..C },
    Cfg { name: "anew", faults: 1, expire: 1, anew: 1, kinds: "ktu", ..C },
    Cfg { name: "forget", faults: 2, expire: 1, forget: 1, kinds: "tsv", ..C },
];
/// The larger ones.
pub(crate) const BIG: &[Cfg] = &[
    Cfg { name: "plain-2x3", faults: 3, ..C },
    Cfg { name: "plain-3x2", msgs: 3, faults: 2, ..C },
    Cfg { name: "close-2x2", faults: 2, close: 1, ..C },
    Cfg { name: "quota-3x2", msgs: 3, faults: 2, quota: 1, kinds: "ktv", ..C },
    Cfg { name: "folder-3x1", msgs: 3, faults: 1, lost: 1, ..C },
    Cfg { name: "wipe-2x3", faults: 3, kinds: "Wkpstv", ..C },
    Cfg { name: "expiry-2x2", faults: 2, expire: 2, ..C },
    Cfg { name: "forget-2x2", expire: 1, forget: 1, ..C },
    Cfg { name: "all-2x2", faults: 2, lost: 1, close: 1, expire: 1, quota: 1, kinds: "kptv", ..C },
];
