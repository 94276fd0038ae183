//! From a record through its written form to the reasons of its price.

use proptest::prelude::*;
use tidegauge_core::{CostStatus, Estimate, Estimator, Record, Source};
use tidegauge_measure::measure;

use super::*;
use crate::config::{Outside, Overrides, Typed, resolve};
use crate::serve::over;
use crate::testing::record;

fn config(text: &str) -> Config {
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    resolve(typed, &Outside { env: &|_| None, ..Outside::real() }).unwrap().config
}

/// A record of that usage, priced by that configuration's list.
fn priced(usage: Usage, tier: Option<&str>, prices: &Prices) -> Record {
    let mut record = record();
    record.exchange.times.sent = Some(Duration::ZERO);
    record.observation.usage = usage;
    record.observation.response.service_tier = tier.map(str::to_owned);
    record.measurement = measure(&record.exchange, &record.observation, prices, Some("openai"));
    record
}

fn told(record: &Record, config: &Config, prices: &Prices) -> (bool, String) {
    let line = tidegauge_record::line(record).unwrap();
    let mut out = Vec::new();
    let same = explain(&read(&line).unwrap(), config, prices, &mut out).unwrap();
    (same, String::from_utf8(out).unwrap())
}

#[test]
fn a_record_is_explained_line_by_line() {
    let prices = Prices::bundled();
    let usage = Usage {
        input: Some(176),
        cache_read: Some(1024),
        output: Some(146),
        reasoning: Some(64),
        ..Usage::default()
    };
    let (same, text) = told(&priced(usage, Some("batch"), &prices), &config(""), &prices);
    assert!(same, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_long_prompt_at_a_price_of_ones_own() {
    let config = config(
        "pricing: {models: [{model: 'gpt-*', upstream: openai, per_million: {input: 1, output: 2}, per_request: 0.01}]}",
    );
    let prices = over(Prices::bundled(), &config).unwrap();
    let usage = Usage { input: Some(10), reasoning: Some(5), ..Usage::default() };
    let (same, text) = told(&priced(usage, None, &prices), &config, &prices);
    assert!(same, "{text}");
    insta::assert_snapshot!(text);
}

/// A record names what was counted here apart from what was told, and its buckets hold both.
#[test]
fn estimated_tokens_are_explained_like_told_ones() {
    let (by, output_told) = (Estimator::O200k, Some(2));
    let estimate = Estimate { by, input: Some(1000), output: Some(50), output_told };
    let prices = Prices::bundled();
    let usage = Usage {
        source: Source::Estimated,
        input: Some(1000),
        output: Some(50),
        estimate: Some(estimate),
        ..Usage::default()
    };
    let (same, text) = told(&priced(usage, None, &prices), &config(""), &prices);
    assert!(same && text.contains("The record says 0.00018: the same."), "{text}");
}

#[test]
fn a_bill_a_region_and_a_tier_paid_for_beforehand_are_said() {
    let (prices, config) = (Prices::bundled(), config(""));
    let model = Some("gpt-5.4".to_owned());
    let billed = vec![Billed { model, tokens: [(Bucket::Output, 3)].into() }];
    let usage = Usage {
        input: Some(90),
        output: Some(9),
        billed,
        region: Some("us".into()),
        ..Usage::default()
    };
    let (same, text) = told(&priced(usage.clone(), None, &prices), &config, &prices);
    assert!(same && text.contains(": the same."), "{text}");
    for said in ["ran in      us", "billed      what the provider bills", "1.1 x standard"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("input"), "{text}");
    for (tier, why) in [
        ("provisioned_throughput", "its tier is paid for beforehand"),
        ("performance", "nor a published factor"),
    ] {
        let unlisted = priced(usage.clone(), Some(tier), &prices);
        assert_eq!(unlisted.measurement.cost.status, CostStatus::Unpriced);
        let (same, text) = told(&unlisted, &config, &prices);
        assert!(same && text.contains(why), "{text}");
    }
}

#[test]
fn what_cannot_be_the_same_is_said() {
    let (prices, config) = (Prices::bundled(), config(""));
    let usage = Usage { input: Some(1000), output: Some(1), ..Usage::default() };
    let mut record = priced(usage, None, &prices);
    // A cost that nothing explains.
    record.measurement.cost.amount = Some(Money::from_nanos(1));
    let (same, text) = told(&record, &config, &prices);
    assert!(!same && text.contains("not the same"), "{text}");
    // The same by another list.
    record.measurement.cost.catalogue = Some("older".into());
    let (same, text) = told(&record, &config, &prices);
    assert!(same && text.contains("by another list (older); here it is 0.0001506"), "{text}");
    record.measurement.cost.status = CostStatus::Unpriced;
    let (same, text) = told(&record, &config, &prices);
    assert!(same && text.contains("this list has a price"), "{text}");
    record.observation.response.model = Some("whisper-1".to_owned());
    record.observation.request.model = Some("unheard-of".to_owned());
    let (_, text) = told(&record, &config, &prices);
    assert!(text.contains("its entry has no price for `input`, `output`"), "{text}");
    record.observation.response.model = None;
    let (_, text) = told(&record, &config, &prices);
    assert!(text.contains("no entry is named `unheard-of`"), "{text}");
    record.measurement.cost = tidegauge_core::Cost::default();
    let (same, text) = told(&record, &config, &prices);
    assert!(same && text.contains("nothing to price"), "{text}");
}

#[test]
fn a_record_without_buckets_says_so() {
    let line = r#"{"upstream":"openai","provider":"openai","operation":"chat","time":"2026-11-22T05:27:50.049Z",
        "request":{"model":"gpt-4o-mini"},"usage":{"input_tokens":1200,"output_tokens":210,"cache_read_tokens":1024},
        "cost":{"status":"priced","usd":"0.0002292","catalogue":"genai-prices 0.2.1, 2026-10-30"}}"#;
    let record = read(line.as_bytes()).unwrap();
    let mut out = Vec::new();
    assert!(explain(&record, &config(""), &Prices::bundled(), &mut out).unwrap());
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("no buckets") && text.contains("0.0002292: the same"), "{text}");
}

#[test]
fn a_file_and_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let (records, empty) = (dir.path().join("records.jsonl"), dir.path().join("c.yaml"));
    std::fs::write(&empty, "").unwrap();
    let prices = Prices::bundled();
    let usage = |input| Usage { input: Some(input), output: Some(1), ..Usage::default() };
    let line = |input| {
        serde_json::to_string(&RecordJson::of(&priced(usage(input), None, &prices))).unwrap()
    };
    std::fs::write(&records, format!("{}\n\n{}\nno record\n", line(1), line(2))).unwrap();
    let ask = |at: &str| {
        let records = format!("{}{at}", records.display());
        let mut out = Vec::new();
        let done = run(&ExplainArgs { records, config: Some(empty.clone()) }, &mut out);
        (done.map_err(|error| error.to_string()), String::from_utf8(out).unwrap())
    };
    let (done, text) = ask(":3");
    assert_eq!(done, Ok(Exit::Well));
    assert!(text.contains("0.00000090"), "{text}");
    assert!(ask(":2").0.unwrap_err().contains("no such record"));
    assert!(ask(":9").0.unwrap_err().contains("no such record"));
    assert!(ask("").0.unwrap_err().contains(":4 is no record"));
    assert!(ask(".not-there").0.unwrap_err().contains("cannot open"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever was used, a record's cost is what its explanation adds up to.
    #[test]
    fn every_priced_record_is_explained_to_the_nanodollar(
        counts in proptest::array::uniform11(proptest::option::of(0_u64..400_000)),
        model in prop::sample::select(vec!["gpt-5.4", "gpt-realtime", "gpt-4.1", "o3", "mine-8b"]),
        tier in prop::sample::select(vec![None, Some("batch"), Some("flex"), Some("priority")]),
        searches in proptest::option::of(0_u64..9),
        region in prop::sample::select(vec![None, Some("us"), Some("global")]),
        billed in proptest::collection::vec(
            (prop::sample::select(vec![None, Some("gpt-4o"), Some("nobody")]), 0_u64..400_000, 0_u64..9), 0..3),
        nanos in 0_u64..90_000_000_000,
    ) {
        let config = config(
            "pricing: {models: [{model: 'mine*', gpu_hour: 2.49, gpus: 8, per_million: {input: 0.000000000001}}]}",
        );
        let prices = over(Prices::bundled(), &config).unwrap();
        let [input, read, read_audio, five, hour, audio, image, output, think, o_audio, o_image] = counts;
        let usage = Usage {
            input, cache_read: read, cache_read_audio: read_audio, cache_write_5m: five,
            cache_write_1h: hour, input_audio: audio, input_image: image, output,
            reasoning: think, output_audio: o_audio, output_image: o_image, searches,
            region: region.map(str::to_owned),
            billed: billed.into_iter().map(|(model, read, out)| Billed {
                model: model.map(str::to_owned),
                tokens: [(Bucket::CacheRead, read), (Bucket::Output, out)].into(),
            }).collect(),
            ..Usage::default()
        };
        let mut record = record();
        record.exchange.times.sent = Some(Duration::ZERO);
        record.exchange.times.ended = Duration::from_nanos(nanos);
        record.observation.usage = usage;
        record.observation.response.model = Some(model.to_owned());
        record.observation.response.service_tier = tier.map(str::to_owned);
        record.measurement = measure(&record.exchange, &record.observation, &prices, Some("openai"));
        let (same, text) = told(&record, &config, &prices);
        prop_assert!(same, "{text}");
        if record.measurement.cost.status == CostStatus::Priced {
            prop_assert!(text.contains(": the same."), "{text}");
        }
    }

    #[test]
    fn any_object_is_explained(text in "\\{[ -~]{0,60}\\}") {
        if let Ok(record) = read(text.as_bytes()) {
            let _ = explain(&record, &config(""), &Prices::bundled(), &mut Vec::new());
        }
    }
}
