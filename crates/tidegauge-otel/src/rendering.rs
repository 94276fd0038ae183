//! How one receiver wants to be told: the part of a record's form that may differ between exporters.
//!
//! Exporters with equal renderings share what is encoded. Knows no receiver and no transport.

use crate::metric::{Histograms, Sums};
use crate::names::Names;
use crate::span::SpanOptions;

/// The form of spans, events and metrics for one exporter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rendering {
    /// What is said in spans.
    pub spans: SpanOptions,
    /// What is said in events.
    pub events: SpanOptions,
    /// Which names metrics of model calls have.
    pub names: Names,
    /// How distributions are pushed. The page always has fixed buckets too.
    pub histograms: Histograms,
    /// What pushed sums mean. The page is always cumulative.
    pub sums: Sums,
}
