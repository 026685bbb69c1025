//! A file of a program's options, in TOML: each key is an option without its hyphens, and takes what may stand behind it.
//! A list stands for an option that may be given several times, or for values with commas between them.
//!
//! Pure, but for [`Settings::read`]. Invariant: what reads the command line reads the values, so both take the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FlagInfo, FlagInfoKind, Optionality, TopLevelCommand};
use thiserror::Error;
use toml::{Spanned, Value};

use super::likeness::nearest;

/// The longest file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// How much a wrong key may differ from what may have been meant.
const ALIKE: usize = 3;

/// Why a file cannot be used. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum FileError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{}, line {line}: {what}", path.display())]
    Wrong { path: PathBuf, line: usize, what: String },
}

/// What a file says: keys, each with the values of its option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// Reads a file. The keys are these, each of an option of the program `T`.
    pub fn read<T: TopLevelCommand + ArgsInfo>(
        path: &Path,
        keys: &[&str],
    ) -> Result<Self, FileError> {
        read_as(path, |text| parse::<T>(text, keys))
    }

    /// Reads what a file says of one key alone, whatever stands there for others.
    pub fn read_only<T: TopLevelCommand + ArgsInfo>(
        path: &Path,
        key: &str,
    ) -> Result<Self, FileError> {
        read_as(path, |text| parse_only::<T>(text, key))
    }

    /// Each key and each of its values.
    pub fn said(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(key, values)| {
            values.iter().map(move |value| (key.as_str(), value.as_str()))
        })
    }

    /// The keys of which another file says something else.
    pub fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let keys: BTreeSet<_> = self.0.keys().chain(other.0.keys()).map(String::as_str).collect();
        keys.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key)).collect()
    }
}

/// What is wrong, and from which byte on.
#[derive(Debug)]
struct Wrong {
    at: usize,
    what: String,
}

fn read_as(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<Settings, Wrong>,
) -> Result<Settings, FileError> {
    let text = read(path).map_err(|cause| FileError::Unreadable { path: path.into(), cause })?;
    parse(&text).map_err(|Wrong { at, what }| FileError::Wrong {
        path: path.into(),
        line: line_of(&text, at),
        what,
    })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_FILE {
        Err(io::Error::other("it has more than 64 KiB"))
    } else {
        Ok(text)
    }
}

fn parse<T: TopLevelCommand + ArgsInfo>(text: &str, keys: &[&str]) -> Result<Settings, Wrong> {
    judge::<T>(table(text)?, keys)
}

fn parse_only<T: TopLevelCommand + ArgsInfo>(text: &str, key: &str) -> Result<Settings, Wrong> {
    let mut table = table(text)?;
    table.retain(|other, _| other == key);
    judge::<T>(table, &[key])
}

type Table = BTreeMap<String, Spanned<Value>>;

fn table(text: &str) -> Result<Table, Wrong> {
    toml::from_str(text).map_err(|error: toml::de::Error| Wrong {
        at: error.span().map_or(0, |span| span.start),
        what: error.message().replace('\n', "; "),
    })
}

fn judge<T: TopLevelCommand + ArgsInfo>(table: Table, keys: &[&str]) -> Result<Settings, Wrong> {
    let mut rows: Vec<_> = table.into_iter().collect();
    rows.sort_by_key(|(_, value)| value.span().start);
    let mut settings = BTreeMap::new();
    for (key, value) in rows {
        let at = value.span().start;
        let values = values::<T>(&key, value.get_ref(), keys).map_err(|what| Wrong { at, what })?;
        // An empty list says nothing.
        if !values.is_empty() {
            settings.insert(key, values);
        }
    }
    Ok(Settings(settings))
}

/// What would stand behind the option, each time that it is given.
fn values<T: TopLevelCommand + ArgsInfo>(
    key: &str,
    value: &Value,
    keys: &[&str],
) -> Result<Vec<String>, String> {
    let (long, info) = (format!("--{key}"), T::get_args_info());
    let flag = info.flags.iter().find(|flag| flag.long == long && keys.contains(&key));
    let flag = flag.ok_or_else(|| unknown(key, keys))?;
    let wrong = |what: String| format!("{key}: {what}");
    let values = words(flag, value).map_err(wrong)?;
    values.iter().try_for_each(|it| check::<T>(&long, it)).map_err(wrong)?;
    Ok(values)
}

fn unknown(key: &str, keys: &[&str]) -> String {
    let nearest = nearest(key, keys.iter().copied(), ALIKE);
    let meant = nearest.map(|it| format!("; did you mean {it}?")).unwrap_or_default();
    format!("there is no key {key:?}{meant}")
}

fn words(flag: &FlagInfo<'_>, value: &Value) -> Result<Vec<String>, String> {
    let Value::Array(all) = value else { return Ok(vec![word(value)?]) };
    let all = all.iter().map(word).collect::<Result<Vec<_>, _>>()?;
    match (&flag.optionality, &flag.kind) {
        (Optionality::Repeating | Optionality::Greedy, _) => Ok(all),
        (_, FlagInfoKind::Option { arg_name }) if arg_name.contains(',') => Ok(vec![all.join(",")]),
        _ => Err("one value is expected, and no list".into()),
    }
}

fn word(value: &Value) -> Result<String, String> {
    match value {
        // Paths that begin with one are made by `super::paths`.
        Value::String(text) if text.contains('\0') => Err("no text has a NUL".into()),
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Boolean(is_on) => Ok(if *is_on { "on" } else { "off" }.into()),
        _ => Err("a text in quotes or a number is expected".into()),
    }
}

/// Whether the program takes a value.
fn check<T: TopLevelCommand>(long: &str, value: &str) -> Result<(), String> {
    let Err(exit) = T::from_args(&["program"], &[long, value]) else { return Ok(()) };
    let said = exit.output.trim_end();
    let before = format!("Error parsing option '{long}' with value '{value}': ");
    Err(said.strip_prefix(&before).unwrap_or(said).replace('\n', "; "))
}

/// In which line a byte is.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::*;
    use crate::args::{on_or_off, parse_over};

    const KEYS: &[&str] = &["listen", "tls", "backlog", "keep"];

    /// A program for tests.
    #[derive(ArgsInfo, FromArgs, Debug, PartialEq)]
    #[argh(help_triggers("--help"))]
    struct Flags {
        /// where
        #[argh(option, arg_name = "addr")]
        listen: Vec<String>,
        /// on or off
        #[argh(option, arg_name = "on|off", default = "true", from_str_fn(on_or_off))]
        tls: bool,
        /// how many, and how much
        #[argh(option, arg_name = "n,size")]
        backlog: Option<String>,
        /// how long
        #[argh(option, arg_name = "n")]
        keep: Option<u8>,
        /// the file
        #[argh(option, arg_name = "file")]
        config: Option<String>,
    }

    fn settings(text: &str) -> Settings {
        parse::<Flags>(text, KEYS).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    fn over(words: &[&str], text: &str) -> Flags {
        let words = words.iter().map(std::ffi::OsString::from);
        parse_over("test", words, &settings(text), &[]).unwrap()
    }

    #[test]
    fn what_the_command_line_does_not_say_the_file_does() {
        let text = "listen = ['a', 'b']\ntls = false\nbacklog = [3, '1MiB']\nkeep = 7\n";
        let told = over(&[], text);
        assert_eq!(
            (told.listen, told.tls, told.keep),
            (vec!["a".into(), "b".into()], false, Some(7))
        );
        assert_eq!(told.backlog.as_deref(), Some("3,1MiB"));
        let told = over(&["--listen", "c", "--keep=8"], text);
        assert_eq!((told.listen, told.tls, told.keep), (vec!["c".into()], false, Some(8)));
        assert_eq!(over(&[], "listen = []\n# keep = 3\n"), over(&[], ""));
        assert_eq!(over(&[], "listen = 'a'\ntls = 'off'\nkeep = '7'").listen, ["a"]);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_its_key_and_what_was_expected() {
        for (text, line, what) in [
            ("\nkep = 3", 2, "there is no key \"kep\"; did you mean keep?"),
            ("config = 'x'", 1, "there is no key \"config\""),
            ("[server]\nkeep = 3", 1, "there is no key \"server\""),
            ("tls = true\n\ntls = true", 3, "duplicate key"),
            ("# tls\ntls = 'maybe'", 2, "tls: it is on or off"),
            ("keep = 300", 1, "keep: number too large"),
            ("keep = [3]", 1, "keep: one value is expected, and no list"),
            ("keep = 3.5", 1, "keep: a text in quotes or a number is expected"),
            ("backlog = \"a\\u0000b\"", 1, "backlog: no text has a NUL"),
            ("tls = true\nkeep = ", 2, ""),
        ] {
            let wrong = parse::<Flags>(text, KEYS).unwrap_err();
            assert!(wrong.what.contains(what) && !wrong.what.contains('\n'), "{text}: {wrong:?}");
            assert_eq!(line_of(text, wrong.at), line, "{text}: {wrong:?}");
        }
    }

    #[test]
    fn two_files_are_compared_key_by_key() {
        let (one, other) = (settings("tls = true\nkeep = 3"), settings("keep = '3'\nlisten = 'a'"));
        assert_eq!(one.changed(&other), ["listen", "tls"]);
        assert_eq!(one.changed(&one), [""; 0]);
    }

    #[test]
    fn of_one_key_alone_a_mistake_in_others_is_not_told() {
        let only = |text| parse_only::<Flags>(text, "keep");
        assert_eq!(only("kep = 1\ntls = 'maybe'\nkeep = 3").unwrap(), settings("keep = 3"));
        assert_eq!(only("tls = 'maybe'").unwrap(), Settings::default());
        for wrong in ["keep = 300", "keep = 3\nrubbish"] {
            only(wrong).unwrap_err();
        }
    }
}
