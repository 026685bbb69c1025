//! Files in words: the same for every face.
//!
//! Pure. Other people's words in it go through [`text`](crate::text) where they are shown.

use std::time::Duration;

use bytesize::ByteSize;

use super::news;
use crate::client::files::Listed;
use crate::client::{FileState, Freed, Lying, Received, State, Transfer, Way};
use crate::message::Kind;
use crate::text;
use crate::time_text;

/// The lines of a message, each safe to print; none of a kind that cannot be shown.
pub(crate) fn lines(kind: &Kind, body: &[u8], received: Option<&Received>) -> Option<Vec<String>> {
    if *kind == Kind::TEXT {
        return Some(text::lines(body).collect());
    }
    let file = Listed::of(kind, body, received)?;
    Some(told(&file))
}

/// The lines of what was said, each safe to print: of a text itself, of a file that it tells of, or that it cannot be
/// shown.
pub(crate) fn listed(kind: &str, text: &str, file: Option<&Listed>) -> Vec<String> {
    match file {
        Some(file) => told(file),
        None if is_shown(kind, file) => text::lines(text.as_bytes()).collect(),
        None => vec![text::clean(&format!("[{}]", news::unshowable(kind))).into_owned()],
    }
}

/// Whether what was said can be shown.
pub(crate) fn is_shown(kind: &str, file: Option<&Listed>) -> bool {
    kind == Kind::TEXT.as_str() || file.is_some()
}

fn told(Listed { n, name, media, size, caption, .. }: &Listed) -> Vec<String> {
    let caption = caption.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
    text::lines(format!("{}{caption}", head(*n, name, media, *size)).as_bytes()).collect()
}

/// `[file 2: cat.png, image/png, 1.2 MiB]`
fn head(number: Option<u64>, name: &str, media: &str, size: u64) -> String {
    let number = number.map(|number| format!(" {number}")).unwrap_or_default();
    let media = if media.is_empty() { String::new() } else { format!(", {media}") };
    // In one line, whatever it is called.
    let name = name.replace(['\n', '\r'], " ");
    format!("[file{number}: {name}{media}, {}]", ByteSize(size))
}

/// What can be done about another's file, in short.
pub(crate) fn hint(Received { number, state }: &Received) -> String {
    match state {
        FileState::Offered => format!("/GET {number}"),
        FileState::Coming => "coming".into(),
        FileState::Here => format!("/SAVE {number}"),
        FileState::Failed(why) => format!("failed: {why}"),
        FileState::Cancelled => format!("cancelled, /GET {number}"),
        FileState::Gone => "gone".into(),
        // Another's is not.
        FileState::Sent(state) => state.as_str().into(),
    }
}

/// Which file it is: `cat.png to marie`, `file 2 of marie, cat.png`.
pub(crate) fn which(Transfer { way, peer, number, name, .. }: &Transfer) -> String {
    match (way, number) {
        (Way::Down, Some(number)) => format!("file {number} of {peer}, {name}"),
        (Way::Down, None) => format!("{name} of {peer}"),
        (Way::Up, _) => format!("{name} to {peer}"),
    }
}

/// What became of it.
pub(crate) fn outcome(transfer: &Transfer) -> String {
    let Transfer { way, number, size, done, state, .. } = transfer;
    let which = which(transfer);
    match (way, state) {
        (_, FileState::Sent(state)) => format!("{which}: {}", sent(transfer, *state)),
        (Way::Up, FileState::Here) => format!("{which}: sent, {}", ByteSize(*size)),
        (Way::Down, FileState::Here) => {
            let save = number.map(|number| format!("; /SAVE {number} puts it elsewhere"));
            format!("{which}: here, {}{}", ByteSize(*size), save.unwrap_or_default())
        }
        (_, FileState::Coming) if *done > 0 => {
            format!("{which}: {} of {}", ByteSize(*done), ByteSize(*size))
        }
        (_, FileState::Coming) => format!("{which}: waits, {}", ByteSize(*size)),
        (_, FileState::Offered) => {
            let get = number.map(|number| format!("; /GET {number} has it come"));
            format!("{which}: {}{}", ByteSize(*size), get.unwrap_or_default())
        }
        (_, FileState::Failed(why)) => format!("{which}: failed: {why}"),
        (_, FileState::Cancelled) => format!("{which}: cancelled"),
        (_, FileState::Gone) => format!("{which}: the server does not have it any more"),
    }
}

/// How it is with an own file that the server has, by the message that tells of it.
fn sent(Transfer { peer, size, .. }: &Transfer, state: State) -> String {
    let fate = match state {
        State::Waiting => format!("{peer} is not told yet"),
        State::Delivered | State::Read => "delivered".into(),
        State::Expired => format!("expired, for {peer} did not come"),
        State::Stored | State::Received | State::Shown => format!("waits for {peer}"),
    };
    format!("sent, {}; {fate}", ByteSize(*size))
}

/// How it is with files, for one who asks.
pub(crate) fn list(all: &[Transfer]) -> Vec<String> {
    match all {
        [] => vec!["no file goes, went or came".into()],
        _ => all.iter().map(outcome).collect(),
    }
}

/// What lies here of others' files, by person.
pub(crate) fn lying(all: &[Lying]) -> Vec<String> {
    let line = |Lying { peer, files, bytes, unasked, limit }: &Lying| {
        let (files, most) = (count(*files), ByteSize(*limit));
        let (bytes, unasked) = (ByteSize(*bytes), ByteSize(*unasked));
        format!("here of {peer}: {files}, {bytes}; {unasked} came by itself, of {most} that may")
    };
    all.iter().map(line).collect()
}

/// What lies here no longer.
pub(crate) fn freed(Freed { peer, messages, bytes }: &Freed) -> String {
    match messages.len() as u64 {
        0 => format!("nothing of {peer} lies here that could be removed"),
        files => format!("removed of {peer}: {}, {}", count(files), ByteSize(*bytes)),
    }
}

pub(crate) fn count(files: u64) -> String {
    if files == 1 { "1 file".into() } else { format!("{files} files") }
}

/// How far it is, how quickly, and how long it takes: `45 %, 1.2 MiB/s, 12s`.
pub(crate) fn progress(done: u64, size: u64, bytes_per_second: Option<u64>) -> String {
    let percent = u128::from(done) * 100 / u128::from(size.max(1));
    let Some(rate) = bytes_per_second.filter(|rate| *rate > 0) else {
        return format!("{percent} %");
    };
    let left = Duration::from_secs(size.saturating_sub(done) / rate);
    format!("{percent} %, {}/s, {}", ByteSize(rate), time_text::duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::FileInfo;
    use crate::message::BlobId;

    #[test]
    fn a_file_is_one_line_whatever_it_is_called() {
        let info = FileInfo {
            blob: BlobId::from_u128(1),
            name: "cat\n\u{1b}[2J\u{202e}.png".into(),
            media: "image/png".into(),
            size: 1_258_291,
            hash: blake3::hash(b""),
            seed: None,
            caption: Some("my cat".into()),
        };
        let received = Received { number: 2, state: FileState::Here };
        let lines = lines(&Kind::FILE, &info.to_body(), Some(&received)).unwrap();
        assert_eq!(lines, ["[file 2: cat \u{fffd}[2J\u{fffd}.png, image/png, 1.2 MiB] my cat"]);
        assert_eq!(super::lines(&Kind::FILE, b"{}", None), None);
        assert_eq!(super::lines(&"song".parse().unwrap(), b"la", None), None);
        let listed = listed("song", "la", None);
        assert_eq!(listed, ["[something of kind song, which cannot be shown here]"]);
    }

    #[test]
    fn progress_says_how_long_it_takes() {
        assert_eq!(progress(0, 0, None), "0 %");
        assert_eq!(progress(50, 200, Some(0)), "25 %");
        assert_eq!(progress(1 << 20, 3 << 20, Some(1 << 19)), "33 %, 512.0 KiB/s, 4s");
    }
}
