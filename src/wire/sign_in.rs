//! The text that is signed to sign in.
//!
//! Pure. Both sides make it for themselves: what was signed for one server, name, challenge or connection fits no other.

use super::limits::VERSION;
use crate::message::Name;
use crate::trust::tls::Channel;

/// The SSHSIG namespace of a sign-in.
pub const SIGN_IN_NAMESPACE: &str = "tinychat";

/// The text that is signed to sign in; see [the specification](super#signing-in).
pub fn sign_in_text(name: &Name, nonce: &str, channel: &Channel) -> String {
    let (server, binding) = match channel {
        Channel::Plain => ("none".into(), "none".into()),
        Channel::Tls { server, binding } => (server.to_string(), exporter_words(binding)),
    };
    format!("{VERSION} sign-in\nserver {server}\nname {name}\nnonce {nonce}\nbinding {binding}\n")
}

fn exporter_words(binding: &[u8]) -> String {
    let digits: String = binding.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("tls-exporter {digits}")
}
