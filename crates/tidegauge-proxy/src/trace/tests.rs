//! Trace context that comes in, good and bad.

use http::{HeaderMap, HeaderValue};
use tidegauge_core::{Policy, SpanId, TraceId, Trust};

use super::{parent, place, state, traceparent};
use crate::tests::fixture;

const TRACE: &str = "0123456789abcdef0123456789abcdef";
const SPAN: &str = "0123456789abcdef";

fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for value in values {
        map.append(name, HeaderValue::try_from(*value).unwrap());
    }
    map
}

#[test]
fn only_a_well_formed_parent_is_one() {
    let zero = "0".repeat(32);
    let zero_span = "0".repeat(16);
    let upper = TRACE.to_uppercase();
    let table: &[(String, Option<bool>)] = &[
        (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
        (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
        (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
        (format!(" 00-{TRACE}-{SPAN}-01 "), Some(true)),
        (format!("cc-{TRACE}-{SPAN}-01"), Some(true)),
        (format!("cc-{TRACE}-{SPAN}-01-more"), Some(true)),
        (format!("cc-{TRACE}-{SPAN}-01more"), None),
        (format!("00-{TRACE}-{SPAN}-01-more"), None),
        (format!("ff-{TRACE}-{SPAN}-01"), None),
        (format!("00-{upper}-{SPAN}-01"), None),
        (format!("00-{zero}-{SPAN}-01"), None),
        (format!("00-{TRACE}-{zero_span}-01"), None),
        (format!("00-{TRACE}-{SPAN}-0"), None),
        (format!("00-{TRACE}-{SPAN}-0g"), None),
        (format!("00_{TRACE}_{SPAN}_01"), None),
        (format!("00-{TRACE}{SPAN}-01"), None),
        (format!("0-{TRACE}-{SPAN}-01"), None),
        (String::new(), None),
        ("x".repeat(8000), None),
    ];
    for (value, expected) in table {
        let parent = parent(&headers("traceparent", &[value]));
        assert_eq!(parent.map(|parent| parent.sampled), *expected, "{value:?}");
        if let Some(parent) = parent {
            assert_eq!(
                (parent.trace.to_string(), parent.span.to_string()),
                (TRACE.into(), SPAN.into())
            );
        }
    }
    let twice = format!("00-{TRACE}-{SPAN}-01");
    assert_eq!(parent(&headers("traceparent", &[&twice, &twice])), None);
}

#[test]
fn state_is_kept_in_order_and_bounds() {
    for (values, expected) in [
        (&["a=1,b=2"][..], "a=1,b=2"),
        (&["a=1", " b=2 , c=3"], "a=1,b=2,c=3"),
        (&["a=1,,b=2,"], "a=1,b=2"),
        (&["a"], ""),
        (&["=1"], ""),
        (&[], ""),
    ] {
        assert_eq!(state(&headers("tracestate", values)), expected);
    }
    let many: Vec<_> = (0..40).map(|n| format!("k{n}=v")).collect();
    assert_eq!(state(&headers("tracestate", &[&many.join(",")])).split(',').count(), 32);
    let long = format!("a=1,b={},c=3", "x".repeat(600));
    assert_eq!(state(&headers("tracestate", &[&long])), "a=1");
    let huge = format!("a=1,b={}", "x".repeat(9000));
    assert_eq!(state(&headers("tracestate", &[&huge])), "");
}

#[test]
fn what_the_caller_sent_is_believed_as_far_as_the_policy_says() {
    let policy = |trust, parent_based, sample_ratio| Policy {
        trust,
        parent_based,
        sample_ratio,
        ..fixture::policy(Vec::new())
    };
    let mut from = headers("traceparent", &[&format!("00-{TRACE}-{SPAN}-00")]);
    from.insert("tracestate", HeaderValue::from_static("a=1"));

    let continued = place(&from, &policy(Trust::Continue, true, 1.0));
    assert_eq!(continued.trace_id.to_string(), TRACE);
    assert_eq!(continued.parent.unwrap().to_string(), SPAN);
    assert_eq!((continued.link, continued.sampled, &*continued.state), (None, false, "a=1"));
    assert!(place(&from, &policy(Trust::Continue, false, 1.0)).sampled);

    let linked = place(&from, &policy(Trust::Link, true, 1.0));
    assert_ne!(linked.trace_id.to_string(), TRACE);
    assert_eq!((linked.parent, linked.sampled, &*linked.state), (None, true, ""));
    let (trace, span) = linked.link.unwrap();
    assert_eq!((trace.to_string(), span.to_string()), (TRACE.into(), SPAN.into()));

    let ignored = place(&from, &policy(Trust::Ignore, true, 0.0));
    assert_eq!((ignored.parent, ignored.link, ignored.sampled), (None, None, false));
    assert_ne!(ignored.server, ignored.inference);

    let share =
        (0..4000).filter(|_| place(&HeaderMap::new(), &policy(Trust::Ignore, true, 0.25)).sampled);
    assert!((850..1150).contains(&share.count()), "about a quarter");
}

#[test]
fn ours_can_be_read_again() {
    let mut trace = place(&HeaderMap::new(), &fixture::policy(Vec::new()));
    trace.trace_id = TraceId([7; 16]);
    for sampled in [true, false] {
        trace.sampled = sampled;
        let value = traceparent(&trace, SpanId([9; 8])).unwrap();
        let mut map = HeaderMap::new();
        map.insert("traceparent", value);
        let read = parent(&map).unwrap();
        assert_eq!(
            (read.trace, read.span, read.sampled),
            (TraceId([7; 16]), SpanId([9; 8]), sampled)
        );
    }
}
