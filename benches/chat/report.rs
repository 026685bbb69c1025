//! From figures to what is read: tables in Markdown, and JSON for programs.

use std::fmt::Write as _;
use std::fs;

use super::subject::Pinning;

/// One thing that was measured of both, once each round.
pub(super) struct Figure {
    name: String,
    tinychat: Vec<f64>,
    relay: Vec<f64>,
}

impl Figure {
    pub(super) fn new(name: String) -> Self {
        Self { name, tinychat: Vec::new(), relay: Vec::new() }
    }

    pub(super) fn add(&mut self, tinychat: f64, relay: f64) {
        self.tinychat.push(tinychat);
        self.relay.push(relay);
    }

    fn medians(&self) -> (f64, f64) {
        (median(&sorted(self.tinychat.clone())), median(&sorted(self.relay.clone())))
    }

    /// Of the rounds' ratios the median, the lowest and the highest. None where there was nothing to
    /// divide by.
    fn ratio(&self) -> Option<[f64; 3]> {
        let ratios = self.tinychat.iter().zip(&self.relay).map(|(ours, plain)| ours / plain);
        let ratios = sorted(ratios.filter(|ratio| ratio.is_finite()).collect());
        let (lowest, highest) = (*ratios.first()?, *ratios.last()?);
        Some([median(&ratios), lowest, highest])
    }

    fn row(&self) -> String {
        let (tinychat, relay) = self.medians();
        let ratio = self.ratio().map_or("-".into(), |[median, lowest, highest]| {
            format!("{median:.2} ({lowest:.2} to {highest:.2})")
        });
        format!("| {} | {} | {} | {ratio} |\n", self.name, number(tinychat), number(relay))
    }

    fn json(&self, group: &str) -> String {
        let (name, (tinychat, relay)) = (&self.name, self.medians());
        let relay = if relay.is_nan() { "null".into() } else { relay.to_string() };
        let ratio = self.ratio().map_or("null".into(), |[median, lowest, highest]| {
            format!("{{\"median\": {median}, \"lowest\": {lowest}, \"highest\": {highest}}}")
        });
        // These texts have nothing that JSON and Rust would escape in different ways.
        format!(
            "{{\"group\": {group:?}, \"figure\": {name:?}, \"tinychat\": {tinychat}, \
             \"relay\": {relay}, \"ratio\": {ratio}}}"
        )
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// As many digits as mean something.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".into();
    }
    let digits = if value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$}")
}

/// Everything that was measured, and where.
pub(super) struct Report {
    machine: String,
    pinning: String,
    figures: Vec<String>,
}

impl Report {
    pub(super) fn new(pinning: &Pinning) -> Self {
        Self { machine: machine(), pinning: pinning.to_string(), figures: Vec::new() }
    }

    pub(super) fn heading(&self) -> String {
        format!("# TinyChat beside a plain relay: {}; {}\n", self.machine, self.pinning)
    }

    /// Adds a group and gives its table.
    pub(super) fn add(&mut self, title: String, beside: &str, figures: Vec<Figure>) -> String {
        let mut table =
            format!("| {title} | tinychat | {beside} | ratio |\n|---|---:|---:|---:|\n");
        for figure in figures {
            table.push_str(&figure.row());
            self.figures.push(figure.json(&title));
        }
        table
    }

    pub(super) fn json(&self) -> String {
        let Self { machine, pinning, figures } = self;
        let mut text = format!("{{\n\"machine\": {machine:?},\n\"pinning\": {pinning:?},\n");
        // Writing into a string cannot fail.
        let _ = write!(text, "\"figures\": [\n{}\n]\n}}\n", figures.join(",\n"));
        text
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
