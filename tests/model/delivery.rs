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
//! | `search` | the exploration, and how a counterexample is told |

mod clients;
mod holds;
mod rules;
mod search;
mod server;
mod state;
mod steps;

use std::process::ExitCode;
use std::time::Instant;

use crate::rules::{BIG, Cfg, LIMITS, RULES, SMALL};
use crate::search::{Model, Trace};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, names) = arguments.split_first().map_or(("all", &[][..]), |(it, names)| (it, names));
    let named = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
    let held = match what {
        "all" | "only" => {
            let checks = SMALL.iter().filter(|it| named(it.name)).filter(|it| !holds(it)).count();
            let rules = RULES.iter().filter(|it| named(it.0)).filter(|it| !is_needed(it)).count();
            checks + rules == 0
        }
        "big" => BIG.iter().filter(|it| named(it.name)).filter(|it| !holds(it)).count() == 0,
        "limits" => LIMITS.iter().filter(|it| named(it.name)).filter(|it| holds(it)).count() == 0,
        _ => {
            eprintln!("what is {what}? One of: all, only NAME, big [NAME], limits");
            false
        }
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Explores a setting with all rules.
fn holds(cfg: &Cfg) -> bool {
    let start = Instant::now();
    let result = Model { cfg: *cfg, off: None }.check();
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok((states, steps, depth)) => {
            let name = cfg.name;
            println!(
                "holds  {name:12} {states} states, {steps} steps, depth {depth}, {seconds:.1} s"
            );
        }
        Err((what, trace)) => println!("BROKEN {:12} {what}{}", cfg.name, lines(trace)),
    }
    result.is_ok()
}

/// Takes a rule away, and tells what becomes of it.
fn is_needed((name, place, text): &(&'static str, &'static str, &'static str)) -> bool {
    let cfg = *SMALL.iter().find(|it| it.name == *place).expect("a rule names a small check");
    let result = Model { cfg, off: Some(name) }.check();
    match &result {
        Ok((states, ..)) => println!("NOT NEEDED? {name} ({place}, {states} states): {text}"),
        Err((what, trace)) => {
            println!("needed {name} ({place}): {text}\n  without it: {what}{}", lines(trace));
        }
    }
    result.is_err()
}

fn lines(trace: &Trace) -> String {
    trace.iter().map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough to be explored at once by a build without optimisation.
    fn brief(cfg: &Cfg) -> Cfg {
        Cfg { msgs: 1, faults: 1, ..*cfg }
    }

    #[test]
    fn one_message_comes_or_is_told_to_have_expired() {
        for cfg in SMALL {
            assert!(holds(&brief(cfg)), "{}", cfg.name);
        }
    }

    #[test]
    fn a_rule_that_is_taken_away_is_missed() {
        let cfg = Cfg { kinds: "kp", ..brief(&SMALL[0]) };
        assert!(Model { cfg, off: Some("stored-after-fsync") }.check().is_err());
    }
}
