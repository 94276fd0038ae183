//! The next names say what those of today say, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegauge_core::{Health, Operation};

use super::{Family, Names, told};
use crate::metric::{Histograms, Value};
use crate::testing::{meter, records};

fn families(names: Names) -> Vec<Family> {
    let meter = meter(Histograms::Exponential, &Arc::new(Health::default()));
    for (_, record) in records::all() {
        meter.record(&record);
    }
    let mut audio = records::unary();
    audio.observation.usage.input_audio = Some(40);
    audio.observation.usage.cache_read_audio = Some(2);
    meter.record(&audio);
    names.of(meter.collect(0))
}

fn count(families: &[Family], name: &str) -> u64 {
    let family = families.iter().filter(|family| family.metric.name == name);
    let points = family.flat_map(|family| &family.points);
    points
        .map(|point| match &point.value {
            Value::Count(count) => *count,
            Value::Distribution(told) => told.count,
            other => panic!("{other:?}"),
        })
        .sum()
}

fn has(families: &[Family], name: &str) -> bool {
    families.iter().any(|family| family.metric.name == name)
}

#[test]
fn today_is_as_it_was() {
    let current = families(Names::Current);
    assert!(!current.iter().any(|family| family.metric.name.contains("client.inference")));
    let both = families(Names::Both);
    for family in &current {
        assert_eq!(count_or_zero(&both, family), count_or_zero(&current, family));
    }
}

fn count_or_zero(families: &[Family], of: &Family) -> Option<u64> {
    let plain = of
        .points
        .iter()
        .all(|point| matches!(point.value, Value::Count(_) | Value::Distribution(_)));
    plain.then(|| count(families, of.metric.name))
}

#[test]
fn inference_moves_and_other_operations_stay() {
    let (current, next) = (families(Names::Current), families(Names::Next));
    for (old, new) in [
        ("gen_ai.client.operation.duration", "gen_ai.client.inference.duration"),
        (
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.client.inference.time_to_first_chunk",
        ),
        (
            "gen_ai.client.operation.time_per_output_chunk",
            "gen_ai.client.inference.time_per_output_chunk",
        ),
    ] {
        let moved = if old.ends_with("operation.duration") {
            count(&next, "gen_ai.client.embeddings.duration")
        } else {
            0
        };
        assert_eq!(count(&next, old) + count(&next, new) + moved, count(&current, old), "{old}");
        assert!(count(&next, new) > 0);
    }
    // Sessions and fetches are no inference in the sense of the conventions; embeddings have their own.
    let others = [Operation::Realtime, Operation::FetchResponse];
    let others = others.map(Operation::name);
    let left = next.iter().find(|f| f.metric.name == "gen_ai.client.operation.duration").unwrap();
    let stays = |operation: &str| others.contains(&operation);
    assert!(left.points.iter().all(|point| stays(told(point, "gen_ai.operation.name"))));
    assert!(!has(&next, "gen_ai.client.operation.time_to_first_chunk"));
    assert_eq!(count(&next, "gen_ai.client.embeddings.duration"), 1);
    assert_eq!(count(&next, "gen_ai.client.embeddings.operation.input_tokens"), 1);
}

fn families_of(record: &tidegauge_core::Record, names: Names) -> Vec<Family> {
    let meter = meter(Histograms::Exponential, &Arc::new(Health::default()));
    meter.record(record);
    names.of(meter.collect(0))
}

/// A counter says what the provider counted, or 0; a distribution has no call that failed.
#[test]
fn failures_are_counted_as_nothing_and_estimates_not_at_all() {
    let estimated = |mut record: tidegauge_core::Record| {
        let by = tidegauge_core::Estimator::ALL[0];
        let usage = &mut record.observation.usage;
        *usage = tidegauge_core::Usage {
            input: Some(8),
            output: Some(5),
            source: tidegauge_core::Source::Estimated,
            estimate: Some(tidegauge_core::Estimate {
                by,
                input: Some(8),
                output: Some(5),
                output_told: Some(1),
            }),
            ..Default::default()
        };
        record
    };
    let mut silent = records::unary();
    silent.observation.usage.output = Some(0);
    silent.observation.usage.reasoning = None;
    for (name, record, input, output, distributions) in [
        ("refused", records::rate_limited(), 0, 0, 0),
        ("cut", estimated(records::cut_stream()), 0, 1, 0),
        ("silent", silent, 1213, 0, 2),
    ] {
        let next = families_of(&record, Names::Next);
        let counted = |what: &str| {
            let name = format!("gen_ai.client.inference.usage.{what}");
            has(&next, &name).then(|| count(&next, &name))
        };
        assert!(counted("input_tokens").is_some(), "{name}");
        assert_eq!(counted("output_tokens"), Some(output), "{name}");
        if name != "silent" {
            assert_eq!(counted("input_tokens"), Some(input), "{name}");
        }
        let told = next.iter().filter(|f| f.metric.name.contains("inference.operation.")).count();
        assert_eq!(told, distributions, "{name}");
    }
}

#[test]
fn what_only_the_next_names_want_is_not_under_those_of_today() {
    for family in families_of(&records::stream(), Names::Current) {
        let name = family.metric.name;
        assert!(
            !name.contains("client.inference") && !name.contains("client.embeddings"),
            "{name}"
        );
    }
}

#[test]
fn tokens_are_added_up_by_kind_of_content() {
    let next = families(Names::Next);
    let of = |name: &str| -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for point in next.iter().filter(|f| f.metric.name == name).flat_map(|f| &f.points) {
            let Value::Count(count) = point.value else { panic!("a count") };
            *sums.entry(told(point, "gen_ai.token.modality").to_owned()).or_insert(0) += count;
        }
        sums
    };
    let inference = |record: &tidegauge_core::Record| {
        let operation = record.exchange.operation;
        let told_later = operation == Operation::FetchResponse;
        (told_later || matches!(operation, Operation::Chat | Operation::GenerateContent))
            && record.exchange.times.sent.is_some()
    };
    let records = records::all();
    let usages = records.iter().filter(|(_, record)| inference(record));
    let usages = usages.map(|(_, record)| &record.observation.usage);
    let (mut spoken, mut all) = (0, 0);
    for usage in usages {
        spoken += usage.input_audio.unwrap_or(0) + usage.cache_read_audio.unwrap_or(0);
        all += usage.input_tokens().unwrap_or(0);
    }
    assert!(spoken > 0);
    let input = of("gen_ai.client.inference.usage.input_tokens");
    assert_eq!(input["audio"], spoken + 42);
    // The call with audio has the tokens of the plain one besides.
    assert_eq!(input["unknown"], all - spoken + 1200);
    let cached = of("gen_ai.client.inference.usage.cache_read.input_tokens");
    assert_eq!(cached["audio"], 2);
    let output = of("gen_ai.client.inference.usage.output_tokens");
    let thought = of("gen_ai.client.inference.usage.reasoning.output_tokens");
    assert!(output["unknown"] > thought["unknown"] && thought["unknown"] > 0);
    let sets: Vec<_> = next
        .iter()
        .flat_map(|family| family.points.iter().map(|p| (family.metric.name, &p.attributes)))
        .collect();
    for (index, set) in sets.iter().enumerate() {
        assert!(!sets[..index].contains(set), "{set:?} twice");
    }
}
