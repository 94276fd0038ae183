//! Sums of the OpenTelemetry SDK into encoded OTLP metrics.
//!
//! Money leaves here as dollars: inside it is a whole number of billionths. A metric with very many
//! points becomes several messages, so that no message is over what a collector takes.

use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, metric::Data, number_data_point::Value,
};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric as SdkMetric, MetricData, ResourceMetrics,
};
use prost::Message;
use tidegauge_core::Money;

use crate::exemplar::Taken;
use crate::semconv;
use crate::span::{Scope, dollars};

/// Most points in one message.
const POINTS: usize = 1000;

/// Every metric with a point in it: its scope, the number of points, the encoded message.
pub(crate) fn encode(sums: &ResourceMetrics, exemplars: Taken) -> Vec<(Scope, u64, Vec<u8>)> {
    let encoded = |(scope, metric): (Scope, Metric)| {
        let points = u64::try_from(count(&metric)).unwrap_or(u64::MAX);
        (scope, points, metric.encode_to_vec())
    };
    metrics(sums, exemplars).into_iter().map(encoded).collect()
}

/// The same before it is encoded.
pub(crate) fn metrics(sums: &ResourceMetrics, mut exemplars: Taken) -> Vec<(Scope, Metric)> {
    let mut metrics = Vec::new();
    for group in sums.scope_metrics() {
        let named = |scope: &Scope| scope.name() == group.scope().name();
        let scope = Scope::ALL.into_iter().find(named).unwrap_or(Scope::Own);
        for sum in group.metrics() {
            let mut metric = Metric::from(sum);
            exemplify(&mut metric, sum, &mut exemplars);
            if metric.name == semconv::COST.name {
                in_dollars(&mut metric);
            }
            split(metric, &mut |part| metrics.push((scope, part)));
        }
    }
    metrics
}

/// Adds the examples. Points keep their order on the way out of the SDK's types.
fn exemplify(metric: &mut Metric, sum: &SdkMetric, exemplars: &mut Taken) {
    let AggregatedMetrics::F64(sums) = sum.data() else { return };
    match (&mut metric.data, sums) {
        (Some(Data::Histogram(data)), MetricData::Histogram(sums)) => {
            for (point, sum) in data.data_points.iter_mut().zip(sums.data_points()) {
                point.exemplars = exemplars.of(&metric.name, sum.attributes().cloned().collect());
            }
        }
        (Some(Data::ExponentialHistogram(data)), MetricData::ExponentialHistogram(sums)) => {
            for (point, sum) in data.data_points.iter_mut().zip(sums.data_points()) {
                point.exemplars = exemplars.of(&metric.name, sum.attributes().cloned().collect());
            }
        }
        _ => {}
    }
}

fn in_dollars(metric: &mut Metric) {
    let Some(Data::Sum(sum)) = &mut metric.data else { return };
    for NumberDataPoint { value, .. } in &mut sum.data_points {
        if let Some(Value::AsInt(nanos)) = value {
            let nanos = u64::try_from(*nanos).unwrap_or(0);
            *value = Some(Value::AsDouble(dollars(Money::from_nanos(nanos))));
        }
    }
}

fn count(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
        None => 0,
    }
}

/// Hands out the metric in parts of at most [`POINTS`] points, nothing when it has none.
fn split(mut metric: Metric, part: &mut impl FnMut(Metric)) {
    while count(&metric) > POINTS {
        let mut rest = Metric { data: None, ..metric.clone() };
        rest.data = metric.data.as_mut().map(halve);
        part(metric);
        metric = rest;
    }
    if count(&metric) > 0 {
        part(metric);
    }
}

/// Leaves the first [`POINTS`] points and returns the same kind of data with the others.
fn halve(data: &mut Data) -> Data {
    macro_rules! cut {
        ($variant:ident, $data:ident) => {{
            let mut rest = $data.clone();
            rest.data_points = $data.data_points.split_off(POINTS);
            Data::$variant(rest)
        }};
    }
    match data {
        Data::Gauge(data) => cut!(Gauge, data),
        Data::Sum(data) => cut!(Sum, data),
        Data::Histogram(data) => cut!(Histogram, data),
        Data::ExponentialHistogram(data) => cut!(ExponentialHistogram, data),
        Data::Summary(data) => cut!(Summary, data),
    }
}
