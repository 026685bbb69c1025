//! Any bytes as what is sealed, or as what says whom it is sealed for: nothing of it panics, there is one way to write
//! each, and no file is made of what nobody has sealed.

#![no_main]

mod common;

use std::fmt::Display;
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use tinychat::message::Installation;
use tinychat::seal::{Addressed, Body, Content, FileKey, FileSeed, Opening};
use tinychat::trust::devices::{Bundle, DeviceList, Prekey, Writer};

/// What the first byte chooses from.
const FORMS: &[fn(&[u8])] =
    &[body, content, bundle, text::<DeviceList>, text::<Prekey>, text::<Writer>, file];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = common::choice(bytes, FORMS.len()) else { return };
    FORMS[which](bytes);
});

fn body(bytes: &[u8]) {
    let Ok(body) = Body::decode(bytes.to_vec().into()) else { return };
    assert_eq!(body.encode(), bytes);
    // Behind version and count.
    let Some(first) = bytes[2..].first_chunk() else { return };
    let to = Installation::from_u64(u64::from_be_bytes(*first));
    let envelope = body.envelope(to).expect("a body has one envelope at least");
    if let Ok(message) = envelope.message() {
        assert_eq!(Addressed::new(to, &message), *envelope);
    }
}

fn content(bytes: &[u8]) {
    if let Ok(content) = Content::decode(bytes.to_vec().into()) {
        assert_eq!(content.encode(), bytes);
    }
}

fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::read(bytes.to_vec().into()) else { return };
    let alone = Bundle::of(bundle.signed().clone());
    let again = bundle.prekeys().fold(alone, |it, prekey| it.with(prekey.clone()).unwrap());
    assert_eq!(&again.bytes()[..], bytes);
}

fn text<T: FromStr + Display>(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string(), text);
    }
}

/// The first two bytes are the size of it.
fn file(bytes: &[u8]) {
    let Some((size, sealed)) = bytes.split_first_chunk() else { return };
    let size = u64::from(u16::from_le_bytes(*size));
    let seed = FileSeed::from_bytes([7; 32]);
    let key = FileKey::new(&seed, &blake3::hash(b"a file"), size).expect("it is not long");
    let (mut opening, mut plain) = (Opening::new(key), Vec::new());
    let opened = sealed.chunks(1_000).try_for_each(|piece| opening.take(piece, &mut plain));
    assert!(plain.is_empty(), "nobody has sealed it: {opened:?}");
}
