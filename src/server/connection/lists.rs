//! What the read task does about device lists: this server keeps none yet.
//!
//! Invariant: whatever it says of a list, it says of all.

use bytes::Bytes;

use super::reading::{Flow, Reading};
use crate::message::Name;
use crate::wire::frame::{ErrorCode, ServerFrame};

/// The version of a list that there is not.
pub(super) const NO_LIST: u64 = 0;

impl Reading<'_> {
    /// Says which list somebody has.
    pub(super) async fn tell_devices(&self, peer: Name) -> Flow {
        self.say(ServerFrame::Devices { peer, version: NO_LIST, statement: Bytes::new() }).await
    }

    /// Takes no list.
    pub(super) async fn take_list(&self) -> Flow {
        self.object(ErrorCode::List, None, "this server keeps no device lists").await
    }
}
