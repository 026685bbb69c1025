//! An explicit-state model of the delivery protocol, whose specification is `src/wire/mod.rs`: one
//! sender's client, the server, one receiver's client, one session.
//! Standard library only. Data folders that are copied or restored, and messages that come back, are in the
//! model of [`devices`](devices/main.rs).
//!
//! ```text
//! just model              # every small check, and every rule taken away once, in both models
//! just model big [NAME]   # the larger state spaces of both: minutes, and gigabytes of memory
//! just model only NAME    # one check or one rule
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
//! Shared with the model of devices: `search`, the exploration, and `checks`, what can be asked on the command line.
//!
//! # The rules of the specification
//!
//! What stands behind each numbered rule of its chapter Delivery: rules of this model, rules of the model of devices, and
//! what is *argued*, that is in neither.
//!
//! | rule | here | devices |
//! |---|---|---|
//! | server 1 | `accept-gaps`, `have-with-append`, `talking-stored`, `receipts-by-installation`, `sticky-refusal` | |
//! | server 2 | `old-cannot-close` | `old-stops-at-talk` |
//! | server 3 | `stored-after-fsync`, `commit-in-order`, `cancel-only-unwritten` | |
//! | server 4 | `expiry-in-place`, `expired-after-sync`, `delivered-waits-for-expiry` | `delivered-waits-for-bounce`. Argued: `BOUNCED` after the sync, for the origin makes one that was undone harmless |
//! | server 5 | `expired-before-talking`, `expired-until-settled` | `bounced-before-talking`, `bounced-until-settled`. Argued: the 1,000 |
//! | server 6 | `seq-table-per-connection`, `seq-never-reused` | `ack-spares-bounced` |
//! | server 7 | `forget-without-record`. Argued: which one is forgotten | |
//! | server 8 | `sync-on-open`, `talking-delivered`; and `k` and `p` in the settings | `k`, and the settings `set-back…` |
//! | server 9 | | `list-version`, where messages are *sealed*. Argued: when a list is told |
//! | sender 1 | `outbox-before-send` | `origin-for-life`, `sent-before-msg` |
//! | sender 2 | `talk-before-msg`, `outbox-until-delivered` | Argued: which version a `MSG` names, by server 9 |
//! | sender 3 | `outbox-until-delivered`, `final-fate-first` | `delivered-is-final` |
//! | sender 4 | | `bounced-of-sent` or `bounced-held`. Argued of receipts: by sender 5 all up to `have` was sent, but for what rests, which they spare |
//! | sender 5 | | `copy-takes-new-installation`, `copy-sends-all-anew`, `last-sent-kept`. Argued: two installations for one server, which is the same |
//! | sender 6 | `receipts-behind-talking`. Never taken away: that refusals are ignored | `bounced-held` or `bounced-of-sent`, `bounced-before-talking`. Argued: what expired of a copy, which waits likewise |
//! | sender 7 | | `origin-for-life`, `settled-by-message`. Argued: the second time, and the third |
//! | receiver 1 | `store-then-ack`, `store-every-msg` | |
//! | receiver 2 | `dedup-by-origin`, `number-by-installation` | `origin-dedup`, `used-number-bounced` |
//! | receiver 3 | | `bounce-before-ack` |
//! | not there yet: several devices of a person | | `fates-by-person`, `resent-by-person`, and all others of settings that are *sealed* |

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
use crate::rules::{BIG, Cfg, Model, RULES, SMALL};

fn main() -> ExitCode {
    let rules = RULES.iter().map(|&(name, place, text)| {
        let cfg = *SMALL.iter().find(|it| it.name == place).expect("a rule names a small check");
        Rule { name: name.into(), place, text, world: Model { cfg, off: Some(name) } }
    });
    let settings = |all: &[Cfg]| all.iter().map(setting).collect();
    let (small, big) = (settings(SMALL), settings(BIG));
    Checks { small, rules: rules.collect(), big, limits: vec![] }.run()
}

fn setting(cfg: &Cfg) -> Setting<Model> {
    Setting { name: cfg.name, world: Model { cfg: *cfg, off: None } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{holds, is_needed};

    /// For each rule, in their order, what is enough in its check for its absence to show: how many messages, and how many
    /// faults of which kinds. `just model` takes it away in all of that check.
    const ENOUGH: &[(&str, u8, u8, &str)] = &[
        ("talking-delivered", 1, 1, "u"),
        ("talking-stored", 1, 1, "t"),
        ("stored-after-fsync", 1, 0, ""),
        ("sync-on-open", 1, 1, "k"),
        ("accept-gaps", 2, 1, "p"),
        ("talk-before-msg", 2, 0, ""),
        ("outbox-before-send", 1, 1, "s"),
        ("commit-in-order", 2, 1, "p"),
        ("have-with-append", 1, 1, "p"),
        ("cancel-only-unwritten", 1, 0, ""),
        ("store-then-ack", 1, 1, "r"),
        ("dedup-by-origin", 1, 1, "w"),
        ("seq-table-per-connection", 2, 2, "v"),
        ("seq-never-reused", 3, 0, ""),
        ("store-every-msg", 2, 0, ""),
        ("old-cannot-close", 1, 1, "v"),
        ("sticky-refusal", 3, 0, ""),
        ("receipts-by-installation", 2, 0, ""),
        ("number-by-installation", 2, 0, ""),
        ("outbox-until-delivered", 1, 1, "W"),
        ("expiry-in-place", 2, 1, "p"),
        ("expired-after-sync", 1, 0, ""),
        ("delivered-waits-for-expiry", 1, 0, ""),
        ("expired-before-talking", 1, 1, "u"),
        ("receipts-behind-talking", 1, 0, ""),
        ("expired-until-settled", 1, 1, "u"),
        ("final-fate-first", 1, 2, "ps"),
        ("forget-without-record", 1, 1, "t"),
    ];

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
    fn every_rule_stands_behind_one_of_the_specification() {
        let table = include_str!("delivery.rs");
        let lacking = RULES.iter().find(|(name, ..)| !table.contains(&format!("`{name}`")));
        assert_eq!(lacking, None);
    }

    /// Each numbered rule of the specification: whose it is, and its number.
    fn numbered() -> Vec<String> {
        let page = include_str!("../../src/wire/mod.rs");
        let chapter = page.split("//! # ").find(|it| it.starts_with("Delivery\n")).unwrap();
        let (mut whose, mut rules) = ("", Vec::new());
        for line in chapter.lines().filter_map(|line| line.strip_prefix("//! ")) {
            whose = match line {
                "**The server**" => "server",
                "**The sender's client**" => "sender",
                "**The receiver's client**" => "receiver",
                _ => whose,
            };
            let number = line.split_once(". ").and_then(|(number, _)| number.parse::<u8>().ok());
            rules.extend(number.map(|number| format!("{whose} {number}")));
        }
        rules
    }

    #[test]
    fn the_table_has_each_rule_of_the_specification() {
        let table = include_str!("delivery.rs").lines();
        let rows = table.filter_map(|line| line.strip_prefix("//! | ")?.split_once(" |"));
        let first = rows.map(|(first, _)| first);
        let is_rule = |it: &&str| it.ends_with(|last: char| last.is_ascii_digit());
        let rules: Vec<&str> = first.filter(is_rule).collect();
        assert_eq!(rules, numbered());
    }

    #[test]
    fn every_rule_is_missed_when_it_is_taken_away() {
        for (&(name, place, text), &(enough_for, msgs, faults, kinds)) in RULES.iter().zip(ENOUGH) {
            assert_eq!(enough_for, name);
            let cfg = *SMALL.iter().find(|it| it.name == place).expect("a small check");
            let cfg = Cfg { msgs, faults, kinds, ..cfg };
            assert!(holds(&setting(&cfg)), "with {name}");
            let world = Model { cfg, off: Some(name) };
            assert!(is_needed(&Rule { name: name.into(), place, text, world }), "{name}");
        }
        assert_eq!(RULES.len(), ENOUGH.len());
    }
}
