//! Parses a command line: `argh`, with a pass in front of it that puts the words into the order that it needs, and its
//! errors as exit codes.
//!
//! Owned by nobody. Pure, except for [`Stop::exit`], which prints. Invariant: wrong usage exits with [`Exit::Usage`],
//! help with [`Exit::Done`].

use std::ffi::OsString;
use std::process::ExitCode;

use argh::{ArgsInfo, TopLevelCommand};

use super::file::Settings;
use super::words::Words;
use crate::exit::Exit;
use crate::output;

/// The program is not to run: print this and exit.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help was asked for.
    Help(String),
    /// The flags are wrong.
    Usage(String),
}

impl Stop {
    /// Prints the text where it belongs and gives the exit code.
    pub fn exit(self, program: &str) -> ExitCode {
        match self {
            Self::Help(text) => output::answer(program, text).into(),
            Self::Usage(text) => {
                output::tell(text);
                Exit::Usage.into()
            }
        }
    }
}

/// Parses the words behind the program's name. `--help` explains these exit codes.
pub fn parse<T: TopLevelCommand + ArgsInfo>(
    program: &str,
    words: impl IntoIterator<Item = OsString>,
    exits: &[Exit],
) -> Result<T, Stop> {
    parse_over(program, words, &Settings::default(), exits)
}

/// The same, where a file says what the words do not.
pub fn parse_over<T: TopLevelCommand + ArgsInfo>(
    program: &str,
    words: impl IntoIterator<Item = OsString>,
    below: &Settings,
    exits: &[Exit],
) -> Result<T, Stop> {
    let info = T::get_args_info();
    let mut sorted = Words::new(&info);
    let read = utf8(words).and_then(|words| sorted.read(words));
    sorted.add_below(below.said());
    let usage = |because: &str| {
        let because = because.trim_end();
        let command: String = sorted.commands().map(|it| format!(" {it}")).collect();
        Stop::Usage(format!("{program}: {because}\n`{program}{command} --help` lists the flags."))
    };
    read.map_err(|because| usage(&because))?;
    let words = sorted.in_order();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    T::from_args(&[program], &words).map_err(|exit| match exit.status {
        Ok(()) => Stop::Help(format!("{}\n\n{}", exit.output.trim_end(), Exit::explain(exits))),
        Err(()) => usage(&exit.output),
    })
}

/// The flags among words that [`parse`] accepts.
pub fn given<T: ArgsInfo>(words: impl IntoIterator<Item = OsString>) -> Vec<&'static str> {
    let info = T::get_args_info();
    let mut sorted = Words::new(&info);
    let read = utf8(words).and_then(|words| sorted.read(words));
    read.map(|()| sorted.given()).unwrap_or_default()
}

fn utf8(words: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, String> {
    let no_text = |word: OsString| format!("{} is not UTF-8", word.to_string_lossy());
    words.into_iter().map(|word| word.into_string().map_err(no_text)).collect()
}

/// The value of a flag that is `on` or `off`.
pub fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argh::FromArgs;
    use proptest::prelude::*;

    /// A program for tests.
    #[derive(FromArgs, ArgsInfo, Debug, PartialEq, Default)]
    #[argh(help_triggers("--help"))]
    struct Flags {
        /// whom to talk to
        #[argh(option)]
        to: Option<String>,
        /// where
        #[argh(option)]
        listen: Vec<String>,
        /// be quiet
        #[argh(switch)]
        quiet: bool,
        #[argh(subcommand)]
        command: Option<Command>,
    }

    #[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
    #[argh(subcommand)]
    enum Command {
        Send(Send),
        User(User),
    }

    /// Send words.
    #[derive(FromArgs, ArgsInfo, Debug, PartialEq, Default)]
    #[argh(subcommand, name = "send", help_triggers("--help"))]
    struct Send {
        /// to whom
        #[argh(option)]
        to: String,
        /// they come on standard input
        #[argh(switch)]
        stdin: bool,
        /// the words
        #[argh(positional)]
        text: Vec<String>,
    }

    /// Look after somebody.
    #[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
    #[argh(subcommand, name = "user", help_triggers("--help"))]
    struct User {
        /// where it lies
        #[argh(option)]
        data: Option<String>,
        /// who
        #[argh(positional)]
        name: String,
    }

    fn parsed(words: &[&str]) -> Result<Flags, Stop> {
        parse("test", words.iter().map(OsString::from), &[Exit::Done])
    }

    fn sent(words: &[&str]) -> Send {
        match parsed(words) {
            Ok(Flags { command: Some(Command::Send(send)), .. }) => send,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn refused(words: &[&str]) -> String {
        match parsed(words) {
            Err(Stop::Usage(text)) => text,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn a_value_may_follow_an_equals_sign() {
        for words in [&["--to", "marie"][..], &["--to=marie"]] {
            assert_eq!(parsed(words).unwrap().to.as_deref(), Some("marie"));
        }
        assert_eq!(parsed(&["--to=a=b"]).unwrap().to.as_deref(), Some("a=b"));
        assert_eq!(parsed(&["--to", "help"]).unwrap().to.as_deref(), Some("help"));
    }

    #[test]
    fn wrong_usage_and_help_are_told_apart() {
        for words in [&["--help"][..], &["help"], &["--to", "x", "--help"]] {
            let help = parsed(words);
            assert!(matches!(&help, Err(Stop::Help(text)) if text.contains("--quiet")), "{help:?}");
        }
        let Err(Stop::Help(help)) = parsed(&["help", "send"]) else { panic!("the help of send") };
        assert!(
            help.contains("Send words.") && help.ends_with("Exit codes:\n  0                 done")
        );
        for words in [&["--nonsense"][..], &["--to"], &["-"], &["word"], &["--quiet=yes"], &["-q"]]
        {
            assert!(matches!(parsed(words), Err(Stop::Usage(_))), "{words:?}");
        }
    }

    #[test]
    fn flags_stand_before_and_behind_the_command_and_all_from_the_first_word_on_is_text() {
        for (words, text) in [
            (&["send", "--to", "marie", "please", "help", "me"][..], &["please", "help", "me"][..]),
            (
                &["send", "--to", "marie", "it", "is", "-5", "degrees"],
                &["it", "is", "-5", "degrees"],
            ),
            (&["send", "--to", "marie", "-5", "--plain"], &["-5", "--plain"]),
            (&["send", "--to=marie", "--", "--to", "-"], &["--to", "-"]),
            (&["send", "--to=marie", "a", "--", "b"], &["a", "--", "b"]),
            (&["send", "--to=marie", "help"], &["help"]),
            (&["--to=marie", "send", "-", "x"], &["-", "x"]),
            (&["send", "--to=marie", "--", "-"], &["-"]),
        ] {
            let send = sent(words);
            assert_eq!((send.to.as_str(), send.stdin), ("marie", false), "{words:?}");
            assert_eq!(send.text, text, "{words:?}");
        }
        assert!(sent(&["send", "--to", "marie", "-"]).stdin);
        let quiet = parsed(&["send", "--quiet", "--to", "marie", "hi"]).unwrap();
        assert!(quiet.quiet, "a flag of the program behind the command");
    }

    #[test]
    fn a_name_is_no_text_and_flags_may_stand_behind_it() {
        for words in [&["user", "help", "--data", "x"][..], &["user", "--data=x", "help"]] {
            let user = User { data: Some("x".into()), name: "help".into() };
            assert_eq!(parsed(words).unwrap().command, Some(Command::User(user)), "{words:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_may_have_been_meant() {
        for (words, part) in [
            (&["--quite"][..], "there is no flag --quite; did you mean --quiet?"),
            (&["sned"], "there is no command sned here; did you mean send?"),
            (&["send", "hi", "--to", "marie"], "put --to first, before \"hi\""),
            (&["send", "--to=a", "--to", "b", "x"], "--to is given twice, with a and b"),
            (&["--to=a", "send", "--to", "b", "x"], "--to is given twice"),
            (&["send", "--to=a", "-x"], "a text that begins with a hyphen stands behind --"),
            (&["--stdin", "send"], "--stdin stands behind `send`"),
            (&["send", "--to"], "--to takes a value"),
            (&["--quiet=yes"], "--quiet takes no value"),
        ] {
            let text = refused(words);
            assert!(text.contains(part), "{words:?}: {text}");
        }
        assert!(refused(&["send"]).ends_with("\n`test send --help` lists the flags."));
        assert_eq!(parsed(&["--to=a", "--to", "a"]).unwrap().to.as_deref(), Some("a"));
        assert_eq!(parsed(&["--listen=a", "--listen=b"]).unwrap().listen, ["a", "b"]);
    }

    proptest! {
        #[test]
        fn any_words_are_sent_as_they_are(
            first in "[^-].*",
            more in prop::collection::vec(prop_oneof![".*", "help", "--?[a-z]{0,6}", "-[0-9]"], 0..4),
        ) {
            let more: Vec<&str> = more.iter().map(String::as_str).collect();
            let text = [&[first.as_str()], more.as_slice()].concat();
            let send = sent(&[&["send", "--to", "marie"], text.as_slice()].concat());
            prop_assert_eq!(&send.text, &text);
            let send = sent(&[&["send", "--to", "marie", "--"], more.as_slice()].concat());
            prop_assert_eq!(&send.text, &more);
        }
    }
}
