//! Sums and distributions into encoded OTLP metrics.
//!
//! Money leaves here as dollars. A metric with very many points becomes several messages, so that no
//! message is over what a collector takes.

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram as Explicit, HistogramDataPoint, Metric, NumberDataPoint, Sum,
    exponential_histogram_data_point::Buckets as Range, metric::Data,
    number_data_point::Value as Number,
};
use prost::Message;
use tidegauge_core::Scope;

use crate::exemplar::Exemplar;
use crate::metric::{Buckets, Family, Histogram, Point, Value};
use crate::semconv::Kind;
use crate::span::dollars;

/// Most points in one message.
const POINTS: usize = 1000;

/// Every metric with a point in it: its scope, the number of points, the encoded message.
pub(crate) fn encode(families: Vec<Family>) -> impl Iterator<Item = (Scope, u64, Vec<u8>)> {
    metrics(families).map(|(scope, points, metric)| {
        (scope, u64::try_from(points).unwrap_or(u64::MAX), metric.encode_to_vec())
    })
}

/// The same before it is encoded.
pub(crate) fn metrics(families: Vec<Family>) -> impl Iterator<Item = (Scope, usize, Metric)> {
    families.into_iter().flat_map(|mut family| {
        let points = std::mem::take(&mut family.points);
        let mut points = points.into_iter().peekable();
        std::iter::from_fn(move || {
            points.peek()?;
            let part: Vec<Point> = points.by_ref().take(POINTS).collect();
            Some((family.scope, part.len(), metric(&family, part)))
        })
    })
}

fn metric(family: &Family, points: Vec<Point>) -> Metric {
    let about = family.metric;
    Metric {
        name: about.name.to_owned(),
        description: about.about.to_owned(),
        unit: about.unit.to_owned(),
        data: Some(data(family, points)),
        ..Metric::default()
    }
}

fn data(family: &Family, points: Vec<Point>) -> Data {
    let aggregation_temporality = if family.delta {
        AggregationTemporality::Delta.into()
    } else {
        AggregationTemporality::Cumulative.into()
    };
    let numbers = |points: Vec<Point>| points.into_iter().filter_map(|point| number(family, point));
    match family.metric.kind {
        Kind::Counter | Kind::UpDownCounter => Data::Sum(Sum {
            data_points: numbers(points).collect(),
            aggregation_temporality,
            is_monotonic: family.metric.kind == Kind::Counter,
        }),
        Kind::Gauge => Data::Gauge(Gauge { data_points: numbers(points).collect() }),
        Kind::Histogram if points.first().is_some_and(is_exponential) => {
            let points = points.into_iter().filter_map(|point| exponential(family, point));
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points.collect(),
                aggregation_temporality,
            })
        }
        Kind::Histogram => {
            let points = points.into_iter().filter_map(|point| explicit(family, point));
            let data_points = points.collect();
            Data::Histogram(Explicit { data_points, aggregation_temporality })
        }
    }
}

fn is_exponential(point: &Point) -> bool {
    let Value::Distribution(histogram) = &point.value else { return false };
    matches!(histogram.buckets, Buckets::Exponential(_))
}

fn number(family: &Family, point: Point) -> Option<NumberDataPoint> {
    let since = family.since(&point);
    let value = match point.value {
        Value::Count(count) => Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
        Value::Level(level) => Number::AsInt(level),
        Value::Real(real) => Number::AsDouble(real),
        Value::Money(amount) => Number::AsDouble(dollars(amount)),
        Value::Distribution(_) => return None,
    };
    Some(NumberDataPoint {
        attributes: point.attributes,
        start_time_unix_nano: since,
        time_unix_nano: family.now,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn explicit(family: &Family, point: Point) -> Option<HistogramDataPoint> {
    let since = family.since(&point);
    let Value::Distribution(told) = point.value else { return None };
    let Buckets::Explicit { bounds, counts } = &told.buckets else { return None };
    Some(HistogramDataPoint {
        attributes: point.attributes,
        start_time_unix_nano: since,
        time_unix_nano: family.now,
        count: told.count,
        sum: Some(told.sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        exemplars: exemplars(&told),
        min: Some(told.min).filter(|min| min.is_finite()),
        max: Some(told.max).filter(|max| max.is_finite()),
        ..HistogramDataPoint::default()
    })
}

fn exponential(family: &Family, point: Point) -> Option<ExponentialHistogramDataPoint> {
    let since = family.since(&point);
    let Value::Distribution(mut told) = point.value else { return None };
    let exemplars = exemplars(&told);
    let Buckets::Exponential(buckets) = &mut told.buckets else { return None };
    let bucket_counts = std::mem::take(&mut buckets.counts);
    Some(ExponentialHistogramDataPoint {
        attributes: point.attributes,
        start_time_unix_nano: since,
        time_unix_nano: family.now,
        count: told.count,
        sum: Some(told.sum),
        scale: buckets.scale,
        zero_count: buckets.zeros,
        positive: Some(Range { offset: buckets.first, bucket_counts }),
        exemplars,
        min: Some(told.min).filter(|min| min.is_finite()),
        max: Some(told.max).filter(|max| max.is_finite()),
        ..ExponentialHistogramDataPoint::default()
    })
}

fn exemplars(told: &Histogram) -> Vec<opentelemetry_proto::tonic::metrics::v1::Exemplar> {
    told.examples.iter().map(Exemplar::proto).collect()
}
