//! Several exporters at once: each on its own, the same bytes for all.

use std::path::Path;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tempfile::TempDir;
use tidegauge_export::{DiskQueueOptions, ExporterOptions, StartError};
use tidegauge_otel::testing::shown;
use tidegauge_otel::{CacheWriteName, Histograms};
use tidegauge_spool::SpoolBounds;

use super::*;
use crate::telemetry::ExporterPlan;

/// An exporter of that name for spans alone.
fn exporter(name: &str, collector: &Collector) -> ExporterPlan {
    let one = traces_only(collector, Protocol::HttpProtobuf).exporters.pop().unwrap();
    ExporterPlan { options: ExporterOptions { name: name.to_owned(), ..one.options }, ..one }
}

fn both(first: ExporterPlan, second: ExporterPlan) -> Config {
    let mut config = Config::from_env(&Settings::default(), &|_| None).unwrap();
    config.exporters = vec![first, second];
    config
}

/// Spans acked, dropped and queued in memory; the books balance.
#[track_caller]
fn books(health: &Health, name: &str) -> (u64, u64, i64) {
    let books = health.ledger(name);
    assert_eq!(books.missing(), 0, "{name}");
    let dropped = Dropped::ALL.iter().map(|reason| books.spans_dropped(*reason)).sum();
    (books.spans_acked(), dropped, books.spans_queued())
}

/// Ids of all spans, in order.
fn ids(collector: &Collector) -> Vec<Vec<u8>> {
    let mut ids: Vec<_> =
        collector.seen().spans.iter().map(|(_, span)| span.span_id.clone()).collect();
    ids.sort();
    ids
}

#[test]
fn every_exporter_gets_everything_it_wants() {
    let (one, two) = (Collector::start(), Collector::start());
    let mut second = config(&two, Protocol::Grpc).exporters.pop().unwrap();
    second.options.name = "two".to_owned();
    let (telemetry, health) = start(both(exporter("one", &one), second));
    let subscriber =
        tracing_subscriber::registry().with(tidegauge_otel::layer(telemetry.encoder()));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "tidegauge_proxy::server", "listening");
    });
    telemetry.record(&records::stream());
    telemetry.record(&records::rate_limited());
    telemetry.shutdown(LONG);
    assert_eq!(ids(&one), ids(&two));
    assert_eq!((books(&health, "one"), books(&health, "two")), ((6, 0, 0), (6, 0, 0)));
    assert_eq!((one.seen().logs.len(), two.seen().logs.len()), (0, 2));
    assert_eq!((one.seen().metrics.len(), two.seen().metrics.is_empty()), (0, false));
    let page = page(&telemetry);
    for name in ["one", "two"] {
        let line = format!("tidegauge_spans_acked_total{{tidegauge_exporter=\"{name}\"}} 6");
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn f42_one_exporter_that_hangs_or_refuses_costs_the_other_nothing() {
    for trouble in [Reply::Hang, Reply::Http(503, None), Reply::Http(400, None)] {
        let (bad, good) = (Collector::start(), Collector::start());
        bad.always(Some(trouble.clone()));
        let mut first = exporter("bad", &bad);
        first.options.trace_queue.pieces = 30;
        let (telemetry, health) = start(both(first, exporter("good", &good)));
        for _ in 0..100 {
            telemetry.record(&records::unary());
        }
        // While the other one is in trouble.
        while health.ledger("good").spans_acked() < 300 {
            std::thread::sleep(Duration::from_millis(5));
        }
        telemetry.shutdown(Duration::from_millis(200));
        assert_eq!(books(&health, "good"), (300, 0, 0), "{trouble:?}");
        assert_eq!(books(&health, "bad"), (0, 300, 0), "{trouble:?}");
    }
}

/// Deltas with fixed boundaries for one, cumulative exponential histograms for another: each adds up to
/// the whole, under the resource that it is meant to have.
#[test]
fn each_has_its_own_sums_histograms_and_resource() {
    let (one, two) = (Collector::start(), Collector::start());
    let plan = |collector: &Collector, name: &str| {
        let mut plan = config(collector, Protocol::HttpProtobuf).exporters.pop().unwrap();
        plan.options.name = name.to_owned();
        plan.options.metric_queue.delay = Duration::ZERO;
        plan
    };
    let mut first = plan(&one, "one");
    first.rendering.sums = Sums::Delta;
    first.rendering.histograms = Histograms::Explicit;
    first.options.sums_replace = false;
    first.resource = vec![("wandb.project".to_owned(), "tide".to_owned())];
    let mut config = both(first, plan(&two, "two"));
    config.metric_interval = Duration::from_millis(20);
    let (telemetry, _) = start(config);
    let pushed =
        |seen: &Seen| seen.metrics.iter().filter(|(_, m)| m.name == "tidegauge.cost").count();
    telemetry.record(&records::unary());
    one.wait(|seen| pushed(seen) >= 1);
    two.wait(|seen| pushed(seen) >= 1);
    telemetry.record(&records::unary());
    telemetry.shutdown(LONG);
    let durations = |collector: &Collector| {
        let (mut counts, mut temporality) = (Vec::new(), Vec::new());
        for (_, metric) in &collector.seen().metrics {
            match &metric.data {
                _ if metric.name != "gen_ai.client.operation.duration" => {}
                Some(Data::Histogram(told)) => {
                    counts.push(("explicit", told.data_points[0].count));
                    temporality.push(told.aggregation_temporality());
                }
                Some(Data::ExponentialHistogram(told)) => {
                    counts.push(("exponential", told.data_points[0].count));
                    temporality.push(told.aggregation_temporality());
                }
                other => panic!("{other:?}"),
            }
        }
        (counts, temporality)
    };
    let (counts, temporality) = durations(&one);
    assert!(counts.iter().all(|(kind, _)| *kind == "explicit"), "{counts:?}");
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 2, "{counts:?}");
    assert!(temporality.iter().all(|told| *told == AggregationTemporality::Delta));
    let (counts, temporality) = durations(&two);
    assert_eq!(counts.last(), Some(&("exponential", 2)));
    assert!(temporality.iter().all(|told| *told == AggregationTemporality::Cumulative));
    let project = |collector: &Collector| {
        let of = |from: &Resource| shown(&from.attributes, "wandb.project");
        let seen = collector.seen();
        assert!(!seen.resources.is_empty());
        let mut all: Vec<_> = seen.resources.iter().map(of).collect();
        all.dedup();
        all
    };
    assert_eq!((project(&one), project(&two)), (vec![Some("tide".to_owned())], vec![None]));
}

#[test]
fn what_one_wants_otherwise_is_made_for_it_alone() {
    let (one, two) = (Collector::start(), Collector::start());
    let mut second = exporter("two", &two);
    second.rendering.spans.cache_write = CacheWriteName::Old;
    second.rendering.spans.usage_cost = false;
    let (telemetry, health) = start(both(exporter("one", &one), second));
    telemetry.record(&records::unary());
    telemetry.shutdown(LONG);
    let costs = |collector: &Collector| {
        let seen = collector.seen();
        let shown = |span| shown(span, "gen_ai.usage.cost").is_some();
        seen.spans.iter().filter(|(_, span)| shown(&span.attributes)).count()
    };
    assert_eq!((costs(&one), costs(&two)), (1, 0));
    assert_eq!((books(&health, "one"), books(&health, "two")), ((3, 0, 0), (3, 0, 0)));
}

#[test]
fn each_has_a_disk_queue_of_its_own_or_none() {
    let (one, two) = (Collector::start(), Collector::start());
    one.always(Some(Reply::Http(503, None)));
    two.always(Some(Reply::Http(503, None)));
    let dir = TempDir::new_in(Path::new("/dev/shm")).or_else(|_| TempDir::new()).unwrap();
    let mut first = exporter("one", &one);
    first.options.disk_queue =
        Some(DiskQueueOptions { dir: dir.path().to_owned(), bounds: SpoolBounds::default() });
    let (telemetry, health) = start(both(first.clone(), exporter("two", &two)));
    telemetry.record(&records::unary());
    one.wait(|seen| !seen.requests.is_empty());
    telemetry.shutdown(Duration::from_millis(400));
    assert_eq!((books(&health, "one"), books(&health, "two")), ((0, 0, 0), (0, 3, 0)));
    assert_eq!(health.ledger("one").spans_queued_disk(), 3);

    let mut second = exporter("two", &two);
    second.options.disk_queue = first.options.disk_queue.clone();
    let error = Telemetry::start(both(first.clone(), second), Arc::default()).unwrap_err();
    assert!(matches!(error, StartError::Disk { .. }), "{error}");

    // The one that was started for nothing lets the directory go.
    one.always(None);
    let mut tries = 0;
    let (telemetry, health) = loop {
        let health = Arc::new(Health::default());
        let config = both(first.clone(), exporter("two", &two));
        match Telemetry::start_with(config, Arc::clone(&health), PAUSES) {
            Ok(telemetry) => break (telemetry, health),
            Err(_) if tries < 1000 => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
        tries += 1;
    };
    one.wait(|seen| seen.spans.len() == 3);
    telemetry.shutdown(Duration::from_millis(400));
    assert_eq!(books(&health, "one"), (3, 0, 0));
}
