//! What this process knows about itself, as metrics that are read when the sums are.
//!
//! Among them the books of the spans: created + recovered = acked + dropped + queued in
//! memory and on disk.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter as Instruments;
use tidegauge_core::{Dropped, Health, Rejected, Task};

use super::sample::text;
use crate::cardinality::Cardinality;
use crate::semconv::{self as name, Metric};
use crate::span::scheme;

/// Counts of [`Health`] that have no attribute.
type Total = fn(&Health) -> u64;
/// Amounts of [`Health`] that have no attribute.
type Amount = fn(&Health) -> i64;

const TOTALS: &[(Metric, Total)] = &[
    (name::REQUESTS_ACCEPTED, Health::accepted),
    (name::RECORDS, Health::records),
    (name::SPANS_CREATED, Health::spans),
    (name::SPANS_ACKED, Health::spans_acked),
    (name::SPANS_RECOVERED, Health::spans_recovered),
    (name::CLIENT_DISCONNECTS, Health::disconnects),
    (name::OBSERVATIONS_PARTIAL, Health::partial),
    (name::UNPRICED, Health::unpriced),
    (name::UNCLASSIFIED, Health::unclassified),
    (name::SPLICES_REFUSED, Health::splices_refused),
    (name::HOLDS_EXCEEDED, Health::holds_exceeded),
    (name::SCHEMAS_UNUSABLE, Health::schemas_unusable),
    (name::RELOADS, |health| health.reloads().0),
];

const AMOUNTS: &[(Metric, Amount)] = &[
    (name::SPANS_QUEUED, Health::spans_queued),
    (name::SPANS_QUEUED_DISK, Health::spans_queued_disk),
    (name::STREAMS_ACTIVE, Health::streams),
    (name::CONNECTIONS_ACTIVE, Health::connections),
];

/// Counts of [`Health`] by the reason of a loss.
type Loss = fn(&Health, Dropped) -> u64;

const DROPS: &[(Metric, Loss)] = &[
    (name::SPANS_DROPPED, Health::spans_dropped),
    (name::POINTS_DROPPED, Health::points_dropped),
    (name::LOGS_DROPPED, Health::logs_dropped),
    (name::RECORDS_LOST, Health::records_lost),
];

/// Everything this process knows about itself, read when the sums are.
pub(super) fn observe(meter: &Instruments, health: &Arc<Health>, bound: &Arc<Cardinality>) {
    for (metric, read) in TOTALS {
        let health = Arc::clone(health);
        observe_total(meter, metric, move |tell| tell(read(&health), &[]));
    }
    for (metric, read) in DROPS {
        let health = Arc::clone(health);
        observe_total(meter, metric, move |tell| {
            for reason in Dropped::ALL {
                tell(read(&health, *reason), &[text(name::REASON, reason.name())]);
            }
        });
    }
    let rejected = Arc::clone(health);
    observe_total(meter, &name::REQUESTS_REJECTED, move |tell| {
        for reason in Rejected::ALL {
            tell(rejected.rejected(*reason), &[text(name::REASON, reason.name())]);
        }
    });
    let panics = Arc::clone(health);
    observe_total(meter, &name::PANICS, move |tell| {
        for task in Task::ALL {
            tell(panics.panics(*task), &[text(name::TASK, task.name())]);
        }
    });
    let bound = Arc::clone(bound);
    observe_total(meter, &name::LABELS_FOLDED, move |tell| tell(bound.folded(), &[]));
    for (metric, read) in AMOUNTS {
        let health = Arc::clone(health);
        meter
            .i64_observable_up_down_counter(metric.name)
            .with_unit(metric.unit)
            .with_description(metric.about)
            .with_callback(move |observer| observer.observe(read(&health), &[]))
            .build();
    }
    let reload = Arc::clone(health);
    meter
        .u64_observable_gauge(name::RELOAD_OK.name)
        .with_description(name::RELOAD_OK.about)
        .with_callback(move |observer| observer.observe(u64::from(reload.reloads().1), &[]))
        .build();
}

fn observe_total(
    meter: &Instruments,
    metric: &Metric,
    read: impl Fn(&dyn Fn(u64, &[KeyValue])) + Send + Sync + 'static,
) {
    meter
        .u64_observable_counter(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.about)
        .with_callback(move |observer| read(&|value, set| observer.observe(value, set)))
        .build();
}

/// The data plane counts its open requests without their methods, which the convention wants: the
/// method is stated as not known.
pub(super) fn observe_active(meter: &Instruments, health: &Arc<Health>, secure: bool) {
    let health = Arc::clone(health);
    let set = [text(name::HTTP_METHOD, name::OTHER), text(name::URL_SCHEME, scheme(secure))];
    meter
        .i64_observable_up_down_counter(name::HTTP_SERVER_ACTIVE.name)
        .with_unit(name::HTTP_SERVER_ACTIVE.unit)
        .with_description(name::HTTP_SERVER_ACTIVE.about)
        .with_callback(move |observer| observer.observe(health.active(), &set))
        .build();
}
