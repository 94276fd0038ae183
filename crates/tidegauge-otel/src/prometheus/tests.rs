//! The messages say what the text says, and their native buckets hold the values.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use tidegauge_core::{Health, TraceId};

use super::message::{self, MetricFamily};
use super::{native, render};
use crate::exemplar::ExemplarFilter;
use crate::metric::Sums;
use crate::metric::{Exponential, Histograms, Meter, MetricOptions, View};
use crate::openmetrics::{self, Text};
use crate::resource::ResourceAttributes;
use crate::testing::records;

/// The views of a page, of which the second reads what is kept for a third.
fn meter() -> Meter {
    let (exemplars, sums) = (ExemplarFilter::All, Sums::Cumulative);
    let fixed =
        View { histograms: Histograms::Explicit, sums, exemplars, lasting: true, fine: false };
    let pushed = View { histograms: Histograms::Exponential, lasting: false, ..fixed };
    let native = View { exemplars: ExemplarFilter::Off, lasting: true, ..pushed };
    let health = Arc::new(Health::default());
    Meter::new(vec![fixed, pushed, native], &MetricOptions::default(), &health)
}

fn page(meter: &Meter) -> (String, Vec<MetricFamily>) {
    let [fixed, native] = meter.collect_all([0, 2]);
    let resource = ResourceAttributes::default();
    let page = render(&fixed, &native, &resource);
    (openmetrics::render(&fixed, &resource, Text::Plain), decoded(&page))
}

pub(crate) fn decoded(mut page: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !page.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut page).expect("a message"));
    }
    families
}

/// How many values lie up to each bound of the native buckets.
pub(crate) fn cumulative(told: &message::Histogram) -> Vec<(f64, u64)> {
    let (mut index, mut deltas) = (0, told.delta.iter());
    let (mut count, mut total) = (0_i64, told.zero_count.unwrap());
    let mut bounds = vec![(told.zero_threshold.unwrap(), total)];
    let per_octave = 2_f64.powi(told.schema.unwrap());
    for span in &told.span {
        index += span.offset.unwrap();
        for _ in 0..span.length.unwrap() {
            count += deltas.next().expect("as many differences as buckets");
            let lower = 2_f64.powf(f64::from(index - 1) / per_octave);
            bounds.push((lower, total));
            total += u64::try_from(count).expect("never negative");
            bounds.push((2_f64.powf(f64::from(index) / per_octave), total));
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None);
    bounds
}

#[test]
fn the_messages_say_what_the_text_says() {
    let meter = meter();
    for (_, record) in records::all() {
        meter.record(&record);
    }
    let (text, families) = page(&meter);
    let mut said = Vec::new();
    for family in &families {
        let name = family.name();
        for series in &family.metric {
            let labels: Vec<String> = series
                .label
                .iter()
                .map(|label| format!("{}={:?}", label.name(), label.value()))
                .collect();
            let mut say = |suffix: &str, le: Option<f64>, value: f64| {
                let le = le.map(|le| match le {
                    f64::INFINITY => "le=\"+Inf\"".to_owned(),
                    le => format!("le=\"{le:?}\""),
                });
                let labels: Vec<_> = labels.iter().cloned().chain(le).collect();
                let labels = match labels.join(",") {
                    labels if labels.is_empty() => labels,
                    labels => format!("{{{labels}}}"),
                };
                said.push((format!("{name}{suffix}{labels}"), value));
            };
            match (&series.counter, &series.gauge, &series.histogram) {
                (Some(counter), None, None) => say("", None, counter.value()),
                (None, Some(gauge), None) => say("", None, gauge.value()),
                (None, None, Some(histogram)) => {
                    for bucket in &histogram.bucket {
                        say("_bucket", Some(bucket.bound()), bucket.count() as f64);
                    }
                    say("_count", None, histogram.count() as f64);
                    say("_sum", None, histogram.sum());
                    let natively = cumulative(histogram).last().map(|(_, total)| *total);
                    assert_eq!(natively, histogram.count, "{name} {labels:?}");
                }
                _ => panic!("one value: {series:?}"),
            }
        }
    }
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let told = lines.filter_map(|line| line.rsplit_once(' '));
    let told: Vec<_> =
        told.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    assert_eq!(said, told);
    let types: BTreeMap<_, _> =
        families.iter().map(|family| (family.name(), family.kind())).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.rsplit_once(' ').unwrap();
        let expected = match kind {
            "counter" => message::COUNTER,
            "gauge" => message::GAUGE,
            _ => message::HISTOGRAM,
        };
        assert_eq!(types[name], expected, "{name}");
    }
}

/// A scrape takes no example away, from another scraper or from what is pushed.
#[test]
fn examples_stand_at_the_fixed_buckets_and_stay() {
    let meter = meter();
    for (id, ms) in [(1, 900), (2, 12)] {
        let mut record = records::unary();
        record.exchange.trace.trace_id = TraceId([id; 16]);
        record.measurement.duration = std::time::Duration::from_millis(ms);
        meter.record(&record);
    }
    for _ in 0..2 {
        let (_, families) = page(&meter);
        let is_duration =
            |family: &&MetricFamily| family.name() == "gen_ai_client_operation_duration_seconds";
        let duration = families.iter().find(is_duration).unwrap();
        let histogram = duration.metric[0].histogram.as_ref().unwrap();
        let examples = histogram.bucket.iter().filter_map(|bucket| {
            let exemplar = bucket.exemplar.as_ref()?;
            assert!(exemplar.time.unwrap().seconds > 1_000_000_000);
            let labels = &exemplar.label;
            assert_eq!((labels[0].name(), labels[1].name()), ("trace_id", "span_id"));
            Some((bucket.bound(), labels[0].value().to_owned(), exemplar.value()))
        });
        let expected = [(0.02, "02".repeat(16), 0.012), (1.28, "01".repeat(16), 0.9)];
        assert_eq!(examples.collect::<Vec<_>>(), expected);
    }
    let pushed = meter.collect(1);
    let name = "gen_ai.client.operation.duration";
    let duration = pushed.iter().find(|family| family.metric.name == name).unwrap();
    let crate::metric::Value::Distribution(told) = &duration.points[0].value else {
        panic!("a distribution")
    };
    assert_eq!(told.examples.iter().count(), 2);
}

#[test]
fn gaps_are_left_out_and_short_ones_are_not() {
    let buckets =
        Exponential { scale: 8, first: -3, counts: vec![5, 0, 0, 2, 0, 0, 0, 7], zeros: 1 };
    let mut told = message::Histogram::default();
    native(&mut told, &buckets);
    let spans: Vec<_> = told.span.iter().map(|span| (span.offset(), span.length())).collect();
    assert_eq!(spans, [(-2, 4), (3, 1)]);
    assert_eq!(told.delta, [5, -5, 0, 2, 5]);
}

#[test]
fn nothing_yet_is_a_native_histogram_too() {
    let mut told = message::Histogram::default();
    native(&mut told, &Exponential::default());
    assert_eq!((told.schema, told.zero_threshold, told.delta.len()), (Some(8), Some(1e-128), 0));
}

proptest! {
    #[test]
    fn each_value_is_in_its_native_bucket(
        values in vec(prop_oneof![Just(0.0), 1e-9..1e-3, 0.5..0.6, 1e-3..1e6, Just(0.25), Just(1.0)], 1..200),
    ) {
        let mut buckets = Exponential::default();
        values.iter().for_each(|value| buckets.record(*value));
        let mut told = message::Histogram::default();
        native(&mut told, &buckets);
        prop_assert!((-4..=8).contains(&told.schema.unwrap()));
        for (bound, total) in cumulative(&told) {
            // A bound is not exact.
            let up_to = |bound: f64| values.iter().filter(|value| **value <= bound).count() as u64;
            let (low, high) = (up_to(bound * (1.0 - 1e-9)), up_to(bound * (1.0 + 1e-9)));
            prop_assert!((low..=high).contains(&total), "{bound}: {total}, not {low}..={high}");
        }
    }
}
