//! The words of a command line, in the order and the spelling that `argh` needs.
//!
//! Pure. Owned by [`parse`](super::parse). Invariant: flags are before or after the command, up to the first word that
//! is no flag; if a command takes a text, all from there on is text, and so is all after `--`.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use super::likeness::nearest;

/// How much a wrong flag or command may differ from what may have been meant.
const ALIKE: usize = 3;

/// What the words are, one after the other.
pub(super) struct Words<'a> {
    /// The program, the command that was named, and that command's own one.
    levels: Vec<&'a CommandInfoWithArgs>,
    given: Vec<(&'static FlagInfo<'static>, Option<String>)>,
    /// What is no flag and no command.
    rest: Vec<String>,
    /// The rest stands behind `--`.
    quoted: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(program: &'a CommandInfoWithArgs) -> Self {
        Self { levels: vec![program], given: Vec::new(), rest: Vec::new(), quoted: false }
    }

    /// The commands that were named, as they are typed behind the program's name.
    pub(super) fn commands(&self) -> impl Iterator<Item = &'static str> {
        self.levels.iter().skip(1).map(|level| level.name)
    }

    pub(super) fn read(&mut self, words: Vec<String>) -> Result<(), String> {
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                self.quoted = true;
                self.rest.extend(words.by_ref());
            } else if is_flag(&word) {
                self.take_flag(&word, &mut words)?;
            } else {
                self.take_word(word, &mut words)?;
            }
        }
        self.take_hyphen();
        self.check_place()
    }

    /// The words as `argh` takes them.
    pub(super) fn in_order(&self) -> Vec<String> {
        let help = self.given.iter().find(|(flag, _)| flag.long == "--help");
        if help.is_some() {
            return self.commands().chain(["--help"]).map(String::from).collect();
        }
        let mut ordered = Vec::new();
        for (depth, level) in self.levels.iter().enumerate() {
            ordered.extend((depth > 0).then(|| level.name.to_owned()));
            let own = self.given.iter().filter(|(flag, _)| self.depth_of(flag.long) == Some(depth));
            for (flag, value) in own {
                ordered.push(flag.long.into());
                ordered.extend(value.clone());
            }
        }
        if !self.rest.is_empty() {
            ordered.push("--".into());
            ordered.extend_from_slice(&self.rest);
        }
        ordered
    }

    /// The flags that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        self.given.iter().map(|(flag, _)| flag.long).collect()
    }

    /// Adds what was said elsewhere of flags that were not given, each without its hyphens. What is no flag here is left
    /// out.
    pub(super) fn add_below<'b>(&mut self, said: impl Iterator<Item = (&'b str, &'b str)>) {
        let given = self.given();
        for (key, value) in said {
            let flag = self.flag(&format!("--{key}"));
            if let Some(flag) = flag.filter(|flag| !given.contains(&flag.long)) {
                self.given.push((flag, Some(value.to_owned())));
            }
        }
    }

    fn innermost(&self) -> &'a CommandInfoWithArgs {
        self.levels[self.levels.len() - 1]
    }

    fn take_word(
        &mut self,
        word: String,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), String> {
        let level = self.innermost();
        let command = level.commands.iter().find(|it| it.name == word);
        if let Some(command) = command {
            self.levels.push(&command.command);
        } else if !level.commands.is_empty() && word == "help" {
            self.give("--help", None)?;
        } else if level.positionals.is_empty() {
            return Err(self.unknown_word(&word));
        } else {
            self.rest.push(word);
            let is_text = level.positionals.iter().any(|it| is_repeating(&it.optionality));
            if is_text {
                self.rest.extend(words);
            }
        }
        Ok(())
    }

    fn take_flag(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), String> {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let flag = self.flag(name).ok_or_else(|| self.unknown_flag(name))?;
        let value = match (&flag.kind, joined) {
            (FlagInfoKind::Switch, None) => None,
            (FlagInfoKind::Switch, Some(_)) => return Err(format!("{name} takes no value")),
            (FlagInfoKind::Option { .. }, Some(value)) => Some(value),
            (FlagInfoKind::Option { arg_name }, None) => {
                let value = words.next();
                Some(value.ok_or_else(|| format!("{name} takes a value: {name} <{arg_name}>"))?)
            }
        };
        self.give(flag.long, value)
    }

    fn give(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let Some(flag) = self.flag(name) else { return Err(self.unknown_flag(name)) };
        let before = self.given.iter().find(|(it, _)| it.long == flag.long);
        match before {
            Some(_) if is_repeating(&flag.optionality) => {}
            Some((_, before)) if *before == value => return Ok(()),
            Some((_, before)) => {
                let (one, other) = (before.as_deref(), value.as_deref());
                let values = [one, other].map(Option::unwrap_or_default).join(" and ");
                return Err(format!("{name} is given twice, with {values}: which one is meant?"));
            }
            None => {}
        }
        self.given.push((flag, value));
        Ok(())
    }

    /// A hyphen as the only word says that the text comes on standard input.
    fn take_hyphen(&mut self) {
        let reads = self.innermost().flags.iter().find(|it| it.long == "--stdin");
        if let Some(flag) = reads.filter(|_| !self.quoted && self.rest == ["-"]) {
            self.rest.clear();
            self.given.push((flag, None));
        }
    }

    /// A flag that is needed, and stands where all is text.
    fn check_place(&self) -> Result<(), String> {
        for flag in self.innermost().flags.iter().filter(|it| is_required(it)) {
            let is_given = self.given.iter().any(|(it, _)| it.long == flag.long);
            let is_behind = self.rest.iter().any(|it| it.split('=').next() == Some(flag.long));
            if !is_given && is_behind {
                let (flag, first) = (flag.long, &self.rest[0]);
                return Err(format!(
                    "from {first:?} on all is text; put {flag} first, before {first:?}"
                ));
            }
        }
        Ok(())
    }

    /// A flag of the command, or of the program.
    fn flag(&self, name: &str) -> Option<&'static FlagInfo<'static>> {
        let all = self.levels.iter().rev().flat_map(|level| level.flags.iter());
        { all }.find(|flag| flag.long == name)
    }

    fn depth_of(&self, name: &str) -> Option<usize> {
        self.levels.iter().rposition(|level| level.flags.iter().any(|flag| flag.long == name))
    }

    fn unknown_flag(&self, name: &str) -> String {
        let all = self.levels.iter().flat_map(|level| level.flags.iter().map(|flag| flag.long));
        let elsewhere = self.innermost().commands.iter();
        let owner = { elsewhere }.find(|it| it.command.flags.iter().any(|flag| flag.long == name));
        if let Some(command) = owner {
            return format!("{name} stands behind `{}`, whose flag it is", command.name);
        }
        let is_text = self.innermost().positionals.iter().any(|it| is_repeating(&it.optionality));
        let text = if is_text { "; a text that begins with a hyphen stands behind --" } else { "" };
        format!("there is no flag {name}{}{text}", meant(name, all))
    }

    fn unknown_word(&self, word: &str) -> String {
        let all = self.innermost().commands.iter().map(|command| command.name);
        let what = if self.innermost().commands.is_empty() { "word" } else { "command" };
        format!("there is no {what} {word} here{}", meant(word, all))
    }
}

/// What may have been meant by something that there is not, as the end of a sentence.
fn meant<'a>(word: &str, all: impl Iterator<Item = &'a str>) -> String {
    let nearest = nearest(word, all, ALIKE);
    nearest.map(|it| format!("; did you mean {it}?")).unwrap_or_default()
}

/// A hyphen alone is none, nor is a number below zero.
pub(super) fn is_flag(word: &str) -> bool {
    let behind = word.strip_prefix('-').and_then(|rest| rest.chars().next());
    behind.is_some_and(|c| !c.is_ascii_digit())
}

fn is_repeating(optionality: &Optionality) -> bool {
    matches!(optionality, Optionality::Repeating | Optionality::Greedy)
}

fn is_required(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.optionality, Optionality::Required)
        && matches!(flag.kind, FlagInfoKind::Option { .. })
}
