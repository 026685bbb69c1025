//! The protocol's version, its limits and its times.
//!
//! Owned by the [specification](super), which says what each is for.

/// The longest text that a person writes, in bytes.
pub use crate::seal::MAX_INSIDE as MAX_TEXT;
/// The longest body of a message, in bytes: a sealed one of the longest text.
pub use crate::seal::MAX_SEALED as MAX_BODY;
/// The longest body of `LIST`, and of the server's `DEVICES`.
pub use crate::trust::devices::MAX_BUNDLE;

/// The one version that is spoken here.
pub const VERSION: &str = "tinychat/2";

/// The longest header line, in bytes, with its CR LF.
pub const MAX_HEADER: usize = 512;

/// The highest number, of whatever kind: what databases can count to.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// The longest body of `PROVE`, in bytes. An Ed25519 SSHSIG has about 300.
pub const MAX_PROOF: usize = 2 * 1024;

/// The longest body of `CHUNK`, in bytes.
pub const MAX_CHUNK: usize = 256 * 1024;

/// The longest body of the server's `ONLINE`, in bytes.
pub const MAX_ONLINE_BODY: usize = 1024 * 1024;

/// The longest sentence in `ERR` and `BYE`, in bytes; a longer one is cut.
pub const MAX_SENTENCE: usize = 240;

/// The longest part of a word that is no name that `ERR NAME` repeats, in bytes. No name has more.
pub const MAX_REPEATED: usize = 128;

/// How many hexadecimal digits a nonce has.
pub const NONCE_DIGITS: usize = 64;

/// The most conversations that one connection holds open.
pub const MAX_CONVERSATIONS: usize = 1_000;

/// How long connecting and signing in may take.
pub const HANDSHAKE_SECONDS: u64 = 60;

/// How long a silence before `HELLO` may be.
pub const HANDSHAKE_SILENCE_SECONDS: u64 = 10;

/// How long `PROVE` may take after `HELLO` if the key owns the name: a person may have to confirm it.
pub const CONFIRMATION_SECONDS: u64 = 120;

/// After how much silence a side sends `PING`.
pub const PING_AFTER_SECONDS: u64 = 30;

/// After how much silence a side closes.
pub const IDLE_AFTER_SECONDS: u64 = 90;
