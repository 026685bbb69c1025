//! The command line of both programs: a small pass in front of `argh` that gives it what it
//! understands, and turns what it refuses into the usual exit codes.
//!
//! `argh` alone knows no `--flag=value` and has wrong usage exit with 1.

pub mod paths;

use std::ffi::OsString;
use std::process::ExitCode;

use argh::TopLevelCommand;

use crate::output;

/// Wrong usage.
pub const USAGE: u8 = 2;

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
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Help(text) => {
                // Who reads no more of it has seen enough.
                let _ = output::print(text);
                ExitCode::SUCCESS
            }
            Self::Usage(text) => {
                output::tell(text);
                ExitCode::from(USAGE)
            }
        }
    }
}

/// Parses the words behind the program's name.
pub fn parse<T: TopLevelCommand>(
    program: &str,
    words: impl IntoIterator<Item = OsString>,
) -> Result<T, Stop> {
    let usage = |text: &str| {
        let text = text.trim_end();
        Stop::Usage(format!("{program}: {text}\n`{program} --help` lists the flags."))
    };
    let mut split = Vec::new();
    for word in words {
        let word = word.into_string().map_err(|_| usage("a flag is not UTF-8"))?;
        split_value(word, &mut split);
    }
    let words: Vec<&str> = split.iter().map(String::as_str).collect();
    T::from_args(&[program], &words).map_err(|exit| match exit.status {
        Ok(()) => Stop::Help(exit.output.trim_end().into()),
        Err(()) => usage(&exit.output),
    })
}

/// The value of a flag that is `on` or `off`.
pub fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off".into()),
    }
}

/// `--flag=value` becomes two words.
fn split_value(word: String, into: &mut Vec<String>) {
    match word.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") && flag.len() > 2 => {
            into.push(flag.into());
            into.push(value.into());
        }
        _ => into.push(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argh::FromArgs;

    /// A program for tests.
    #[derive(FromArgs, Debug, PartialEq)]
    struct Flags {
        /// whom to talk to
        #[argh(option)]
        to: Option<String>,
        /// be quiet
        #[argh(switch)]
        quiet: bool,
    }

    fn parsed(words: &[&str]) -> Result<Flags, Stop> {
        parse("test", words.iter().map(OsString::from))
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
        assert!(matches!(parsed(&["--help"]), Err(Stop::Help(text)) if text.contains("--quiet")));
        for words in [&["--nonsense"][..], &["--to"], &["-"], &["word"]] {
            assert!(matches!(parsed(words), Err(Stop::Usage(_))), "{words:?}");
        }
    }
}
