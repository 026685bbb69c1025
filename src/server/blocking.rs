//! What it means to block somebody: they seem to be alone with somebody who never comes.
//!
//! Owned by the server. What a blocked person writes is taken, without its body, told *stored*, and expires
//! in its time; to them whoever blocks them is away. What waited before loses its body, too. All of it is a load for
//! its sender alone, whom the limits meet as if all of it were kept. Invariant: a message of which only the number was
//! kept is never delivered: it expires before the block is over.

use std::sync::Arc;

use super::host::Host;
use super::people::ContactsError;
use super::people::Listed;
use super::sessions::Registry;
use crate::message::{Name, SessionKey};
use crate::wire::frame::Presence;

/// Has what a crash, or an earlier version, left of a blocked person lose its body. What fails is done when the session
/// is loaded.
pub(super) async fn withhold_unwanted(registry: Arc<Registry>) {
    if let Err(error) = registry.withhold_unwanted().await {
        log::error!("what was left of people who are blocked: {error}");
    }
}

impl Host {
    /// Has the receiver of a session block its sender.
    pub(super) async fn block(&self, key: &SessionKey) -> Result<(), ContactsError> {
        if self.registry.circle().is_blocked(key) {
            return Ok(());
        }
        self.keep_to_rate(key)?;
        self.contacts.set_blocked(key, true).await?;
        if let Err(error) = self.registry.block(key).await {
            // Whoever loads it later finds it blocked.
            log::error!("blocking {key}: {error}");
        }
        self.announce_presence(key);
        Ok(())
    }

    /// Undoes [`block`](Self::block).
    pub(super) async fn unblock(&self, key: &SessionKey) -> Result<(), ContactsError> {
        if !self.registry.circle().is_blocked(key) {
            return Ok(());
        }
        self.keep_to_rate(key)?;
        let remembered = self.contacts.set_blocked(key, false);
        let unblocked = self.registry.unblock(key, remembered).await;
        unblocked.unwrap_or_else(|error| {
            log::error!("unblocking {key}: {error}");
            Err(ContactsError::NotWritten)
        })?;
        self.announce_presence(key);
        Ok(())
    }

    /// Each change is synced, and what waits is rewritten or expires.
    fn keep_to_rate(&self, key: &SessionKey) -> Result<(), ContactsError> {
        self.person_rates.admit_block(key.receiver()).map_err(ContactsError::TooOften)
    }

    /// Whether somebody is there, for somebody else.
    pub(super) fn presence(&self, of: &Name, to: &Name) -> Presence {
        match self.registry.circle().blocks(of, to) {
            true => Presence::Away,
            false => self.directory.presence(of),
        }
    }

    /// Who is there, for somebody.
    pub(super) fn online(&self, to: &Name) -> Listed {
        self.directory.all_but(&self.registry.circle().blockers_of(to))
    }

    fn announce_presence(&self, key: &SessionKey) {
        if let Some(sender) = self.directory.find(key.sender()) {
            sender.mark(key.receiver(), |marks| marks.presence = true);
        }
    }
}
