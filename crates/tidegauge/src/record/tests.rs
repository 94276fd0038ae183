//! Golden records.

use super::*;
use crate::testing::{failed, record};
use tidegauge_core::{Category, ErrorType, Outcome};

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
fn times_are_utc_with_milliseconds() {
    let table = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_325_270_049, "2026-11-22T05:27:50.049Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (ms, expected) in table {
        let time = UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(rfc3339(time), expected);
        assert_eq!(from_rfc3339(expected), Some(time));
    }
    for odd in [
        "",
        "2026-11-22",
        "2026-13-22T05:27:50.049Z",
        "2026-02-30T05:27:50.049Z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T05:27:50.049+",
        "1969-12-31T23:59:59.999Z",
        "2026-11-22T05:27:5\u{e9}049Z",
    ] {
        assert_eq!(from_rfc3339(odd), None, "{odd}");
    }
}

proptest::proptest! {
    #[test]
    fn a_time_is_read_as_it_is_written(ms in 0_u64..253_402_300_799_999) {
        let time = UNIX_EPOCH + Duration::from_millis(ms);
        proptest::prop_assert_eq!(from_rfc3339(&rfc3339(time)), Some(time));
    }

    #[test]
    fn any_text_is_a_time_or_not(text in "\\PC{0,30}") {
        let _ = from_rfc3339(&text);
    }
}

#[test]
fn milliseconds_are_told_to_the_microsecond() {
    let table = [
        (0, 0.0),
        (499, 0.0),
        (500, 0.001),
        (1_234_567, 1.235),
        (86_400_000_000_000, 86_400_000.0),
    ];
    for (nanos, expected) in table {
        assert_eq!(ms(Duration::from_nanos(nanos)), expected);
    }
}

#[test]
fn a_time_per_token_of_zero_is_none() {
    let mut record = record();
    record.measurement.tpot = Some(Duration::from_nanos(499));
    let json = serde_json::to_value(RecordJson::of(&record)).unwrap();
    assert_eq!(json["timing"].get("tpot_ms"), None);
}
