//! What was counted, as data that can be shown. Knows no record and no format.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use tidegauge_core::{Money, Scope};

use super::histogram::Histogram;
use crate::semconv::Metric;

/// The most one record adds to a sum: a million dollars, or a quadrillion tokens. An upstream can
/// claim any figure, and a sum must not overflow; this fits in thousands of times.
pub(super) const MOST: u64 = 1 << 50;

/// A metric with its points.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Family {
    /// Whose it is.
    pub(crate) scope: Scope,
    /// Everything about it but values.
    pub(crate) metric: &'static Metric,
    /// Whether sums are those since the last reading. Levels never are.
    pub(crate) delta: bool,
    /// Nanoseconds since the Unix epoch that sums began at.
    pub(crate) since: u64,
    /// Nanoseconds since the Unix epoch that they are of.
    pub(crate) now: u64,
    /// One for each attribute set.
    pub(crate) points: Vec<Point>,
}

/// The value of one attribute set.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    /// The set.
    pub(crate) attributes: Vec<KeyValue>,
    /// The value.
    pub(crate) value: Value,
    /// Nanoseconds since the Unix epoch that it began at, where that is later than its family did.
    pub(crate) since: Option<u64>,
}

impl Family {
    /// When the sum of a point began. A sum that did not begin with the process did so when it was first
    /// added to: a reader that takes it to have been 0 then misses nothing.
    pub(crate) fn since(&self, point: &Point) -> u64 {
        point.since.filter(|_| !self.delta).map_or(self.since, |since| since.max(self.since))
    }
}

/// What a point holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a counter of money.
    Money(Money),
    /// Of something that goes up and down.
    Level(i64),
    /// A number that is no whole one.
    Real(f64),
    /// Of a histogram.
    Distribution(Histogram),
}

#[expect(clippy::cast_precision_loss, reason = "at most 2^50")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::disallowed_methods, reason = "points say which wall time they are of")]
pub(super) fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
