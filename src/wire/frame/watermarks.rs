//! How far messages have come.

use bytes::BytesMut;

use crate::wire::codec::{Number, Part, ProtocolError, Words};

/// How far one installation's messages in one session have come. All three are inclusive and 0
/// where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The highest number that the server took. No receipt.
    pub have: u64,
    /// Up to here everything is kept.
    pub stored: u64,
    /// Up to here everything is delivered or expired.
    pub delivered: u64,
}

impl Part for Watermarks {
    type Value = Self;
    const SPELLED: Option<&'static str> = Some("have stored delivered");

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            have: words.number("have")?,
            stored: words.number("stored")?,
            delivered: words.number("delivered")?,
        })
    }

    fn put(Self { have, stored, delivered }: &Self, out: &mut BytesMut) {
        [have, stored, delivered].iter().for_each(|number| Number::put(number, out));
    }
}
