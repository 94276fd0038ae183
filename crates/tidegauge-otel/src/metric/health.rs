//! What this process knows about itself, as metrics that are read when the sums are.
//!
//! Among them the books of the spans, for each exporter: created + recovered = acked + dropped +
//! queued in memory and on disk.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use tidegauge_core::{Books, Dropped, Health, Rejected, Scope, Task, Withheld};

use super::{Family, Folded, Point, Value};
use crate::attribute::pair;
use crate::resource;
use crate::semconv::{self as name, Metric};
use crate::span::scheme;

/// Counts of [`Health`] that have no attribute.
type Total = fn(&Health) -> u64;
/// Amounts of [`Health`] that have no attribute.
type Amount = fn(&Health) -> i64;

const TOTALS: &[(Metric, Total)] = &[
    (name::REQUESTS_ACCEPTED, Health::accepted),
    (name::RECORDS, Health::records),
    (name::TURNS_OVER, Health::turns),
    (name::TURN_RECORDS, Health::turns_recorded),
    (name::MESSAGES_SKIPPED, Health::messages_skipped),
    (name::CLIENT_DISCONNECTS, Health::disconnects),
    (name::OBSERVATIONS_PARTIAL, Health::partial),
    (name::UNPRICED, Health::unpriced),
    (name::UNCLASSIFIED, Health::unclassified),
    (name::SPLICES_REFUSED, Health::splices_refused),
    (name::HOLDS_EXCEEDED, Health::holds_exceeded),
    (name::JOURNAL_OPENED, Health::journal_opened),
    (name::JOURNAL_CLOSED, Health::journal_closed),
    (name::KILLED, Health::killed),
    (name::SCHEMAS_UNUSABLE, Health::schemas_unusable),
    (name::RESPONSES_FORGOTTEN, Health::responses_forgotten),
    (name::RELOADS, |health| health.reloads().0),
    (name::PRICES_READS, |health| health.price_list_reads().0),
];

const AMOUNTS: &[(Metric, Amount)] = &[
    (name::STREAMS_ACTIVE, Health::streams),
    (name::RECORDS_QUEUED, Health::records_queued),
    (name::CONNECTIONS_ACTIVE, Health::connections),
    (name::RESPONSES_OPEN, Health::responses_open),
    (name::RELOAD_OK, |health| i64::from(health.reloads().1)),
    (name::PRICES_OK, |health| i64::from(health.price_list_reads().1)),
];

/// Counts of an exporter's books.
type Booked = fn(&Books) -> u64;
/// Amounts of an exporter's books.
type Waiting = fn(&Books) -> i64;

const BOOKED: &[(Metric, Booked)] = &[
    (name::SPANS_CREATED, Books::spans),
    (name::SPANS_ACKED, Books::spans_acked),
    (name::SPANS_RECOVERED, Books::spans_recovered),
];

const WAITING: &[(Metric, Waiting)] = &[
    (name::SPANS_QUEUED, Books::spans_queued),
    (name::SPANS_QUEUED_DISK, Books::spans_queued_disk),
    (name::POINTS_QUEUED, Books::points_queued),
    (name::LOGS_QUEUED, Books::logs_queued),
];

/// Counts of an exporter's books by the reason of a loss.
type Loss = fn(&Books, Dropped) -> u64;

const DROPS: &[(Metric, Loss)] = &[
    (name::SPANS_DROPPED, Books::spans_dropped),
    (name::POINTS_DROPPED, Books::points_dropped),
    (name::LOGS_DROPPED, Books::logs_dropped),
];

/// Everything this process knows about itself, always in the same order. `secure`: our own listener
/// speaks TLS.
pub(super) fn read(health: &Health, folded: Folded, secure: bool) -> Vec<Family> {
    let mut families = Vec::new();
    for (metric, read) in TOTALS {
        families.push(family(metric, vec![point(Vec::new(), Value::Count(read(health)))]));
    }
    let exporters = health.exporters();
    families.extend(BOOKED.iter().map(|(metric, read)| {
        let count = |books: &Arc<Books>| point(vec![exporter(books)], Value::Count(read(books)));
        family(metric, exporters.iter().map(count).collect())
    }));
    families.extend(DROPS.iter().map(|(metric, read)| {
        let counts = exporters.iter().flat_map(|books| {
            Dropped::ALL.iter().map(move |reason| {
                let set = vec![exporter(books), text(name::REASON, reason.name())];
                point(set, Value::Count(read(books, *reason)))
            })
        });
        family(metric, counts.collect())
    }));
    families.extend(WAITING.iter().map(|(metric, read)| {
        let level = |books: &Arc<Books>| point(vec![exporter(books)], Value::Level(read(books)));
        family(metric, exporters.iter().map(level).collect())
    }));
    let lost = Dropped::ALL.iter().map(|reason| (reason.name(), health.records_lost(*reason)));
    families.push(counted(&name::RECORDS_LOST, name::REASON, lost));
    let lost = Dropped::ALL.iter().map(|reason| (reason.name(), health.turns_lost(*reason)));
    families.push(counted(&name::TURNS_LOST, name::REASON, lost));
    let lines = Dropped::ALL.iter().map(|reason| (reason.name(), health.journal_lost(*reason)));
    families.push(counted(&name::JOURNAL_LOST, name::REASON, lines));
    let lines = Dropped::ALL.iter().map(|reason| (reason.name(), health.lines_dropped(*reason)));
    families.push(counted(&name::LINES_DROPPED, name::REASON, lines));
    let rejected = Rejected::ALL.iter().map(|reason| (reason.name(), health.rejected(*reason)));
    families.push(counted(&name::REQUESTS_REJECTED, name::REASON, rejected));
    let panics = Task::ALL.iter().map(|task| (task.name(), health.panics(*task)));
    families.push(counted(&name::PANICS, name::TASK, panics));
    let words = Withheld::ALL.iter().map(|why| (why.name(), health.contents_dropped(*why)));
    families.push(counted(&name::CONTENT_DROPPED, name::REASON, words));
    for (metric, count) in
        [(&name::LABELS_FOLDED, folded.values), (&name::SETS_FOLDED, folded.measurements)]
    {
        families.push(family(metric, vec![point(Vec::new(), Value::Count(count))]));
    }
    for (metric, read) in AMOUNTS {
        families.push(family(metric, vec![point(Vec::new(), Value::Level(read(health)))]));
    }
    let age = price_list_age(health).map(|age| point(Vec::new(), Value::Level(age)));
    families.push(family(&name::PRICES_AGE, age.into_iter().collect()));
    families.push(active(health, secure));
    families.push(build());
    families
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
    let now = super::unix_nanos() / 1_000_000_000;
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

fn exporter(books: &Books) -> KeyValue {
    text(name::EXPORTER, books.exporter())
}

fn counted(
    metric: &'static Metric,
    key: &'static str,
    counts: impl Iterator<Item = (&'static str, u64)>,
) -> Family {
    let points = counts.map(|(word, count)| point(vec![text(key, word)], Value::Count(count)));
    family(metric, points.collect())
}

pub(super) fn family(metric: &'static Metric, points: Vec<Point>) -> Family {
    Family { scope: Scope::Own, metric, delta: false, since: 0, now: 0, points }
}

pub(super) fn point(attributes: Vec<KeyValue>, value: Value) -> Point {
    Point { attributes, value }
}

pub(super) fn text(key: &str, word: &str) -> KeyValue {
    pair(key, Any::StringValue(word.to_owned()))
}
