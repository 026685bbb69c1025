//! What a server says to those who talk, in one table.
//!
//! Pure data; the [codec](crate::wire::codec) says what a row is.

use bytes::Bytes;
use smol_str::SmolStr;

use super::names::{Concerned, Names, Owner};
use super::presence::Presence;
use super::refusal::{self, Refusal};
use super::watermarks::Watermarks;
use super::welcome::Limits;
use crate::message::{Message, Name};
use crate::trust::{PublicKey, Ticket};
use crate::wire::codec::{Body, Count, ListVersion, Nonce, Ordinal, Sentence, TicketWord, frames};
use crate::wire::codes::{ByeReason, ErrorCode};
use crate::wire::limits::MAX_BUNDLE;

frames! {
    /// What a server says.
    ServerFrame {
        /// A message.
        MSG when SignedIn => Message {
            /// From whom.
            peer: Name,
            /// The number to acknowledge it by, on this connection.
            seq: u64 as Ordinal,
            /// The message.
            message: Message,
        },
        /// On the receiver's disk, up to `n`.
        DELIVERED when SignedIn => Delivered {
            /// Who was written to.
            peer: Name,
            /// Cumulative.
            n: u64 as Ordinal,
        },
        /// Kept by the server, up to `n`.
        STORED when SignedIn => Stored {
            /// Who was written to.
            peer: Name,
            /// Cumulative.
            n: u64 as Ordinal,
        },
        /// Seen by the person, up to `n`.
        READ when SignedIn => Read {
            /// Who was written to.
            peer: Name,
            /// Cumulative.
            n: u64 as Ordinal,
        },
        /// Messages wait in a conversation that is not open.
        WAITING when SignedIn => Waiting {
            /// From whom.
            peer: Name,
            /// How many.
            count: u64 as Count,
        },
        /// A peer of an open conversation came or went.
        PRESENCE when SignedIn => Presence {
            /// Who.
            peer: Name,
            /// Which.
            presence: Presence,
        },
        /// The conversation is open.
        TALKING when SignedIn => Talking {
            /// With whom.
            peer: Name,
            /// Whether the peer is there.
            presence: Presence,
            /// Where this installation's messages stand.
            own: Watermarks,
            /// How many of the peer's messages will now come.
            waiting: u64 as Count,
            /// The version of the peer's device list.
            version: u64 as ListVersion,
        },
        /// Asks for a `Pong`.
        PING when SignedIn => Ping,
        /// The answer to the client's `Ping`.
        PONG when SignedIn => Pong,
        /// A message was not taken, nor will be those after it until `TALK`.
        ERR by refusal when SignedIn => Refused {
            /// Who was written to.
            peer: Name,
            /// The first one that was refused.
            n: u64,
            /// Why.
            refusal: Refusal,
            /// A sentence with the numbers.
            text: String,
        },
        /// Something was wrong.
        ERR when Always => Error {
            /// What, for programs.
            code: ErrorCode,
            /// The conversation that it concerns.
            peer: Option<Name> as Concerned,
            /// What, for people.
            text: String as Sentence,
        },
        /// One message is no longer kept.
        EXPIRED when SignedIn => Expired {
            /// Who was written to.
            peer: Name,
            /// Which one; not cumulative.
            n: u64 as Ordinal,
        },
        /// One message was not taken by its receiver: it is to be sent anew.
        BOUNCED when SignedIn => Bounced {
            /// Who was written to.
            peer: Name,
            /// Which one; not cumulative.
            n: u64 as Ordinal,
        },
        /// There may be room again.
        ROOM when SignedIn => Room {
            /// Who was written to.
            peer: Name,
        },
        /// Who is there.
        ONLINE when SignedIn => Online {
            /// How many people are signed in.
            count: u64 as Count,
            /// Their names, as many as fit.
            names: Vec<Name> as Names,
        },
        /// Whose name it is.
        KEY when SignedIn => Key {
            /// The name.
            peer: Name,
            /// Who owns it; none as long as nobody does.
            key: Option<PublicKey> as Owner,
        },
        /// A device list is kept.
        LISTED when SignedIn => Listed {
            /// Whose.
            peer: Name,
            /// The newest version that the server has.
            version: u64 as ListVersion,
        },
        /// The newest device list of a name.
        DEVICES when SignedIn => Devices {
            /// Whose.
            peer: Name,
            /// Its version; 0 if there is none.
            version: u64 as ListVersion,
            /// The signed list, and the prekeys of its devices; empty if there is none.
            bundle: Bytes as Body<MAX_BUNDLE>,
        },
        /// Somebody's device list has another version.
        CHANGED when SignedIn => Changed {
            /// Whose.
            peer: Name,
            /// Which.
            version: u64 as ListVersion,
        },
        /// Somebody is blocked from now on.
        BLOCKED when SignedIn => Blocked {
            /// Who.
            peer: Name,
        },
        /// Somebody is not blocked any more.
        UNBLOCKED when SignedIn => Unblocked {
            /// Who.
            peer: Name,
        },
        /// Who is blocked.
        BLOCKS when SignedIn => Blocks {
            /// Their names.
            names: Vec<Name> as Names,
        },
        /// What says on other connections who one is, as long as this one lives.
        TICKET when SignedIn => Ticket {
            /// The word.
            ticket: Ticket as TicketWord,
        },
        /// Sign this.
        CHALLENGE when SigningIn => Challenge {
            /// 64 hexadecimal digits, good once.
            nonce: SmolStr as Nonce,
        },
        /// Signed in.
        WELCOME when SigningIn => Welcome {
            /// The name in the server's spelling.
            name: Name,
            /// What the server allows.
            limits: Limits,
        },
        /// The server closes.
        BYE when SignedIn => Bye {
            /// Why, for programs.
            reason: ByeReason,
            /// Why, for people.
            text: String as Sentence,
        },
    }
}
