//! Sums and distributions into Prometheus' protobuf exposition, with native histograms.
//!
//! In: the same families twice, with fixed and with exponential buckets. Out: one message for each
//! family, after its length. Scrapers before Prometheus 3 read the exemplars of native histograms
//! from the fixed buckets, and later ones do where there are no others; so they stand only there.
//! Source: Prometheus' specification of native histograms.

pub(crate) mod message;

use prost::Message;

use crate::exemplar::Exemplar;
use crate::exposition::{Labels, family_name, suffix, unit};
use crate::metric::{Buckets, Exponential, Family, Histogram, Point, Value};
use crate::resource::ResourceAttributes;
use crate::semconv::Kind;
use crate::span::dollars;
use message::{BucketSpan, LabelPair, Metric, MetricFamily, Timestamp};

/// The finest and the coarsest schema that Prometheus takes.
const FINEST: i32 = 8;
const COARSEST: i32 = -4;
/// Up to here a value counts as zero: what Prometheus assumes of pushed distributions.
const ZERO_THRESHOLD: f64 = 1e-128;
/// So many empty buckets are cheaper told than left out.
const SHORT_GAP: i32 = 2;

/// The whole page. `fixed` and `exponential` are of the same instant.
pub(crate) fn render(
    fixed: &[Family],
    exponential: &[Family],
    resource: &ResourceAttributes,
) -> Vec<u8> {
    let mut page = Vec::with_capacity(16 << 10);
    write(&mut page, &target(resource));
    for family in fixed {
        let twin = exponential.iter().find(|twin| twin.metric.name == family.metric.name);
        write(&mut page, &message(family, twin));
    }
    page
}

fn write(page: &mut Vec<u8>, family: &MetricFamily) {
    let length = family.encoded_len();
    crate::protobuf::varint(page, length as u64);
    page.reserve(length);
    // A vector always has room.
    let _ = family.encode(page);
}

fn target(resource: &ResourceAttributes) -> MetricFamily {
    let attributes = resource.iter().map(|(key, value)| (key, value.to_owned()));
    let one = Metric {
        label: labels(Labels::new(attributes)),
        gauge: Some(message::Gauge { value: Some(1.0) }),
        ..Metric::default()
    };
    MetricFamily {
        name: Some("target_info".to_owned()),
        help: Some("Who emits these metrics.".to_owned()),
        kind: Some(message::GAUGE),
        metric: vec![one],
        unit: None,
    }
}

fn message(family: &Family, twin: Option<&Family>) -> MetricFamily {
    let metric = family.metric;
    let twins = twin.map(|twin| twin.points.as_slice()).unwrap_or_default();
    let series = family.points.iter().enumerate().map(|(place, point)| {
        // Both come from one walk over the sets. Should they differ, there is none.
        let twin = twins.get(place).filter(|twin| twin.attributes == point.attributes);
        series(family, point, twin)
    });
    MetricFamily {
        name: Some(family_name(metric) + suffix(metric)),
        help: Some(metric.about.to_owned()),
        kind: Some(match metric.kind {
            Kind::Counter => message::COUNTER,
            Kind::UpDownCounter | Kind::Gauge => message::GAUGE,
            Kind::Histogram => message::HISTOGRAM,
        }),
        metric: series.collect(),
        unit: unit(metric).map(str::to_owned),
    }
}

fn series(family: &Family, point: &Point, twin: Option<&Point>) -> Metric {
    let mut series = Metric { label: labels(Labels::of(&point.attributes)), ..Metric::default() };
    let value = match &point.value {
        Value::Count(count) => real(*count),
        Value::Money(amount) => dollars(*amount),
        Value::Level(level) => {
            let size = real(level.unsigned_abs());
            if *level < 0 { -size } else { size }
        }
        Value::Real(real) => *real,
        Value::Distribution(histogram) => {
            let twin = twin.and_then(|twin| match &twin.value {
                Value::Distribution(Histogram {
                    buckets: Buckets::Exponential(buckets), ..
                }) => Some(buckets),
                _ => None,
            });
            series.histogram = Some(distribution(histogram, twin, family.since(point)));
            return series;
        }
    };
    if family.metric.kind == Kind::Counter {
        let created = Some(timestamp(family.since(point)));
        series.counter = Some(message::Counter { value: Some(value), created });
    } else {
        series.gauge = Some(message::Gauge { value: Some(value) });
    }
    series
}

fn distribution(
    histogram: &Histogram,
    exponential: Option<&Exponential>,
    since: u64,
) -> message::Histogram {
    let mut told = message::Histogram {
        count: Some(histogram.count),
        sum: Some(histogram.sum),
        created: Some(timestamp(since)),
        ..message::Histogram::default()
    };
    if let Buckets::Explicit { bounds, counts } = &histogram.buckets {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let mut total = 0;
        told.bucket.extend(bounds.zip(counts).enumerate().map(|(place, (bound, count))| {
            total += count;
            let exemplar = histogram.examples.of(place).map(exemplar);
            message::Bucket { count: Some(total), bound: Some(bound), exemplar }
        }));
    }
    if let Some(exponential) = exponential {
        native(&mut told, exponential);
    }
    told
}

/// Adds the native buckets. Those that are finer than Prometheus takes are put together.
fn native(told: &mut message::Histogram, buckets: &Exponential) {
    let schema = buckets.scale.min(FINEST);
    if schema < COARSEST {
        return;
    }
    told.schema = Some(schema);
    told.zero_threshold = Some(ZERO_THRESHOLD);
    told.zero_count = Some(buckets.zeros);
    let steps = buckets.scale.abs_diff(schema);
    let mut merged: Vec<(i32, u64)> = Vec::new();
    for (index, count) in (buckets.first..).zip(&buckets.counts).filter(|(_, count)| **count > 0) {
        // Prometheus numbers a bucket by its upper bound, OpenTelemetry by its lower one.
        let index = (index >> steps) + 1;
        match merged.last_mut() {
            Some((last, total)) if *last == index => *total += count,
            _ => merged.push((index, *count)),
        }
    }
    spans(told, &merged);
}

/// Tells buckets that are not empty, in their order, as spans and differences.
fn spans(told: &mut message::Histogram, buckets: &[(i32, u64)]) {
    let (mut next, mut before) = (0, 0_i64);
    for (index, count) in buckets {
        let gap = index - next;
        match told.span.last_mut() {
            Some(BucketSpan { length: Some(length), .. }) if gap <= SHORT_GAP => {
                for _ in 0..gap {
                    told.delta.push(-std::mem::take(&mut before));
                }
                *length += gap.unsigned_abs() + 1;
            }
            _ => told.span.push(BucketSpan { offset: Some(gap), length: Some(1) }),
        }
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        told.delta.push(count - before);
        (next, before) = (index + 1, count);
    }
}

fn exemplar(exemplar: &Exemplar) -> message::Exemplar {
    message::Exemplar {
        label: exemplar.labels().map(|(name, value)| label(name.to_owned(), value)).into(),
        value: Some(exemplar.value),
        time: Some(timestamp(exemplar.example.time)),
    }
}

fn labels(labels: Labels) -> Vec<LabelPair> {
    labels.0.into_iter().map(|(name, value)| label(name, value)).collect()
}

fn label(name: String, value: String) -> LabelPair {
    LabelPair { name: Some(name), value: Some(value) }
}

fn timestamp(nanos: u64) -> Timestamp {
    const SECOND: u64 = 1_000_000_000;
    Timestamp {
        seconds: i64::try_from(nanos / SECOND).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos % SECOND).unwrap_or(0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the protocol has only real numbers")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
pub(crate) mod tests;
