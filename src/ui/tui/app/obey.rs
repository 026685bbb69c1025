//! Entered text: messages to send, and commands.

use super::state::{App, Overlay};
use crate::client::Command;
use crate::message::Name;
use crate::ui::typing::command::{self, Input as Typed};
use crate::wire::MAX_TEXT;

impl App {
    pub(super) fn send(&mut self) {
        self.panel_mut().pass();
        let Some(index) = self.current else { return self.send_without_anybody() };
        let recalled = self.recalled.take();
        let it = &mut self.conversations[index];
        let peer = it.peer.clone();
        // Who sent again what they wrote before goes on with what they were writing.
        let draft = recalled.as_ref().map(|(_, draft)| draft.clone()).unwrap_or_default();
        let text = it.composer.replace(draft);
        if text.is_empty() {
            // A request is accepted so.
            self.open(peer);
            return;
        }
        let obeyed = self.obey(&text);
        let Some(it) = self.find(&peer) else { return };
        if obeyed {
            it.remember_written(text);
        } else {
            it.composer.replace(text);
            self.recalled = recalled;
        }
    }

    /// Where nobody is, one may get to somebody, or give a command.
    fn send_without_anybody(&mut self) {
        let text = self.lobby.replace(String::new());
        if text.is_empty() {
            self.jump();
        } else if !self.obey(&text) {
            self.lobby.replace(text);
        }
    }

    /// Whether it could be obeyed; if not the draft stays.
    pub(super) fn obey(&mut self, text: &str) -> bool {
        match command::parse(text) {
            Ok(typed) => self.obey_typed(typed),
            Err(because) => {
                self.tell(because);
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
            Typed::Fingerprint(name) => self.ask_key(name),
            Typed::Verify(peer, None) => self.ask_key(Some(peer)),
            Typed::Verify(peer, Some(digits)) => self.give(Command::Verify { peer, digits }),
            Typed::Trust(peer) => self.give(Command::Trust(peer)),
            Typed::Release(peer) => self.give(Command::Release(peer)),
            Typed::Card => self.give(Command::Card),
            Typed::Seal(seal) => self.give(Command::Seal(seal)),
            Typed::Block(None) => self.give(Command::Blocks),
            Typed::Block(Some(peer)) if peer == self.user => self.tell("you cannot block yourself"),
            Typed::Block(Some(peer)) => {
                self.open.remove(&peer);
                self.give(Command::Block { peer, blocked: true });
            }
            Typed::Unblock(peer) => self.give(Command::Block { peer, blocked: false }),
            Typed::Send(paths, mut caption) => {
                let mut send = |path| {
                    let caption = caption.take();
                    self.with_peer(|peer| Command::SendFile { peer, path, caption })
                };
                return paths.into_iter().all(&mut send);
            }
            Typed::Get(number) => return self.with_peer(|peer| Command::Get { peer, number }),
            Typed::Save(number, to) => {
                return self.with_peer(|peer| Command::Save { peer, number, to });
            }
            Typed::Cancel(which) => {
                return self.with_peer(|peer| Command::Cancel { peer, which });
            }
            Typed::Free(number) => return self.with_peer(|peer| Command::Free { peer, number }),
            Typed::Files => self.give(Command::Files),
            Typed::Mute(peer) => self.mute(peer),
            Typed::Search(words) => self.search(&words),
            Typed::Help => self.overlay = Some(Overlay::Help(0)),
            Typed::Quit => self.finishing = true,
        }
        true
    }

    fn ask_key(&mut self, name: Option<Name>) {
        self.asked_keys.insert(name.clone().unwrap_or_else(|| self.user.clone()));
        self.give(Command::Key(name));
    }

    fn say(&mut self, text: String) -> bool {
        let Some(index) = self.current else { return false };
        if text.len() > MAX_TEXT {
            self.tell(format!("a message has at most {MAX_TEXT} bytes; not sent"));
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
        let Some(peer) = peer.or_else(|| self.current().map(|it| it.peer.clone())) else {
            return self.tell("no conversation is open that could be muted");
        };
        let Some(it) = self.find(&peer) else {
            return self.tell(format!("there is no conversation with {peer} that could be muted"));
        };
        it.muted = !it.muted;
        let muted = it.muted;
        self.tell(match muted {
            true => format!("{peer} makes no noise any more; /MUTE {peer} again ends that"),
            false => format!("{peer} makes noise again"),
        });
    }
}
