//! A meter, and what it shows.

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use tidegauge_core::Health;

use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, Meter, MetricOptions, Sums, View};
use crate::names::Names;
use crate::points;

/// A meter with one view: cumulative sums, examples of what is sampled, and what the next names want.
pub(crate) fn meter(histograms: Histograms, health: &Arc<Health>) -> Meter {
    let sums = Sums::Cumulative;
    let view =
        View { histograms, sums, exemplars: ExemplarFilter::Sampled, lasting: false, fine: false };
    Meter::new(vec![view], &MetricOptions::default(), health).with_next_names(true)
}

/// What a meter's first view is told.
pub(crate) fn metrics(meter: &Meter) -> Vec<Metric> {
    points::metrics(Names::Both.of(meter.collect(0))).map(|(_, _, metric)| metric).collect()
}
