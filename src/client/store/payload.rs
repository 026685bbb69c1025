//! What a message says, as one number: by it two messages are compared without their bodies.
//!
//! Pure. Invariant: the hash of a payload never changes, for it stands in every row.

use rusqlite::Transaction;
use rusqlite::functions::FunctionFlags;

use crate::message::Kind;

/// The BLAKE3 hash of a kind, a zero byte and a body.
pub(super) fn hash(kind: &Kind, body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_str().as_bytes()).update(&[0]).update(body);
    *hasher.finalize().as_bytes()
}

/// Fills in the origin and the hash of each message that was written before rows had them.
pub(super) fn measure(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    const NAME: &str = "payload_hash";
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    tx.create_scalar_function(NAME, 2, flags, |values| {
        let (kind, body): (String, Vec<u8>) = (values.get(0)?, values.get(1)?);
        let kind = kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(hash(&kind, &body))
    })?;
    // As `Origin::of` makes one of an id.
    tx.execute_batch(
        "UPDATE message SET origin = unhex(installation || printf('%016x', n)),
                            hash = payload_hash(kind, body)",
    )?;
    tx.remove_function(NAME, 2)
}
