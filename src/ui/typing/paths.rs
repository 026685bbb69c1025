//! Words that name files: read, quoted and completed, the same for every face.
//!
//! Pure, but for looking at the disk: whether a path leads to a file, and what is in a folder. Invariant: what is written
//! by [`quoted`] and [`completions`] is read again by [`split_path`].

use std::io;
use std::path::{Path, PathBuf};

/// The path in front of what was typed, and what stands behind it. In quotes, or with backslashes, it may have
/// spaces; `~/` is home.
pub(crate) fn split_path(words: &str) -> Result<(PathBuf, Option<String>), String> {
    let mut path = String::new();
    let mut chars = words.char_indices();
    let quote = words.chars().next().filter(|c| matches!(c, '"' | '\''));
    if quote.is_some() {
        chars.next();
    }
    let mut end = words.len();
    let mut closed = quote.is_none();
    while let Some((at, c)) = chars.next() {
        match c {
            c if Some(c) == quote => {
                (end, closed) = (at + c.len_utf8(), true);
                break;
            }
            c if quote.is_none() && c.is_whitespace() => {
                end = at;
                break;
            }
            '\\' if quote != Some('\'') => path.extend(chars.next().map(|(_, c)| c)),
            c => path.push(c),
        }
    }
    match (closed, path.is_empty()) {
        (false, _) => Err("the quote is not closed".into()),
        (_, true) => Err("which file?".into()),
        _ => {
            let caption = words[end..].trim();
            Ok((expanded(&path), (!caption.is_empty()).then(|| caption.to_string())))
        }
    }
}

/// The paths in front of what was typed, and what stands behind them. What follows the first one is a file if it
/// looks like the path of one, and is one.
pub(crate) fn split_files(words: &str) -> Result<(Vec<PathBuf>, Option<String>), String> {
    let (first, mut rest) = split_path(words)?;
    if rest.is_some() && !first.is_file() && !words.starts_with(['"', '\'']) {
        explain_spaces(words, &first)?;
    }
    let mut paths = vec![first];
    while let Some((path, behind)) = rest.as_deref().and_then(further_file) {
        paths.push(path);
        rest = behind;
    }
    Ok((paths, rest))
}

fn further_file(words: &str) -> Option<(PathBuf, Option<String>)> {
    let word = words.split_whitespace().next()?;
    let is_path = word.contains(['/', '.', '\\', '"', '\'']);
    split_path(words).ok().filter(|(path, _)| is_path && path.is_file())
}

/// Refuses a path that ends at a space and leads nowhere, or not to the file that goes on behind it.
fn explain_spaces(words: &str, first: &Path) -> Result<(), String> {
    let ends = words.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    let ends = ends.chain([words.len()]).skip(1);
    if let Some(end) = ends.filter(|end| expanded(&words[..*end]).is_file()).last() {
        let meant = quoted(&words[..end]);
        return Err(format!("a path with spaces stands in quotes: /SEND {meant}"));
    }
    match first.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let first = first.display();
            Err(format!("there is no file {first}; a path with spaces stands in quotes"))
        }
        _ => Ok(()),
    }
}

/// A path as [`split_path`] reads it, spaces or not.
pub(crate) fn quoted(path: &str) -> String {
    if path.contains('\'') { escaped(path) } else { format!("'{path}'") }
}

/// A path from the root on.
pub(crate) fn expanded(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").and_then(|rest| Some(dirs::home_dir()?.join(rest)));
    let path = home.unwrap_or_else(|| path.into());
    std::path::absolute(&path).unwrap_or(path)
}

/// The file that a paste names, as terminals write one that is dragged onto them; none if it names none.
pub(crate) fn pasted(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    if text.is_empty() || text.contains('\n') {
        return None;
    }
    let path = match text.strip_prefix("file://") {
        Some(url) => PathBuf::from(percent_decoded(&url[url.find('/')?..])?),
        None => split_path(text).ok().filter(|(_, rest)| rest.is_none())?.0,
    };
    let named = text.starts_with(['/', '~', '\'', '"']) || text.starts_with("file://");
    (named && path.is_file()).then_some(path)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

/// What the beginning of a path may go on with: names in its folder, those of folders with a slash.
pub(crate) fn completions(begun: &str) -> Vec<String> {
    let begun = unescaped(begun);
    let (folder, begin) = match begun.rfind('/') {
        Some(slash) => begun.split_at(slash + 1),
        None => ("", begun.as_str()),
    };
    let place = if folder.is_empty() { PathBuf::from(".") } else { expanded(folder) };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut all: Vec<String> = { entries.flatten().take(MAX_ENTRIES) }
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begin.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            let fits = name.starts_with(begin) && !hidden;
            fits.then(|| format!("{}{}{slash}", escaped(folder), escaped(&name)))
        })
        .collect();
    all.sort();
    all
}

/// How many names of a folder are looked at.
const MAX_ENTRIES: usize = 10_000;

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    std::iter::from_fn(|| chars.next().and_then(|c| if c == '\\' { chars.next() } else { Some(c) }))
        .collect()
}

/// A name as [`split_path`] reads it.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for c in name.chars() {
        if c.is_whitespace() || matches!(c, '\\' | '"' | '\'') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_may_have_spaces_and_something_behind_it() {
        let home = dirs::home_dir().unwrap();
        let told = |caption: &str| Some(caption.to_string());
        for (words, path, caption) in [
            ("/tmp/cat.png", "/tmp/cat.png".into(), None),
            ("/tmp/cat.png  my cat ", "/tmp/cat.png".into(), told("my cat")),
            ("\"/tmp/my cat.png\" look", "/tmp/my cat.png".into(), told("look")),
            ("'/tmp/a\\b'", "/tmp/a\\b".into(), None),
            ("/tmp/my\\ cat.png look", "/tmp/my cat.png".into(), told("look")),
            ("~/cat.png", home.join("cat.png"), None),
        ] {
            assert_eq!(split_path(words), Ok((path, caption)), "{words}");
        }
        assert!(split_path("cat.png").unwrap().0.is_absolute());
        assert_eq!(split_path("\"/tmp/x"), Err("the quote is not closed".into()));
        assert_eq!(split_path(""), Err("which file?".into()));
    }

    #[test]
    fn several_files_are_named_and_spaces_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.txt", "b.txt", "my cat.png", "README"] {
            std::fs::write(path(name), "x").unwrap();
        }
        let at = folder.path().to_str().unwrap();
        let told = |caption: &str| Some(caption.to_string());
        for (words, names, caption) in [
            (
                format!("{at}/a.txt {at}/b.txt both of them"),
                &["a.txt", "b.txt"][..],
                told("both of them"),
            ),
            (format!("'{at}/my cat.png' \"{at}/b.txt\""), &["my cat.png", "b.txt"], None),
            (
                format!("{at}/my\\ cat.png {at}/my\\ cat.png x"),
                &["my cat.png", "my cat.png"],
                told("x"),
            ),
            (format!("{at}/a.txt look here."), &["a.txt"], told("look here.")),
            // Not what looks like a word.
            (format!("{at}/a.txt Cargo"), &["a.txt"], told("Cargo")),
        ] {
            let paths = names.iter().map(|name| path(name)).collect();
            assert_eq!(split_files(&words), Ok((paths, caption)), "{words}");
        }
        let error = split_files(&format!("{at}/my cat.png look")).unwrap_err();
        assert_eq!(error, format!("a path with spaces stands in quotes: /SEND '{at}/my cat.png'"));
        let error = split_files(&format!("{at}/no cat.png")).unwrap_err();
        assert!(error.starts_with(&format!("there is no file {at}/no; a path with")), "{error}");
        assert_eq!(quoted("it's my cat"), "it\\'s\\ my\\ cat");
    }

    proptest! {
        #[test]
        fn what_is_completed_is_read_again(name in "[a-z \\\\\"'ü]{1,20}") {
            let typed = format!("/{}", escaped(&name));
            prop_assert_eq!(split_path(&typed), Ok((PathBuf::from("/").join(&name), None)));
        }
    }

    #[test]
    fn what_is_dragged_is_a_file_or_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my cat.png");
        std::fs::write(&path, "x").unwrap();
        let shown = path.to_str().unwrap();
        for paste in [
            format!("'{shown}'"),
            format!("{} ", shown.replace(' ', "\\ ")),
            format!("file://{}", shown.replace(' ', "%20")),
            format!("file://localhost{}\r\n", shown.replace(' ', "%20")),
        ] {
            assert_eq!(pasted(&paste), Some(path.clone()), "{paste}");
        }
        let folder = folder.path().to_str().unwrap();
        for paste in ["", "hello", "/etc/passwd and more", "/nowhere", folder, "file://x", "a\nb"] {
            assert_eq!(pasted(paste), None, "{paste}");
        }
        for begun in ["my", "my\\ c"] {
            let completed = completions(&format!("{folder}/{begun}"));
            assert_eq!(completed, [format!("{folder}/my\\ cat.png")]);
        }
    }
}
