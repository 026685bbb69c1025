//! Metrics and health, for programs that watch a server: as Prometheus reads them, as OpenMetrics, and as JSON.
//!
//! Owned by the server: one thread answers whoever asks. Invariants: all formats are written from one table; nobody's
//! name is in it; and whoever asks costs those who chat no more than a few short locks.
//!
//! # Rooms, from the top
//!
//! ```text
//! serve       answers over HTTP
//! answer      what is answered to a request
//! request     the head of a request
//! text, json  the two text formats; JSON
//! table       the table of metrics
//! metric      one metric, and what it has at a moment
//! source      where they are read
//! ```

mod answer;
mod json;
mod metric;
mod request;
mod serve;
mod source;
mod table;
mod text;

pub(super) use json::to_json;
pub(super) use serve::serve;
pub(super) use source::Source;
