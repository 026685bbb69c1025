//! Metrics as JSON: an object with a number, an object by label, or a histogram, under the name of each.
//!
//! Pure, but for reading them. Invariant: names and numbers are those of the text formats.

use serde_json::{Map, Value, json};

use super::metric::Samples;
use super::source::Source;
use super::table;
use crate::counting::{BOUNDS, Times};

/// All metrics now.
pub(crate) fn to_json(source: &Source<'_>) -> Value {
    let readings = table::read(source).into_iter();
    Value::Object(readings.map(|it| (it.metric.full_name(), value(it.samples))).collect())
}

fn value(samples: Samples) -> Value {
    match samples {
        Samples::One(value) => value.into(),
        Samples::By(_, values) => {
            Value::Object(values.into_iter().map(|(word, value)| (word, value.into())).collect())
        }
        Samples::Times(times) => of_times(&times),
    }
}

fn of_times(times: &Times) -> Value {
    let bounds = BOUNDS.iter().map(|bound| format!("{bound:?}"));
    let buckets = bounds.zip(times.up_to.iter().map(|count| Value::from(*count)));
    let all = ("+Inf".to_owned(), Value::from(times.count));
    let buckets: Map<String, Value> = buckets.chain([all]).collect();
    json!({ "buckets": buckets, "sum": times.seconds, "count": times.count })
}
