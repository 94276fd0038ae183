//! What upstreams last said of their rate limits, as levels that are read when the sums are.
//!
//! A level of nothing left is a level: 0 is shown. Bounded by upstreams of the configuration and
//! resources that readers know. Must not know: headers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge_core::{Exchange, RateLimit, Record, Reset};

use super::family::{Family, Value};
use super::health::{family, point, text};
use crate::semconv::{self as name, Metric};

/// Upstreams and resources at once; more are not shown.
const ROOM: usize = 1000;

/// The three metrics, in the order of [`Told`]'s fields.
const METRICS: [&Metric; 3] =
    [&name::RATE_LIMIT_LIMIT, &name::RATE_LIMIT_REMAINING, &name::RATE_LIMIT_RESET];

/// What is known of one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    limit: Option<u64>,
    remaining: Option<u64>,
    /// Seconds since 1970.
    reset: Option<u64>,
}

/// The last word of each upstream on each of its limits.
#[derive(Debug, Default)]
pub(super) struct Limits(BTreeMap<(String, &'static str), Told>);

impl Limits {
    /// What a response said. What it left out stays as it was.
    pub(super) fn note(&mut self, record: &Record) {
        for limit in &record.observation.response.rate_limits {
            let key = (record.exchange.to.name.to_string(), limit.resource);
            if self.0.len() >= ROOM && !self.0.contains_key(&key) {
                continue;
            }
            let told = self.0.entry(key).or_default();
            told.limit = limit.limit.or(told.limit);
            told.remaining = limit.remaining.or(told.remaining);
            told.reset = reset(limit, &record.exchange).or(told.reset);
        }
    }

    /// Every level, by metric.
    pub(super) fn read(&self) -> impl Iterator<Item = Family> {
        METRICS.into_iter().enumerate().map(|(column, metric)| {
            let points = self.0.iter().filter_map(|((upstream, resource), told)| {
                let value =
                    [told.limit, told.remaining, told.reset].get(column).copied().flatten()?;
                let set =
                    vec![text(name::RATE_LIMIT_RESOURCE, resource), text(name::UPSTREAM, upstream)];
                Some(point(set, Value::Level(i64::try_from(value).unwrap_or(i64::MAX))))
            });
            family(metric, points.collect())
        })
    }
}

/// When the limit is whole again, by our clock.
fn reset(limit: &RateLimit, exchange: &Exchange) -> Option<u64> {
    let time = match limit.reset? {
        Reset::In(time) => {
            let heard = exchange.times.head.unwrap_or(Duration::ZERO);
            exchange.started.checked_add(heard)?.checked_add(time)?
        }
        Reset::At(time) => time,
    };
    seconds(time)
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::records::unary;

    fn record(limits: Vec<RateLimit>) -> Record {
        let mut record = unary();
        record.exchange.started = UNIX_EPOCH + Duration::from_secs(1000);
        record.exchange.times.head = Some(Duration::from_secs(2));
        record.observation.response.rate_limits = limits;
        record
    }

    fn limit(limit: Option<u64>, remaining: Option<u64>, reset: Option<Reset>) -> RateLimit {
        RateLimit { resource: "tokens", limit, remaining, reset }
    }

    fn read(limits: &Limits) -> Vec<(&'static str, u64)> {
        let mut levels = Vec::new();
        for family in limits.read() {
            for point in &family.points {
                assert_eq!(point.attributes[0], text("tidegauge.rate_limit.resource", "tokens"));
                let Value::Level(level) = point.value else { panic!("a level") };
                levels.push((family.metric.name, u64::try_from(level).unwrap()));
            }
        }
        levels
    }

    #[test]
    fn the_last_word_counts_and_nothing_left_is_a_level() {
        let mut limits = Limits::default();
        limits.note(&record(Vec::new()));
        assert_eq!(read(&limits), []);
        limits.note(&record(vec![limit(Some(100), Some(7), None)]));
        limits.note(&record(vec![limit(None, Some(0), Some(Reset::In(Duration::from_secs(60))))]));
        assert_eq!(
            read(&limits),
            [
                ("tidegauge.rate_limit.limit", 100),
                ("tidegauge.rate_limit.remaining", 0),
                ("tidegauge.rate_limit.reset_timestamp", 1062),
            ]
        );
        let at = Reset::At(UNIX_EPOCH + Duration::from_secs(5000));
        limits.note(&record(vec![limit(None, None, Some(at))]));
        assert_eq!(read(&limits).pop(), Some(("tidegauge.rate_limit.reset_timestamp", 5000)));
    }

    #[test]
    fn there_is_a_bound() {
        let mut limits = Limits::default();
        for number in 0..ROOM + 10 {
            let mut record = record(vec![limit(Some(1), None, None)]);
            record.exchange.to.name = number.to_string().into();
            limits.note(&record);
        }
        assert_eq!(limits.0.len(), ROOM);
    }
}
