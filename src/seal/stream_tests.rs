//! Where a sealed file may be cut, and what somebody in between may do to it.

use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::file::{CHUNK, FileKey, FileSeed, OpeningError, SEALED};
use super::stream::{Opening, Sealing};

const MANY: usize = CHUNK as usize;

/// Sizes around the borders of chunks, and small ones.
fn sizes() -> impl Strategy<Value = usize> {
    let around = (0..=2_usize, 0..=2_usize);
    let around = around.prop_map(|(chunks, more)| (chunks * MANY + more).saturating_sub(1));
    prop_oneof![0..300_usize, around]
}

/// A file whose chunks differ.
fn file(size: usize) -> Vec<u8> {
    let mut plain = (0..251).collect::<Vec<u8>>().repeat(size.div_ceil(251));
    plain.truncate(size);
    plain
}

fn key(plain: &[u8]) -> FileKey {
    let seed = FileSeed::from_bytes([7; 32]);
    FileKey::new(&seed, &blake3::hash(plain), plain.len() as u64).unwrap()
}

fn sealing(plain: &[u8]) -> Sealing<Cursor<&[u8]>> {
    Sealing::new(key(plain), Cursor::new(plain))
}

fn rest_of(mut sealing: impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    sealing.read_to_end(&mut rest).unwrap();
    rest
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    rest_of(sealing(plain))
}

/// What comes out at the other end.
fn opened(key: FileKey, pieces: &[&[u8]]) -> Result<Vec<u8>, OpeningError> {
    let (mut opening, mut plain) = (Opening::new(key), Vec::new());
    pieces.iter().try_for_each(|piece| opening.take(piece, &mut plain))?;
    opening.end().map(|()| plain)
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let begins = [0].into_iter().chain(ends.iter().copied());
    begins.zip(ends.iter().copied()).map(|(from, to)| &bytes[from..to]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_sealed_is_opened_in_pieces_of_any_size(
        size in sizes(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let plain = file(size);
        let sealed = sealed(&plain);
        prop_assert_eq!(sealed.len() as u64, key(&plain).sealed_size());
        let opened = opened(key(&plain), &cut(&sealed, &cuts));
        prop_assert!(opened == Ok(plain));
    }

    #[test]
    fn an_upload_goes_on_from_any_byte_with_the_same_bytes(
        size in sizes(),
        from: Index,
        had: Index,
        buffer in 1..100_000_usize,
    ) {
        let plain = file(size);
        let (sealed, mut again) = (sealed(&plain), sealing(&plain));
        let had = had.index(sealed.len() + 1);
        let mut first = vec![0; had];
        again.read_exact(&mut first).unwrap();
        prop_assert!(first == sealed[..had]);
        let from = from.index(sealed.len() + 1);
        again.seek(SeekFrom::Start(from as u64)).unwrap();
        let mut first = vec![0; buffer];
        let length = again.read(&mut first).unwrap();
        prop_assert!(length > 0 || from == sealed.len());
        first.truncate(length);
        first.extend(rest_of(&mut again));
        prop_assert!(first == sealed[from..]);
    }

    #[test]
    fn a_download_goes_on_behind_the_chunks_that_are_here(size in sizes(), had: Index) {
        let plain = file(size);
        let sealed = sealed(&plain);
        let had = had.index(size + 1) as u64;
        let mut opening = Opening::resume(key(&plain), had);
        let (begin, missing) = (opening.plain_offset(), opening.sealed_offset());
        prop_assert!(begin <= had && had - begin < CHUNK);
        let mut opened = plain[..begin as usize].to_vec();
        opening.take(&sealed[missing as usize..], &mut opened).unwrap();
        prop_assert_eq!(opening.end(), Ok(()));
        prop_assert_eq!(opening.plain_offset(), size as u64);
        prop_assert_eq!(opening.sealed_offset(), sealed.len() as u64);
        prop_assert!(opened == plain);
    }

    #[test]
    fn no_changed_byte_is_let_through(size in sizes(), at: Index, by in 1..=255_u8) {
        let plain = file(size);
        let mut sealed = sealed(&plain);
        let at = at.index(sealed.len());
        sealed[at] ^= by;
        let number = at as u64 / SEALED;
        prop_assert!(opened(key(&plain), &[&sealed]) == Err(OpeningError::Damaged(number)));
    }

    #[test]
    fn less_and_more_are_refused(size in sizes(), at: Index, more: u8) {
        let plain = file(size);
        let mut sealed = sealed(&plain);
        let at = at.index(sealed.len());
        prop_assert!(opened(key(&plain), &[&sealed[..at]]) == Err(OpeningError::Short));
        prop_assert!(opened(key(&plain), &[&sealed, &[more]]) == Err(OpeningError::Long));
        prop_assert!(opened(key(&plain), &[&sealed[..at], &[more], &sealed[at..]]).is_err());
        sealed.remove(at);
        prop_assert!(opened(key(&plain), &[&sealed]).is_err());
    }

    #[test]
    fn whatever_comes_is_refused(size in 0..50_usize, bytes in vec(any::<u8>(), 0..99)) {
        prop_assert!(opened(key(&file(size)), &[&bytes]).is_err());
    }
}

#[test]
fn chunks_that_are_moved_left_out_or_repeated_are_refused() {
    for last in [MANY, 1] {
        let plain = file(2 * MANY + last);
        let sealed = sealed(&plain);
        let chunks: Vec<_> = sealed.chunks(SEALED as usize).collect();
        let [a, b, c] = chunks[..] else { panic!("{} chunks", chunks.len()) };
        let damaged = |number| Err(OpeningError::Damaged(number));
        for (pieces, expected) in [
            (&[a, b, c][..], Ok(plain.clone())),
            (&[b, a, c], damaged(0)),
            (&[a, c, b], damaged(1)),
            (&[b, c], damaged(0)),
            (&[a, a, b, c], damaged(1)),
            (&[a, b, b], damaged(2)),
            (&[a, b, b, c], damaged(2)),
            (&[a, b], Err(OpeningError::Short)),
            (&[a, b, c, c], Err(OpeningError::Long)),
        ] {
            assert!(opened(key(&plain), pieces) == expected, "{last}: {:?}", expected.err());
        }
    }
}

#[test]
fn what_comes_before_a_damaged_chunk_is_opened_and_nothing_behind_it() {
    let plain = file(2 * MANY);
    let sealed = sealed(&plain);
    let (mut opening, mut out) = (Opening::new(key(&plain)), Vec::new());
    let (first, second) = sealed.split_at(SEALED as usize);
    let both = [first, &second[1..], &[0]].concat();
    let damaged: Result<(), _> = Err(OpeningError::Damaged(1));
    assert_eq!(opening.take(&both, &mut out), damaged);
    assert_eq!(opening.take(second, &mut out), damaged);
    assert_eq!(opening.take(&[], &mut out), damaged);
    assert_eq!(opening.end(), damaged);
    assert!(out == plain[..MANY]);
}

#[test]
fn a_file_that_became_shorter_is_not_sealed_and_one_that_became_longer_is_sealed_as_it_was() {
    let plain = file(MANY + 2);
    let mut shorter = Sealing::new(key(&plain), Cursor::new(&plain[..=MANY]));
    let shorter = shorter.read_to_end(&mut Vec::new());
    assert_eq!(shorter.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let longer = [&plain[..], b"more"].concat();
    let longer = rest_of(Sealing::new(key(&plain), Cursor::new(longer)));
    assert!(longer == sealed(&plain));
}

#[test]
fn a_sealed_file_is_sought_in_like_any_other() {
    let plain = file(100);
    let (mut sealing, sealed) = (sealing(&plain), sealed(&plain));
    assert_eq!(sealing.seek(SeekFrom::End(-10)).unwrap(), 106);
    assert_eq!(sealing.seek(SeekFrom::Current(-6)).unwrap(), 100);
    assert_eq!(rest_of(&mut sealing), sealed[100..]);
    assert_eq!(sealing.seek(SeekFrom::Start(117)).unwrap(), 117);
    assert!(rest_of(&mut sealing).is_empty());
    let before = sealing.seek(SeekFrom::Current(-118));
    assert_eq!(before.unwrap_err().kind(), ErrorKind::InvalidInput);
}
