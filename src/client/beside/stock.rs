//! What guests are told of files that lie here, and what they free.
//!
//! Owned by the task that serves the guest.

use async_std::os::unix::net::UnixStream;

use super::ask::Ask;
use super::host::{Gone, Host, say};
use super::words::{Reply, Shelf};
use crate::client::command::Command;
use crate::client::store::stock::{Freed, Lying};
use crate::message::Name;

impl<O: From<Ask> + From<Command> + Send + 'static> Host<O> {
    pub(super) async fn tell_lying(&self, stream: &mut UnixStream) -> Result<(), Gone> {
        for Lying { peer, files, bytes, unasked, limit } in
            self.ask(|answer| Ask::Lying { answer }).await?
        {
            let (from, unasked_limit) = (peer.to_string(), limit);
            let shelf = Shelf { from, files, bytes, unasked, unasked_limit };
            say(stream, &Reply::Files(shelf)).await?;
        }
        say(stream, &Reply::Told(0)).await
    }

    pub(super) async fn free(&self, stream: &mut UnixStream, from: &str) -> Result<(), Gone> {
        let peer: Name = match from.parse() {
            Ok(peer) => peer,
            Err(error) => return say(stream, &Reply::Refused(format!("{error}"))).await,
        };
        let Freed { peer, messages, bytes } = self.ask(|answer| Ask::Free { peer, answer }).await?;
        let (from, files) = (peer.to_string(), messages.len() as u64);
        say(stream, &Reply::Freed { from, files, bytes }).await
    }
}
