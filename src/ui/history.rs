//! `tinychat history`: what was written and received, for people or, as JSON, for scripts.
//!
//! Owned by the binary. Invariant: no character of others can control a terminal; in JSON those that could are escaped,
//! so that the text stays true.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde::Serialize;
use thiserror::Error;

use super::phrases::{files, times};
use crate::client::Passage;
use crate::client::files::Listed;
use crate::client::transcript::{self, Entry, Filter, TranscriptError};
use crate::folder::{FolderError, default_data_folder};
use crate::message::{Name, Timestamp};
use crate::text;
use crate::time_text;

/// What stands behind the state of a message that anybody on its way could read.
const IN_THE_CLEAR: &str = ", in the clear";

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
    /// Where who reads it is; in JSON all times are in UTC.
    pub zone: TimeZone,
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
    let mut out = io::BufWriter::new(out);
    let print = |entry| match options.json {
        true => print_json(&entry, &mut out),
        false => print_lines(&entry, &options.zone, &mut out),
    };
    transcript::read(&data, &options.user, &options.filter, print)??;
    Ok(out.flush()?)
}

/// The object of a message; the order of its fields is part of what scripts may rely on.
#[derive(Serialize)]
struct Object<'a> {
    time: String,
    from: &'a str,
    to: &'a str,
    /// Empty where there is a kind.
    text: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Listed>,
    /// Of what cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    /// Not there before it has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<bool>,
    /// If it is quite another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
}

/// A message as scripts get it.
pub(super) struct Said<'a> {
    pub(super) time: Timestamp,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) kind: &'a str,
    pub(super) text: &'a str,
    pub(super) file: Option<&'a Listed>,
    pub(super) state: &'a str,
    pub(super) sealed: Option<bool>,
    pub(super) written: Option<Timestamp>,
}

impl Said<'_> {
    /// As JSON. What is of a kind that nobody here knows has no text.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { time, from, to, kind, text, file, state, sealed, written } = *self;
        let moment = |time: Timestamp| time_text::moment(time.printable(), 3);
        let (time, written) = (moment(time), written.map(moment));
        let (text, kind) =
            if files::is_shown(kind, file) { (text, None) } else { ("", Some(kind)) };
        let said = Object { time, from, to, text, state, file, kind, sealed, written };
        print_object(&said, out)
    }
}

/// One JSON object as a line, which steers no terminal.
pub(super) fn print_object(object: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escape(&serde_json::to_string(object)?))
}

fn print_json(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let Entry { time, from, to, kind, text, file, state, passage, written } = entry;
    let (time, sealed, written) = (*time, passage.sealed(), *written);
    let (from, to, kind, file) = (from.as_str(), to.as_str(), kind.as_str(), file.as_ref());
    Said { time, from, to, kind, text, file, state, sealed, written }.print_json(out)
}

fn print_lines(entry: &Entry, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let Entry { time, from, to, kind, text, file, state, passage, written } = entry;
    let passage = if *passage == Passage::Clear { IN_THE_CLEAR } else { "" };
    let written = written.map(|it| format!(", {}", times::written(it, *time)));
    let written = written.unwrap_or_default();
    let time = times::local(*time, zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
    for line in files::listed(kind.as_str(), text, file.as_ref()) {
        writeln!(out, "{time} {from} to {to} ({state}{passage}{written}): {line}")?;
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
    use crate::text::tests::{bad_text, does_harm};
    use proptest::prelude::*;

    /// In a zone that is two hours ahead.
    fn print_lines(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
        super::print_lines(entry, &TimeZone::fixed(jiff::tz::offset(2)), out)
    }

    fn printed(print: fn(&Entry, &mut dyn Write) -> io::Result<()>, text: &str) -> String {
        printed_as(print, "text", text, None)
    }

    fn printed_as(
        print: fn(&Entry, &mut dyn Write) -> io::Result<()>,
        kind: &str,
        text: &str,
        file: Option<Listed>,
    ) -> String {
        printed_from(Passage::Sealed, print, kind, text, file)
    }

    fn printed_from(
        passage: Passage,
        print: fn(&Entry, &mut dyn Write) -> io::Result<()>,
        kind: &str,
        text: &str,
        file: Option<Listed>,
    ) -> String {
        let entry = Entry {
            time: Timestamp(1_700_000_000_123),
            from: "marie".parse().unwrap(),
            to: "john".parse().unwrap(),
            kind: kind.parse().unwrap(),
            text: text.into(),
            file,
            state: "received".into(),
            passage,
            written: None,
        };
        let mut out = Vec::new();
        print(&entry, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn file(name: &str, caption: &str) -> Listed {
        let (media, blake3) = ("image/png".into(), "0".repeat(64));
        Listed {
            n: Some(1),
            name: name.into(),
            media,
            size: 5,
            blake3,
            caption: Some(caption.into()),
        }
    }

    #[test]
    fn json_has_the_true_text_and_nothing_that_steers() {
        let text = "a\u{1b}[2J\u{9b}\u{202e}\u{200f}\u{206a}\u{e0041}\u{7f}\"\n€";
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
        let line = "2023-11-15 00:13:20 marie to john (received): ";
        assert_eq!(printed(print_lines, "a\u{1b}b\nc"), format!("{line}a\u{fffd}b\n{line}c\n"));
    }

    #[test]
    fn when_something_was_written_is_told_if_it_came_later() {
        let entry = Entry {
            time: Timestamp(1_700_000_000_123),
            from: "marie".parse().unwrap(),
            to: "john".parse().unwrap(),
            kind: "text".parse().unwrap(),
            text: "hi".into(),
            file: None,
            state: "received".into(),
            passage: Passage::Sealed,
            written: Some(Timestamp(1_700_000_000_123 - 2 * 60 * 60 * 1_000)),
        };
        let printed = |print: fn(&Entry, &mut dyn Write) -> io::Result<()>| {
            let mut out = Vec::new();
            print(&entry, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let line = "2023-11-15 00:13:20 marie to john (received, written 2 h before): hi\n";
        assert_eq!(printed(print_lines), line);
        let json = printed(print_json);
        let end = ",\"sealed\":true,\"written\":\"2023-11-14T20:13:20.123Z\"}\n";
        assert!(json.ends_with(end), "{json}");
    }

    #[test]
    fn what_was_in_the_clear_is_told_as_such() {
        let line = printed_from(Passage::Clear, print_lines, "text", "hi", None);
        assert!(line.ends_with(" marie to john (received, in the clear): hi\n"), "{line}");
        for (passage, sealed) in [
            (Passage::Sealed, Some(r#","sealed":true}"#)),
            (Passage::Clear, Some(r#","sealed":false}"#)),
            (Passage::Unsent, None),
        ] {
            let json = printed_from(passage, print_json, "text", "hi", None);
            assert!(
                json.trim_end().ends_with(sealed.unwrap_or(r#""state":"received"}"#)),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_of_an_unknown_kind_is_told_and_not_printed() {
        let line = printed_as(print_lines, "song", "la la", None);
        assert!(
            line.ends_with(": [something of kind song, which cannot be shown here]\n"),
            "{line}"
        );
        let json = printed_as(print_json, "song", "la la", None);
        let end = r#""to":"john","text":"","state":"received","kind":"song","sealed":true}"#;
        assert_eq!(json.split_once(r#""from":"marie","#).unwrap().1.trim_end(), end);
        // A file that says nothing that can be understood is none.
        assert!(
            printed_as(print_json, "file", "{}", None)
                .contains(r#""text":"","state":"received","kind":"file","sealed":true}"#)
        );
        assert!(!printed_as(print_json, "file", "a", Some(file("a", "b"))).contains("kind"));
    }

    proptest! {
        #[test]
        fn whatever_others_say_does_no_harm_and_json_is_true(text in bad_text(), caption in bad_text()) {
            let file = || Some(file(&text, &caption));
            for line in [
                printed(print_lines, &text),
                printed(print_json, &text),
                printed_as(print_lines, "file", "", file()),
                printed_as(print_json, "file", "", file()),
            ] {
                prop_assert!(!does_harm(&line.replace('\n', "")), "{line:?}");
            }
            let object: serde_json::Value = serde_json::from_str(&printed_as(print_json, "file", &text, file())).unwrap();
            prop_assert_eq!(&object["text"], &text);
            prop_assert_eq!(&object["file"]["caption"], &caption);
        }
    }
}
