//! How a line of fields is written: as JSON, or as logfmt.
//!
//! Pure: the time is an argument. Invariant: a record is one line, and read back it has what was logged, whatever that
//! is. Nothing in it can steer a terminal: what [`text`](crate::text) calls harmful is escaped, as `\u` and four digits.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{Level, Metadata, Record};

use crate::text::is_harmful;
use crate::time_text;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object of JSON (RFC 8259).
    Json,
    /// `key=value`, with quotes where they are needed.
    Logfmt,
}

/// The crates whose words are the server's own.
const OWN: [&str; 2] = ["tinychat", "tinychat_server"];

/// The fields of each line, which no record gives another value.
const TAKEN: [&str; 4] = ["time", "level", "target", "msg"];

/// A record as a line, with its end.
pub(super) fn line(format: Format, time: SystemTime, record: &Record<'_>) -> String {
    let mut line = Line { format, text: String::new() };
    line.add_text("time", &time_text::moment(time, 3));
    line.add_text("level", &level(record.metadata()).as_str().to_ascii_lowercase());
    if record.key_values().get(Key::from_str("event")).is_none() {
        line.add_text("target", record.target());
    }
    // A line takes every value.
    let _ = record.key_values().visit(&mut line);
    line.add_text("msg", &record.args().to_string());
    line.end()
}

/// How important something is. What libraries say of themselves is for developers: what it means to an operator, the
/// server says.
pub(super) fn level(metadata: &Metadata<'_>) -> Level {
    let of = metadata.target().split("::").next().unwrap_or_default();
    if OWN.contains(&of) { metadata.level() } else { metadata.level().max(Level::Debug) }
}

struct Line {
    format: Format,
    text: String,
}

impl Line {
    fn add_text(&mut self, key: &str, value: &str) {
        self.add_key(key);
        if self.format == Format::Logfmt && !value.is_empty() && value.chars().all(is_plain) {
            self.text.push_str(value);
        } else {
            quote(&mut self.text, value);
        }
    }

    /// A number, or whether something is so.
    fn add_bare(&mut self, key: &str, value: impl Display) {
        self.add_key(key);
        // A string takes everything.
        let _ = write!(self.text, "{value}");
    }

    fn add_key(&mut self, key: &str) {
        let is_first = self.text.is_empty();
        match self.format {
            Format::Json => {
                self.text.push(if is_first { '{' } else { ',' });
                quote(&mut self.text, key);
                self.text.push(':');
            }
            Format::Logfmt => {
                self.text.push_str(if is_first { "" } else { " " });
                self.text.extend(key.chars().map(|c| if is_plain(c) { c } else { '_' }));
                self.text.push('=');
            }
        }
    }

    fn end(mut self) -> String {
        self.text.push_str(match self.format {
            Format::Json => "}\n",
            Format::Logfmt => "\n",
        });
        self.text
    }
}

impl<'kvs> VisitSource<'kvs> for Line {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let key = key.as_str();
        if TAKEN.contains(&key) { Ok(()) } else { value.visit(Field { line: self, key }) }
    }
}

/// A field that is added. One without a value is left out.
struct Field<'a> {
    line: &'a mut Line,
    key: &'a str,
}

impl<'v> VisitValue<'v> for Field<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.line.add_text(self.key, value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.line.add_bare(self.key, value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.line.add_bare(self.key, value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.line.add_bare(self.key, value);
        Ok(())
    }
}

/// Whether a character needs no quotes around it.
fn is_plain(c: char) -> bool {
    !(c.is_whitespace() || is_harmful(c) || matches!(c, '"' | '=' | '\\'))
}

/// Writes a text in quotes, as JSON has it. Readers of logfmt know the same escapes.
fn quote(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_harmful(c) => escape(line, c),
            c => line.push(c),
        }
    }
    line.push('"');
}

fn escape(line: &mut String, c: char) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units).iter() {
        // A string takes everything.
        let _ = write!(line, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::text::tests::bad_text;

    const FORMATS: [Format; 2] = [Format::Json, Format::Logfmt];

    fn moment() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_795_915_358_123)
    }

    /// What a program reads from a line.
    fn read(format: Format, line: &str) -> BTreeMap<String, String> {
        let line = line.strip_suffix('\n').unwrap();
        assert!(!line.contains(is_harmful) && !line.contains('\n'), "{line:?}");
        match format {
            Format::Json => {
                let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
                let text = |value: serde_json::Value| match value {
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                };
                read.into_iter().map(|(key, value)| (key, text(value))).collect()
            }
            Format::Logfmt => read_logfmt(line),
        }
    }

    fn read_logfmt(line: &str) -> BTreeMap<String, String> {
        let (mut read, mut rest) = (BTreeMap::new(), line);
        while let Some((key, behind)) = rest.split_once('=') {
            let end = match behind.strip_prefix('"') {
                Some(inside) => 1 + quoted(inside),
                None => behind.find(' ').unwrap_or(behind.len()),
            };
            let (value, next) = behind.split_at(end);
            let unquoted = || serde_json::from_str(value).unwrap();
            let value = if value.starts_with('"') { unquoted() } else { value.to_owned() };
            assert!(read.insert(key.to_owned(), value).is_none(), "{key} twice in {line:?}");
            rest = next.strip_prefix(' ').unwrap_or(next);
        }
        assert_eq!(rest, "", "of {line:?}");
        read
    }

    /// How long a text is up to the quote that ends it, and with that.
    fn quoted(inside: &str) -> usize {
        let mut is_escaped = false;
        for (at, c) in inside.char_indices() {
            match c {
                '"' if !is_escaped => return at + 1,
                c => is_escaped = c == '\\' && !is_escaped,
            }
        }
        panic!("no end of {inside:?}");
    }

    #[test]
    fn an_event_is_a_line_of_its_fields() {
        let fields = [
            ("event", Value::from("sign_in_refused")),
            ("name", Value::from("john")),
            ("addr", Value::from("127.0.0.1:40312")),
            ("key", Value::null()),
            ("bytes", Value::from(5_u64)),
            ("tls", Value::from(true)),
        ];
        let of = |format| {
            let mut record = Record::builder();
            record.level(Level::Warn).target("tinychat::server").key_values(&fields);
            line(format, moment(), &record.args(format_args!("\"no\" to john")).build())
        };
        assert_eq!(
            of(Format::Json),
            "{\"time\":\"2026-11-29T01:22:38.123Z\",\"level\":\"warn\",\"event\":\"sign_in_refused\",\"name\":\"john\",\"addr\":\"127.0.0.1:40312\",\"bytes\":5,\"tls\":true,\"msg\":\"\\\"no\\\" to john\"}\n"
        );
        assert_eq!(
            of(Format::Logfmt),
            "time=2026-11-29T01:22:38.123Z level=warn event=sign_in_refused name=john addr=127.0.0.1:40312 bytes=5 tls=true msg=\"\\\"no\\\" to john\"\n"
        );
    }

    #[test]
    fn what_a_library_says_of_itself_is_for_developers() {
        for (target, logged) in
            [("fjall::db", Level::Debug), ("tinychat", Level::Info), ("tinychatter", Level::Debug)]
        {
            let metadata = Metadata::builder().target(target).level(Level::Info).build();
            assert_eq!(level(&metadata), logged, "{target}");
        }
        let trace = Metadata::builder().target("rustls").level(Level::Trace).build();
        assert_eq!(level(&trace), Level::Trace);
    }

    #[test]
    fn a_field_of_every_line_stays_what_it_is() {
        let fields = [("level", Value::from("debug")), ("msg", Value::from("lies"))];
        for format in FORMATS {
            let mut record = Record::builder();
            record.level(Level::Info).target("tinychat").key_values(&fields);
            let line = line(format, moment(), &record.args(format_args!("true")).build());
            let read = read(format, &line);
            assert_eq!(
                (&*read["level"], &*read["msg"], &*read["target"]),
                ("info", "true", "tinychat")
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_logged_is_one_line_that_is_read_back(
            name in prop_oneof![bad_text(), any::<String>()],
            said in prop_oneof![bad_text(), any::<String>()],
            target in any::<String>(),
            number in any::<i64>(),
        ) {
            let fields = [
                ("name", Value::from(name.as_str())),
                ("number", Value::from(number)),
                ("shown", Value::from_display(&name)),
            ];
            for format in FORMATS {
                let mut record = Record::builder();
                record.target(&target).key_values(&fields);
                let line = line(format, moment(), &record.args(format_args!("{said}")).build());
                let read = read(format, &line);
                prop_assert_eq!(&read["name"], &name);
                prop_assert_eq!(&read["shown"], &name);
                prop_assert_eq!(&read["msg"], &said);
                prop_assert_eq!(&read["target"], &target);
                prop_assert_eq!(&read["number"], &number.to_string());
                prop_assert_eq!(read.len(), 7);
            }
        }
    }
}
