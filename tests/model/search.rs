//! Explores every interleaving, breadth first, so that a counterexample is a shortest one.

use crate::rules::Cfg;
use crate::state::*;

/// The steps that lead to a state.
pub(crate) type Trace = Vec<String>;

/// The next state, whether liveness may not count on this step, and what it was.
pub(crate) type Out = Vec<(S, bool, &'static str, u16)>;

/// The protocol in a setting, perhaps without one of its rules.
pub(crate) struct Model {
    pub(crate) cfg: Cfg,
    pub(crate) off: Option<&'static str>,
}
impl Model {
    /// Whether a rule is in force.
    pub(crate) fn rule(&self, name: &'static str) -> bool {
        self.off != Some(name)
    }
    /// Explores everything; Ok(states, steps, depth) or Err(what, trace).
    pub(crate) fn check(&self) -> Result<(usize, usize, usize), (String, Trace)> {
        let mut states = vec![S::start(&self.cfg)];
        let mut parent = vec![0u32];
        let mut table = vec![u32::MAX; 1 << 16];
        let (mut edges, mut starts, mut steps) = (Vec::<u32>::new(), vec![0usize], 0);
        let (mut out, mut at, mut level, mut depth) = (Out::new(), 0, 1, 0);
        table[(bytes(&states[0]) as usize) & 0xFFFF] = 0;
        while at < states.len() {
            if at == level {
                depth += 1;
                level = states.len();
            }
            if let Some(what) = self.broken(&states[at]) {
                return Err((what.into(), self.trace(&states, &parent, at)));
            }
            let s = states[at];
            self.next(&s, &mut out);
            for (x, fault, ..) in &out {
                steps += 1;
                let mask = table.len() - 1;
                let mut h = bytes(x) as usize & mask;
                while table[h] != u32::MAX && states[table[h] as usize] != *x {
                    h = (h + 1) & mask;
                }
                if table[h] == u32::MAX {
                    table[h] = states.len() as u32;
                    states.push(*x);
                    parent.push(at as u32);
                }
                if !fault {
                    edges.push(table[h]);
                }
                if states.len() * 2 > table.len() {
                    let mask = table.len() * 2 - 1;
                    table = vec![u32::MAX; mask + 1];
                    for (k, x) in states.iter().enumerate() {
                        let mut h = bytes(x) as usize & mask;
                        while table[h] != u32::MAX {
                            h = (h + 1) & mask;
                        }
                        table[h] = k as u32;
                    }
                }
            }
            starts.push(edges.len());
            at += 1;
        }
        let mut good: Vec<bool> = states.iter().map(|s| self.goal(s)).collect();
        loop {
            // successors mostly lie behind, so a few backward sweeps settle it
            let mut changed = false;
            for k in (0..states.len()).rev() {
                if !good[k] && edges[starts[k]..starts[k + 1]].iter().any(|&e| good[e as usize]) {
                    good[k] = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        match good.iter().position(|g| !g) {
            None => Ok((states.len(), steps, depth)),
            Some(k) => Err((
                "stuck: without further faults it never settles".into(),
                self.trace(&states, &parent, k),
            )),
        }
    }
    pub(crate) fn trace(&self, states: &[S], parent: &[u32], mut at: usize) -> Trace {
        let (mut lines, mut out) = (vec![], Out::new());
        while at != 0 {
            let p = parent[at] as usize;
            self.next(&states[p], &mut out);
            let (_, _, what, arg) =
                out.iter().find(|o| o.0 == states[at]).expect("it was reached from there");
            lines.push(format!("{what} {}", show(what, *arg)));
            at = p;
        }
        lines.into_iter().rev().collect()
    }
}

pub(crate) fn show(what: &str, a: u16) -> String {
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
