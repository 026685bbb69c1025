//! What comes of a file: sealed, or, where it was announced before files were sealed, as it is.
//!
//! Owned by the thread that fetches it. Pure. Invariant: of a sealed file nothing comes out that was not sealed in its
//! place.

use crate::client::store::info::FileInfo;
use crate::seal::{FileKey, Opening, OpeningError};

/// See the [module](self). *Plain* is the file itself, and *carried* what the server has of it.
pub(super) enum Arriving {
    Plain { at: u64, size: u64 },
    Sealed { opening: Box<Opening>, size: u64 },
}

impl Arriving {
    /// Behind what is here of the file already, as far as that is of use; none if no file is as long as its sender says.
    pub(super) fn behind(info: &FileInfo, had: u64) -> Option<Self> {
        let Some(seed) = &info.seed else {
            return Some(Self::Plain { at: had, size: info.size });
        };
        let key = FileKey::new(seed, &info.hash, info.size)?;
        let size = key.sealed_size();
        Some(Self::Sealed { opening: Box::new(Opening::resume(key, had)), size })
    }

    /// How many plain bytes are before those that come next.
    pub(super) fn plain_offset(&self) -> u64 {
        match self {
            Self::Plain { at, .. } => *at,
            Self::Sealed { opening, .. } => opening.plain_offset(),
        }
    }

    /// How many carried ones are.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Plain { at, .. } => *at,
            Self::Sealed { opening, .. } => opening.sealed_offset(),
        }
    }

    /// How many carried bytes there are in all.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Plain { size, .. } | Self::Sealed { size, .. } => *size,
        }
    }

    /// Takes the next carried bytes, and appends to `plain` those of the file that are certain by now. After an error it
    /// is over.
    pub(super) fn take(&mut self, carried: &[u8], plain: &mut Vec<u8>) -> Result<(), OpeningError> {
        match self {
            Self::Plain { at, .. } => {
                *at += carried.len() as u64;
                plain.extend_from_slice(carried);
                Ok(())
            }
            Self::Sealed { opening, .. } => opening.take(carried, plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;
    use crate::message::BlobId;
    use crate::seal::{FileSeed, Sealing};

    /// More than two chunks.
    const SIZE: usize = 150_000;

    fn info(content: &[u8], seed: Option<FileSeed>) -> FileInfo {
        let (blob, name, media) = (BlobId::from_u128(1), "cat".into(), String::new());
        let (size, hash) = (content.len() as u64, blake3::hash(content));
        FileInfo { blob, name, media, size, hash, seed, caption: None }
    }

    fn carried(info: &FileInfo, content: &[u8]) -> Vec<u8> {
        let Some(seed) = &info.seed else { return content.to_vec() };
        let key = FileKey::new(seed, &info.hash, info.size).unwrap();
        let mut carried = Vec::new();
        Sealing::new(key, Cursor::new(content)).read_to_end(&mut carried).unwrap();
        carried
    }

    #[test]
    fn from_wherever_it_goes_on_the_same_file_comes() {
        let content = [7; SIZE];
        for seed in [None, Some(FileSeed::generate())] {
            let info = info(&content, seed);
            let carried = carried(&info, &content);
            for had in [0, 1, 65_535, 65_536, 140_000, SIZE as u64] {
                let mut arriving = Arriving::behind(&info, had).unwrap();
                assert!(arriving.plain_offset() <= had);
                assert_eq!(arriving.size(), carried.len() as u64);
                let mut plain = content[..arriving.plain_offset() as usize].to_vec();
                for piece in carried[arriving.offset() as usize..].chunks(1_000) {
                    arriving.take(piece, &mut plain).unwrap();
                }
                assert_eq!(arriving.offset(), arriving.size());
                assert!(plain == content, "{had}");
            }
        }
    }

    #[test]
    fn nothing_comes_of_what_was_changed_on_its_way() {
        let content = [7; SIZE];
        let info = info(&content, Some(FileSeed::generate()));
        let mut carried = carried(&info, &content);
        carried[0] ^= 1;
        let (mut arriving, mut plain) = (Arriving::behind(&info, 0).unwrap(), Vec::new());
        assert_eq!(arriving.take(&carried, &mut plain), Err(OpeningError::Damaged(0)));
        assert_eq!(plain, b"");
    }

    #[test]
    fn no_file_is_longer_than_what_can_be_counted() {
        let info = FileInfo { size: i64::MAX as u64, ..info(b"", Some(FileSeed::generate())) };
        assert!(Arriving::behind(&info, 0).is_none());
    }
}
