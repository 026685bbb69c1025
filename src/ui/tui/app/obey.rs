//! What was written and is sent: messages and commands.

use super::{App, Overlay, WRITTEN};
use crate::client::Command;
use crate::message::Name;
use crate::ui::command::{self, Input as Typed};
use crate::wire::MAX_BODY;

impl App {
    pub(super) fn send(&mut self) {
        let Some(index) = self.current else { return self.jump() };
        let recalled = self.recalled.take();
        let it = &mut self.conversations[index];
        let peer = it.peer.clone();
        // Who sent again what they wrote before goes on with what they were writing.
        let draft = recalled.as_ref().map(|(_, draft)| draft.clone()).unwrap_or_default();
        let text = it.composer.replace(draft);
        if text.is_empty() {
            // A request is accepted so.
            self.open(peer);
        } else if self.obey(&text) {
            self.remember_written(text);
        } else if let Some(it) = self.find(&peer) {
            it.composer.replace(text);
            self.recalled = recalled;
        }
    }

    fn remember_written(&mut self, text: String) {
        self.written.retain(|before| *before != text);
        self.written.push(text);
        let surplus = self.written.len().saturating_sub(WRITTEN);
        self.written.drain(..surplus);
    }

    /// Whether it could be obeyed; if not the draft stays.
    pub(super) fn obey(&mut self, text: &str) -> bool {
        match command::parse(text) {
            Ok(typed) => self.obey_typed(typed),
            Err(because) => {
                self.note(because);
                false
            }
        }
    }

    fn obey_typed(&mut self, typed: Typed) -> bool {
        match typed {
            Typed::Text(text) => return self.say(text),
            Typed::Talk(peer) => self.talk_to(peer),
            Typed::Close(peer) => self.close(peer),
            Typed::Online => self.give(Command::Online),
            Typed::Status => self.give(Command::Status),
            Typed::Fingerprint(name) => {
                self.asked_keys.insert(name.clone().unwrap_or_else(|| self.user.clone()));
                self.give(Command::Key(name));
            }
            Typed::Trust(peer) => self.give(Command::Trust(peer)),
            Typed::Block(None) => self.give(Command::Blocks),
            Typed::Block(Some(peer)) if peer == self.user => self.note("you cannot block yourself"),
            Typed::Block(Some(peer)) => {
                self.open.remove(&peer);
                self.give(Command::Block { peer, blocked: true });
            }
            Typed::Unblock(peer) => self.give(Command::Block { peer, blocked: false }),
            Typed::Send(path, caption) => {
                return self.with_peer(|peer| Command::SendFile { peer, path, caption });
            }
            Typed::Get(number) => return self.with_peer(|peer| Command::Get { peer, number }),
            Typed::Save(number, to) => {
                return self.with_peer(|peer| Command::Save { peer, number, to });
            }
            Typed::Cancel(number) => {
                return self.with_peer(|peer| Command::Cancel { peer, number });
            }
            Typed::Files => self.give(Command::Files),
            Typed::Mute(peer) => self.mute(peer),
            Typed::Search(words) => self.search(&words),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Quit => self.finishing = true,
        }
        true
    }

    fn say(&mut self, text: String) -> bool {
        let Some(index) = self.current else { return false };
        if text.len() > MAX_BODY {
            self.note(format!("a message has at most {MAX_BODY} bytes; not sent"));
            return false;
        }
        let is_unread_below = self.sight().is_some_and(|sight| sight.below > 0);
        let it = &mut self.conversations[index];
        if !is_unread_below {
            it.scroll_to_end();
        }
        let peer = it.peer.clone();
        self.open(peer.clone());
        self.give(Command::Send { peer, text });
        true
    }

    /// Gives a command that concerns whom one talks to. Whether there is anybody.
    pub(super) fn with_peer(&mut self, command: impl FnOnce(Name) -> Command) -> bool {
        let Some(peer) = self.current().map(|it| it.peer.clone()) else { return false };
        self.open(peer.clone());
        self.give(command(peer));
        true
    }

    fn mute(&mut self, peer: Option<Name>) {
        let Some(peer) = peer.or_else(|| self.current().map(|it| it.peer.clone())) else { return };
        let index = self.conversation(&peer);
        let it = &mut self.conversations[index];
        it.muted = !it.muted;
        let muted = it.muted;
        self.note(match muted {
            true => format!("{peer} makes no noise any more; /MUTE {peer} again ends that"),
            false => format!("{peer} makes noise again"),
        });
    }
}
