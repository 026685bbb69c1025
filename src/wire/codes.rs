//! Words that programs decide by: what was wrong, and why a connection ends.
//!
//! Pure data, each word in one row. A word of a later server is read as unknown.

/// Makes an enum whose variants stand for words on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A word of a later server; never sent.
            Unknown,
        }

        impl $name {
            /// All that may be sent.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Unknown => "UNKNOWN",
                }
            }

            pub(super) fn from_word(word: &str) -> Self {
                Self::ALL.iter().copied().find(|it| it.as_str() == word).unwrap_or(Self::Unknown)
            }
        }
    };
}

words! {
    /// What was wrong; the [specification](super#errors) says when each is sent.
    #[allow(missing_docs, reason = "the table of errors in the specification describes each")]
    ErrorCode {
        Bad = "BAD",
        Line = "LINE",
        Body = "BODY",
        Verb = "VERB",
        State = "STATE",
        Version = "VERSION",
        Key = "KEY",
        Proof = "PROOF",
        Taken = "TAKEN",
        Invite = "INVITE",
        Newcomer = "NEWCOMER",
        Looks = "LOOKS",
        Claims = "CLAIMS",
        Banned = "BANNED",
        Busy = "BUSY",
        Timeout = "TIMEOUT",
        Name = "NAME",
        ToSelf = "SELF",
        Conversations = "CONVERSATIONS",
        Installations = "INSTALLATIONS",
        Closed = "CLOSED",
        Block = "BLOCK",
        Ticket = "TICKET",
        List = "LIST",
        Later = "LATER",
        Notice = "NOTICE",
    }
}

words! {
    /// What was wrong with a file; the [specification](super#files) says when each is sent.
    #[allow(missing_docs, reason = "the table of errors in the specification describes each")]
    FileError {
        Bad = "BAD",
        Size = "SIZE",
        Quota = "QUOTA",
        Space = "SPACE",
        Gone = "GONE",
        Store = "STORE",
        Timeout = "TIMEOUT",
        Ticket = "TICKET",
        Busy = "BUSY",
        Version = "VERSION",
    }
}

words! {
    /// Why a server closes a connection that did nothing wrong.
    ByeReason {
        /// It was asked to.
        Quit = "quit",
        /// The same key signed in elsewhere.
        Replaced = "replaced",
        /// The server stops.
        Shutdown = "shutdown",
        /// The peer sent, or read, nothing for too long.
        Idle = "idle",
    }
}
