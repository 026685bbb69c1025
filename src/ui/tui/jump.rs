//! The list one types into to get somewhere: people and commands, the nearest first. Pure.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};

use crate::message::Name;
use crate::ui::typing::command::COMMANDS;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Jump {
    people: Vec<Name>,
    pub(super) typed: String,
    pub(super) selected: usize,
}

/// Where one may get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Person(Name),
    /// Nobody of this name is here yet.
    Newcomer(Name),
    /// A command, with its slash and whether something goes behind it.
    Command(&'static str, bool),
}

impl Target {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Person(name) => name.to_string(),
            Self::Newcomer(name) => format!("{name}, to whom you have not talked yet"),
            Self::Command(usage, _) => (*usage).to_string(),
        }
    }
}

impl Jump {
    pub(super) fn new(people: Vec<Name>) -> Self {
        Self { people, typed: String::new(), selected: 0 }
    }

    /// What fits to what was typed, the best first. A name that nobody has here yet is behind people and before commands.
    pub(super) fn found(&self) -> Vec<Target> {
        let people = self.people.iter().cloned().map(Target::Person);
        let commands = COMMANDS.iter().map(|it| Target::Command(it.usage, it.usage.contains(' ')));
        let mut matcher = Matcher::new(Config::DEFAULT);
        let pattern = Pattern::parse(&self.typed, CaseMatching::Ignore, Normalization::Smart);
        let mut scored: Vec<_> = people
            .chain(commands)
            .filter_map(|target| {
                let text = target.text();
                let mut buffer = Vec::new();
                let haystack = nucleo_matcher::Utf32Str::new(&text, &mut buffer);
                Some((pattern.score(haystack, &mut matcher)?, target))
            })
            .collect();
        // A stable sort: what fits equally stays in its order.
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let mut found: Vec<Target> = scored.into_iter().map(|(_, target)| target).collect();
        if let Ok(name) = self.typed.parse::<Name>()
            && !self.people.contains(&name)
        {
            // Who types a name wants a person.
            let people = found.iter().filter(|it| matches!(it, Target::Person(_))).count();
            found.sort_by_key(|it| matches!(it, Target::Command(..)));
            found.insert(people, Target::Newcomer(name));
        }
        found
    }

    pub(super) fn choose(&self) -> Option<Target> {
        self.found().into_iter().nth(self.selected)
    }

    pub(super) fn type_text(&mut self, text: &str) {
        self.typed.extend(text.chars().filter(|c| !c.is_control()));
        self.selected = 0;
    }

    pub(super) fn backspace(&mut self) {
        self.typed.pop();
        self.selected = 0;
    }

    pub(super) fn move_by(&mut self, down: bool) {
        let last = self.found().len().saturating_sub(1);
        self.selected =
            if down { (self.selected + 1).min(last) } else { self.selected.saturating_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn the_nearest_is_first_and_somebody_new_behind_those_whom_one_knows() {
        let mut jump = Jump::new(vec![name("anna"), name("marie"), name("marianne")]);
        assert_eq!(jump.choose(), Some(Target::Person(name("anna"))));
        jump.type_text("mrie");
        assert_eq!(jump.choose(), Some(Target::Person(name("marie"))));
        assert_eq!(jump.found()[2], Target::Newcomer(name("mrie")));
        jump.move_by(true);
        assert_eq!(jump.selected, 1);
        jump.typed.clear();
        jump.type_text("/onl");
        assert_eq!(jump.choose(), Some(Target::Command("/ONLINE", false)));
    }
}
