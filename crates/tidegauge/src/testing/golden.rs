//! Golden records in their written form.

use std::time::Duration;

use tidegauge_core::{Billed, Bucket, Category, ErrorType, Outcome};
use tidegauge_record::RecordJson;

use super::{failed, record};

#[test]
fn a_record_in_full() {
    let json = serde_json::to_string(&RecordJson::of(&record())).unwrap();
    // One line, and the order of the fields is part of the golden text.
    insta::assert_snapshot!(json);
}

#[test]
fn what_is_not_known_is_absent() {
    let mut record = failed();
    record.observation.outcome = Outcome {
        category: Some(Category::Dns),
        error: Some(ErrorType::fixed("dns_error")),
        unclassified: false,
    };
    record.observation.partial = true;
    record.observation.request.tool_errors = 1;
    let json = serde_json::to_string(&RecordJson::of(&record)).unwrap();
    insta::assert_snapshot!(json);
}

#[test]
fn a_bill_stands_beside_the_buckets() {
    let mut record = record();
    let usage = &mut record.observation.usage;
    let part = |model: Option<&str>, tokens| Billed { model: model.map(str::to_owned), tokens };
    usage.bill(part(None, [(Bucket::Input, 62), (Bucket::Output, 28)].into()));
    usage.bill(part(Some("big"), [(Bucket::CacheRead, 1)].into()));
    usage.region = Some("us".to_owned());
    let json = serde_json::to_value(RecordJson::of(&record)).unwrap();
    let expected = serde_json::json!([
        { "buckets": { "input": 62, "output": 28 } },
        { "model": "big", "buckets": { "cache_read": 1 } },
    ]);
    assert_eq!((&json["usage"]["billed"], &json["usage"]["region"]), (&expected, &"us".into()));
}

#[test]
fn a_time_per_token_of_zero_is_none() {
    let mut record = record();
    record.measurement.tpot = Some(Duration::from_nanos(499));
    let json = serde_json::to_value(RecordJson::of(&record)).unwrap();
    assert_eq!(json["timing"].get("tpot_ms"), None);
}
