//! Passes commits of the mailbox to the sessions, and to those who watch device lists.
//!
//! Owned by the server: one task.

use std::sync::Arc;

use crate::mailbox::Event;
use crate::message::SessionKey;
use crate::server::host::Host;
use crate::server::people::Lists;
use crate::server::sessions::Registry;

/// Passes what happened in the mailbox to the sessions and the lists and, if there is a host, tells receivers what waits
/// no more, and everybody who has a new device list.
pub(crate) async fn watch_commits(
    registry: Arc<Registry>,
    lists: Arc<Lists>,
    host: Option<Arc<Host>>,
) {
    let events = registry.mailbox().watch();
    let expiring = |key: &SessionKey| {
        if let Some(host) = &host {
            host.announce_waiting(key.sender(), key.receiver());
        }
    };
    while let Ok(event) = events.recv().await {
        match event {
            Event::Committed(commits) => {
                for it in &commits {
                    registry.commit(it, expiring);
                }
            }
            Event::Listed(all) => {
                for (name, list) in &all {
                    lists.committed(name, *list);
                    if let Some(host) = host.as_ref().filter(|_| list.is_some()) {
                        host.directory.announce_list(name);
                    }
                }
            }
            Event::Recovered => registry.announce_recovery(),
        }
    }
}
