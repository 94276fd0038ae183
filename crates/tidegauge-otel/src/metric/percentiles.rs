//! Percentiles as back ends compute them from what is exported, against the raw values.

use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, Metric, metric::Data,
};
use prost::Message;
use tidegauge_core::testing::Random;

use super::registry::{Group, Registry, families};
use super::slot::Slot;
use super::{Histograms, Sums, View};
use crate::exemplar::ExemplarFilter;
use crate::points;
use crate::prometheus::{self, tests::cumulative, tests::decoded};
use crate::resource::ResourceAttributes;

const SAMPLES: usize = 100_000;
const QUANTILES: [f64; 3] = [0.50, 0.95, 0.99];

/// The series as it is pushed, and as it is scraped, both read back from bytes.
fn exported(values: &[f64]) -> (ExponentialHistogramDataPoint, prometheus::message::Histogram) {
    let (sums, exemplars) = (Sums::Cumulative, ExemplarFilter::Off);
    let view = |histograms| View { histograms, sums, exemplars, lasting: true, fine: false };
    let views = [Histograms::Explicit, Histograms::Exponential].map(view).to_vec();
    let mut registry = Registry::new(views, 1);
    let place = registry.place(Group::Call, &[]).unwrap();
    let mut series = registry.series(Group::Call, place).unwrap();
    values.iter().for_each(|value| series.record(Slot::Duration, *value, None));
    let [fixed, exponential] = [0, 1].map(|view| families(registry.read(view), sums));
    let page = prometheus::render(&fixed, &exponential, &ResourceAttributes::default());
    let scraped = decoded(&page).remove(1).metric.remove(0).histogram.unwrap();
    let (_, _, bytes) = points::encode(exponential).next().unwrap();
    let pushed = Metric::decode(bytes.as_slice()).unwrap();
    let Some(Data::ExponentialHistogram(mut data)) = pushed.data else { panic!("exponential") };
    (data.data_points.remove(0), scraped)
}

/// The quantile of a pushed point, between the bounds of its bucket as the logarithm goes: what the
/// data model advises.
fn of_pushed(point: &ExponentialHistogramDataPoint, quantile: f64) -> f64 {
    let buckets = point.positive.as_ref().unwrap();
    let rank = quantile * point.count as f64 - point.zero_count as f64;
    let mut below = 0.0;
    for (index, count) in (buckets.offset..).zip(&buckets.bucket_counts) {
        let count = *count as f64;
        if below + count >= rank {
            let place = f64::from(index) + (rank - below) / count;
            return 2_f64.powf(place / 2_f64.powi(point.scale));
        }
        below += count;
    }
    f64::NAN
}

/// The quantile of a scraped histogram, between the bounds of its bucket in a straight line: what
/// Prometheus did before version 3.
fn of_scraped(histogram: &prometheus::message::Histogram, quantile: f64) -> f64 {
    let rank = quantile * histogram.count.unwrap() as f64;
    let bounds = cumulative(histogram);
    let above = bounds.iter().position(|(_, total)| *total as f64 >= rank).unwrap();
    let ((low, below), (high, total)) = (bounds[above - 1], bounds[above]);
    low + (high - low) * (rank - below as f64) / (total - below) as f64
}

/// The figures of `docs/performance.md`: `cargo test -p tidegauge-otel percentiles -- --nocapture`.
#[test]
fn percentiles_from_what_is_exported_are_those_of_the_raw_values() {
    let mut table = String::new();
    for (name, median, sigma) in [
        ("duration, median 1.22 s", 1.22, 1.0),
        ("time to first token, median 0.35 s", 0.35, 0.6),
        ("time per output token, median 11 ms", 0.011, 0.5),
        ("overhead, median 120 us", 0.000_12, 0.8),
    ] {
        let mut random = Random(7);
        let mut raw: Vec<f64> = (0..SAMPLES)
            .map(|_| Duration::from_secs_f64(random.log_normal(median, sigma)).as_secs_f64())
            .collect();
        let (pushed, scraped) = exported(&raw);
        raw.sort_unstable_by(f64::total_cmp);
        type Quantile<'a> = &'a dyn Fn(f64) -> f64;
        let readers: [(&str, Quantile<'_>); 2] = [
            ("OTLP", &|quantile| of_pushed(&pushed, quantile)),
            ("Prometheus native", &|quantile| of_scraped(&scraped, quantile)),
        ];
        for (reader, read) in readers {
            let errors = QUANTILES.map(|quantile| {
                let exact = raw[(quantile * SAMPLES as f64).ceil() as usize - 1];
                100.0 * (read(quantile) - exact) / exact
            });
            for error in errors {
                assert!(error.abs() < 3.0, "{name}, {reader}: {errors:?}");
            }
            let cells = errors.map(|error| format!("{error:+.2} %"));
            table += &format!("| {name}, {reader} | {} |\n", cells.join(" | "));
        }
        table += &format!("scale {}, schema {}\n", pushed.scale, scraped.schema.unwrap());
    }
    println!("\n| 100,000 of | P50 | P95 | P99 |\n|---|---|---|---|\n{table}");
}
