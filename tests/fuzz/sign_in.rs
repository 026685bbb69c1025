//! Any bytes as what somebody says to sign in: nothing of it panics, and nothing of it is a proof, for
//! nobody has signed this nonce.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tinychat::message::Name;
use tinychat::trust::PublicKey;
use tinychat::trust::tls::Channel;
use tinychat::wire::codec::Decoder;
use tinychat::wire::frame::ClientFrame;
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

/// What a server that draws fresh ones never asks for.
const NONCE: &str = "no nonce";

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    decoder.feed(bytes);
    let mut who: Option<(Name, PublicKey)> = None;
    while let Ok(Some(frame)) = decoder.decode() {
        match (frame, &who) {
            (ClientFrame::Hello { name, key, .. }, _) => {
                let Ok(key) = key.parse::<PublicKey>() else { return };
                assert_eq!(key.to_string().parse(), Ok(key));
                who = Some((name, key));
            }
            (ClientFrame::Prove { signature }, Some((name, key))) => {
                let text = sign_in_text(name, NONCE, &Channel::Plain);
                assert!(!key.has_signed(SIGN_IN_NAMESPACE, &text, &signature), "a forged proof");
            }
            _ => return,
        }
    }
});
