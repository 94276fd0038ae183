//! The same numbers as OpenTelemetry's SDK, which serves as the oracle.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
    Temporality,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tidegauge_core::{Category, Health, Money, Record};

use super::{Buckets, Family, Histogram, Histograms, Meter, MetricOptions, Sums, Value, View};
use crate::exemplar::ExemplarFilter;
use crate::testing::{records, shown};

/// A handle on the SDK's reader, which a provider wants to own.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, sums: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(sums)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

const BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 10.0, 1000.0];

/// What the SDK makes of these values: count, sum, extremes, and its buckets as text.
fn sdk(values: &[f64], kind: Histograms) -> (u64, f64, Option<f64>, Option<f64>, String) {
    let reader = Reader(Arc::new(ManualReader::builder().build()));
    let view = move |_: &Instrument| match kind {
        Histograms::Explicit => None,
        Histograms::Exponential => {
            let aggregation = Aggregation::Base2ExponentialHistogram {
                max_size: 160,
                max_scale: 20,
                record_min_max: true,
            };
            Stream::builder().with_aggregation(aggregation).build().ok()
        }
    };
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
    let meter = provider.meter("oracle");
    let histogram = meter.f64_histogram("h").with_boundaries(BOUNDS.to_vec()).build();
    values.iter().for_each(|value| histogram.record(*value, &[]));
    let mut sums = ResourceMetrics::default();
    reader.collect(&mut sums).unwrap();
    let metric = sums.scope_metrics().next().unwrap().metrics().next().unwrap();
    match metric.data() {
        AggregatedMetrics::F64(MetricData::Histogram(data)) => {
            let point = data.data_points().next().unwrap();
            let counts: Vec<u64> = point.bucket_counts().collect();
            (point.count(), point.sum(), point.min(), point.max(), format!("{counts:?}"))
        }
        AggregatedMetrics::F64(MetricData::ExponentialHistogram(data)) => {
            let point = data.data_points().next().unwrap();
            let range = point.positive_bucket();
            let counts: Vec<u64> = range.counts().collect();
            let zeros = point.zero_count();
            let shown = format!("{} {} {zeros} {counts:?}", point.scale(), range.offset());
            (point.count() as u64, point.sum(), point.min(), point.max(), shown)
        }
        other => panic!("{other:?}"),
    }
}

fn ours(values: &[f64], kind: Histograms) -> (u64, f64, Option<f64>, Option<f64>, String) {
    let mut told = Histogram::new(kind, BOUNDS);
    values.iter().for_each(|value| told.record(*value, None));
    let shown = match &told.buckets {
        Buckets::Explicit { counts, .. } => format!("{counts:?}"),
        Buckets::Exponential(range) => {
            format!("{} {} {} {:?}", range.scale, range.first, range.zeros, range.counts)
        }
    };
    (told.count, told.sum, Some(told.min), Some(told.max), shown)
}

/// Zero, powers of two and their neighbours, seconds, and anything at all.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => Just(0.0),
        2 => (-40_i32..40).prop_map(|power| 2_f64.powi(power)),
        2 => (-40_i32..40).prop_map(|power| 2_f64.powi(power).next_up()),
        2 => (-40_i32..40).prop_map(|power| 2_f64.powi(power).next_down()),
        8 => 0.000_001_f64..100.0,
        8 => 0.2_f64..0.4,
        2 => (0_u64..1 << 50).prop_map(|count| count as f64),
        1 => proptest::num::f64::POSITIVE | proptest::num::f64::SUBNORMAL,
    ]
}

proptest! {
    #[test]
    fn distributions_are_those_of_the_sdk(values in vec(value(), 1..200)) {
        for kind in [Histograms::Exponential, Histograms::Explicit] {
            prop_assert_eq!(ours(&values, kind), sdk(&values, kind), "{:?}", kind);
        }
    }
}

fn meter(sums: &[Sums]) -> (Meter, Arc<Health>) {
    let health = Arc::new(Health::default());
    let view = |sums: &Sums| View {
        histograms: Histograms::Exponential,
        sums: *sums,
        exemplars: ExemplarFilter::All,
        lasting: false,
        fine: false,
    };
    let meter = Meter::new(sums.iter().map(view).collect(), &MetricOptions::default(), &health);
    (meter, health)
}

fn family<'a>(families: &'a [Family], name: &str) -> Option<&'a Family> {
    families.iter().find(|family| family.metric.name == name)
}

fn count(families: &[Family], name: &str) -> Option<u64> {
    let counts = family(families, name)?.points.iter().map(|point| match &point.value {
        Value::Count(count) => *count,
        Value::Money(amount) => amount.nanos(),
        Value::Distribution(told) => told.count,
        Value::Level(_) | Value::Real(_) => panic!("a level"),
    });
    Some(counts.sum())
}

#[test]
fn each_reader_has_its_own_meaning_of_a_sum() {
    let (meter, health) = meter(&[Sums::Cumulative, Sums::Delta, Sums::LowMemory]);
    let told = |view: usize, name: &str| count(&meter.collect(view), name);
    let record = || {
        meter.record(&records::unary());
        health.ledger("one").spans_made(3);
    };
    let duration = "gen_ai.client.operation.duration";
    record();
    // view, requests, durations, money, spans
    for (view, name, first) in
        [(0, "tidegauge.requests", 1), (1, "tidegauge.requests", 1), (2, "tidegauge.requests", 1)]
    {
        assert_eq!(told(view, name), Some(first), "{view} {name}");
    }
    record();
    for (view, name, second) in [
        (0, "tidegauge.requests", Some(2)),
        (0, duration, Some(2)),
        (0, "tidegauge.cost", Some(458_000)),
        (0, "tidegauge.spans.created", Some(6)),
        (1, "tidegauge.requests", Some(1)),
        // The first reading took the durations of the first record with it.
        (1, duration, None),
        (2, "tidegauge.requests", Some(1)),
        (2, "tidegauge.spans.created", Some(6)),
    ] {
        assert_eq!(told(view, name), second, "{view} {name}");
    }
}

#[test]
fn deltas_add_up_and_levels_stay() {
    let (meter, health) = meter(&[Sums::Delta]);
    let (mut calls, mut money, mut spans) = (0, 0, 0);
    for round in 0..4_u64 {
        for _ in 0..round {
            meter.record(&records::unary());
            health.ledger("one").spans_made(3);
        }
        health.active_changed(1);
        let families = meter.collect(0);
        calls += count(&families, "gen_ai.client.operation.duration").unwrap_or(0);
        money += count(&families, "tidegauge.cost").unwrap_or(0);
        spans += count(&families, "tidegauge.spans.created").unwrap();
        let active = &family(&families, "http.server.active_requests").unwrap();
        assert_eq!(active.points[0].value, Value::Level(i64::try_from(round).unwrap() + 1));
        assert!(!active.delta && families.iter().all(|family| family.since <= family.now));
    }
    assert_eq!((calls, money, spans), (6, 6 * 229_000, 18));
}

/// A wall clock that is set back makes no interval end before it begins, and changes no sum.
#[test]
fn f43_a_wall_clock_that_jumps_turns_no_interval_round() {
    let (meter, _) = meter(&[Sums::Cumulative, Sums::Delta]);
    let began = meter.lock().began;
    let hour = 3_600_000_000_000;
    let (mut whole, mut parts) = (0, 0);
    for (now, since_all, since_last) in [
        (began + 1, began, began),
        (began + hour, began, began + 1),
        (began - hour, began - hour, began - hour),
        (began - hour + 5, began - hour, began - hour),
        (began + 9, began - hour, began - hour + 5),
    ] {
        meter.record(&records::unary());
        whole += 1;
        let read = |view| meter.read(&mut meter.lock(), view, now).unwrap().families();
        for (families, since) in [(read(0), since_all), (read(1), since_last)] {
            let told = family(&families, "gen_ai.client.operation.duration").unwrap();
            assert_eq!((told.since, told.now), (since, now));
        }
        meter.record(&records::unary());
        whole += 1;
        let families = meter.read(&mut meter.lock(), 1, now).unwrap().families();
        parts += count(&families, "gen_ai.client.operation.duration").unwrap();
    }
    assert_eq!(count(&meter.collect(0), "gen_ai.client.operation.duration"), Some(whole));
    assert_eq!(parts, whole / 2, "each delta was told once");
}

/// Sets past the bound become one that says so, and nothing is lost.
#[test]
fn sets_without_room_are_folded_into_one() {
    let health = Arc::new(Health::default());
    let view = View {
        histograms: Histograms::Explicit,
        sums: Sums::Cumulative,
        exemplars: ExemplarFilter::Off,
        lasting: false,
        fine: false,
    };
    let options = MetricOptions { sets: 3, ..MetricOptions::default() };
    let meter = Meter::new(vec![view], &options, &health);
    for model in 0..10 {
        let mut record = records::unary();
        record.observation.request.model = Some(format!("model-{model}"));
        meter.record(&record);
    }
    let families = meter.collect(0);
    let usage = family(&families, "gen_ai.client.operation.duration").unwrap();
    assert_eq!(usage.points.len(), 4);
    assert_eq!(usage.points[3].attributes[0].key, "otel.metric.overflow");
    assert_eq!(count(&families, "gen_ai.client.operation.duration"), Some(10));
    assert_eq!(count(&families, "tidegauge.cost"), Some(10 * 229_000));
    // Seven requests, durations and costs; the other sets hold no model.
    assert_eq!(count(&families, "tidegauge.sets.folded"), Some(21));
}

/// A sum stays where it is rather than begin anew.
#[test]
fn sums_do_not_wrap() {
    let (meter, _) = meter(&[Sums::Cumulative]);
    let mut record: Record = records::unary();
    record.measurement.cost.amount = Some(Money::from_nanos(u64::MAX));
    let mut last = 0;
    for _ in 0..20_000 {
        meter.record(&record);
    }
    let now = count(&meter.collect(0), "tidegauge.cost").unwrap();
    assert!(now > last && now > 1 << 63);
    last = now;
    meter.record(&record);
    assert!(count(&meter.collect(0), "tidegauge.cost").unwrap() >= last);
}

/// What the points of a metric say under a key, with their counts.
fn said(families: &[Family], name: &str, key: &str) -> Vec<(String, u64)> {
    let points = &family(families, name).unwrap().points;
    let word = |point: &super::Point| shown(&point.attributes, key).unwrap_or_default();
    let points = points.iter().map(|point| match &point.value {
        Value::Count(count) => (word(point), *count),
        Value::Distribution(told) => (word(point), told.count),
        other => panic!("{other:?}"),
    });
    points.collect()
}

#[test]
fn every_category_begins_at_nothing_with_the_first_request() {
    let (meter, _) = meter(&[Sums::Cumulative, Sums::Delta]);
    meter.record(&records::unary());
    let families = meter.collect(0);
    let told = said(&families, "tidegauge.errors", "tidegauge.error.category");
    assert_eq!(told.len(), Category::ALL.len());
    assert!(told.iter().all(|(_, count)| *count == 0), "{told:?}");
    assert_eq!(
        said(&meter.collect(1), "tidegauge.requests", "tidegauge.end"),
        [("complete".to_owned(), 1)]
    );
    meter.record(&records::rate_limited());
    let families = meter.collect(0);
    let told = said(&families, "tidegauge.errors", "tidegauge.error.category");
    let some: Vec<_> = told.iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(some, [&("rate_limit".to_owned(), 1)]);
    let delta = meter.collect(1);
    assert_eq!(
        said(&delta, "tidegauge.errors", "tidegauge.error.category"),
        [("rate_limit".to_owned(), 1)]
    );
}

/// The first sight of a set is when its sum began: not the start of the process, and no later than the
/// reading.
#[test]
fn a_sum_began_when_it_was_first_added_to() {
    let (meter, _) = meter(&[Sums::Cumulative]);
    let since = |families: &[Family], name: &str, place: usize| {
        let family = family(families, name).unwrap();
        assert!(family.since(&family.points[place]) <= family.now);
        (family.since, family.since(&family.points[place]))
    };
    meter.record(&records::unary());
    let (began, first) = since(&meter.collect(0), "tidegauge.cost", 0);
    assert!(began < first, "{began} {first}");
    let mut other = records::unary();
    other.who.tags.insert("team".to_owned(), "new".to_owned());
    meter.record(&other);
    let families = meter.collect(0);
    assert_eq!(since(&families, "tidegauge.cost", 0), (began, first), "it stays");
    assert!(since(&families, "tidegauge.cost", 1).1 > first);
    let spans = since(&families, "tidegauge.records.lost", 0);
    assert_eq!(spans.0, spans.1, "what is always there began with the process");
}

#[test]
fn requests_say_their_model_and_tags_may_be_prompt_and_agent() {
    let health = Arc::new(Health::default());
    let tags = ["prompt", "agent", "plan"].map(str::to_owned).to_vec();
    let view = View {
        histograms: Histograms::Explicit,
        sums: Sums::Cumulative,
        exemplars: ExemplarFilter::Off,
        lasting: false,
        fine: false,
    };
    let meter =
        Meter::new(vec![view], &MetricOptions { tags, ..MetricOptions::default() }, &health);
    meter.record(&records::stream());
    let families = meter.collect(0);
    for name in ["tidegauge.requests", "gen_ai.client.operation.duration"] {
        for (key, value) in [
            ("gen_ai.request.model", "gpt-4o-mini"),
            ("gen_ai.prompt.name", "greet"),
            ("gen_ai.prompt.version", "3"),
            ("gen_ai.agent.name", "helper"),
            ("tidegauge.tag.plan", "pro"),
            ("tidegauge.tag.team", ""),
        ] {
            assert_eq!(said(&families, name, key), [(value.to_owned(), 1)], "{name} {key}");
        }
    }
}

#[test]
fn finer_buckets_are_for_times_of_calls() {
    let health = Arc::new(Health::default());
    let view = View {
        histograms: Histograms::Explicit,
        sums: Sums::Cumulative,
        exemplars: ExemplarFilter::Off,
        lasting: false,
        fine: true,
    };
    let meter = Meter::new(vec![view], &MetricOptions::default(), &health);
    meter.record(&records::stream());
    let families = meter.collect(0);
    let bounds = |name: &str| match &family(&families, name).unwrap().points[0].value {
        Value::Distribution(Histogram { buckets: Buckets::Explicit { bounds, .. }, .. }) => *bounds,
        other => panic!("{other:?}"),
    };
    let fine = bounds("gen_ai.client.operation.duration");
    assert_eq!(fine, bounds("tidegauge.response.time_to_first_token"));
    assert!(fine[0] == 0.05 && fine.last().is_some_and(|last| *last > 600.0));
    for pair in fine.windows(2) {
        let ratio = pair[1] / pair[0];
        assert!((1.18..1.2).contains(&ratio), "{pair:?}");
    }
    assert_eq!(bounds("gen_ai.client.operation.time_per_output_chunk").len(), 14);
    assert_eq!(bounds("http.server.request.duration").len(), 14);
}
