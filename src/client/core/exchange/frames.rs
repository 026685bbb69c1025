//! What the server says beside messages and receipts: each frame, and what is done about it.
//!
//! Owned by the core. Nothing that a server says has an effect, unless it was asked for or is about somebody whom one
//! talks to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::exit::Exit;
use super::super::state::Core;
use super::super::verdict::Shown;
use super::intake::{CLASH, Intake, lose};
use crate::client::event::Event;
use crate::client::line::broken::{dismissed, refused};
use crate::client::line::connection::Connection;
use crate::client::line::conversation::{Conversation, News};
use crate::client::store::outbox::{self, Lost};
use crate::client::store::{history, unsealed};
use crate::message::Name;
use crate::wire::frame::{ClientFrame, ErrorCode, Presence, Refusal, ServerFrame, Watermarks};

/// How often a server can have a data folder take another installation by what it says to have: nobody has copied one that
/// was taken a moment ago.
const ANEW_AGAIN: Duration = Duration::from_secs(60 * 60);

/// The longest wait that a server can ask for. More would not fit into every clock.
const MAX_SECONDS: u64 = 24 * 60 * 60;

/// When to retry to open a conversation, if the server has too many open.
const REOPEN: Duration = Duration::from_secs(60);

/// How many people are remembered who have written and whom one never talked to. Of others only the face is told.
const REQUESTS: usize = 1_000;

impl Core {
    pub(super) async fn take_frame(
        &mut self,
        frame: ServerFrame,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        match frame {
            // Each `TALK` is answered once.
            ServerFrame::Talking { peer, .. } if !self.is_opening(&peer) => {}
            ServerFrame::Talking { peer, presence, own, waiting, version } => {
                self.list_is_at(&peer, version);
                self.take_opened(peer.clone(), presence, own, waiting, connection).await?;
                self.tell_sealing(&peer).await?;
            }
            ServerFrame::Expired { peer, n } => self.lose(peer, n, Lost::Expired).await?,
            ServerFrame::Bounced { peer, n } => self.lose(peer, n, Lost::Bounced).await?,
            ServerFrame::Read { peer, n } => self.take_read(peer, n).await?,
            ServerFrame::Refused { peer, n, refusal, text } => {
                self.take_refusal(peer, n, refusal, text);
            }
            ServerFrame::Room { peer } => self.with(&peer, |it| it.room(Instant::now())),
            ServerFrame::Waiting { peer, count } => self.take_waiting(peer, count).await?,
            // Others are not written down, however many the server mentions.
            ServerFrame::Key { peer, .. } if !self.awaits_key(&peer) => {}
            ServerFrame::Key { peer, key } => self.take_key(peer, key).await?,
            ServerFrame::Devices { peer, version, bundle } if peer == self.config.user => {
                self.take_own_list(version, bundle).await?;
            }
            ServerFrame::Devices { peer, version, bundle } => {
                self.take_list(peer, Shown { version, bundle }, connection).await?;
            }
            ServerFrame::Listed { peer, version } => self.take_listed(&peer, version).await?,
            ServerFrame::Changed { peer, version } => {
                self.with(&peer, |it| it.list.changed(version, Instant::now()));
                self.files.look();
            }
            ServerFrame::Presence { peer, presence } => {
                self.take_presence(peer, presence, connection);
            }
            ServerFrame::Online { count, names } => self.take_online(count, names),
            ServerFrame::Ticket { ticket } => self.files.take_ticket(ticket),
            ServerFrame::Blocked { peer } => self.blocked(peer, true),
            ServerFrame::Unblocked { peer } => self.blocked(peer, false),
            ServerFrame::Blocks { names } => self.take_blocks(names),
            ServerFrame::Ping => connection.answer(&ClientFrame::Pong),
            // Whoever waits was told before it.
            ServerFrame::Pong => self.all_is_told(),
            ServerFrame::Error { code, peer, text } => self.take_error(code, peer, text)?,
            ServerFrame::Bye { reason, text } => return Err(dismissed(reason, text).into()),
            _ => {}
        }
        Ok(())
    }

    /// A conversation is open; the server says how far own messages have come in it.
    async fn take_opened(
        &mut self,
        peer: Name,
        presence: Presence,
        own: Watermarks,
        waiting: u64,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let conversation = self.conversations.get_mut(&peer);
        let lost = conversation.map(Conversation::take_lost).unwrap_or_default();
        // The conversation knows what waits in it.
        self.renewal.waits(&peer, 0);
        self.check_counter(&peer, own).await?;
        let scope = self.scope(&peer);
        self.store.run(move |tx| unsealed::opened(tx, &scope, waiting)).await?;
        let lost = lost.into_iter().map(|(n, how)| (peer.clone(), n, how)).collect();
        let receipts = BTreeMap::from([(peer.clone(), (own.stored, own.delivered))]);
        self.with(&peer, |it| it.opened(Instant::now(), own.have, own.stored, waiting));
        self.files.look();
        if self.is_faced(&peer) {
            self.tell(Event::Opened { peer: peer.clone(), presence, waiting });
            self.say_what_was_read(&peer, connection).await?;
        }
        self.take_in(Intake { lost, receipts, ..Intake::default() }, connection).await
    }

    async fn take_read(&mut self, peer: Name, n: u64) -> Result<(), Exit> {
        if !self.conversations.contains_key(&peer) {
            return Ok(());
        }
        let scope = self.scope(&peer);
        let n = self.store.run(move |tx| outbox::seen(tx, &scope, n)).await?;
        self.tell(Event::Read { peer, n });
        Ok(())
    }

    async fn take_waiting(&mut self, peer: Name, count: u64) -> Result<(), Exit> {
        self.renewal.waits(&peer, count);
        // About to be opened: the count comes with TALKING.
        if self.is_faced(&peer) {
            return Ok(());
        }
        if !self.count_request(&peer, count).await? {
            return self.tell_waiting(peer, count).await;
        }
        let waiting = Event::Waiting { peer: peer.clone(), count, known: false };
        if let Some(told) = self.strangers.take(waiting, Instant::now()) {
            self.tell(told);
        }
        self.meet(&peer).await
    }

    fn take_presence(&mut self, peer: Name, presence: Presence, connection: &mut Connection) {
        let comes = |it: &mut Conversation| it.asks_who_comes(Instant::now());
        if presence == Presence::Online && self.conversations.get_mut(&peer).is_some_and(comes) {
            connection.answer(&ClientFrame::Key { peer: peer.clone() });
        }
        if self.is_faced(&peer) {
            self.tell(Event::Presence { peer, presence });
        }
    }

    fn take_online(&mut self, count: u64, names: Vec<Name>) {
        if let Some(left) = self.asked_online.checked_sub(1) {
            self.asked_online = left;
            self.tell(Event::Online { count, names });
        }
    }

    fn take_blocks(&mut self, names: Vec<Name>) {
        if self.blocks.listed(&names) {
            self.tell(Event::Blocks { names });
        }
    }

    /// Returns whether it is a stranger's first one.
    async fn count_request(&mut self, peer: &Name, count: u64) -> Result<bool, Exit> {
        if count == 0 || self.is_known(peer).await? {
            self.requests.remove(peer);
            return Ok(false);
        }
        let is_new = !self.requests.contains_key(peer);
        if self.requests.len() < REQUESTS || !is_new {
            self.requests.insert(peer.clone(), count);
        }
        Ok(is_new)
    }

    /// The server may have forgotten it, and something may have been shown while offline.
    async fn say_what_was_read(
        &self,
        peer: &Name,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        if !self.config.read_receipts {
            return Ok(());
        }
        let (server, of) = (self.server.clone(), peer.clone());
        let last = self.store.run(move |tx| history::last_shown(tx, &server, &of)).await?;
        if let Some((peer, installation, n)) = last {
            connection.answer(&ClientFrame::Read { peer, installation, n });
        }
        Ok(())
    }

    /// A server that has more than was ever sent from here has it from the original of this copy. What was written here
    /// meanwhile has numbers that the original has also used, so nothing counts that the server says of them.
    async fn check_counter(&mut self, peer: &Name, own: Watermarks) -> Result<(), Exit> {
        let scope = self.scope(peer);
        if own.have <= self.store.run(move |tx| outbox::last_sent(tx, &scope)).await? {
            return Ok(());
        }
        if self.began_anew.is_some_and(|at| at.elapsed() < ANEW_AGAIN) {
            let lie = "the server says that it has more than this data folder has ever sent";
            return Err(Exit::Away(lie.into()));
        }
        let because = "this data folder is a copy of another; it now counts on its own";
        Err(self.begin_anew(because).await?)
    }

    /// Takes a new installation. Everything that has not arrived is sent anew from it.
    pub(super) async fn begin_anew(&mut self, because: &str) -> Result<Exit, Exit> {
        let (server, old) = (self.server.clone(), self.installation);
        let begin = move |tx: &rusqlite::Transaction<'_>| outbox::begin_anew(tx, &server, old);
        self.installation = self.store.run(begin).await?;
        (self.is_fresh, self.began_anew) = (true, Some(Instant::now()));
        self.tell(Event::Joined);
        Ok(Exit::Away(because.into()))
    }

    fn blocked(&mut self, peer: Name, blocked: bool) {
        if let Some(change) = self.blocks.answered(&peer, blocked) {
            self.tell(Event::Blocked { peer, blocked, change });
        }
    }

    async fn lose(&mut self, peer: Name, n: u64, how: Lost) -> Result<(), Exit> {
        if self.conversations.get_mut(&peer).is_some_and(|it| it.holds(n, how)) {
            return Ok(());
        }
        let (scope, may_clash) = (self.scope(&peer), self.knows_list_of(&peer));
        if let Some(loss) = self.store.run(move |tx| lose(tx, scope, n, how, may_clash)).await? {
            self.with(&peer, Conversation::fate_known);
            let begins_anew = !self.is_fresh && loss.clashes();
            self.tell_loss(loss);
            if begins_anew {
                return Err(self.begin_anew(CLASH).await?);
            }
        }
        Ok(())
    }

    fn take_refusal(&mut self, peer: Name, n: u64, refusal: Refusal, because: String) {
        let after = match refusal {
            Refusal::Slow { seconds } => Some(Duration::from_secs(seconds.min(MAX_SECONDS))),
            Refusal::Full | Refusal::Store => None,
            // After the answer to KEY, or to TALK, it is clear what may be sent.
            Refusal::Owner | Refusal::Devices { .. } => Some(Duration::ZERO),
        };
        let conversation = self.conversations.get_mut(&peer);
        match conversation.and_then(|it| it.refused(n, Instant::now(), after)) {
            // Nobody need know.
            _ if matches!(refusal, Refusal::Devices { .. }) => {}
            Some(News::First) => self.tell_if_few(Event::Refused { peer, n, refusal, because }),
            Some(News::Again) => self.tell(Event::Refused { peer, n, refusal, because }),
            None => {}
        }
    }

    fn take_error(
        &mut self,
        code: ErrorCode,
        peer: Option<Name>,
        text: String,
    ) -> Result<(), Exit> {
        if code == ErrorCode::Notice {
            self.take_notice(text);
            return Ok(());
        }
        if matches!(code, ErrorCode::List | ErrorCode::Later)
            && let Some(whose) = self.giving.refused(peer.as_ref())
        {
            self.take_not_listed(&whose, code, &text);
            return Ok(());
        }
        let because = match &peer {
            Some(peer) => format!("{peer}: {text}"),
            None => text,
        };
        match (code, peer) {
            (ErrorCode::Conversations | ErrorCode::Installations, Some(peer)) => {
                self.with(&peer, |it| it.refused_to_open(Instant::now(), REOPEN));
                self.object(because);
                Ok(())
            }
            (ErrorCode::Block, Some(peer)) => {
                self.blocks.refused(&peer);
                self.object(because);
                Ok(())
            }
            // After an unknown one the server closes, if it is fatal.
            (ErrorCode::ToSelf, Some(peer)) if self.blocks.refused(&peer) => {
                self.object(because);
                Ok(())
            }
            (
                ErrorCode::Name
                | ErrorCode::ToSelf
                | ErrorCode::Closed
                | ErrorCode::List
                | ErrorCode::Later
                | ErrorCode::Unknown,
                _,
            ) => {
                self.object(because);
                Ok(())
            }
            _ => Err(refused(code, because).into()),
        }
    }

    /// The operator says something to everybody. It is said again on each connection.
    fn take_notice(&mut self, text: String) {
        if self.announced.as_ref() != Some(&text) {
            self.announced = Some(text.clone());
            self.tell_if_few(Event::Announced { text });
        }
    }

    fn object(&mut self, because: String) {
        self.tell_if_few(Event::Objection { because });
    }
}
