//! The commands of a face, one by one.
//!
//! Owned by the core. What cannot be done without a server is done once the connection is there.

use std::path::PathBuf;

use super::super::exit::Exit;
use super::super::state::Core;
use super::super::under_way::{Wanted, What};
use crate::client::command::Command;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::archive::{self, Place};
use crate::client::store::database::StoreError;
use crate::client::store::outbox;
use crate::client::store::search::{self, Hit, Query};
use crate::message::Name;
use crate::wire::frame::ClientFrame;

const REINDEXED: &str = "the index of words was damaged; it is built again from the messages, and until then searches find the newest ones";

impl Core {
    pub(super) async fn obey_one(
        &mut self,
        command: Command,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        match command {
            Command::Talk(peer) => self.talk(peer).await?,
            // The server is told once the fate of everything written is known.
            Command::Close(peer) => self.with(&peer, Conversation::leave_face),
            Command::Online => self.ask_online(connection),
            Command::Key(peer) => self.ask_key(peer, connection),
            Command::Block { peer, blocked } => self.block(peer, blocked, connection),
            Command::Blocks => self.ask_blocks(connection),
            Command::Trust(peer) => self.trust(peer).await?,
            Command::Release(peer) => self.release(peer).await?,
            Command::Card => self.tell_card(),
            Command::Seal(seal) => self.seal(seal).await?,
            Command::Verify { peer, digits } => self.verify(peer, digits).await?,
            Command::Overview => self.look_over().await?,
            Command::Page { peer, place, limit } => self.turn_to(peer, place, limit).await?,
            Command::Search { query, limit } => self.search(query, limit).await,
            Command::Status => self.look_what_waits().await?,
            Command::SendFile { peer, path, caption } => self.send(peer, path, caption).await?,
            Command::Get { peer, number } => {
                self.want(Wanted { peer, number, what: What::Get }).await?;
            }
            Command::Save { peer, number, to } => {
                self.want(Wanted { peer, number, what: What::Save(to) }).await?;
            }
            Command::Cancel { peer, which } => self.cancel(peer, which).await?,
            Command::Free { peer, number } => {
                let freed = self.free(peer, number).await?;
                self.tell(Event::Freed(freed));
            }
            Command::Files => self.list_files().await?,
            Command::ShowNoMore => self.shows = false,
            Command::Finish => self.finishing = true,
            Command::Leave => return Err(Exit::Left),
            Command::Send { .. } | Command::Shown(_) => {
                unreachable!("obey has written these already")
            }
        }
        Ok(())
    }

    /// Opens a conversation for the face.
    async fn talk(&mut self, peer: Name) -> Result<(), Exit> {
        let above = self.last_given(&peer);
        self.queue.leave(&peer);
        self.requests.remove(&peer);
        let conversation = self.conversations.entry(peer.clone()).or_default();
        if !std::mem::replace(&mut conversation.faced, true) {
            conversation.unshown_above = Some(above);
            conversation.ask_anew();
        }
        self.tell_nobody(&peer);
        self.tell_sealing(&peer).await?;
        self.meet_and_know(&peer).await
    }

    fn ask_online(&mut self, connection: Option<&mut Connection>) {
        self.asked_online += 1;
        if let Some(connection) = connection {
            connection.say(&ClientFrame::Online);
        }
    }

    async fn look_over(&mut self) -> Result<(), Exit> {
        let server = self.server.clone();
        let all = self.store.run(move |tx| archive::overview(tx, &server)).await?;
        self.tell(Event::Overview(all));
        Ok(())
    }

    async fn turn_to(&mut self, peer: Name, place: Place, limit: u32) -> Result<(), Exit> {
        let (server, with) = (self.server.clone(), peer.clone());
        let page =
            move |tx: &rusqlite::Transaction<'_>| archive::page(tx, &server, &with, place, limit);
        let records = self.store.run(page).await?;
        self.tell(Event::Page { peer, place, records });
        Ok(())
    }

    async fn look_what_waits(&mut self) -> Result<(), Exit> {
        let server = self.server.clone();
        let pending = self.store.run(move |tx| outbox::pending(tx, &server)).await?;
        self.tell(Event::Status(pending));
        Ok(())
    }

    async fn send(
        &mut self,
        peer: Name,
        path: PathBuf,
        caption: Option<String>,
    ) -> Result<(), Exit> {
        if let Err(because) = self.send_file(peer, path, caption, None).await? {
            self.tell(Event::NoFile { because });
        }
        Ok(())
    }

    /// A damaged index is thrown away: the messages are still there.
    async fn search(&mut self, query: Query, limit: usize) {
        let mut found = self.find(&query, limit).await;
        if found.as_ref().is_err_and(StoreError::is_damage) {
            found = match self.store.reset_index().await {
                Ok(()) => self.find(&query, limit).await,
                Err(error) => Err(error),
            };
        }
        if self.store.was_index_reset() {
            self.tell(Event::Objection { because: REINDEXED.into() });
        }
        match found {
            Ok(hits) => self.tell(Event::Found { query, hits }),
            Err(error) => {
                self.tell(Event::Objection { because: format!("cannot search: {error}") });
            }
        }
    }

    async fn find(&self, query: &Query, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let (server, query) = (self.server.clone(), query.clone());
        self.store.run(move |tx| search::find(tx, &server, &query, limit)).await
    }
}
