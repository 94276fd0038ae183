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
fn times_are_utc_with_milliseconds() {
    let table = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_325_270_049, "2026-11-22T05:27:50.049Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (ms, expected) in table {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(ms)), expected);
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
