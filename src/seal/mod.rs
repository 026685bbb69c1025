//! Sealed messages and files: what two people write to each other, so that whoever carries or keeps it cannot read it.
//! This page is their specification, and the modules below make and open them. `tests/it/open_sealed.py` opens both by
//! this page alone.
//!
//! # The form
//!
//! A message is sealed once into a *payload*, whose bytes never change again, however often the message is numbered
//! anew, bounced or sent again. For each device that receives it there is an *envelope*: one Olm message, whose text is
//! the payload's key and what binds both to this conversation. All of it together is the *body* of a `MSG` of the kind
//! `seal`. Numbers are big-endian; `a | b` is a followed by b.
//!
//! ```text
//! body     = u8 version = 1 | u8 count | count x (u64 installation | u8 type | u16 length | Olm message)
//!          | u16 length | statement of a writer | u32 length | payload
//! payload  = commitment (32) | ChaCha20-Poly1305(key, nonce = 12 zero bytes,
//!                                                aad = "tinychat/2 payload 1" | commitment, content)
//!            key (32) | commitment (32) = HKDF-SHA256(ikm = K, no salt, info = "tinychat/2 payload 1")
//! envelope = K (32) | SHA-256(payload) | SHA-256(context), encrypted by Olm
//! context  = "tinychat/2 envelope 1", server, from: name, identity, installation, Curve25519 key,
//!            to: name, identity, installation, Curve25519 key, n; each of these eleven as u16 length | bytes
//! content  = origin (16) | u64 version, hash (32): of the sender's list | u64 version, hash (32): of the receiver's
//!          | u8 count | count x (u64 installation | u64 n): what came
//!          | u8 length | kind | u64 time | u32 length | body | padding
//! ```
//!
//! - *K* is 32 random bytes, made with the payload; no second payload is sealed with it. What ChaCha20-Poly1305 makes is
//!   the ciphertext and its tag of 16 bytes.
//! - The *commitment* makes a payload open under one key alone: ChaCha20-Poly1305 by itself lets somebody who knows two
//!   keys make a ciphertext that opens under both (Len, Grubbs, Ristenpart: Partitioning Oracle Attacks, USENIX Security
//!   2021). With the hash of the payload in each envelope all devices that open one payload see one text.
//! - A body has at most 80 KiB, and 1 to 8 envelopes in any order, for each installation one. An Olm message has at most
//!   512 bytes. It is of Olm's version 1 (<https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/olm.md>), in bytes,
//!   with fallback keys in the place of one-time keys. *Types* are Olm's: 0 begins a session, and is used until something
//!   of the other end was opened in it; 1 goes on with one. A reader takes a message only as Olm writes it: with its fields
//!   in their order, and no key with the bit set that X25519 ignores (RFC 7748 §5); and one that begins a session only in
//!   the session with those keys, or in a new one.
//! - The *statement of a writer* is in each body of a data folder that does not stand in its person's device list, and in
//!   no other: there its length is 0. It has at most 1,024 bytes. A reader takes no body with anything else in this place.
//!   What it is and what a reader does with it is [below](self#writers).
//! - In the *context*, server is the SHA-256 that its [fingerprint](crate::wire#transport) shows, or nothing without TLS;
//!   names are UTF-8 as the server spells them; identities and Curve25519 keys are their 32 bytes; installations and *n*
//!   have 8 bytes. A reader computes it from the frame and from what it knows, never from what is inside; the Curve25519
//!   key of a [writer](self#writers) it takes from the statement.
//! - A *list's version* is 0, with 32 zero bytes, if the sender knew none; its hash is over its text without the
//!   signature. Versions inside show whether somebody was shown an old list; they are never compared for equality with
//!   the frame's.
//! - *What came* tells which messages of the receiver's data folders in this conversation the sender has opened last, at
//!   most 8, in any order, each for itself.
//! - *Time* is when it was written, by the sender's clock, in milliseconds since 1970. It and all other numbers are at
//!   most 2<sup>63</sup> - 1; *n* and versions of lists that are known are from 1 on. The kind is one of
//!   [those of messages](crate::wire#form), the body inside has at most 64 KiB.
//! - *Padding* is the fewest zero bytes that make the content, all of it, as long as it says: with L bytes before them
//!   the next multiple of 64 for L up to 1024, above that the next multiple of 2<sup>E-S</sup>, where E is the whole part
//!   of log2 L, and S that of log2 E, plus 1 (<https://lbarman.ch/blog/padme/>). There is exactly one way to write a
//!   content, and nothing else is read.
//!
//! # What a client does
//!
//! 1. To whoever has a [device list](crate::wire#device-lists) it writes sealed messages alone: with an envelope for each
//!    device of the list that it believes which has a prekey. If none has one, they wait. To somebody without a list it
//!    writes without sealing, but sends no [files](self#files): those wait.
//! 2. It seals once `TALKING` has told that list, and its own data folder stands in its person's list or has a
//!    [statement](self#writers). Payload, *K*, envelopes and the sessions behind them are on its disk, in one transaction,
//!    before `MSG` is said. A resend is the same bytes. For another list, devices that are still there keep their
//!    envelopes; with another number each gets a new one. *K* is forgotten when the fate of the message is final.
//! 3. It seals only in sessions that were begun since its last start, so that no copy of its folder has used their keys:
//!    in the one in which something was opened last. It begins another one if there is none, after 1,000 messages or 7
//!    days without an answer, and for what bounced.
//! 4. What comes it looks at in this order, in one transaction: what has an origin and a payload that it has, is
//!    acknowledged; what has the number of another message bounces; everything else is opened. What cannot be opened, or
//!    does not fit, bounces and leaves nothing behind. If the sender's data folder is unknown, `DEVICES` is asked once
//!    before. A data folder that stands in no list neither acknowledges nor bounces what is not for it, nor what comes
//!    behind that in the conversation.
//! 5. It remembers the Curve25519 keys of devices that its lists call *gone*: what such a device has sealed before is
//!    opened, which is what names an older list of its person inside than the first one that it believed and that calls it
//!    so. That ends once all has come that waited when it said `TALK` and believed such a list: what comes later bounces.
//! 6. What bounces while its receiver has another device list than the one that is believed is no reason to take a new
//!    installation, as [rule 7](crate::wire#delivery) of the sender has it, and each new list has bounces counted from the
//!    beginning: a data folder that was lost, or restored, cannot open what was sealed for it before.
//! 7. What comes in the clear it takes only of a name of which nothing sealed was opened on this server yet; and if it
//!    believes a device list of that name, only as many messages as waited, by `TALKING`, when it opened the
//!    conversation first after the server had shown or taken a list with its data folder. What it takes meanwhile
//!    counts against that number, and a later `TALKING` may lower it. Anything else in the clear is not shown as that
//!    person's word, but bounces, and its user is told so once in each conversation: who has once learnt how to seal
//!    for somebody writes nothing in the clear to them, and from the moment on at which a server has a list of the
//!    receiver it takes nothing in the clear for them. What is known is acknowledged, however it comes.
//! 8. It remembers of each message whether it was ever in the clear, of an own one before it leaves, and shows that for
//!    ever, also if the message is sealed later.
//! 9. In *what came* it tells, of the data folders of its receiver from which it has opened something last, the highest
//!    numbers. A reader makes nothing final by that, and holds nothing: less may have been opened than the server called
//!    delivered, for there may be other devices, and each may have been restored.
//! 10. If a version of its sender's list inside is newer than the one that it believes, it asks `DEVICES`, once; and
//!     tells its user if the server still shows an older one.
//! 11. It shows the *time* inside beside that of the frame if they are more than 5 minutes apart.
//! 12. It keeps 6 sessions for each data folder of others in each conversation, of which it has begun 3 at most in which
//!     nothing was opened, for 64 data folders of somebody; and ends a connection on which 1,000 messages came
//!     that it could not open.
//!
//! # Prekeys
//!
//! A device says in its *prekey* with which keys others seal for it. It is a text with a signature right behind it:
//!
//! ```text
//! tinychat/2 prekey
//! server SHA256:47DE…
//! name john
//! identity SHA256:aJ9q…
//! installation 5f3c0a9c41c3b2e7
//! curve25519 hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo
//! fallback 3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08
//! number 3
//! time 2026-11-28T23:45:16Z
//! -----BEGIN SSH SIGNATURE-----
//! …
//! -----END SSH SIGNATURE-----
//! ```
//!
//! - These lines in this order and no others, each ended by one LF. All of it has at most 1 KiB.
//! - *Server*, *name* and *identity* are those of the [device list](crate::wire#device-lists) in which the device stands;
//!   of the identity it is the fingerprint: `SHA256:` and the base64, without padding, of SHA-256 over the key in the form
//!   that OpenSSH has for it, as `ssh-keygen -l` prints it.
//! - *Installation* is the device's, and the signature is an armoured SSHSIG of the device's own key, namespace
//!   `tinychat-prekey`. Both stand in one line of the list.
//! - *Curve25519* is the device's key for life: another one never takes its place as long as the device has this
//!   installation. *Fallback* is the key that others begin with. Both are 32 bytes as base64 without padding.
//! - *Number* counts from 1 up, by one or more, with each other key to begin with. Of two prekeys of a device the one with
//!   the higher number counts.
//! - *Time*, in UTC, is when it was made, by the clock of the device. It is for people.
//!
//! A client makes another key to begin with after 37 days by its clock; while something waits for its data folder, up to
//! 37 days later. It keeps the one before, and opens with it what was sealed for that; what was sealed for an older one
//! bounces. It has the new one on its disk before it signs, and says, the next prekey. If a server shows a prekey of its
//! data folder that it has not made, or with other keys than it has made, the folder was restored, or is a copy: it takes
//! a new installation.
//!
//! Servers keep and tell the prekeys of a list [right behind it](crate::wire#device-lists): in the order of the list, for
//! each device and for each of the last 8 that are *gone* at most one. What those have sealed may still be on its way. A
//! device that an older program has listed may have none until it says one.
//!
//! # Writers
//!
//! A data folder that only writes, for instance from a scheduled job in a fresh container, does not stand in its person's
//! [device list](crate::wire#device-lists). By the *statement* in each of its bodies a reader knows, before it opens the
//! message, that the folder's Curve25519 key is that person's. So the server keeps nothing of such folders, there may be
//! any number of them, and a message stays readable whatever becomes of its folder.
//!
//! ```text
//! tinychat/2 writer
//! server SHA256:47DE…
//! name john
//! identity AAAAC3Nz…
//! installation 5f3c0a9c41c3b2e7
//! curve25519 AQEBAQEB…
//! time 2026-11-28T23:45:16Z
//! -----BEGIN SSH SIGNATURE-----
//! …
//! -----END SSH SIGNATURE-----
//! ```
//!
//! It is written as a device list is; *curve25519* is the key in base64 without padding, and without the bit that X25519
//! ignores. The signature is by the identity that it names, namespace `tinychat-writer`. Text and signature have at most
//! 1,024 bytes.
//!
//! If a reader does not find the sender's installation in the list that it believes, it opens the message only with the
//! key of the statement beside it, in the context and for the session. For that the statement names just that server,
//! name, identity and installation, and is signed by the identity that the reader trusts for the name; and the list that
//! the reader believes does not call that installation *gone*. It heeds no statement of a folder that stands in the list.
//!
//! The statement is in the clear, as it hides nothing: the server knows name, identity and installation, and the Olm
//! messages that begin a session show the key. It is outside the payload, as it changes: if the folder takes a new
//! installation, or the server has a new key, the same payload travels with another statement.
//!
//! # Files
//!
//! Of a file the server keeps only what is sealed. The JSON object that [tells of it](crate::wire#files) has one more
//! member, `seed`: 32 random bytes, as 64 lower-case hexadecimal digits, made for this file and for no other. Its `size`
//! and `blake3` are those of the plain file. With i from 0:
//!
//! ```text
//! sealed file = chunk 0 | chunk 1 | ... | the last chunk
//! chunk i     = ChaCha20-Poly1305(key, nonce = i (11) | u8 last, no aad, plain bytes from 65,536 x i on)
//!               last = 1 for the last chunk, 0 for others
//! key (32)    = HKDF-SHA256(ikm = seed, no salt, info = "tinychat/2 file 1" | hash (32) | u64 size)
//!               hash = the bytes that blake3 writes as digits
//! ```
//!
//! - This is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
//!   Misuse-Resistance, CRYPTO 2015) as age has it (<https://age-encryption.org/v1>). Each chunk is made of 65,536
//!   plain bytes, the last of 1 to 65,536; that of an empty file, of none. Sealed, it has 16 bytes more. So *size* tells
//!   how many chunks there are and how long the sealed file is, at most 2<sup>63</sup> - 1 bytes; and that tells *size*.
//!   Sizes, offsets and hashes in the frames that carry it are those of the sealed file.
//! - What is sealed again is the same, byte for byte: so an upload goes on from any byte, and a download from any chunk.
//!   Whoever seals again hashes the file again before, and seals no byte that is another one than when it was hashed: if
//!   the file has changed, it is another file with a seed of its own, and no nonce is used for two texts.
//! - The seed is on the sender's disk before a byte of the file leaves, and stands in sealed messages alone. A file of
//!   which a sealed message tells without a seed, or one that was ever in the clear with one, is not fetched: others could
//!   read it.
//! - A reader takes as many chunks as *size* asks for, each in its place and nothing behind them. What opened is part of
//!   what was sealed; it is the file when all chunks are there and `blake3` is its hash. As that is in the message, all
//!   devices that open one message take one file. Where something is wrong, nothing of it is kept, and its user is told.
//!
//! # Rooms, from the top
//!
//! ```text
//! body, olm         a sealed message as it travels; one device's keys, and its sessions with other devices
//! envelope          the key of a payload, and for whom it is
//! payload           a content under a key of its own
//! content, context  what is inside; from which device to which
//! padding           how long a content is made to look
//! stream            a file that is sealed or opened as it travels
//! file              the key of a file, and its chunks
//! ```

mod body;
mod content;
mod context;
mod envelope;
mod file;
mod olm;
mod padding;
mod payload;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use body::{Addressed, Body, BodyError, MAX_ENVELOPE, MAX_SEALED, longest_inside};
pub use content::{Content, ContentError, Got, Known, MAX_GOT, MAX_INSIDE};
pub use context::{Context, End};
pub use envelope::{Envelope, EnvelopeError};
pub use file::{FileKey, FileSeed, OpeningError, sealed_size};
pub use olm::{Account, OlmError, Opened, Session};
pub use payload::{Payload, PayloadError, PayloadKey};
pub use stream::{Opening, Sealing};
