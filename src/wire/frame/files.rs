//! What is said on a connection that carries files: a table for each side.
//!
//! Pure data; the [codec](crate::wire::codec) says what a row is.

use bytes::{Bytes, BytesMut};

use super::names::Concerned;
use crate::message::{BlobId, Name};
use crate::wire::codec::{
    Body, Offset, Part, ProtocolError, Sentence, Size, Words, frames, line, put_word,
};
use crate::wire::codes::FileError;
use crate::wire::limits::MAX_CHUNK;

frames! {
    /// What a client says on a connection that carries files.
    FileRequest {
        /// The next bytes of what was offered or resumed.
        CHUNK when Carrying counts Chunk => Chunk {
            /// Where in the file they lie.
            offset: u64 as Offset,
            /// At most [`MAX_CHUNK`](crate::wire::MAX_CHUNK).
            body: Bytes as Body<MAX_CHUNK>,
        },
        /// There is a file for somebody.
        OFFER when Carrying counts Message => Offer {
            /// For whom.
            peer: Name,
            /// How many bytes it has.
            size: u64 as Size,
        },
        /// An upload goes on.
        RESUME when Carrying counts Message => Resume {
            /// Which.
            blob: BlobId,
        },
        /// Asks for a file from some byte on.
        FETCH when Carrying counts Message => Fetch {
            /// Which.
            blob: BlobId,
            /// Where.
            offset: u64 as Offset,
        },
        /// The server need not keep a file any more.
        DROP when Carrying counts Message => Drop {
            /// Which.
            blob: BlobId,
        },
        /// Asks for a `Pong`.
        PING when Carrying counts Message => Ping,
        /// The answer to the server's `Ping`.
        PONG when Carrying counts Message => Pong,
    }
}

frames! {
    /// What a server says on a connection that carries files.
    FileReply {
        /// The next bytes of what was fetched.
        CHUNK when Carrying => Chunk {
            /// Where in the file they lie.
            offset: u64 as Offset,
            /// At most [`MAX_CHUNK`](crate::wire::MAX_CHUNK).
            body: Bytes as Body<MAX_CHUNK>,
        },
        /// So much of a file is there.
        HAVE when Carrying => Have {
            /// Which.
            blob: BlobId,
            /// Bytes.
            size: u64 as Size,
            /// What they hash to, where they may be others than those that were sent.
            hash: Option<blake3::Hash> as Option<Blake3>,
        },
        /// All of a file is on the server's disk.
        KEPT when Carrying => Kept {
            /// Which.
            blob: BlobId,
        },
        /// A file is not kept any more.
        GONE when Carrying => Gone {
            /// Which.
            blob: BlobId,
        },
        /// Asks for a `Pong`.
        PING when Carrying => Ping,
        /// The answer to the client's `Ping`.
        PONG when Carrying => Pong,
        /// Something was wrong; the server closes.
        ERR when Carrying => Error {
            /// What, for programs.
            code: FileError,
            /// Nobody: of files it always concerns the connection.
            peer: Option<Name> as Concerned,
            /// What, for people.
            text: String as Sentence,
        },
    }
}

/// What bytes hash to.
enum Blake3 {}

impl Part for Blake3 {
    type Value = blake3::Hash;
    const SPELLED: Option<&'static str> = Some("blake3");

    fn take(words: &mut Words<'_>) -> Result<blake3::Hash, ProtocolError> {
        words.parse("a hash")
    }

    fn put(hash: &blake3::Hash, out: &mut BytesMut) {
        put_word(out, &hash.to_hex());
    }
}

/// Appends the header of a `CHUNK`, for those who put its body and CR LF behind it themselves.
pub(crate) fn chunk_line(out: &mut BytesMut, offset: u64, length: usize) {
    line(out, format_args!("CHUNK {offset} {length}"));
}
