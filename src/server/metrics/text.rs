//! Metrics as text: in the classic format of Prometheus (version 0.0.4), and as OpenMetrics (version 1.0.0).
//!
//! Pure. Written here because no library that is kept up to date writes both: `prometheus` has the classic one alone,
//! `prometheus-client` OpenMetrics alone, and `metrics-exporter-prometheus` asks for recorders that a whole process
//! shares. Invariant: every sample stands behind what is said of its metric, and nothing that is written breaks a line.

use std::fmt::{Display, Write};

use super::metric::{Kind, Metric, Reading, Samples};
use crate::counting::{BOUNDS, Times};

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Classic,
    Open,
}

impl Format {
    /// What it is called.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All of it.
pub(super) fn write(readings: &[Reading<'_>], format: Format) -> String {
    let mut out = String::new();
    for Reading { metric, samples } in readings {
        describe(&mut out, metric, format);
        match samples {
            Samples::One(value) => sample(&mut out, &metric.full_name(), None, value),
            Samples::By(label, values) => {
                for (word, value) in values {
                    let label = (*label, word.as_str());
                    sample(&mut out, &metric.full_name(), Some(label), value);
                }
            }
            Samples::Times(times) => write_times(&mut out, metric.name, times),
        }
    }
    if format == Format::Open {
        out.push_str("# EOF\n");
    }
    out
}

/// What is said of a metric. Only OpenMetrics calls it by its name without a suffix, and knows units.
fn describe(out: &mut String, metric: &Metric, format: Format) {
    let (name, kind) = match format {
        Format::Classic => (metric.full_name(), classic(metric.kind)),
        Format::Open => (metric.name.to_owned(), open(metric.kind)),
    };
    let _ = writeln!(out, "# HELP {name} {}", escaped(metric.help));
    let _ = writeln!(out, "# TYPE {name} {kind}");
    if let (Format::Open, Some(unit)) = (format, metric.unit) {
        let _ = writeln!(out, "# UNIT {name} {unit}");
    }
}

fn classic(kind: Kind) -> &'static str {
    match kind {
        Kind::Info => "gauge",
        kind => open(kind),
    }
}

fn open(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    }
}

fn sample(out: &mut String, name: &str, label: Option<(&str, &str)>, value: impl Display) {
    let _ = match label {
        Some((label, word)) => writeln!(out, "{name}{{{label}=\"{}\"}} {value}", escaped(word)),
        None => writeln!(out, "{name} {value}"),
    };
}

fn write_times(out: &mut String, name: &str, times: &Times) {
    let bucket = format!("{name}_bucket");
    for (bound, count) in BOUNDS.iter().zip(&times.up_to) {
        // With a point in any case, as OpenMetrics asks for, so that it is the same in both formats.
        let bound = format!("{bound:?}");
        sample(out, &bucket, Some(("le", bound.as_str())), count);
    }
    sample(out, &bucket, Some(("le", "+Inf")), times.count);
    sample(out, &format!("{name}_sum"), None, times.seconds);
    sample(out, &format!("{name}_count"), None, times.count);
}

/// Quotes are escaped in help, too, as OpenMetrics wants; ours has none.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::counting::Histogram;

    /// Those that need care, more often than others.
    fn character() -> impl Strategy<Value = char> {
        prop_oneof![any::<char>(), prop::sample::select(vec!['"', '\\', '\n', 'n', '}'])]
    }

    fn reading(metric: &Metric, samples: Samples) -> Reading<'_> {
        Reading { metric, samples }
    }

    fn golden(format: Format) -> String {
        let taken = Metric::counter("chat_taken", "Messages.", |_| None);
        let carried = Metric::counter("chat_bytes", "Bytes.", |_| None).of("bytes");
        let took = Metric::histogram("chat_seconds", "Times.", |_| None);
        let build = Metric::info("chat_build", "The version.", |_| None);
        let histogram = Histogram::default();
        histogram.observe(std::time::Duration::from_millis(750));
        let up = |word: &str, value| (word.to_owned(), value);
        write(
            &[
                reading(&build, Samples::By("version", vec![up("0.1.0", 1)])),
                reading(&taken, Samples::One(7)),
                reading(&carried, Samples::By("direction", vec![up("up", 5), up("down", 0)])),
                reading(&took, Samples::Times(histogram.times())),
            ],
            format,
        )
    }

    /// The buckets of the times above.
    fn buckets() -> String {
        let bucket = |bound: &f64| {
            let count = u8::from(*bound >= 0.75);
            format!("chat_seconds_bucket{{le=\"{bound:?}\"}} {count}\n")
        };
        BOUNDS.iter().map(bucket).collect()
    }

    #[test]
    fn the_classic_format_is_this() {
        let expected = format!(
            "# HELP chat_build_info The version.\n# TYPE chat_build_info gauge\n\
             chat_build_info{{version=\"0.1.0\"}} 1\n\
             # HELP chat_taken_total Messages.\n# TYPE chat_taken_total counter\n\
             chat_taken_total 7\n\
             # HELP chat_bytes_total Bytes.\n# TYPE chat_bytes_total counter\n\
             chat_bytes_total{{direction=\"up\"}} 5\nchat_bytes_total{{direction=\"down\"}} 0\n\
             # HELP chat_seconds Times.\n# TYPE chat_seconds histogram\n\
             {}chat_seconds_bucket{{le=\"+Inf\"}} 1\nchat_seconds_sum 0.75\nchat_seconds_count 1\n",
            buckets()
        );
        assert_eq!(golden(Format::Classic), expected);
    }

    #[test]
    fn openmetrics_is_this() {
        let expected = format!(
            "# HELP chat_build The version.\n# TYPE chat_build info\n\
             chat_build_info{{version=\"0.1.0\"}} 1\n\
             # HELP chat_taken Messages.\n# TYPE chat_taken counter\n\
             chat_taken_total 7\n\
             # HELP chat_bytes Bytes.\n# TYPE chat_bytes counter\n# UNIT chat_bytes bytes\n\
             chat_bytes_total{{direction=\"up\"}} 5\nchat_bytes_total{{direction=\"down\"}} 0\n\
             # HELP chat_seconds Times.\n# TYPE chat_seconds histogram\n# UNIT chat_seconds seconds\n\
             {}chat_seconds_bucket{{le=\"+Inf\"}} 1\nchat_seconds_sum 0.75\nchat_seconds_count 1\n\
             # EOF\n",
            buckets()
        );
        assert_eq!(golden(Format::Open), expected);
    }

    /// The value of the label, and that of the sample, if a line is one sample with a label.
    fn parsed(line: &str) -> Option<(String, u64)> {
        let mut rest = line.strip_prefix("chat{word=\"")?.chars();
        let mut word = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\\' => word.push(match rest.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => word.push(other),
            }
        }
        let value = rest.as_str().strip_prefix("} ")?.parse().ok()?;
        Some((word, value))
    }

    proptest! {
        #[test]
        fn each_line_is_one_sample_whatever_its_label_says(
            word in prop::collection::vec(character(), 0..20),
            value in any::<u64>(),
        ) {
            let word: String = word.into_iter().collect();
            let metric = Metric::gauge("chat", "A \\ \" and\na line.", |_| None);
            let written = vec![(word.clone(), value)];
            let text = write(&[reading(&metric, Samples::By("word", written))], Format::Classic);
            let lines: Vec<_> = text.split_terminator('\n').collect();
            prop_assert_eq!(lines.len(), 3);
            prop_assert_eq!(lines[0], "# HELP chat A \\\\ \\\" and\\na line.");
            prop_assert_eq!(parsed(lines[2]), Some((word, value)));
        }
    }
}
