//! How a step is told in a counterexample.

use std::fmt;

use crate::state::*;

/// What happened, and a number or a message that it was about.
pub(crate) struct Step(pub(crate) &'static str, pub(crate) u16);

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, show(self.0, self.1))
    }
}

fn show(what: &str, a: u16) -> String {
    let b = a as u8;
    let id = |m: u8| {
        format!(
            "{}:{} ({})",
            ["a", "b", "c", "d"][inst(m)],
            m & 3,
            ["one", "two", "three", "four"][word(m)]
        )
    };
    match what {
        "sender reads" if b >= TALKING => {
            format!("TALKING have={} stored={} delivered={}", b >> 4 & 3, b >> 2 & 3, b & 3)
        }
        "sender reads" => format!(
            "{} {}",
            ["", "STORED", "DELIVERED", "ERR FULL", "EXPIRED"][(b >> 2) as usize],
            b & 3
        ),
        w if w.starts_with("server reads") => match b {
            CLOSE => "CLOSE".into(),
            _ if b & TALK != 0 => format!("TALK settled={}", b & 3),
            _ if w.contains("sender") => {
                format!("MSG {} ({})", b & 3, ["one", "two", "three", "four"][(b >> 2) as usize])
            }
            _ => format!("ACK {b}"),
        },
        "server delivers" | "receiver gets and commits" => {
            format!("{} as seq {}", id(b & 63), a >> 6)
        }
        "user types" | "sender sends MSG" | "server expires" => id(b),
        "sender connects, TALK in" | "server forgets installation" => {
            ["a", "b", "c", "d"][b as usize].into()
        }
        "receiver sends ACK"
        | "sender commits fates up to"
        | "fsync done, ops:"
        | "writer hands over ops:" => a.to_string(),
        _ => String::new(),
    }
}
