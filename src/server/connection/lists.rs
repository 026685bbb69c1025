//! What the read task does about device lists: tells them, and takes the next ones.
//!
//! Invariant: nothing is verified of a list before it was counted.

use std::time::Duration;

use bytes::Bytes;

use super::reading::{Flow, Reading, fail};
use super::turn::before_costly_step;
use crate::message::Name;
use crate::server::limits::SLOWED;
use crate::server::link::Side;
use crate::server::people::NotTaken;
use crate::task;
use crate::trust::devices::Bundle;
use crate::wire::frame::{ErrorCode, ServerFrame};

impl Reading<'_> {
    /// Says which list somebody has, and then counts the question with what was read for it: while somebody who is too
    /// fast waits, the answer would grow old.
    pub(super) async fn tell_devices(&self, peer: Name) -> Flow {
        let (version, bundle) = match self.host.lists.newest(&peer).await {
            Ok(Some(list)) => (list.id.version, list.bundle),
            Ok(None) => (0, Bytes::new()),
            Err(error) => {
                log::error!("the device list of {peer}: {error}");
                return fail(ErrorCode::Busy, "the server cannot read its device lists now");
            }
        };
        let length = bundle.len();
        self.say(ServerFrame::Devices { peer, version, bundle }).await?;
        self.count(length).await;
        Flow::Continue(())
    }

    /// Takes a list.
    pub(super) async fn take_list(&self, bundle: &[u8]) -> Flow {
        let taken = match self.count_signatures(Bundle::signatures(bundle)).await {
            Ok(()) => {
                before_costly_step().await;
                self.host.lists.take(&self.link.name, bundle).await
            }
            Err(wait) => Err((None, NotTaken::TooOften(wait))),
        };
        match taken {
            Ok((peer, version)) => self.say(ServerFrame::Listed { peer, version }).await,
            Err((peer, error)) => self.object(error.code(), peer, &error.to_string()).await,
        }
    }

    /// Delays somebody who has too much verified. If a moment is not enough, returns how long it would take.
    async fn count_signatures(&self, count: usize) -> Result<(), Duration> {
        let admit = || self.host.person_rates.admit_signatures(&self.link.name, count);
        let Err(wait) = admit() else { return Ok(()) };
        let _ = task::within(wait.min(SLOWED), self.link.ended(Side::Read)).await;
        admit()
    }
}
