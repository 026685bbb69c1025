//! A model of messages that have an id for life and can come back, and of those that are sealed for several devices: john's
//! data folder and its backup, its copy or a second one that only writes; the server, its disk and a backup of it; up to three
//! device slots of marie's, one after the other or beside each other. One session, john:marie.
//!
//! ```text
//! just model devices              # every small check, and every rule taken away once
//! just model devices big [NAME]   # the larger state spaces: minutes, and gigabytes of memory
//! just model devices only NAME    # one check or one rule
//! just model devices limits       # what is known not to hold
//! ```
//!
//! What [`delivery`](../delivery.rs) shows is taken for granted here: commits are prefixes, receipts tell what `TALKING`
//! would, what one folder sent twice on two connections is taken once. So the server's disk becomes its memory in one step,
//! and john asks with `TALK` for what receipts would say. Which of the rules stands behind which of the specification, a
//! table there says. Three kinds of setting:
//!
//! - *plain*: one reader. An **origin**, which stands for the payload's hash, too; BOUNCE for what a reader
//!   cannot take, and fates that belong to a person: folders, backups and copies of either side, a server restored from a
//!   backup, a forged number.
//! - *sealed*: a message has an envelope for each device. Double ratchets are (session, index) by device slot.
//! - with `last_told`, which is not in the protocol: what one more word in `TALKING` would mend.
//!
//! Safety is checked in every state: nothing that was told stored or delivered is missing, nothing comes twice, nothing is told one
//! fate and then another, nobody takes a folder for a copy that is none. Liveness: from every reachable state a path without
//! faults leads to where everything is settled and every device has what it is owed.
//!
//! | module | what belongs there |
//! |---|---|
//! | `rules` | the rules by name, and the settings in which they are checked |
//! | `list`, `state` | what everybody has on disk, in memory and under way |
//! | `writer`, `server`, `reader` | what they do by themselves |
//! | `events` | what people do, and what may fail |
//! | `holds` | what must hold |

#[path = "../checks.rs"]
mod checks;
mod events;
mod holds;
mod list;
mod reader;
mod rules;
#[path = "../search.rs"]
mod search;
mod server;
mod state;
mod writer;

use std::process::ExitCode;

use crate::checks::{Checks, Rule, Setting};
use crate::rules::{BIG, Cfg, LIMITS, Model, RULES, SEALED_RULES, SMALL};

fn main() -> ExitCode {
    checks().run()
}

fn checks() -> Checks<Model> {
    let rules = RULES.iter().chain(SEALED_RULES).map(|rule| {
        let &rules::Rule { away, place, text } = rule;
        let cfg =
            *SMALL.iter().chain(BIG).find(|it| it.name == place).expect("a rule names a check");
        Rule { name: away.join("+"), place, text, world: Model { cfg, away } }
    });
    Checks {
        rules: rules.collect(),
        small: settings(SMALL),
        big: settings(BIG),
        limits: settings(LIMITS),
    }
}

fn settings(all: &[Cfg]) -> Vec<Setting<Model>> {
    let setting = |cfg: &Cfg| Setting { name: cfg.name, world: Model { cfg: *cfg, away: &[] } };
    all.iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{holds, is_needed};

    #[test]
    fn what_was_stored_comes_once() {
        for setting in checks().small {
            assert!(holds(&setting), "{}", setting.name);
        }
    }

    #[test]
    fn every_rule_stands_behind_one_of_the_specification() {
        let table = include_str!("../delivery.rs");
        let mut names = RULES.iter().flat_map(|it| it.away);
        assert_eq!(names.find(|name| !table.contains(&format!("`{name}`"))), None);
    }

    #[test]
    fn every_rule_is_missed_when_it_is_taken_away() {
        for rule in checks().rules {
            assert!(is_needed(&rule), "{}", rule.name);
        }
    }

    #[test]
    fn what_does_not_hold_is_known() {
        for setting in checks().limits {
            assert!(!holds(&setting), "{}", setting.name);
        }
    }
}
