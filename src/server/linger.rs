//! The last moment of a connection: what still arrives is read and dropped, so that the peer can read why it ends.
//!
//! Run by the task that served it. Invariant: it ends within [`LINGER`], and after [`LINGER_BYTES`].

use std::time::Duration;

use crate::task;
use crate::wire::codec::Frame;
use crate::wire::stream::FrameReader;

/// How long, and for how many bytes, a connection that was refused is still read, so that the peer can read why:
/// closing with unread bytes would destroy the answer.
pub(super) const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Reads on for a moment, and drops what arrives.
pub(super) async fn linger<F: Frame>(mut reader: FrameReader<F>) {
    let drain = async {
        let mut left = LINGER_BYTES;
        while let Ok(read @ 1..) = reader.discard().await {
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
    };
    let _ = task::within(LINGER, drain).await;
}
