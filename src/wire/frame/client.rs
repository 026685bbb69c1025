//! What a client says after it has connected, in one table.
//!
//! Pure data; the [codec](crate::wire::codec) says what a row is.

use bytes::Bytes;
use smol_str::SmolStr;

use super::presence::Presence;
use crate::message::{Installation, Kind, Name, Origin};
use crate::trust::{Invite, Ticket};
use crate::wire::codec::{
    Body, Invitation, KeyWord, ListVersion, Number, Ordinal, TicketWord, Version, frames,
};
use crate::wire::limits::{MAX_BODY, MAX_BUNDLE, MAX_PROOF};

frames! {
    /// What a client says.
    ClientFrame {
        /// A message, new or again.
        MSG when SignedIn counts Itself => Message {
            /// To whom.
            peer: Name,
            /// Its number within session and installation.
            n: u64 as Ordinal,
            /// What it is called for life.
            origin: Origin,
            /// What the body is.
            kind: Kind,
            /// For which version of the peer's device list it was written.
            version: u64 as ListVersion,
            /// The body.
            body: Bytes as Body<MAX_BODY>,
        },
        /// Everything up to `seq` is on disk.
        ACK when SignedIn counts Acknowledgement => Ack {
            /// From whom the messages came.
            peer: Name,
            /// The highest one, cumulative.
            seq: u64 as Ordinal,
        },
        /// Everything below `seq` is on disk, and that one message was not taken.
        BOUNCE when SignedIn counts Message => Bounce {
            /// From whom it came.
            peer: Name,
            /// Which.
            seq: u64 as Ordinal,
        },
        /// A person has seen what somebody wrote.
        READ when SignedIn counts Message => Read {
            /// Who wrote it.
            peer: Name,
            /// From which installation.
            installation: Installation,
            /// Cumulative.
            n: u64 as Ordinal,
        },
        /// Opens or resynchronises a conversation.
        TALK when SignedIn counts Message => Talk {
            /// With whom.
            peer: Name,
            /// Up to which own number every fate is final.
            settled: u64 as Number,
        },
        /// Closes a conversation.
        CLOSE when SignedIn counts Message => Close {
            /// With whom.
            peer: Name,
        },
        /// Asks for a `Pong`.
        PING when SignedIn counts Message => Ping,
        /// The answer to the server's `Ping`.
        PONG when SignedIn counts Message => Pong,
        /// Asks who is there.
        ONLINE when SignedIn counts Everybody => Online,
        /// Asks whose name it is.
        KEY when SignedIn counts Message => Key {
            /// The name.
            peer: Name,
        },
        /// Asks for the newest device list of a name.
        DEVICES when SignedIn counts Statement => Devices {
            /// The name.
            peer: Name,
        },
        /// A version of a device list.
        LIST when SignedIn counts SignIn => List {
            /// The signed list, and prekeys of its devices; not looked at yet.
            bundle: Bytes as Body<MAX_BUNDLE>,
        },
        /// Hear no more of somebody.
        BLOCK when SignedIn counts Message => Block {
            /// Of whom.
            peer: Name,
        },
        /// Hear of somebody again.
        UNBLOCK when SignedIn counts Message => Unblock {
            /// Of whom.
            peer: Name,
        },
        /// Asks who is blocked.
        BLOCKS when SignedIn counts Blocked => Blocks,
        /// Asks for a word that says on other connections who one is.
        TICKET when SignedIn counts Message => Ticket,
        /// Done.
        QUIT when SignedIn counts Message => Quit,
        /// Who is there, and which key will prove it.
        HELLO [Version] when SigningIn => Hello {
            /// The name to sign in with.
            name: Name,
            /// The base64 word of an OpenSSH public key line; not looked at yet.
            key: SmolStr as KeyWord,
            /// The data folder that messages will come from.
            installation: Installation,
            /// Whether a person is there.
            presence: Presence,
            /// What lets a newcomer in.
            invite: Option<Invite> as Option<Invitation>,
        },
        /// An armoured SSHSIG over [`sign_in_text`](crate::wire::sign_in_text).
        PROVE when SigningIn counts SignIn => Prove {
            /// The armoured text; not looked at yet.
            signature: Bytes as Body<MAX_PROOF>,
        },
        /// This connection carries files, for whom the ticket was given to. From here on the client says
        /// [`FileRequest`](super::FileRequest)s.
        CARRY [Version] when Carrying => Carry {
            /// What the server said.
            ticket: Ticket as TicketWord,
        },
    }
}
