//! What operators did, for the log; and what they did while no server ran, for the log of the next one.
//!
//! The second is the file `operators` in the data folder, which is whoever's who has the folder's lock. A line is a time,
//! a user id, an [event](Event) and mostly a name or addresses. Invariant: what was done is done, whether or not it can
//! be written down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::operations;
use crate::folder::write_private;
use crate::log_output::{Event, FieldsOnly};
use crate::message::Timestamp;
use crate::server::people::Whom;
use crate::{output, time_text};

/// How many deeds wait for the next server. For one more the oldest is forgotten.
const MOST: usize = 1_000;

/// What an operator did, and not only looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deed {
    event: Event,
    /// Whom it concerns, as the request has it.
    word: Option<String>,
    /// The user id of the operator's process. Not every system says it.
    operator: Option<u32>,
    /// How much was written, if that is what was asked for.
    bytes: Option<u64>,
    /// When, if that was before the server was started.
    at: Option<String>,
}

impl Deed {
    /// What these words asked for, which was done.
    pub(super) fn of(words: &[&str], operator: Option<u32>) -> Option<Self> {
        let event = operations::event(words)?;
        // How long, where, and what is said is not whom it concerns.
        let concerns_somebody = !matches!(event, Event::Invite | Event::Announce);
        let word = words.get(1).filter(|_| concerns_somebody).map(|word| (*word).to_owned());
        Some(Self { event, word, operator, bytes: None, at: None })
    }

    /// The operator goes on with what is left of a damaged mailbox.
    pub(super) fn accept() -> Self {
        Self { event: Event::Accept, word: None, operator: None, bytes: None, at: None }
    }

    /// The same, with how much was written to the operator. Mostly that is only an answer.
    pub(super) fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes: (self.event == Event::Backup).then_some(bytes), ..self }
    }

    pub(super) fn log(&self) {
        let Self { event, operator, bytes, at, .. } = self;
        log::info!(
            logger: FieldsOnly,
            event = event,
            name = self.word_if(|whom| matches!(whom, Some(Whom::Name(_)))),
            block = self.word_if(|whom| matches!(whom, Some(Whom::Block(_)))),
            invitation = self.word.as_deref().filter(|_| *event == Event::Revoke),
            uid = operator,
            bytes = bytes,
            at = at.as_deref();
            "an operator has done this: {}", event.name()
        );
    }

    /// The word as a field, if it says whom it concerns in this way.
    fn word_if(&self, is_meant: impl FnOnce(Option<Whom>) -> bool) -> Option<&str> {
        let word = self.word.as_deref().filter(|_| self.event != Event::Revoke)?;
        is_meant(word.parse().ok()).then_some(word)
    }

    /// Writes it down for the next server. It was done by this very process, just now.
    pub(super) fn write_down(self, data: &Path) {
        let at = time_text::moment(Timestamp::now().printable(), 3);
        let operator = Some(rustix::process::geteuid().as_raw());
        let deed = Self { operator, at: Some(at), ..self };
        if let Err(error) = add(&file(data), &deed.to_line()) {
            output::tell(format_args!(
                "tinychat-server: this will not be in the server's log: {error}"
            ));
        }
    }

    fn to_line(&self) -> String {
        let Self { event, word, operator, at, .. } = self;
        let at = at.as_deref().unwrap_or("-");
        let operator = operator.map_or_else(|| "-".into(), |uid| uid.to_string());
        let word = word.as_ref().map(|word| format!(" {word}")).unwrap_or_default();
        format!("{at} {operator} {}{word}", event.name())
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (at, operator, event) = (words.next()?, words.next()?, words.next()?);
        let event = *Event::ALL.iter().find(|it| it.name() == event)?;
        let word = words.next().map(String::from);
        let operator = operator.parse().ok();
        Some(Self { event, word, operator, bytes: None, at: Some(at.into()) })
    }
}

/// Logs what was done while no server ran, if the log is one that has it. None keeps it: it has names that may be gone.
pub(crate) fn log_earlier(data: &Path) {
    let path = file(data);
    if !path.exists() {
        return;
    }
    let logged = fs::read_to_string(&path).and_then(|text| {
        text.lines().filter_map(Deed::parse).for_each(|deed| deed.log());
        fs::remove_file(&path)
    });
    if let Err(error) = logged {
        log::warn!("what operators did while no server ran: {}: {error}", path.display());
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("operators")
}

fn add(path: &Path, line: &str) -> io::Result<()> {
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        before => before?,
    };
    let mut lines: Vec<&str> = before.lines().chain([line]).collect();
    lines.drain(..lines.len().saturating_sub(MOST));
    write_private(path, format!("{}\n", lines.join("\n")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_earlier_is_not_kept_whatever_the_log_has() {
        let folder = tempfile::tempdir().unwrap();
        Deed::of(&["ban", "eve"], None).unwrap().write_down(folder.path());
        assert!(file(folder.path()).exists());
        log_earlier(folder.path());
        assert!(!file(folder.path()).exists());
    }

    #[test]
    fn a_deed_that_was_written_down_is_read_back() {
        for (words, line) in [
            (&["ban", "eve"][..], "2026-11-29T01:22:38.123Z 1000 ban eve"),
            (&["ban", "192.0.2.7/24", "1000"], "2026-11-29T01:22:38.123Z 1000 ban 192.0.2.7/24"),
            (&["announce", "1000", "hi"], "2026-11-29T01:22:38.123Z 1000 announce"),
            (&["backup"], "2026-11-29T01:22:38.123Z 1000 backup"),
            (
                &["reset-key", "anna", "chat.example.org"],
                "2026-11-29T01:22:38.123Z 1000 reset_key anna",
            ),
        ] {
            let deed = Deed::of(words, Some(1000)).unwrap();
            let deed = Deed { at: Some("2026-11-29T01:22:38.123Z".into()), ..deed };
            assert_eq!(deed.to_line(), line);
            assert_eq!(Deed::parse(line), Some(deed));
        }
        assert_eq!(Deed::of(&["list"], None), None);
        assert_eq!(Deed::parse("rubbish"), None);
    }

    #[test]
    fn the_last_deeds_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path());
        let many: String = (0..MOST).map(|number| format!("{number}\n")).collect();
        fs::write(&path, many).unwrap();
        add(&path, "last").unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert!(kept.starts_with("1\n") && kept.ends_with("\nlast\n"), "{kept}");
        assert_eq!(kept.lines().count(), MOST);
    }
}
