//! From figures to what is read: tables in Markdown, and JSON for programs.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::Plan;
use super::subject::Kind;

/// One thing that was measured of several subjects, once each round.
pub(super) struct Figure {
    name: String,
    /// The values of the rounds, for each subject; tinychat is the first.
    columns: Vec<Vec<f64>>,
}

impl Figure {
    pub(super) fn new(name: String, subjects: usize) -> Self {
        Self { name, columns: vec![Vec::new(); subjects] }
    }

    pub(super) fn add(&mut self, column: usize, value: f64) {
        self.columns[column].push(value);
    }

    fn medians(&self) -> Vec<f64> {
        self.columns.iter().map(|column| median(&sorted(column.clone()))).collect()
    }

    /// Of the rounds' ratios to each other subject the median, the lowest and the highest. None where
    /// there was nothing to divide by.
    fn ratios(&self) -> Vec<Option<[f64; 3]>> {
        let Some((ours, others)) = self.columns.split_first() else { return Vec::new() };
        let ratio = |theirs: &Vec<f64>| {
            let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
            let ratios = sorted(ratios.filter(|ratio| ratio.is_finite()).collect());
            Some([median(&ratios), *ratios.first()?, *ratios.last()?])
        };
        others.iter().map(ratio).collect()
    }

    fn row(&self) -> String {
        let medians = self.medians().into_iter().map(number);
        let ratios = self.ratios().into_iter().map(|ratio| match ratio {
            Some([median, lowest, highest]) => {
                format!("**{median:.2}** ({lowest:.2} to {highest:.2})")
            }
            None => "-".into(),
        });
        let cells: Vec<_> = medians.chain(ratios).collect();
        format!("| {} | {} |\n", self.name, cells.join(" | "))
    }

    fn json(&self, group: &str, kinds: &[Kind]) -> Value {
        let subjects = kinds.iter().zip(self.medians()).zip(&self.columns);
        let subjects = subjects.map(|((kind, median), rounds)| {
            json!({ "name": kind.name(), "median": median, "rounds": rounds })
        });
        let ratios =
            self.ratios().into_iter().zip(&kinds[1..]).map(
                |(ratio, kind)| json!({ "to": kind.name(), "median, lowest, highest": ratio }),
            );
        json!({
            "group": group,
            "figure": self.name,
            "subjects": subjects.collect::<Vec<_>>(),
            "ratios": ratios.collect::<Vec<_>>(),
        })
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".into();
    }
    if value >= 1e6 {
        return format!("{:.2} M", value / 1e6);
    }
    let digits = if value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

/// Everything that was measured, and where.
pub(super) struct Report {
    heading: String,
    figures: Vec<Value>,
}

impl Report {
    pub(super) fn new(plan: &Plan, available: &[Kind]) -> Self {
        let Plan { rounds, idle, launch, .. } = plan;
        let mut heading = format!(
            "TinyChat beside others: {}; {}; medians of {rounds} rounds; backlog limits off",
            machine(),
            launch.pinning
        );
        for flag in &launch.flags {
            // Writing into a string cannot fail.
            let _ = write!(heading, " {flag}");
        }
        for missing in [Kind::Nats, Kind::Redis].iter().filter(|it| !available.contains(it)) {
            let _ = write!(heading, "; no {} here", missing.program().unwrap_or_default());
        }
        let _ = write!(heading, "; {idle} idle connections");
        Self { heading, figures: Vec::new() }
    }

    pub(super) fn heading(&self) -> String {
        format!("# {}\n", self.heading)
    }

    /// Adds a group and gives its table.
    pub(super) fn add(&mut self, title: &str, kinds: &[Kind], figures: &[Figure]) -> String {
        let names = kinds.iter().map(|kind| kind.name().to_owned());
        let ratios = kinds.iter().skip(1).map(|kind| format!("÷ {}", kind.name()));
        let columns: Vec<_> = names.chain(ratios).collect();
        let mut table = format!("| {title} | {} |\n|---|", columns.join(" | "));
        table.push_str(&"---:|".repeat(columns.len()));
        table.push('\n');
        for figure in figures {
            table.push_str(&figure.row());
            self.figures.push(figure.json(title, kinds));
        }
        table
    }

    pub(super) fn json(&self) -> String {
        format!("{:#}\n", json!({ "about": self.heading, "figures": self.figures }))
    }
}

/// Cores, processor and kernel.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let values = |name| processors.lines().filter(move |line| line.starts_with(name));
    let cores = values("processor").count();
    let model = values("model name").find_map(|line| line.split_once(": "));
    let model = model.map_or("unknown processor", |(_, it)| it);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}
