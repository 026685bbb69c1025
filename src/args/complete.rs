//! What may stand next on a command line, for shells that complete it.
//!
//! Pure. A shell asks the program itself with [`ASKED`] and all words up to the one where the cursor is; so what is
//! offered is what [`parse`](super::parse) takes. Invariant: a line of an
//! answer is one word and, behind a space, what it means.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use super::words::is_flag;

/// The word behind which the words are that a shell asks about.
pub const ASKED: &str = "__complete";

/// What may stand in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Words, each with what it means.
    pub words: Vec<(String, String)>,
    /// Paths that the shell knows.
    pub paths: Option<Paths>,
}

/// Which paths may stand somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Any.
    Files,
    /// Folders alone.
    Folders,
}

impl Offer {
    /// Words that need no explanation.
    pub fn plain<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(|word| (word.into(), String::new()));
        Self { words: words.collect(), paths: None }
    }

    fn paths(paths: Paths) -> Self {
        Self { words: Vec::new(), paths: Some(paths) }
    }

    /// Those that begin so.
    fn beginning(mut self, begun: &str) -> Self {
        self.words.retain(|(word, _)| word.starts_with(begun));
        self
    }

    /// A line for each, as the scripts in `share/completions` read them.
    pub fn lines(&self) -> String {
        let paths = match self.paths {
            Some(Paths::Files) => ":files\n",
            Some(Paths::Folders) => ":folders\n",
            None => "",
        };
        let words = self.words.iter();
        let words = words.map(|(word, meaning)| match meaning.is_empty() {
            true => format!("{word}\n"),
            false => format!("{word} {}\n", meaning.replace('\n', " ")),
        });
        paths.to_owned() + &words.collect::<String>()
    }
}

/// The shells for which there is a script.
pub const SHELLS: [&str; 4] = ["bash", "fish", "nushell", "zsh"];
/// What is said of another.
pub const UNKNOWN_SHELL: &str = "there are scripts for bash, fish, nushell and zsh";

/// The script that has a shell complete the words of a program. None for a shell that is not known.
pub fn script(shell: &str, program: &str) -> Option<String> {
    let script = match shell {
        "bash" => include_str!("../../share/completions/bash"),
        "fish" => include_str!("../../share/completions/fish"),
        "nushell" => include_str!("../../share/completions/nushell"),
        "zsh" => include_str!("../../share/completions/zsh"),
        _ => return None,
    };
    Some(script.replace("FUNCTION", &program.replace('-', "_")).replace("PROGRAM", program))
}

/// What may stand in place of the last of these words. What an option, or a word that is none, takes is looked up by
/// what help calls it.
pub fn complete(
    info: &CommandInfoWithArgs,
    words: &[String],
    values: impl Fn(&str) -> Option<Offer>,
) -> Offer {
    let values = |name: &str| values(name).unwrap_or_else(|| usual(name));
    let Some((begun, before)) = words.split_last() else { return Offer::default() };
    let mut line = Line::new(info);
    before.iter().for_each(|word| line.take(word));
    if let Some(name) = line.awaited {
        // Bash takes the `=` behind an option for a word of its own.
        let begun = if begun == "=" { "" } else { begun };
        return values(name).beginning(begun);
    }
    if line.quoted || !begun.starts_with('-') {
        return line.next_word(values).beginning(begun);
    }
    match begun.split_once('=') {
        Some((flag, begun)) => {
            let choices = line.option(flag).map(values).unwrap_or_default().beginning(begun);
            let words = choices.words.into_iter();
            let words = words.map(|(word, meaning)| (format!("{flag}={word}"), meaning)).collect();
            Offer { words, ..choices }
        }
        None => line.flags().beginning(begun),
    }
}

/// What is taken where nobody knows better.
fn usual(name: &str) -> Offer {
    match name {
        "file" | "path" => Offer::paths(Paths::Files),
        "dir" => Offer::paths(Paths::Folders),
        name if name.contains('|') => Offer::plain(name.split('|')),
        _ => Offer::default(),
    }
}

/// A command line up to some word.
struct Line<'a> {
    levels: Vec<&'a CommandInfoWithArgs>,
    /// What the option before is to be followed by.
    awaited: Option<&'static str>,
    /// How many words there were that are neither options nor commands.
    words: usize,
    /// Behind `--`, or in a text.
    quoted: bool,
}

impl<'a> Line<'a> {
    fn new(program: &'a CommandInfoWithArgs) -> Self {
        Self { levels: vec![program], awaited: None, words: 0, quoted: false }
    }

    fn innermost(&self) -> &'a CommandInfoWithArgs {
        self.levels[self.levels.len() - 1]
    }

    fn take(&mut self, word: &str) {
        if word == "=" && self.awaited.is_some() {
            return;
        }
        if self.awaited.take().is_some() {
            return;
        }
        match self.innermost().commands.iter().find(|it| it.name == word) {
            _ if self.quoted => self.words += 1,
            _ if word == "--" => self.quoted = true,
            _ if is_flag(word) => self.awaited = self.option(word),
            Some(command) => self.levels.push(&command.command),
            None => {
                self.words += 1;
                let texts = self.innermost().positionals.iter();
                self.quoted = { texts }.any(|it| {
                    matches!(it.optionality, Optionality::Repeating | Optionality::Greedy)
                });
            }
        }
    }

    fn all_flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> {
        self.levels.iter().rev().flat_map(|level| level.flags.iter()).filter(|flag| !flag.hidden)
    }

    /// What an option takes, if it takes anything.
    fn option(&self, name: &str) -> Option<&'static str> {
        let flag = self.all_flags().find(|flag| flag.long == name)?;
        match flag.kind {
            FlagInfoKind::Option { arg_name } => Some(arg_name),
            FlagInfoKind::Switch => None,
        }
    }

    fn flags(&self) -> Offer {
        let mut words: Vec<(String, String)> = Vec::new();
        for flag in self.all_flags() {
            if !words.iter().any(|(word, _)| word == flag.long) {
                words.push((flag.long.into(), flag.description.into()));
            }
        }
        Offer { words, paths: None }
    }

    /// A command, or what stands in its place.
    fn next_word(&self, values: impl Fn(&str) -> Offer) -> Offer {
        let CommandInfoWithArgs { commands, positionals, .. } = self.innermost();
        if !commands.is_empty() && !self.quoted {
            let named = commands.iter();
            let words = named.map(|it| (it.name.into(), it.command.description.into()));
            return Offer { words: words.collect(), paths: None };
        }
        positionals.get(self.words).map(|it| values(it.name)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use argh::{ArgsInfo, FromArgs};

    use super::*;

    /// A program for tests.
    #[derive(FromArgs, ArgsInfo)]
    #[argh(help_triggers("--help"))]
    #[allow(dead_code, reason = "nobody parses it")]
    struct Program {
        /// where it lies
        #[argh(option, arg_name = "dir")]
        data: Option<String>,
        /// whether to speak TLS
        #[argh(option, arg_name = "on|off")]
        tls: Option<String>,
        #[argh(subcommand)]
        command: Option<Command>,
    }

    #[derive(FromArgs, ArgsInfo)]
    #[argh(subcommand)]
    #[allow(dead_code, reason = "nobody parses it")]
    enum Command {
        Send(Send),
        List(List),
    }

    /// Send words.
    #[derive(FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "send", help_triggers("--help"))]
    #[allow(dead_code, reason = "nobody parses it")]
    struct Send {
        /// to whom
        #[argh(option, arg_name = "name")]
        to: Option<String>,
        /// the words
        #[argh(positional)]
        text: Vec<String>,
    }

    /// List what a file has.
    #[derive(FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "list", help_triggers("--help"))]
    #[allow(dead_code, reason = "nobody parses it")]
    struct List {
        /// which
        #[argh(positional)]
        file: String,
    }

    fn offered(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).into()).collect();
        let names = |name: &str| (name == "name").then(|| Offer::plain(["marie", "mark", "anna"]));
        let choices = complete(&Program::get_args_info(), &words, names);
        let lines = choices.lines();
        lines
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_may_stand_next_is_offered() {
        for (words, expected) in [
            (&[""][..], "send list"),
            (&["s"], "send"),
            (&["--"], "--help --data --tls"),
            (&["--t"], "--tls"),
            (&["--tls", ""], "on off"),
            (&["--tls", "of"], "off"),
            (&["--tls=o"], "--tls=on --tls=off"),
            // As bash splits it.
            (&["--tls", "="], "on off"),
            (&["--tls", "=", "of"], "off"),
            (&["--data", ""], ":folders"),
            (&["send", "--to", "ma"], "marie mark"),
            (&["send", "--to", "list", "--t"], "--to --tls"),
            (&["--data", "list", ""], "send list"),
            (&["send", "please", "--to"], ""),
            (&["send", "--", "--to"], ""),
            (&["list", ""], ":files"),
            (&["list", "x", ""], ""),
            (&["--nonsense", ""], "send list"),
        ] {
            assert_eq!(offered(words), expected, "{words:?}");
        }
    }

    #[test]
    fn each_word_says_what_it_means() {
        let choices = complete(&Program::get_args_info(), &["--tl".into()], |_| None);
        assert_eq!(choices.lines(), "--tls whether to speak TLS\n");
    }

    #[test]
    fn scripts_are_for_shells_that_are_known() {
        for shell in ["bash", "fish", "nushell", "zsh"] {
            let script = script(shell, "tinychat-server").unwrap();
            assert!(script.contains("tinychat-server __complete"), "{script}");
            assert!(!script.contains("PROGRAM") && !script.contains("FUNCTION"), "{script}");
        }
        assert_eq!(script("tcsh", "tinychat"), None);
    }
}
