//! Messages that came together, to be accepted together.
//!
//! Owned by the read task.

use crate::mailbox::Usage;
use crate::message::{Message, Name, Timestamp};
use crate::wire::codec::Decoder;
use crate::wire::frame::ClientFrame;

/// About how long the frame of a message is, to guess how many came together.
const USUAL_FRAME: usize = 128;

/// Messages for one peer, and one version of that peer's device list, that came with one read, one after another, and are
/// not accepted yet.
pub(super) struct Collected {
    pub(super) peer: Name,
    pub(super) version: u64,
    pub(super) time: Timestamp,
    pub(super) messages: Vec<Message>,
    /// The size of the buffer that their bodies are slices of.
    pub(super) chunk: usize,
}

impl Collected {
    pub(super) fn new(
        peer: Name,
        version: u64,
        time: Timestamp,
        decoder: &Decoder<ClientFrame>,
    ) -> Self {
        let messages = Vec::with_capacity(1 + decoder.remaining() / USUAL_FRAME);
        Self { peer, version, time, messages, chunk: decoder.chunk() }
    }
}

/// The size of some messages.
pub(super) fn usage(messages: &[Message]) -> Usage {
    let bytes = messages.iter().map(|message| message.body.len() as u64).sum();
    Usage { messages: messages.len() as u64, bytes }
}
