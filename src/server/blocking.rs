//! What it means to block somebody: to them, whoever blocks them seems never to come online.
//!
//! Owned by the server. What a blocked person writes is accepted without its body, reported as *stored*, and expires in
//! its time; to them whoever blocks them is away. What waited before loses its body, too. All of it counts for its
//! sender alone, whose limits are as if all of it were kept. Invariant: a message of which only the number was kept is
//! never delivered: it expires before the block is over.

use std::sync::Arc;

use super::host::Host;
use super::people::ContactsError;
use super::people::Listed;
use super::sessions::Registry;
use crate::message::{Name, SessionKey};
use crate::wire::frame::Presence;

/// Removes the bodies of blocked people's messages that a crash, or an earlier version, left. What fails is done when
/// the session is loaded.
pub(super) async fn withhold_unwanted(registry: Arc<Registry>) {
    if let Err(error) = registry.withhold_unwanted().await {
        log::error!("what was left of people who are blocked: {error}");
    }
}

impl Host {
    /// Makes the receiver of a session block its sender.
    pub(super) async fn block(&self, key: &SessionKey) -> Result<(), ContactsError> {
        if self.registry.circle().is_blocked(key) {
            return Ok(());
        }
        self.keep_to_rate(key)?;
        self.contacts.set_blocked(key, true).await?;
        if let Err(error) = self.registry.block(key).await {
            // A later load finds it blocked.
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

    /// Whether somebody is online, as another person may know it.
    pub(super) fn presence(&self, of: &Name, to: &Name) -> Presence {
        match self.registry.circle().blocks(of, to) {
            true => Presence::Away,
            false => self.directory.presence(of),
        }
    }

    /// Who is online, as one person may know it.
    pub(super) fn online(&self, to: &Name) -> Listed {
        self.directory.all_but(&self.registry.circle().blockers_of(to))
    }

    fn announce_presence(&self, key: &SessionKey) {
        if let Some(sender) = self.directory.find(key.sender()) {
            sender.mark(key.receiver(), |marks| marks.presence = true);
        }
    }
}
