//! What may be typed: one table that parses commands, and from which `/HELP` is printed.
//!
//! Pure. A face parses each line with [`parse`] and acts on the [`Input`].

use std::path::PathBuf;

use super::paths;
use crate::args::nearest;
use crate::client::{Seal, SealError, Unwanted};
use crate::message::Name;
use crate::trust::Digits;

/// What a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Say it to whom one is talking to.
    Text(String),
    /// Start a conversation, or turn to it.
    Talk(Name),
    /// Close a conversation: this one, or the one with somebody.
    Close(Option<Name>),
    /// Who is there?
    Online,
    /// How is the line, and what has not arrived?
    Status,
    /// What is somebody's key, or one's own?
    Fingerprint(Option<Name>),
    /// Trust somebody's new key.
    Trust(Name),
    /// Trust that nobody has a name any more, whoever had it.
    Release(Name),
    /// Which address has one's own key in it?
    Card,
    /// What becomes of words for somebody who has no keys yet?
    Seal(Seal),
    /// Somebody's key is the one with these digits; without any, ask which they are.
    Verify(Name, Option<Digits>),
    /// Hear no more of somebody; or who is that?
    Block(Option<Name>),
    /// Hear of somebody again.
    Unblock(Name),
    /// Make no noise for somebody, or again: the one whom one talks to, or another.
    Mute(Option<Name>),
    /// Send files, and what to say of the first.
    Send(Vec<PathBuf>, Option<String>),
    /// Have a file come.
    Get(Option<u64>),
    /// Put a file where one wants it.
    Save(Option<u64>, Option<PathBuf>),
    /// Think better of files that are on their way.
    Cancel(Unwanted),
    /// Have files that somebody sent lie here no longer.
    Free(Option<u64>),
    /// How is it with files?
    Files,
    /// Find what was said by words; without any, ask for them.
    Search(String),
    /// What may be typed?
    Help,
    /// Done.
    Quit,
}

/// One row of the table.
#[derive(Debug)]
pub struct Command {
    /// The word behind the slash, in capitals. Case does not matter when typed.
    pub name: &'static str,
    /// The command with what it takes.
    pub usage: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    parse: fn(&str) -> Result<Input, String>,
}

/// Every command.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "TALK",
        usage: "/TALK name",
        help: "start a conversation, or turn to one that is open",
        parse: |words| Ok(Input::Talk(name(words)?)),
    },
    Command {
        name: "CLOSE",
        usage: "/CLOSE [name]",
        help: "close this conversation, or the one with somebody",
        parse: |words| Ok(Input::Close(name_if_any(words)?)),
    },
    Command {
        name: "SEND",
        usage: "/SEND PATHS [caption]",
        help: "send files; a path with spaces stands in quotes",
        parse: |words| {
            paths::split_files(words).map(|(paths, caption)| Input::Send(paths, caption))
        },
    },
    Command {
        name: "GET",
        usage: "/GET [n]",
        help: "have a file come that does not come by itself: number n, or the last",
        parse: |words| Ok(Input::Get(number_if_any(words)?)),
    },
    Command {
        name: "SAVE",
        usage: "/SAVE [n] [PATH]",
        help: "put a file where you want it, once it is here (without a path: your downloads)",
        parse: save,
    },
    Command {
        name: "CANCEL",
        usage: "/CANCEL [n or file]",
        help: "stop files that come (number n) or go, all or one; if none does: call back the last one that waits",
        parse: |words| Ok(Input::Cancel(unwanted(words))),
    },
    Command {
        name: "FILES",
        usage: "/FILES",
        help: "list the files that go and come, went and came, and how much lies here",
        parse: |words| nothing(words, Input::Files),
    },
    Command {
        name: "FREE",
        usage: "/FREE [n]",
        help: "make room: remove file n of theirs from here, or all of them; what you saved elsewhere stays",
        parse: |words| Ok(Input::Free(number_if_any(words)?)),
    },
    Command {
        name: "ONLINE",
        usage: "/ONLINE",
        help: "list the people who are online",
        parse: |words| nothing(words, Input::Online),
    },
    Command {
        name: "STATUS",
        usage: "/STATUS",
        help: "say how the line to the server is, and what has not arrived yet",
        parse: |words| nothing(words, Input::Status),
    },
    Command {
        name: "FINGERPRINT",
        usage: "/FINGERPRINT [name]",
        help: "show your key, or somebody's, to compare by voice",
        parse: |words| Ok(Input::Fingerprint(name_if_any(words)?)),
    },
    Command {
        name: "TRUST",
        usage: "/TRUST name [NOBODY]",
        help: "accept the changed key of somebody, or device list",
        parse: trust,
    },
    Command {
        name: "VERIFY",
        usage: "/VERIFY name [digits]",
        help: "compare digits with somebody, to be sure of their key",
        parse: verify,
    },
    Command {
        name: "CARD",
        usage: "/CARD",
        help: "show your address with your key in it, for others",
        parse: |words| nothing(words, Input::Card),
    },
    Command {
        name: "SEAL",
        usage: "/SEAL AUTO|ALWAYS",
        help: "words for who has no keys yet: are sent, or wait here",
        parse: seal,
    },
    Command {
        name: "BLOCK",
        usage: "/BLOCK [name]",
        help: "hear no more of somebody; alone: list whom you block",
        parse: |words| Ok(Input::Block(name_if_any(words)?)),
    },
    Command {
        name: "UNBLOCK",
        usage: "/UNBLOCK name",
        help: "hear of somebody again",
        parse: |words| Ok(Input::Unblock(name(words)?)),
    },
    Command {
        name: "MUTE",
        usage: "/MUTE [name]",
        help: "on the full screen: no bell for somebody, and no count in the title; again: as before",
        parse: |words| Ok(Input::Mute(name_if_any(words)?)),
    },
    Command {
        name: "SEARCH",
        usage: "/SEARCH words",
        help: "find what was said, in all conversations",
        parse: |words| Ok(Input::Search(words.into())),
    },
    Command {
        name: "HELP",
        usage: "/HELP",
        help: "print this list",
        parse: |words| nothing(words, Input::Help),
    },
    Command {
        name: "QUIT",
        usage: "/QUIT",
        help: "send what is written, then leave; so do QUIT alone on a line and Ctrl-D",
        parse: |words| nothing(words, Input::Quit),
    },
];

/// Parses a line. An error is a sentence for the person who typed it; nothing is sent then.
pub fn parse(line: &str) -> Result<Input, String> {
    if line == "QUIT" {
        return Ok(Input::Quit);
    }
    let Some(command) = line.strip_prefix('/') else { return Ok(Input::Text(line.into())) };
    if command.starts_with('/') {
        return Ok(Input::Text(command.into()));
    }
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let word = word.to_uppercase();
    let found = COMMANDS.iter().find(|it| it.name == word).ok_or_else(|| unknown(&word))?;
    (found.parse)(rest.trim()).map_err(|error| format!("{error}; usage: {}", found.usage))
}

/// The table for people, a line a command.
pub fn help() -> impl Iterator<Item = String> {
    let width = COMMANDS.iter().map(|it| it.usage.len()).max().unwrap_or_default();
    let rows = COMMANDS.iter().map(move |it| format!("{:width$}  {}", it.usage, it.help));
    rows.chain([format!("{:width$}  send a line that begins with a slash", "//text")])
}

fn name(words: &str) -> Result<Name, String> {
    words.parse().map_err(|error| format!("{error}"))
}

/// What stands behind the name has to be written as it is meant.
const FREE: &str = "NOBODY";

fn trust(words: &str) -> Result<Input, String> {
    match words.split_once(char::is_whitespace) {
        Some((peer, rest)) if rest.trim() == FREE => Ok(Input::Release(name(peer)?)),
        _ => Ok(Input::Trust(name(words)?)),
    }
}

fn verify(words: &str) -> Result<Input, String> {
    let (peer, digits) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let digits = Some(digits).filter(|digits| !digits.trim().is_empty());
    let digits = digits.map(str::parse::<Digits>).transpose().map_err(|error| error.to_string());
    Ok(Input::Verify(name(peer)?, digits?))
}

fn seal(words: &str) -> Result<Input, String> {
    words.to_lowercase().parse().map(Input::Seal).map_err(|error: SealError| error.to_string())
}

fn name_if_any(words: &str) -> Result<Option<Name>, String> {
    if words.is_empty() { Ok(None) } else { name(words).map(Some) }
}

fn number_if_any(words: &str) -> Result<Option<u64>, String> {
    match words {
        "" => Ok(None),
        words => words.parse().map(Some).map_err(|_| "n is the number of a file".into()),
    }
}

fn unwanted(words: &str) -> Unwanted {
    match (words, words.parse()) {
        ("", _) => Unwanted::OnTheWay,
        (_, Ok(number)) => Unwanted::Theirs(number),
        (name, Err(_)) => Unwanted::Own(name.into()),
    }
}

fn save(words: &str) -> Result<Input, String> {
    let (number, typed) = number_and_path(words);
    let path = if typed.is_empty() { None } else { Some(paths::split_path(typed)?) };
    match path {
        Some((_, Some(_))) => {
            let number = number.map(|number| format!("{number} ")).unwrap_or_default();
            let quoted = paths::quoted(typed);
            let meant = format!("one with spaces stands in quotes: /SAVE {number}{quoted}");
            Err(format!("nothing goes behind the path; {meant}"))
        }
        path => Ok(Input::Save(number, path.map(|(path, _)| path))),
    }
}

fn number_and_path(words: &str) -> (Option<u64>, &str) {
    let (first, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    match first.parse() {
        Ok(number) => (Some(number), rest.trim()),
        Err(_) => (None, words),
    }
}

fn nothing(words: &str, input: Input) -> Result<Input, String> {
    if words.is_empty() { Ok(input) } else { Err("nothing goes behind it".into()) }
}

/// Says that there is no such command, and which one may have been meant.
fn unknown(word: &str) -> String {
    let shown = crate::text::clean(word);
    let meant = match nearest(word, COMMANDS.iter().map(|it| it.name), 2) {
        Some(name) => format!("; did you mean /{name}?"),
        None => ";".into(),
    };
    format!("there is no command /{shown}{meant} nothing was sent, /HELP lists the commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_is_a_command() {
        for (line, input) in [
            ("hello", Input::Text("hello".into())),
            ("", Input::Text(String::new())),
            ("quit", Input::Text("quit".into())),
            ("QUIT", Input::Quit),
            ("//etc/passwd", Input::Text("/etc/passwd".into())),
            (" /talk marie", Input::Text(" /talk marie".into())),
            ("/Talk  Marie ", Input::Talk("marie".parse().unwrap())),
            ("/close", Input::Close(None)),
            ("/CLOSE marie", Input::Close(Some("marie".parse().unwrap()))),
            ("/online", Input::Online),
            ("/fingerprint", Input::Fingerprint(None)),
            ("/FINGERPRINT Marie", Input::Fingerprint(Some("marie".parse().unwrap()))),
            ("/trust Marie", Input::Trust("marie".parse().unwrap())),
            ("/trust marie NOBODY", Input::Release("marie".parse().unwrap())),
            ("/card", Input::Card),
            ("/seal always", Input::Seal(Seal::Always)),
            ("/SEAL Auto", Input::Seal(Seal::Auto)),
            ("/verify marie", Input::Verify("marie".parse().unwrap(), None)),
            (
                &format!("/VERIFY Marie  {}", "12345 ".repeat(12)),
                Input::Verify("marie".parse().unwrap(), Some("12345".repeat(12).parse().unwrap())),
            ),
            ("/QUIT", Input::Quit),
            (
                "/send /dev/null my cat",
                Input::Send(vec!["/dev/null".into()], Some("my cat".into())),
            ),
            ("/send /tmp/a.png", Input::Send(vec!["/tmp/a.png".into()], None)),
            ("/get", Input::Get(None)),
            ("/GET 3", Input::Get(Some(3))),
            ("/save", Input::Save(None, None)),
            ("/save 2", Input::Save(Some(2), None)),
            ("/save /tmp/x", Input::Save(None, Some("/tmp/x".into()))),
            ("/save 2 '/tmp/my x'", Input::Save(Some(2), Some("/tmp/my x".into()))),
            ("/cancel", Input::Cancel(Unwanted::OnTheWay)),
            ("/cancel 2", Input::Cancel(Unwanted::Theirs(2))),
            ("/cancel my cat.png", Input::Cancel(Unwanted::Own("my cat.png".into()))),
            ("/files", Input::Files),
            ("/free", Input::Free(None)),
            ("/free 2", Input::Free(Some(2))),
        ] {
            assert_eq!(parse(line), Ok(input), "{line:?}");
        }
    }

    #[test]
    fn a_mistake_is_explained() {
        for (line, part) in [
            ("/tlak marie", "no command /TLAK; did you mean /TALK? nothing was sent"),
            ("/etc/passwd", "no command /ETC/PASSWD; nothing was sent"),
            ("/", "there is no command /; nothing was sent"),
            ("/talk", "at least one character; usage: /TALK name"),
            ("/talk a:b", "no ':' and no '/'"),
            ("/online now", "usage: /ONLINE"),
            ("/trust marie nobody", "no spaces; usage: /TRUST name"),
            ("/seal", "it is auto or always; usage: /SEAL AUTO|ALWAYS"),
            ("/verify", "at least one character; usage: /VERIFY name [digits]"),
            ("/verify marie 12345", "60 digits, and these are 5; usage: /VERIFY name"),
            ("/verify marie SHA256:x", "'S' is no digit"),
            ("/send", "which file?; usage: /SEND PATH"),
            ("/get it", "n is the number of a file; usage: /GET [n]"),
            ("/save 1 /tmp/x y", "one with spaces stands in quotes: /SAVE 1 '/tmp/x y'"),
            ("/save /tmp/x y", "stands in quotes: /SAVE '/tmp/x y'; usage: /SAVE"),
            (
                "/send /nowhere/my cat.png",
                "there is no file /nowhere/my; a path with spaces stands",
            ),
            ("/\u{1b}[2J", "no command /\u{fffd}[2J"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line:?}: {error}");
        }
    }

    #[test]
    fn help_has_every_command() {
        let text: Vec<String> = help().collect();
        for command in COMMANDS {
            assert!(text.iter().any(|line| line.starts_with(command.usage)));
        }
    }
}
