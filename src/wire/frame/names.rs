//! Parts of a server's frames that are about names: lists of them, whose they are, and whom an error concerns.

use bytes::{BufMut, BytesMut};

use crate::message::Name;
use crate::trust::PublicKey;
use crate::wire::codec::{Part, ProtocolError, Words, line, put_length, put_word};
use crate::wire::limits::MAX_ONLINE_BODY;

/// What stands where nobody is meant.
const NOBODY: &str = "-";

/// Names in a body, one a line. What does not fit is left out.
pub(super) enum Names {}

impl Part for Names {
    type Value = Vec<Name>;
    const SPELLED: Option<&'static str> = Some("length");
    const BODY: Option<usize> = Some(MAX_ONLINE_BODY);

    fn take(words: &mut Words<'_>) -> Result<Vec<Name>, ProtocolError> {
        let body = words.body()?;
        let text = std::str::from_utf8(&body).map_err(|_| ProtocolError::NotUtf8)?;
        text.lines().map(|line| words.as_name(line)).collect()
    }

    fn put(names: &Vec<Name>, out: &mut BytesMut) {
        put_length(out, that_fit(names).map(|name| name.as_str().len() + 1).sum());
    }

    fn put_body(names: &Vec<Name>, out: &mut BytesMut) {
        for name in that_fit(names) {
            out.put_slice(name.as_str().as_bytes());
            out.put_u8(b'\n');
        }
        out.put_slice(b"\r\n");
    }
}

fn that_fit(names: &[Name]) -> impl Iterator<Item = &Name> {
    let mut room = MAX_ONLINE_BODY;
    names.iter().take_while(move |name| {
        let left = room.checked_sub(name.as_str().len() + 1);
        room = left.unwrap_or_default();
        left.is_some()
    })
}

/// Appends the header line of `ONLINE`. As many bytes of names are to follow, and CR LF.
pub(crate) fn online_line(out: &mut BytesMut, count: u64, length: usize) {
    line(out, format_args!("ONLINE {count} {length}"));
}

/// The same of `BLOCKS`.
pub(crate) fn blocks_line(out: &mut BytesMut, length: usize) {
    line(out, format_args!("BLOCKS {length}"));
}

/// The key that owns a name, if one does.
pub(super) enum Owner {}

impl Part for Owner {
    type Value = Option<PublicKey>;

    fn take(words: &mut Words<'_>) -> Result<Option<PublicKey>, ProtocolError> {
        const EXPECTED: &str = "a public key or -";
        match words.word(EXPECTED)? {
            NOBODY => Ok(None),
            key => key.parse().map(Some).map_err(|_| words.bad(EXPECTED)),
        }
    }

    fn put(key: &Option<PublicKey>, out: &mut BytesMut) {
        match key {
            Some(key) => put_word(out, &key.to_string()),
            None => put_word(out, NOBODY),
        }
    }
}

/// Whom something concerns, if anybody.
pub(super) enum Concerned {}

impl Part for Concerned {
    type Value = Option<Name>;

    fn take(words: &mut Words<'_>) -> Result<Option<Name>, ProtocolError> {
        match words.word("a peer or -")? {
            NOBODY => Ok(None),
            peer => words.as_name(peer).map(Some),
        }
    }

    fn put(peer: &Option<Name>, out: &mut BytesMut) {
        put_word(out, peer.as_ref().map_or(NOBODY, Name::as_str));
    }
}
