//! What upstreams last said of their rate limits, as levels that are read when the sums are.
//!
//! A level of nothing left is a level: 0 is shown. Bounded by upstreams of the configuration and
//! resources that readers know. Must not know: headers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegauge_core::{Exchange, RateLimit, Record, Reset};

use super::health::{family, point, text};
use super::{Family, Value};
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
pub(crate) struct Limits(Mutex<BTreeMap<(String, &'static str), Told>>);

impl Limits {
    /// What a response said. What it left out stays as it was.
    pub(crate) fn note(&self, record: &Record) {
        let limits = &record.observation.response.rate_limits;
        if limits.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for limit in limits {
            let key = (record.exchange.upstream.name.to_string(), limit.resource);
            if known.len() >= ROOM && !known.contains_key(&key) {
                continue;
            }
            let told = known.entry(key).or_default();
            told.limit = limit.limit.or(told.limit);
            told.remaining = limit.remaining.or(told.remaining);
            told.reset = reset(limit, &record.exchange).or(told.reset);
        }
    }

    /// The levels there are.
    pub(super) fn read(&self) -> Vec<Family> {
        let mut families = Vec::new();
        for metric in METRICS {
            let mut points = Vec::new();
            self.each(metric, &mut |upstream, resource, value| {
                let set =
                    vec![text(name::RATE_LIMIT_RESOURCE, resource), text(name::UPSTREAM, upstream)];
                let level = i64::try_from(value).unwrap_or(i64::MAX);
                points.push(point(set, Value::Level(level)));
            });
            if !points.is_empty() {
                families.push(family(metric, points));
            }
        }
        families
    }

    /// Every level of one of [`METRICS`]: upstream, resource, value.
    fn each(&self, metric: &Metric, tell: &mut dyn FnMut(&str, &'static str, u64)) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((upstream, resource), told) in &*known {
            let values = [told.limit, told.remaining, told.reset];
            let mut columns = METRICS.iter().zip(values);
            let value = columns.find(|(column, _)| column.name == metric.name);
            if let Some(value) = value.and_then(|(_, value)| value) {
                tell(upstream, resource, value);
            }
        }
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
        for metric in METRICS {
            limits.each(metric, &mut |_, resource, value| {
                assert_eq!(resource, "tokens");
                levels.push((metric.name, value));
            });
        }
        levels
    }

    #[test]
    fn the_last_word_counts_and_nothing_left_is_a_level() {
        let limits = Limits::default();
        limits.note(&record(Vec::new()));
        assert_eq!(read(&limits), []);
        limits.note(&record(vec![limit(Some(100), Some(7), None)]));
        limits.note(&record(vec![limit(None, Some(0), Some(Reset::In(Duration::from_secs(60))))]));
        assert_eq!(
            read(&limits),
            [
                ("tidegauge.rate_limit.limit", 100),
                ("tidegauge.rate_limit.remaining", 0),
                ("tidegauge.rate_limit.reset", 1062),
            ]
        );
        let at = Reset::At(UNIX_EPOCH + Duration::from_secs(5000));
        limits.note(&record(vec![limit(None, None, Some(at))]));
        assert_eq!(read(&limits).pop(), Some(("tidegauge.rate_limit.reset", 5000)));
    }

    #[test]
    fn there_is_a_bound() {
        let limits = Limits::default();
        for number in 0..ROOM + 10 {
            let mut record = record(vec![limit(Some(1), None, None)]);
            let mut upstream = (*record.exchange.upstream).clone();
            upstream.name = number.to_string().into();
            record.exchange.upstream = upstream.into();
            limits.note(&record);
        }
        assert_eq!(limits.0.lock().unwrap().len(), ROOM);
    }
}
