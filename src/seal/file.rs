//! The key of a file, and its chunks.
//!
//! Owned by whoever seals or opens one. Invariant: a key encrypts one file alone, and each of its chunks with another
//! nonce.

use std::fmt;

use blake3::Hash;
use faster_hex::CheckCase;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

/// What the keys are derived for.
const PURPOSE: &[u8] = b"tinychat/2 file 1";

/// How many bytes of a file are sealed at once.
pub(super) const CHUNK: u64 = 64 * 1024;

/// How much longer a chunk is when it is sealed.
const TAG: u64 = 16;

/// How long a sealed chunk is, if it is not the last.
pub(super) const SEALED: u64 = CHUNK + TAG;

/// The highest number: what databases can count to.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// What a file's key is derived from. It is not shown by what it is debugged as.
#[derive(Clone, PartialEq, Eq)]
pub struct FileSeed([u8; 32]);

/// The key of one file, and how long that is.
#[derive(Clone)]
pub struct FileKey {
    key: LessSafeKey,
    size: u64,
}

/// Why what came of a sealed file cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum OpeningError {
    #[error("chunk {0} of the file is not what was sealed there")]
    Damaged(u64),
    #[error("the sealed file ends too early")]
    Short,
    #[error("the sealed file goes on behind its last chunk")]
    Long,
}

/// How long a file of `size` bytes is when it is sealed; none if that is too long.
pub fn sealed_size(size: u64) -> Option<u64> {
    size.checked_add(chunks(size) * TAG).filter(|sealed| *sealed <= MAX_NUMBER)
}

/// An empty file has a chunk, too.
fn chunks(size: u64) -> u64 {
    size.div_ceil(CHUNK).max(1)
}

impl FileSeed {
    /// One that nobody has seen before.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The seed with these bytes, as it was stored or sent.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The seed with these digits; none if they are not 64 lower-case hexadecimal ones.
    pub fn from_digits(text: &str) -> Option<Self> {
        let bytes = faster_hex::hex_decode_array_with_case(text.as_bytes(), CheckCase::Lower);
        bytes.map(Self).ok()
    }

    /// Its digits, as they stand in a message.
    pub fn to_digits(&self) -> String {
        let mut digits = [0; 64];
        let text = faster_hex::hex_encode(&self.0, &mut digits);
        text.expect("64 digits are two for each of 32 bytes").to_owned()
    }
}

impl fmt::Debug for FileSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileSeed(…)")
    }
}

impl FileKey {
    /// That of a file with this hash and size; none if it is too long to be sealed.
    pub fn new(seed: &FileSeed, hash: &Hash, size: u64) -> Option<Self> {
        sealed_size(size)?;
        let length = size.to_be_bytes();
        let info: [&[u8]; 3] = [PURPOSE, hash.as_bytes(), &length];
        let secret = Salt::new(HKDF_SHA256, &[]).extract(&seed.0);
        let derived = secret.expand(&info, &CHACHA20_POLY1305);
        let derived = derived.expect("32 bytes are less than HKDF's 255 hashes");
        Some(Self { key: LessSafeKey::new(UnboundKey::from(derived)), size })
    }

    /// How long the file is.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How long it is when it is sealed.
    pub fn sealed_size(&self) -> u64 {
        self.size + self.chunks() * TAG
    }

    /// How many bytes of the file are before a byte of the sealed one.
    pub fn plain_before(&self, sealed: u64) -> u64 {
        let (whole, rest) = (sealed / SEALED, sealed % SEALED);
        (whole * CHUNK + rest.min(CHUNK)).min(self.size)
    }

    /// How many chunks it has, at least one.
    pub(super) fn chunks(&self) -> u64 {
        chunks(self.size)
    }

    /// How long one of its chunks is.
    pub(super) fn length(&self, number: u64) -> usize {
        (self.size - number * CHUNK).min(CHUNK) as usize
    }

    /// The same when it is sealed.
    pub(super) fn sealed_length(&self, number: u64) -> usize {
        self.length(number) + TAG as usize
    }

    /// Seals one of its chunks, in place.
    pub(super) fn seal(&self, number: u64, text: &mut Vec<u8>) {
        self.key
            .seal_in_place_append_tag(self.nonce(number), Aad::empty(), text)
            .expect("a chunk is shorter than the 256 GiB that the cipher takes");
    }

    /// Opens one of its chunks, in place.
    pub(super) fn open(&self, number: u64, text: &mut Vec<u8>) -> Result<(), OpeningError> {
        let opened = self.key.open_in_place(self.nonce(number), Aad::empty(), text);
        let length = opened.map_err(|_| OpeningError::Damaged(number))?.len();
        text.truncate(length);
        Ok(())
    }

    fn nonce(&self, number: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = u8::from(number + 1 == self.chunks());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: &FileSeed, content: &[u8], size: u64) -> FileKey {
        FileKey::new(seed, &blake3::hash(content), size).unwrap()
    }

    #[test]
    fn a_sealed_file_is_longer_by_a_tag_for_each_chunk() {
        for (size, sealed) in [
            (0, Some(16)),
            (1, Some(17)),
            (65_535, Some(65_551)),
            (65_536, Some(65_552)),
            (65_537, Some(65_569)),
            (131_072, Some(131_104)),
            (131_073, Some(131_121)),
            (MAX_NUMBER, None),
            (u64::MAX, None),
        ] {
            assert_eq!(sealed_size(size), sealed, "{size}");
            let key = FileKey::new(&FileSeed::generate(), &blake3::hash(b""), size);
            assert_eq!(key.map(|key| key.sealed_size()), sealed, "{size}");
        }
    }

    #[test]
    fn a_seed_and_a_key_are_not_logged() {
        let seed = FileSeed::generate();
        assert_eq!(format!("{seed:?} {:?}", key(&seed, b"", 0)), "FileSeed(…) FileKey(…)");
        assert_ne!(seed, FileSeed::generate());
        assert_eq!(FileSeed::from_bytes(seed.to_bytes()), seed);
    }

    #[test]
    fn a_seed_has_digits_and_nothing_else_is_one() {
        let seed = FileSeed::from_bytes([0xa7; 32]);
        assert_eq!(seed.to_digits(), "a7".repeat(32));
        assert_eq!(FileSeed::from_digits(&seed.to_digits()), Some(seed));
        for text in [String::new(), "A7".repeat(32), "a7".repeat(31), "a7".repeat(33)] {
            assert_eq!(FileSeed::from_digits(&text), None, "{text}");
        }
        assert_eq!(FileSeed::from_digits(&"g7".repeat(32)), None);
    }

    #[test]
    fn how_far_a_file_is_shows_how_far_it_is_sealed() {
        let long = key(&FileSeed::generate(), b"", CHUNK + 5);
        for (sealed, plain) in [
            (0, 0),
            (1, 1),
            (CHUNK, CHUNK),
            (CHUNK + 1, CHUNK),
            (SEALED, CHUNK),
            (SEALED + 1, CHUNK + 1),
            (SEALED + 5, CHUNK + 5),
            (long.sealed_size(), CHUNK + 5),
            (u64::MAX, CHUNK + 5),
        ] {
            assert_eq!(long.plain_before(sealed), plain, "{sealed}");
        }
        assert_eq!(key(&FileSeed::generate(), b"", 0).plain_before(16), 0);
    }

    #[test]
    fn another_seed_hash_or_size_is_another_key() {
        let (seed, other) = (FileSeed::generate(), FileSeed::generate());
        let sealed = |key: FileKey| {
            let mut text = b"hello".to_vec();
            key.seal(0, &mut text);
            text
        };
        let hello = sealed(key(&seed, b"hello", 5));
        for key in [key(&other, b"hello", 5), key(&seed, b"hallo", 5), key(&seed, b"hello", 6)] {
            let mut text = hello.clone();
            assert_eq!(key.open(0, &mut text), Err(OpeningError::Damaged(0)));
            assert_ne!(sealed(key), hello);
        }
    }

    #[test]
    fn a_chunk_opens_in_its_place_alone() {
        let key = key(&FileSeed::generate(), b"", 2 * CHUNK + 1);
        let mut text = b"hello".to_vec();
        key.seal(1, &mut text);
        for number in [0, 2] {
            assert_eq!(key.open(number, &mut text.clone()), Err(OpeningError::Damaged(number)));
        }
        key.open(1, &mut text).unwrap();
        assert_eq!(text, b"hello");
    }
}
