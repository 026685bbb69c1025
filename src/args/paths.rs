//! Paths on the command line that are not UTF-8, smuggled past a parser that accepts only UTF-8.
//!
//! Pure. Invariant: no word of a command line has a NUL, so a word that begins with one was made here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What takes paths on a command line.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The flags whose values are paths.
    pub flags: &'static [&'static str],
    /// Whether words that belong to no flag may be paths, too.
    pub bare: bool,
}

impl Places {
    /// The words of a command line, in which paths are text that [`parse`] reads.
    pub fn as_text(
        self,
        words: impl IntoIterator<Item = OsString>,
    ) -> impl Iterator<Item = OsString> {
        let mut last = OsString::new();
        words.into_iter().map(move |word| {
            let before = std::mem::replace(&mut last, word.clone());
            if word.to_str().is_some() { word } else { self.encode(&before, word) }
        })
    }

    fn encode(self, before: &OsStr, word: OsString) -> OsString {
        let bytes = word.as_bytes();
        let is_flag = |word: &OsStr| word.as_bytes().starts_with(b"-");
        let value = |flag: &str| bytes.strip_prefix(flag.as_bytes())?.strip_prefix(b"=");
        let joined = self.flags.iter().find_map(|flag| Some((flag, value(flag)?)));
        match joined {
            Some((flag, value)) => format!("{flag}={}", encoded(value)).into(),
            None if self.flags.iter().any(|flag| before == *flag) => encoded(bytes).into(),
            None if self.bare && !is_flag(before) && !is_flag(&word) => encoded(bytes).into(),
            None => word,
        }
    }
}

/// Whether a word was no UTF-8, and was made text here.
pub fn is_no_text(word: &str) -> bool {
    word.starts_with('\0')
}

/// The path that a word says.
pub fn parse(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("a path is not empty".into());
    }
    let Some(encoded) = text.strip_prefix('\0') else { return Ok(text.into()) };
    let bytes = STANDARD.decode(encoded).map_err(|error| error.to_string())?;
    Ok(OsString::from_vec(bytes).into())
}

fn encoded(bytes: &[u8]) -> String {
    format!("\0{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILES: Places = Places { flags: &["--data", "--file"], bare: false };

    proptest! {
        #[test]
        fn whatever_a_path_is_it_comes_through(bytes in prop::collection::vec(1..=255u8, 1..20)) {
            let path = OsString::from_vec(bytes.clone());
            let joined = OsString::from_vec([b"--file=", &*bytes].concat());
            let words: Vec<_> = FILES.as_text(["--file".into(), path.clone(), joined]).collect();
            let value = parse(words[1].to_str().unwrap()).unwrap();
            let joined = words[2].to_str().unwrap().strip_prefix("--file=").unwrap();
            prop_assert_eq!((&value, parse(joined).unwrap()), (&PathBuf::from(path), value.clone()));
        }
    }

    #[test]
    fn other_words_stay_as_they_are() {
        let bad = || OsString::from_vec(vec![0xff]);
        let words = || ["--user".into(), bad(), "word".into(), bad(), "--file".into()];
        assert_eq!(FILES.as_text(words()).collect::<Vec<_>>(), words());
        let bare: Vec<_> = Places { bare: true, ..FILES }.as_text(words()).collect();
        assert_eq!(bare[..3], words()[..3]);
        assert_eq!(parse(bare[3].to_str().unwrap()), Ok(bad().into()));
        assert_eq!(parse(""), Err("a path is not empty".into()));
    }
}
