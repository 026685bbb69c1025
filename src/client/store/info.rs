//! What a message of kind `file` says; the [specification](crate::wire#files) has its form.
//!
//! Owned by nobody. Pure. What others say in it is data, not to be shown or used as it is.

use std::borrow::Cow;

use blake3::Hash;
use serde::{Deserialize, Serialize};

use crate::message::{BlobId, Kind};
use crate::seal::FileSeed;
use crate::wire::{MAX_NUMBER, MAX_TEXT};

/// The longest name that is kept: its ending may matter.
const MAX_CLAIMED: usize = 1_024;

/// The longest caption, in bytes: the message that carries it has room for the rest as well.
pub const MAX_CAPTION: usize = MAX_TEXT / 8;

/// The longest part of a media type, in bytes.
const MAX_MEDIA_NAME: usize = 64;

const NOT_SEALED: &str =
    "it is not sealed as its message is, so the host could read it; not fetched";
const KEY_NOT_SEALED: &str = "its key came unsealed, so the host could read it; not fetched";

/// A file that somebody sends, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Where it waits.
    pub blob: BlobId,
    /// What its sender calls it.
    pub name: String,
    /// Its media type, as its sender sees it.
    pub media: String,
    /// Its length in bytes.
    pub size: u64,
    /// The hash of its content.
    pub hash: Hash,
    /// What its key is derived from; none if it is not sealed.
    pub seed: Option<FileSeed>,
    /// What its sender says of it.
    pub caption: Option<String>,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    blob: Cow<'a, str>,
    name: Cow<'a, str>,
    #[serde(rename = "type", default)]
    media: Cow<'a, str>,
    size: u64,
    blake3: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caption: Option<Cow<'a, str>>,
}

impl FileInfo {
    /// What a message says, if it is about a file.
    pub fn of(kind: &Kind, body: &[u8]) -> Option<Self> {
        if *kind != Kind::FILE {
            return None;
        }
        let Body { blob, name, media, size, blake3, seed, caption } =
            serde_json::from_slice(body).ok()?;
        let name = name[..name.floor_char_boundary(MAX_CLAIMED)].to_owned();
        Some(Self {
            blob: blob.parse().ok()?,
            name,
            media: if is_media_type(&media) { media.into_owned() } else { String::new() },
            size: Some(size).filter(|size| *size <= MAX_NUMBER)?,
            hash: Hash::from_hex(&*blake3).ok()?,
            seed: match seed {
                Some(digits) => Some(FileSeed::from_digits(&digits)?),
                None => None,
            },
            caption: caption.map(Cow::into_owned).filter(|it| !it.is_empty()),
        })
    }

    /// The body of its message.
    pub fn to_body(&self) -> Vec<u8> {
        let body = Body {
            blob: self.blob.to_string().into(),
            name: (&*self.name).into(),
            media: (&*self.media).into(),
            size: self.size,
            blake3: self.hash.to_string().into(),
            seed: self.seed.as_ref().map(|seed| seed.to_digits().into()),
            caption: self.caption.as_deref().map(Cow::Borrowed),
        };
        // Strings and a number are JSON, whatever they are.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Why it is not fetched, whatever the server has: what a sealed message tells of is sealed, too, and the seed of
    /// nothing else is a secret. `sealed`: its message came so.
    pub(crate) fn objection(&self, sealed: bool) -> Option<&'static str> {
        match (sealed, &self.seed) {
            (true, None) => Some(NOT_SEALED),
            (false, Some(_)) => Some(KEY_NOT_SEALED),
            (true, Some(_)) | (false, None) => None,
        }
    }

    /// Its words, for the search.
    pub fn words(&self) -> String {
        match &self.caption {
            Some(caption) => format!("{} {caption}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether it claims to be a picture.
    pub fn is_picture(&self) -> bool {
        self.media.starts_with("image/")
    }
}

/// The words of a message: a text, or a file's name and caption. Other kinds have none.
pub(crate) fn words<'a>(kind: &Kind, body: &'a [u8]) -> Cow<'a, str> {
    if *kind == Kind::TEXT {
        return String::from_utf8_lossy(body);
    }
    FileInfo::of(kind, body).map_or(Cow::Borrowed(""), |info| Cow::Owned(info.words()))
}

/// A type and a subtype (RFC 6838 §4.2), without parameters.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_in_one = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        (1..=MAX_MEDIA_NAME).contains(&name.len()) && name.chars().all(is_in_one)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(name: &str, caption: Option<&str>) -> FileInfo {
        FileInfo {
            blob: BlobId::from_u128(7),
            name: name.into(),
            media: "image/png".into(),
            size: 5,
            hash: blake3::hash(b"hello"),
            seed: Some(FileSeed::from_bytes([7; 32])),
            caption: caption.map(Into::into),
        }
    }

    proptest! {
        #[test]
        fn what_is_said_of_a_file_is_heard(name in ".{0,60}", caption in prop::option::of(".{1,60}")) {
            let said = info(&name, caption.as_deref());
            prop_assert_eq!(FileInfo::of(&Kind::FILE, &said.to_body()), Some(said));
        }

        #[test]
        fn whatever_else_comes_is_no_file(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(FileInfo::of(&Kind::FILE, &body), None);
        }
    }

    #[test]
    fn what_is_not_whole_is_no_file_and_what_is_new_does_not_matter() {
        let body = String::from_utf8(info("cat.png", None).to_body()).unwrap();
        let heard = |body: &str| FileInfo::of(&Kind::FILE, body.as_bytes());
        assert!(heard(&body.replace("{", r#"{"colour":"red","#)).is_some());
        let zeros = "0".repeat(32);
        let id = BlobId::from_u128(7).to_string();
        for (from, to) in
            [("\"size\":5", "\"size\":-5"), ("size", "length"), (&*id, &zeros[1..]), (&id, "../x")]
        {
            assert_eq!(heard(&body.replace(from, to)), None, "{to}");
        }
        let seed = "07".repeat(32);
        assert!(body.contains(&format!("\"seed\":\"{seed}\"")), "{body}");
        assert_eq!(
            heard(&body.replace(&seed, &seed[1..])),
            None,
            "no seed at all is another matter"
        );
        assert_eq!(FileInfo::of(&Kind::TEXT, body.as_bytes()), None);
        for media in ["image", "image/", "image/png\\n", "image/png; x=y", &"x/".repeat(99)] {
            assert_eq!(heard(&body.replace("image/png", media)).unwrap().media, "", "{media}");
        }
        let long = heard(&body.replace("cat.png", &"x".repeat(3_000))).unwrap();
        assert_eq!(long.name.len(), MAX_CLAIMED);
    }

    #[test]
    fn a_file_is_sealed_if_its_message_is_and_only_then() {
        let sealed = info("cat.png", None);
        let plain = FileInfo { seed: None, ..sealed.clone() };
        assert!(!String::from_utf8(plain.to_body()).unwrap().contains("seed"));
        assert_eq!(FileInfo::of(&Kind::FILE, &plain.to_body()), Some(plain.clone()));
        assert_eq!((sealed.objection(true), plain.objection(false)), (None, None));
        assert_eq!(plain.objection(true), Some(NOT_SEALED));
        assert_eq!(sealed.objection(false), Some(KEY_NOT_SEALED));
    }

    #[test]
    fn a_seed_is_not_logged() {
        let info = FileInfo { seed: Some(FileSeed::from_bytes([0xee; 32])), ..info("cat", None) };
        let logged = format!("{info:?}");
        assert!(!logged.contains("eeee") && !logged.contains("238, 238"), "{logged}");
    }
}
