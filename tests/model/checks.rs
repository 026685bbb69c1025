//! What is asked of a model on the command line: whether its settings hold, and what is lost without each rule.

use std::process::ExitCode;
use std::time::Instant;

use crate::search::{Failure, World, explore};

/// A model in a setting, with all rules.
pub(crate) struct Setting<W> {
    pub(crate) name: &'static str,
    pub(crate) world: W,
}

/// A rule, and the model without it in the setting in which its absence shows.
pub(crate) struct Rule<W> {
    pub(crate) name: String,
    pub(crate) place: &'static str,
    pub(crate) text: &'static str,
    pub(crate) world: W,
}

/// All that can be asked.
pub(crate) struct Checks<W> {
    pub(crate) small: Vec<Setting<W>>,
    pub(crate) rules: Vec<Rule<W>>,
    pub(crate) big: Vec<Setting<W>>,
    /// What is known not to hold.
    pub(crate) limits: Vec<Setting<W>>,
}

impl<W: World> Checks<W> {
    /// Does what the arguments say: `all` (also without any), `only NAME…`, `big [NAME…]` or `limits`.
    pub(crate) fn run(&self) -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let what = arguments.first().map_or("all", String::as_str);
        let names = arguments.get(1..).unwrap_or_default();
        let is_named = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
        let named = |settings: &'_ [Setting<W>], as_it_should: fn(&Setting<W>) -> bool| {
            settings.iter().filter(|it| is_named(it.name)).filter(|it| !as_it_should(it)).count()
        };
        let failures = match what {
            "all" | "only" => {
                let rules = self.rules.iter().filter(|it| is_named(&it.name));
                named(&self.small, holds) + rules.filter(|it| !is_needed(it)).count()
            }
            "big" => named(&self.big, holds),
            "limits" => named(&self.limits, |it| !holds(it)),
            _ => {
                eprintln!("what is {what}? One of: all, only NAME, big [NAME], limits");
                1
            }
        };
        if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Explores a setting with all rules.
pub(crate) fn holds<W: World>(setting: &Setting<W>) -> bool {
    let start = Instant::now();
    let result = explore(&setting.world);
    let (name, seconds) = (setting.name, start.elapsed().as_secs_f64());
    match &result {
        Ok(it) => {
            let (states, steps, depth) = (it.states, it.steps, it.depth);
            println!(
                "holds  {name:16} {states} states, {steps} steps, depth {depth}, {seconds:.1} s"
            );
        }
        Err(failure) => println!("BROKEN {name:16} {}", told(failure)),
    }
    result.is_ok()
}

/// Takes a rule away, and tells what becomes of it.
pub(crate) fn is_needed<W: World>(Rule { name, place, text, world }: &Rule<W>) -> bool {
    match explore(world) {
        Err(failure @ Failure::Broken(..)) => {
            println!("needed {name} ({place}): {text}\n  without it: {}", told(&failure));
            true
        }
        Err(Failure::TooLarge) => {
            println!("NOT KNOWN {name} ({place}): {text}");
            false
        }
        Ok(it) => {
            println!("NOT NEEDED? {name} ({place}, {} states): {text}", it.states);
            false
        }
    }
}

fn told(failure: &Failure) -> String {
    match failure {
        Failure::Broken(what, steps) => {
            let lines: String = steps.iter().map(|it| format!("\n    {it}")).collect();
            format!("{what}{lines}")
        }
        Failure::TooLarge => "has more states than are looked at".into(),
    }
}
