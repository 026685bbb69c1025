//! What those beside the face ask: answered from the store, whatever the connection does.

use std::collections::BTreeMap;

use super::super::Event;
use super::super::beside::{Ask, Snapshot, Standing};
use super::super::store::{archive, history, outbox};
use super::{Core, Exit};
use crate::message::{Name, Timestamp};

impl Core {
    /// Answers. That nobody waits for the answer any more does not matter.
    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Exit> {
        match ask {
            Ask::Watch { watcher } => {
                self.watchers.retain(|watcher| !watcher.is_closed());
                self.watchers.push(watcher);
            }
            Ask::Write { token, peer, text, answer } => {
                self.meet_and_know(&peer).await?;
                let (scope, sent) = (self.scope(&peer), self.sends_at_once(&peer));
                let now = Timestamp::now();
                let add = move |tx: &rusqlite::Transaction<'_>| {
                    outbox::add_once(tx, &scope, &token, text, now, sent)
                };
                let (id, fresh) = self.store.run(add).await?;
                let _ = answer.try_send(id);
                if let Some(record) = fresh {
                    self.wrote(peer, record);
                }
            }
            Ask::SendFile { token, peer, path, caption, answer } => {
                self.meet_and_know(&peer).await?;
                let _ = answer.try_send(self.send_file(peer, path, caption, Some(token)).await?);
            }
            Ask::Fate { id, answer } => _ = answer.try_send(self.fate(id).await?),
            Ask::State { id, answer } => {
                let state = self.store.run(move |tx| archive::state(tx, id)).await?;
                let _ = answer.try_send(state);
            }
            Ask::News { above, with, unread, answer } => {
                let server = self.server.clone();
                let news = move |tx: &rusqlite::Transaction<'_>| {
                    archive::news(tx, &server, with.as_ref(), above, unread)
                };
                let _ = answer.try_send(self.store.run(news).await?);
            }
            Ask::Standing { peer, answer } => {
                let (nobody, held) = (self.nobody.contains(&peer), self.held.contains_key(&peer));
                let alike = self.likeness.of(&peer).cloned();
                let _ = answer.try_send(Standing { nobody, held, alike });
            }
            Ask::Requests { answer } => _ = answer.try_send(self.requests.clone()),
            Ask::Read { .. } => unreachable!("obey has written this already"),
            Ask::Lying { answer } => _ = answer.try_send(self.lying().await?),
            Ask::Free { peer, answer } => {
                let freed = self.free(peer, None).await?;
                let _ = answer.try_send(freed.clone());
                self.tell(Event::Freed(freed));
            }
            Ask::Status { answer } => {
                let server = self.server.clone();
                let look = move |tx: &rusqlite::Transaction<'_>| {
                    Ok((outbox::pending(tx, &server)?, history::unshown_counts(tx, &server)?))
                };
                let (pending, unread) = self.store.run(look).await?;
                let _ = answer.try_send(Snapshot {
                    user: self.config.user.to_string(),
                    server: self.config.server.to_string(),
                    online: self.is_online,
                    unsent: pending.iter().map(|it| it.unsent).sum(),
                    undelivered: pending.iter().map(|it| it.undelivered).sum(),
                    unread: by_word(unread),
                    requests: by_word(self.requests.clone()),
                    alike: self.alike_requests(),
                });
            }
        }
        Ok(())
    }

    /// Whom those look like who want to talk.
    fn alike_requests(&self) -> BTreeMap<String, String> {
        let all = self.likeness.all().iter();
        let wanting = all.filter(|(peer, _)| self.requests.contains_key(*peer));
        wanting.map(|(peer, other)| (peer.to_string(), other.to_string())).collect()
    }
}

fn by_word(counts: BTreeMap<Name, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(peer, count)| (peer.to_string(), count)).collect()
}
