//! `tinychat history`: what was written and received, for people or, as JSON, for scripts.
//!
//! Owned by the binary. Invariant: no character of others can steer a terminal; in JSON those that
//! could are escaped, so that the text stays true.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use super::{files, text};
use crate::client::files::Listed;
use crate::client::transcript::{self, Entry, Filter, TranscriptError};
use crate::folder::{FolderError, default_data_folder};
use crate::message::{Name, Timestamp};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose.
    pub user: Name,
    /// Which.
    pub filter: Filter,
    /// The data folder, if not the default one.
    pub data: Option<PathBuf>,
    /// One JSON object a line.
    pub json: bool,
}

/// Why nothing, or not all, is printed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages are those of the causes")]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    #[error("cannot print it: {0}")]
    Print(#[from] io::Error),
}

/// Prints a person's messages, oldest first.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let data = match &options.data {
        Some(data) => data.clone(),
        None => default_data_folder("tinychat")?.join(options.user.as_str()),
    };
    let print = if options.json { print_json } else { print_lines };
    let mut out = io::BufWriter::new(out);
    transcript::read(&data, &options.user, &options.filter, |entry| print(&entry, &mut out))??;
    Ok(out.flush()?)
}

/// The object of a message; the order of its fields is part of what scripts may rely on.
#[derive(Serialize)]
struct Object<'a> {
    time: String,
    from: &'a str,
    to: &'a str,
    text: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Listed>,
}

fn print_json(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let Entry { time, from, to, text, file, state } = entry;
    let time = humantime::format_rfc3339_millis(time.printable()).to_string();
    let file = file.as_ref();
    let object = Object { time, from: from.as_str(), to: to.as_str(), text, state, file };
    writeln!(out, "{}", escape(&serde_json::to_string(&object)?))
}

/// One that just came, as JSON.
pub(super) fn print_received(
    from: &str,
    user: &Name,
    time: Timestamp,
    text: &str,
    file: Option<&Listed>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(time.printable()).to_string();
    let object = Object { time, from, to: user.as_str(), text, state: "received", file };
    writeln!(out, "{}", escape(&serde_json::to_string(&object)?))
}

fn print_lines(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let Entry { time, from, to, text, file, state } = entry;
    let time = humantime::format_rfc3339_seconds(time.printable());
    for line in files::listed(text, file.as_ref()) {
        writeln!(out, "{time} {from} to {to} ({state}): {line}")?;
    }
    Ok(())
}

/// JSON leaves as they are some characters that steer terminals; all of them are inside strings.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if text::is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(print: fn(&Entry, &mut dyn Write) -> io::Result<()>, text: &str) -> String {
        let entry = Entry {
            time: Timestamp(1_700_000_000_123),
            from: "marie".parse().unwrap(),
            to: "john".parse().unwrap(),
            text: text.into(),
            file: None,
            state: "received".into(),
        };
        let mut out = Vec::new();
        print(&entry, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_has_the_true_text_and_nothing_that_steers() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\u{7f}\"\n€";
        let line = printed(print_json, text);
        assert!(!line.trim_end().contains(text::is_harmful), "{line:?}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["text"], text);
        assert_eq!(object["time"], "2023-11-14T22:13:20.123Z");
        let fields = r#"{"time":"2023-11-14T22:13:20.123Z","from":"marie","to":"john","text":"#;
        assert!(line.starts_with(fields), "{line}");
    }

    #[test]
    fn lines_are_clean() {
        let line = "2023-11-14T22:13:20Z marie to john (received): ";
        assert_eq!(printed(print_lines, "a\u{1b}b\nc"), format!("{line}a\u{fffd}b\n{line}c\n"));
    }
}
