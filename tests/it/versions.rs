//! What a story need not know of device lists, which real clients have: that a message is written for the version that
//! was told last, and once more if there was a newer one.
//!
//! Owned by each [`Peer`](crate::world::Peer), unless its story is about lists. Pure.

use std::collections::{HashMap, VecDeque};

use tinychat::wire::frame::{Refusal, ServerFrame};

use crate::world::message_for;

/// How many messages may be written once more.
const REMEMBERED: usize = 64;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Versions {
    told: HashMap<String, u64>,
    /// The last messages: to whom, with which number and text.
    said: VecDeque<(String, u64, String)>,
    /// From which message on others are to be written once more.
    refused: HashMap<String, u64>,
    /// Something was said because of it.
    is_renewed: bool,
}

impl Versions {
    /// The bytes of a message.
    pub(crate) fn message(&mut self, peer: &str, n: u64, text: &str) -> String {
        self.said.push_back((peer.into(), n, text.into()));
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        self.written(peer, n, text)
    }

    fn written(&self, peer: &str, n: u64, text: &str) -> String {
        message_for(peer, n, self.told.get(peer).copied().unwrap_or_default(), text)
    }

    /// Whether all that was said was looked at, and nothing is to be said again.
    pub(crate) fn is_settled(&mut self, peer: &str) -> bool {
        !std::mem::take(&mut self.is_renewed) && !self.refused.contains_key(peer)
    }

    /// What a story is shown of a frame, and what is said because of it.
    pub(crate) fn take(&mut self, frame: ServerFrame) -> (Option<ServerFrame>, String) {
        match frame {
            ServerFrame::Talking { peer, presence, own, waiting, version } => {
                self.told.insert(peer.to_string(), version);
                match self.refused.remove(peer.as_str()) {
                    Some(from) => {
                        self.is_renewed = true;
                        (None, self.again(peer.as_str(), from))
                    }
                    None => {
                        let version = 0;
                        let shown = ServerFrame::Talking { peer, presence, own, waiting, version };
                        (Some(shown), String::new())
                    }
                }
            }
            ServerFrame::Changed { peer, version } => {
                self.told.insert(peer.to_string(), version);
                (None, String::new())
            }
            ServerFrame::Refused { peer, n, refusal: Refusal::Devices { .. }, .. } => {
                self.refused.insert(peer.to_string(), n);
                (None, format!("TALK {peer} 0\r\n"))
            }
            frame => (Some(frame), String::new()),
        }
    }

    fn again(&self, peer: &str, from: u64) -> String {
        let said = self.said.iter().filter(|(to, n, _)| to == peer && *n >= from);
        said.map(|(peer, n, text)| self.written(peer, *n, text)).collect()
    }
}
