//! What a direction's table of frames is.
//!
//! Pure data. Invariant: a verb stands in it before those that are less frequent.

use bytes::{Bytes, BytesMut};

use super::error::ProtocolError;
use super::words::Words;

/// What one side may say: [`ClientFrame`](crate::wire::frame::ClientFrame) or
/// [`ServerFrame`](crate::wire::frame::ServerFrame).
pub trait Frame: Sized + 'static {
    /// Every verb of this direction, the most frequent first.
    const VERBS: &'static [Verb<Self>];

    /// Appends the frame's bytes to `out`.
    fn encode(&self, out: &mut BytesMut);
}

/// One row of a direction's table.
pub struct Verb<F> {
    pub(in crate::wire) word: &'static str,
    /// The longest body, for a verb that has one.
    pub(in crate::wire) body: Option<usize>,
    pub(in crate::wire) parse: fn(&mut Words<'_>, Bytes) -> Result<F, ProtocolError>,
}

impl<F> Verb<F> {
    /// The word itself.
    pub fn word(&self) -> &'static str {
        self.word
    }
}
