//! One metric, as the table has it, and what it has at a moment.
//!
//! Pure data. Invariant: a name ends in its unit, and is followed in samples by what its kind adds.

use super::source::Source;
use crate::counting::Times;

/// How a metric is read. None where it cannot be.
pub(super) type Read = fn(&Source<'_>) -> Option<Samples>;

/// A row of the table.
pub(super) struct Metric {
    /// Without what its kind adds.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) read: Read,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows, as long as the server runs.
    Counter,
    Gauge,
    Histogram,
    /// What it says stands in its labels.
    Info,
}

/// What a metric has at a moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Samples {
    One(u64),
    /// One for each value of a label.
    By(&'static str, Vec<(String, u64)>),
    Times(Times),
}

/// A metric that was read.
pub(super) struct Reading<'a> {
    pub(super) metric: &'a Metric,
    pub(super) samples: Samples,
}

impl Metric {
    pub(super) const fn counter(name: &'static str, help: &'static str, read: Read) -> Self {
        Self { name, kind: Kind::Counter, unit: None, help, read }
    }

    pub(super) const fn gauge(name: &'static str, help: &'static str, read: Read) -> Self {
        Self { name, kind: Kind::Gauge, unit: None, help, read }
    }

    /// Of times.
    pub(super) const fn histogram(name: &'static str, help: &'static str, read: Read) -> Self {
        Self { name, kind: Kind::Histogram, unit: Some("seconds"), help, read }
    }

    pub(super) const fn info(name: &'static str, help: &'static str, read: Read) -> Self {
        Self { name, kind: Kind::Info, unit: None, help, read }
    }

    /// The same in a unit, in which its name ends.
    pub(super) const fn of(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Its name as its samples have it, but for those of a histogram.
    pub(super) fn full_name(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
            Self::Info => "_info",
        }
    }
}

/// One number.
pub(super) fn one(value: u64) -> Option<Samples> {
    Some(Samples::One(value))
}

/// A number for each value of a label, which is a word of the protocol, or of ours.
pub(super) fn by(
    label: &'static str,
    values: impl IntoIterator<Item = (&'static str, u64)>,
) -> Option<Samples> {
    let values = values.into_iter().map(|(word, value)| (word.to_ascii_lowercase(), value));
    Some(Samples::By(label, values.collect()))
}
