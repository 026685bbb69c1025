//! Paths on the command line that are no UTF-8, brought past a parser that takes nothing else.
//!
//! Pure. Invariant: no word of a command line has a NUL, so that what begins with one was made here.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The words of a command line, in which the values of this flag are text that [`parse`] reads.
pub fn as_text(
    flag: &str,
    words: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let joined = format!("{flag}=");
    let mut is_value = false;
    words.into_iter().map(move |word| {
        let was_flag = std::mem::replace(&mut is_value, word == *flag);
        match word.as_bytes().strip_prefix(joined.as_bytes()) {
            _ if word.to_str().is_some() => word,
            Some(value) => format!("{joined}{}", encoded(value)).into(),
            None if was_flag => encoded(word.as_bytes()).into(),
            None => word,
        }
    })
}

/// Whether a word was no UTF-8, and was made text here.
pub fn is_no_text(word: &str) -> bool {
    word.starts_with('\0')
}

/// The path that a word says.
pub fn parse(text: &str) -> Result<PathBuf, String> {
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

    proptest! {
        #[test]
        fn whatever_a_path_is_it_comes_through(bytes in prop::collection::vec(1..=255u8, 0..20)) {
            let path = OsString::from_vec(bytes.clone());
            let joined = OsString::from_vec([b"--file=", &*bytes].concat());
            let words: Vec<_> = as_text("--file", ["--file".into(), path.clone(), joined]).collect();
            let value = parse(words[1].to_str().unwrap()).unwrap();
            let joined = words[2].to_str().unwrap().strip_prefix("--file=").unwrap();
            prop_assert_eq!((&value, parse(joined).unwrap()), (&PathBuf::from(path), value.clone()));
        }
    }

    #[test]
    fn other_words_stay_as_they_are() {
        let bad = || OsString::from_vec(vec![0xff]);
        let words: Vec<_> = as_text("--file", ["--user".into(), bad(), "--file".into()]).collect();
        assert_eq!(words, ["--user".into(), bad(), "--file".into()]);
    }
}
