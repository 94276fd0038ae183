//! What this process knows about itself, as metrics that are read when the sums are.
//!
//! Names, units and meanings stand with the counters, in core: a new counter is a row there. Among
//! them is the ledger of each exporter: created + recovered = acked + dropped + queued in memory and on
//! disk.

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use tidegauge_core::{Dropped, Health, HealthReading, Ledger, LedgerReading, Scope};

use super::family::{Family, Point, Value, unix_nanos};
use crate::attribute::pair;
use crate::resource;
use crate::semconv::{self as name, Metric};
use crate::span::scheme;

/// What found no room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Folded {
    /// Attribute values that became another word.
    pub(super) values: u64,
    /// Measurements that were added up without their attribute set.
    pub(super) measurements: u64,
}

/// Everything this process knows about itself, always in the same order. `secure`: our own listener
/// speaks TLS.
pub(super) fn read(health: &Health, folded: Folded, secure: bool) -> Vec<Family> {
    let mut families = Vec::new();
    families.extend(name::HEALTH.iter().map(|(metric, read)| family(metric, points(health, read))));
    let exporters = health.exporters();
    families.extend(name::LEDGER.iter().map(|(metric, read)| {
        let points = exporters.iter().flat_map(|ledger| booked(ledger, read));
        family(metric, points.collect())
    }));
    for (metric, count) in
        [(&name::LABELS_FOLDED, folded.values), (&name::SETS_FOLDED, folded.measurements)]
    {
        families.push(family(metric, vec![point(Vec::new(), Value::Count(count))]));
    }
    let age = price_list_age(health).map(|age| point(Vec::new(), Value::Level(age)));
    families.push(family(&name::PRICES_AGE, age.into_iter().collect()));
    families.push(active(health, secure));
    families.push(build());
    families
}

fn points(health: &Health, read: &HealthReading) -> Vec<Point> {
    let by = |key: &'static str, counts: Vec<(&str, u64)>| {
        let counts = counts.into_iter();
        counts.map(|(word, count)| point(vec![text(key, word)], Value::Count(count))).collect()
    };
    match read {
        HealthReading::Total(read) => vec![point(Vec::new(), Value::Count(read(health)))],
        HealthReading::TotalByReason(read) => by(name::REASON, read(health)),
        HealthReading::TotalByTask(read) => by(name::TASK, read(health)),
        HealthReading::Level(read) | HealthReading::Gauge(read) => {
            vec![point(Vec::new(), Value::Level(read(health)))]
        }
    }
}

/// What a number of one exporter's ledger is now.
fn booked(ledger: &Ledger, read: &LedgerReading) -> Vec<Point> {
    match read {
        LedgerReading::Total(read) => {
            vec![point(vec![exporter(ledger)], Value::Count(read(ledger)))]
        }
        LedgerReading::Level(read) => {
            vec![point(vec![exporter(ledger)], Value::Level(read(ledger)))]
        }
        LedgerReading::Loss(read) => {
            let lost = |reason: &Dropped| {
                let set = vec![exporter(ledger), text(name::REASON, reason.name())];
                point(set, Value::Count(read(ledger, *reason)))
            };
            Dropped::ALL.iter().map(lost).collect()
        }
    }
}

/// What runs, as attributes of a one.
fn build() -> Family {
    let set = vec![
        text(name::HOST_ARCH, resource::arch()),
        text(name::OS_TYPE, resource::os()),
        text(name::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
    ];
    family(&name::BUILD_INFO, vec![point(set, Value::Level(1))])
}

/// Seconds since the date of the price list in use.
fn price_list_age(health: &Health) -> Option<i64> {
    let now = unix_nanos() / 1_000_000_000;
    i64::try_from(now.saturating_sub(health.price_list_date()?)).ok()
}

/// Turns counts into those since the last time, which `told` remembers in their order.
pub(super) fn since(families: &mut [Family], told: &mut Vec<u64>) {
    let mut next = 0;
    for family in families {
        for point in &mut family.points {
            if let Value::Count(count) = &mut point.value {
                if told.len() <= next {
                    told.push(0);
                }
                if let Some(last) = told.get_mut(next) {
                    *count -= std::mem::replace(last, *count).min(*count);
                }
                next += 1;
                family.delta = true;
            }
        }
    }
}

/// The data plane counts its open requests without their methods, which the convention wants: the
/// method is stated as not known.
fn active(health: &Health, secure: bool) -> Family {
    let set = vec![text(name::HTTP_METHOD, name::OTHER), text(name::URL_SCHEME, scheme(secure))];
    let points = vec![point(set, Value::Level(health.active()))];
    Family { scope: Scope::Http, ..family(&name::HTTP_SERVER_ACTIVE, points) }
}

fn exporter(ledger: &Ledger) -> KeyValue {
    text(name::EXPORTER, ledger.exporter())
}

pub(super) fn family(metric: &'static Metric, points: Vec<Point>) -> Family {
    Family { scope: Scope::Own, metric, delta: false, since: 0, now: 0, points }
}

pub(super) fn point(attributes: Vec<KeyValue>, value: Value) -> Point {
    Point { attributes, value, since: None }
}

pub(super) fn text(key: &str, word: &str) -> KeyValue {
    pair(key, Any::StringValue(word.to_owned()))
}
