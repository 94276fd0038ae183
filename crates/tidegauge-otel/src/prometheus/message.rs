//! The messages of Prometheus' protobuf exposition, as far as we send them.
//!
//! Only data. Source: prometheus/client_model, `io/prometheus/client/metrics.proto`.

use prost::Message;

/// A counter.
pub(crate) const COUNTER: i32 = 0;
/// A gauge.
pub(crate) const GAUGE: i32 = 1;
/// A histogram of either kind.
pub(crate) const HISTOGRAM: i32 = 4;

/// A metric with its series.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricFamily {
    /// With `_total`, where it is a counter.
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) help: Option<String>,
    /// One of the constants above.
    #[prost(int32, optional, tag = "3")]
    pub(crate) kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    pub(crate) unit: Option<String>,
}

/// One series.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub(crate) label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub(crate) gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    pub(crate) counter: Option<Counter>,
    #[prost(message, optional, tag = "7")]
    pub(crate) histogram: Option<Histogram>,
}

/// A label.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LabelPair {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) value: Option<String>,
}

/// The value of a gauge.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Gauge {
    #[prost(double, optional, tag = "1")]
    pub(crate) value: Option<f64>,
}

/// The value of a counter.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Counter {
    #[prost(double, optional, tag = "1")]
    pub(crate) value: Option<f64>,
    /// When it was zero.
    #[prost(message, optional, tag = "3")]
    pub(crate) created: Option<Timestamp>,
}

/// A histogram: classic buckets, and native ones beside them.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(crate) sum: Option<f64>,
    /// In the order of their bounds.
    #[prost(message, repeated, tag = "3")]
    pub(crate) bucket: Vec<Bucket>,
    /// How fine the native buckets are, from -4 to 8.
    #[prost(sint32, optional, tag = "5")]
    pub(crate) schema: Option<i32>,
    /// Up to here a value counts as zero. Prometheus knows a native histogram by it.
    #[prost(double, optional, tag = "6")]
    pub(crate) zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    pub(crate) zero_count: Option<u64>,
    /// Where the native buckets are.
    #[prost(message, repeated, tag = "12")]
    pub(crate) span: Vec<BucketSpan>,
    /// By how much each of them has more than the one before it.
    #[prost(sint64, repeated, tag = "13")]
    pub(crate) delta: Vec<i64>,
    /// When it was empty.
    #[prost(message, optional, tag = "15")]
    pub(crate) created: Option<Timestamp>,
}

/// A classic bucket.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Bucket {
    /// How many values are not above the bound.
    #[prost(uint64, optional, tag = "1")]
    pub(crate) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(crate) bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) exemplar: Option<Exemplar>,
}

/// Native buckets without a gap.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct BucketSpan {
    /// The number of the first one; after the first span, how many are left out before it.
    #[prost(sint32, optional, tag = "1")]
    pub(crate) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) length: Option<u32>,
}

/// A value and where it came from.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(crate) label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    pub(crate) value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) time: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}
