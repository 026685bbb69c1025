//! What a face is told, and how a client ends.
//!
//! Owned by nobody: plain data, made by the core.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::config::{Address, Seal, Target};
use super::outcome::{Change, Doubt, KeyAnswer, Trust, Verification};
use super::store::archive::{Place, Summary};
use super::store::outbox::Pending;
use super::store::rows::{Incoming, Record, Transfer};
use super::store::search::{Hit, Query};
use super::store::stock::{Freed, Lying};
use crate::message::Name;
use crate::trust::Fingerprint;
use crate::wire::frame::{Presence, Refusal};

/// What a face is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants name")]
pub enum Event {
    /// A server that was never met shows this key. From now on it has to be the same one.
    FirstMeeting { fingerprint: Fingerprint },
    /// What was said with this server at another of its addresses is now here, too: there is more, and what was shown
    /// may have other numbers.
    Joined,
    /// Signed in.
    Connected,
    /// Not signed in. What is written meanwhile is kept and sent later.
    Disconnected { because: Absence, retry_in: Duration },
    /// The conversation is open; `waiting` messages will now come.
    Opened { peer: Name, presence: Presence, waiting: u64 },
    /// Somebody with whom a conversation is open came or went.
    Presence { peer: Name, presence: Presence },
    /// Somebody with whom no conversation is open has written; `known` is who has written or was written
    /// to before.
    Waiting { peer: Name, count: u64, known: bool },
    /// A new name looks like a known one, maybe on purpose. Told once for each name that has written or that one talks
    /// to.
    Alike { peer: Name, known: Name },
    /// The answer to [`Command::Block`](super::Command::Block), or that it comes later.
    Blocked { peer: Name, blocked: bool, change: Change },
    /// The answer to [`Command::Blocks`](super::Command::Blocks).
    Blocks { names: Vec<Name> },
    /// The answer to [`Command::Key`](super::Command::Key).
    Key(KeyAnswer),
    /// Somebody's name belongs to another key than the trusted one, or to none any more. What is written to them stays
    /// here until [`Command::Trust`](super::Command::Trust); if the key `was` verified, until
    /// [`Command::Verify`](super::Command::Verify) or [`Command::Release`](super::Command::Release).
    KeyChanged { peer: Name, was: Fingerprint, verified: bool, now: Option<Fingerprint> },
    /// The server shows a device list of somebody that is not believed. What is written to them stays here until
    /// [`Command::Trust`](super::Command::Trust), or until the server shows one that is.
    ListDoubted { peer: Name, doubt: Doubt },
    /// Nobody has the name of an open conversation, and nobody is known to have had it. What is written waits on the
    /// server; if it `waits` here, on this disk. Told once.
    Nobody { peer: Name, waits: bool },
    /// Nothing can be sealed for the peer of an open conversation yet, by what the server says: whoever runs it can read
    /// what is written now. Told once.
    Unsealed { peer: Name },
    /// Whether what is written to the peer of an open conversation is sealed. Told when it is known, and when it changes.
    Sealing { peer: Name, seals: bool },
    /// The same of whom nothing is to go to unsealed: what is written waits here. Told once.
    Unsealable { peer: Name },
    /// A file waits here, for nothing can be sealed for its receiver yet, by what the server says. Told once, and not where
    /// one was told of all that is written.
    FileWaits { peer: Name },
    /// The answer to [`Command::Card`](super::Command::Card).
    Card(Target),
    /// The answer to [`Command::Seal`](super::Command::Seal).
    Seal { seal: Seal },
    /// The answer to [`Command::Trust`](super::Command::Trust) or [`Command::Release`](super::Command::Release).
    Trusted { peer: Name, trust: Trust },
    /// The answer to [`Command::Verify`](super::Command::Verify).
    Verified { peer: Name, verification: Verification },
    /// Who is online: how many, and as many names as fitted.
    Online { count: u64, names: Vec<Name> },
    /// Somebody wrote. Tell [`Command::Shown`](super::Command::Shown) once it is shown.
    Message(Incoming),
    /// The answer to [`Command::Overview`](super::Command::Overview), the latest first.
    Overview(Vec<Summary>),
    /// The answer to [`Command::Page`](super::Command::Page), oldest first. There are fewer than asked for only at the
    /// conversation's beginning or end.
    Page { peer: Name, place: Place, records: Vec<Record> },
    /// The answer to [`Command::Search`](super::Command::Search): what fits best, of equals the newest first.
    Found { query: Query, hits: Vec<Hit> },
    /// What one wrote is on disk.
    Written { peer: Name, record: Record },
    /// Own messages with these numbers reached the server's disk, or the peer's; some may be in both
    /// lists. Each number is told once.
    Receipts { peer: Name, stored: Vec<u64>, delivered: Vec<u64> },
    /// Own messages with these numbers leave in the clear, for the peer has no device list. It may be told again.
    LeftClear { peer: Name, numbers: Vec<u64> },
    /// The peer says to have read everything up to `n`.
    Read { peer: Name, n: u64 },
    /// An own message expired on the server.
    Expired { peer: Name, n: u64 },
    /// An own message came back, for the peer's client did not take it: it is sent anew as number `again`. If it
    /// `rests`, it came back too often, and is sent at the next start.
    Bounced { peer: Name, n: u64, again: u64, rests: bool },
    /// Own messages from `n` on are refused for now. They are kept and sent again.
    Refused { peer: Name, n: u64, refusal: Refusal, because: String },
    /// A file made progress, or its state changed.
    Transfer(Transfer),
    /// The answer to [`Command::Files`](super::Command::Files): the last files that were sent or announced by others,
    /// then those being sent; and the received files on this disk.
    Files(Vec<Transfer>, Vec<Lying>),
    /// The answer to [`Command::Free`](super::Command::Free).
    Freed(Freed),
    /// A command about a file cannot be done, and why.
    NoFile { because: String },
    /// A file is where one wants it.
    Saved { peer: Name, number: u64, path: PathBuf },
    /// The answer to [`Command::Status`](super::Command::Status): what has not arrived, by peer.
    Status(Vec<Pending>),
    /// A [`Command::Send`](super::Command::Send) cannot be done, and why: nothing was written.
    NotSent { because: String },
    /// The server's operator says something to everybody.
    Announced { text: String },
    /// The server objected to something; nothing else changed.
    Objection { because: String },
    /// The last event, unless more is sent: that is [`Written`](Self::Written), or not, and why.
    Ended(Ending),
}

/// Why one is not signed in, by cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The server is away.
    Server(String),
    /// The agent that has the key does not sign.
    Agent(String),
}

impl Absence {
    /// The reason, as a person reads it.
    pub(crate) fn because(&self) -> String {
        match self {
            Self::Server(because) => format!("the server is away: {because}"),
            Self::Agent(because) => because.clone(),
        }
    }
}

/// How a client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why, if not as wanted.
    pub failure: Option<Failure>,
    /// How many messages are in the outbox, to be sent next time.
    pub unsent: u64,
}

/// Why a client ended by itself. Made to be read by the person who uses it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Failure {
    #[error("{0}")]
    Refused(String),
    /// Another name may be accepted.
    #[error("{0}")]
    Name(String),
    /// An invitation may help.
    #[error("{0}")]
    Uninvited(String),
    #[error("{0}")]
    Unsigned(String),
    #[error("{server} does not speak TinyChat's protocol: {because}")]
    NotAServer { server: Address, because: String },
    #[error(
        "{server} does not speak TLS as a TinyChat server does: {because}; one that was started with --tls off is reached with --tls off, on its own machine"
    )]
    NoTls { server: Address, because: String },
    #[error(
        "{0} is not on this machine: what is said to it without TLS could be read on its way; leave --tls off away"
    )]
    Unprotected(Address),
    #[error(
        "{server} is not the server that you named: it shows another key.\n  named: {named}\n  shown: {shown}\nAsk its operator which one is right. Nothing was said to it."
    )]
    WrongServer { server: Address, named: Fingerprint, shown: Fingerprint },
    #[error(
        "THE KEY OF {server} HAS CHANGED. Somebody may stand between you and your server, or it was set up anew.\n  known: {known}\n  shown: {shown}\nAsk its operator, not through this server, which one is right. If it is the new one, delete line {line} of\n  {}\nand start again. Nothing was said to the server.", file.display()
    )]
    ServerChanged {
        server: Address,
        known: Fingerprint,
        shown: Fingerprint,
        file: PathBuf,
        line: usize,
    },
    #[error(
        "{server} SHOWS THE KEY OF ANOTHER SERVER THAT YOU KNOW, which is at {other}.\n  shown: {shown}\nAsk its operator. If {server} leads to that one from now on, put this line for it into\n  {}\nand start again:\n  {server} {shown}\nWhat you wrote for the server that was there stays with that one, unless its line stays there, too. Nothing was said to the server.", file.display()
    )]
    AnotherServer { server: Address, other: String, shown: Fingerprint, file: PathBuf },
    #[error(
        "what you wrote to {0} was not sent, for the key of {0} has changed or is gone; it goes out once /TRUST {0} accepts that"
    )]
    KeyChanged(Name),
    #[error(
        "what you wrote to {0} was not sent, for the key of {0} is not the one that you verified, or is gone; it goes out once you verify the new one, which /VERIFY {0} explains, or say /TRUST {0} NOBODY"
    )]
    Unverified(Name),
    #[error(
        "what you wrote to {0} was not sent, for the server shows a device list of {0} that is not believed; it goes out once /TRUST {0} accepts that, or the server shows another"
    )]
    ListDoubted(Name),
    #[error(
        "what waits here for {0} was not sent, for {0} has no keys to seal it with, so says the server; it goes out once {0} has come"
    )]
    Unsealable(Name),
    #[error(
        "what you wrote to {0} was not sent, for your key has not signed for this data folder; it is tried again at the next start"
    )]
    Unsignable(Name),
    #[error("signed in elsewhere with the same key, which took over")]
    Replaced,
    #[error("gave up after {} s without progress: {because}", after.as_secs())]
    TimedOut { after: Duration, because: String },
    #[error("the message store failed: {0}; nothing that was stored is lost")]
    Store(String),
}

impl Failure {
    /// Whether all that is left is held until somebody decides, or has come.
    pub(crate) fn is_hold(&self) -> bool {
        matches!(
            self,
            Self::KeyChanged(_) | Self::Unverified(_) | Self::ListDoubted(_) | Self::Unsealable(_)
        )
    }
}
