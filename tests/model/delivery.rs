//! An explicit-state model of the delivery protocol, whose specification is `src/wire/mod.rs`: one
//! sender's client and a copy of its folder, the server, one receiver's client, one session.
//! Standard library only.
//!
//! ```text
//! just model              # every small check, and every rule taken away once
//! just model big [NAME]   # the larger state spaces: minutes, and gigabytes of memory
//! just model only NAME    # one check or one rule
//! just model limits       # what is known not to hold
//! ```
//!
//! Safety is checked in every state. Liveness is "from every reachable state a path without faults
//! leads to: everything typed is settled, the mailbox empty". Frames, not bytes.
//!
//! | module | what belongs there |
//! |---|---|
//! | `rules` | the rules by name, and the settings in which they are checked |
//! | `state` | what everybody has on disk, in memory and under way |
//! | `server`, `clients` | what they do with what they hear |
//! | `steps` | everything that may happen next |
//! | `holds` | what must hold |
//! | `told` | how a step is told in a counterexample |
//!
//! Shared with the model of devices, in [`devices`](devices/main.rs): `search`, the exploration, and `checks`, what can
//! be asked on the command line.

mod checks;
mod clients;
mod holds;
mod rules;
mod search;
mod server;
mod state;
mod steps;
mod told;

use std::process::ExitCode;

use crate::checks::{Checks, Rule, Setting};
use crate::rules::{BIG, Cfg, LIMITS, Model, RULES, SMALL};

fn main() -> ExitCode {
    let rules = RULES.iter().map(|&(name, place, text)| {
        let cfg = *SMALL.iter().find(|it| it.name == place).expect("a rule names a small check");
        Rule { name: name.into(), place, text, world: Model { cfg, off: Some(name) } }
    });
    let settings = |all: &[Cfg]| all.iter().map(setting).collect();
    let (small, big, limits) = (settings(SMALL), settings(BIG), settings(LIMITS));
    Checks { small, rules: rules.collect(), big, limits }.run()
}

fn setting(cfg: &Cfg) -> Setting<Model> {
    Setting { name: cfg.name, world: Model { cfg: *cfg, off: None } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{holds, is_needed};

    /// Small enough to be explored at once by a build without optimisation.
    fn brief(cfg: &Cfg) -> Cfg {
        Cfg { msgs: 1, faults: 1, ..*cfg }
    }

    #[test]
    fn one_message_comes_or_is_told_to_have_expired() {
        for cfg in SMALL {
            assert!(holds(&setting(&brief(cfg))), "{}", cfg.name);
        }
    }

    #[test]
    fn a_rule_that_is_taken_away_is_missed() {
        let cfg = Cfg { kinds: "kp", ..brief(&SMALL[0]) };
        let (name, place) = ("stored-after-fsync", cfg.name);
        let world = Model { cfg, off: Some(name) };
        assert!(is_needed(&Rule { name: name.into(), place, text: "", world }));
    }
}
