//! Trace context that comes in, good and bad.

use http::{HeaderMap, HeaderValue};
use tidegauge_core::{Policy, SpanId, TraceId, Trust};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{parent, state, traceparent};
use crate::tests::fixture;

fn place(headers: &HeaderMap, policy: &Policy) -> tidegauge_core::Trace {
    super::place(headers, policy, UNIX_EPOCH)
}

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
    for (sampled, random) in [(true, true), (true, false), (false, true), (false, false)] {
        (trace.sampled, trace.random) = (sampled, random);
        let value = traceparent(&trace, SpanId([9; 8])).unwrap();
        let mut map = HeaderMap::new();
        map.insert("traceparent", value);
        let read = parent(&map).unwrap();
        assert_eq!(
            (read.trace, read.span, read.sampled, read.random),
            (TraceId([7; 16]), SpanId([9; 8]), sampled, random)
        );
    }
}

/// Our own ids are random; a caller's are as it says; one made from a session is not.
#[test]
fn the_random_flag_says_what_is_known() {
    let mut policy = Policy { session_traces: true, ..fixture::policy(Vec::new()) };
    assert!(place(&HeaderMap::new(), &policy).random);
    for (flags, random) in [("01", false), ("03", true), ("02", true), ("00", false), ("ff", true)]
    {
        let from = headers("traceparent", &[&format!("00-{TRACE}-{SPAN}-{flags}")]);
        policy.trust = Trust::Continue;
        let trace = place(&from, &policy);
        assert_eq!(
            (trace.random, trace.sampled),
            (random, flags != "02" && flags != "00"),
            "{flags}"
        );
        policy.trust = Trust::Link;
        assert!(place(&from, &policy).random, "{flags}");
    }
    assert!(!place(&headers("x-tidegauge-session", &["s"]), &policy).random);
}

#[test]
fn a_session_is_one_trace_for_a_day_where_that_is_wanted() {
    let trust = Trust::Continue;
    let policy = Policy { session_traces: true, trust, ..fixture::policy(Vec::new()) };
    let day = Duration::from_secs(24 * 60 * 60);
    let noon = UNIX_EPOCH + 20_000 * day + day / 2;
    let session = headers("x-tidegauge-session", &["s-1"]);
    let other = headers("x-tidegauge-session", &["s-2"]);
    let id = |headers: &HeaderMap, at: SystemTime| super::place(headers, &policy, at).trace_id;
    let first = id(&session, noon);
    assert_eq!(first.to_string(), "1a6f895a91c876a0c8458db3d871b44d");
    assert_eq!(id(&session, noon + day / 3), first);
    assert_ne!(id(&session, noon + day), first, "the next day is another trace");
    assert_ne!(id(&other, noon), first);
    assert_ne!(id(&HeaderMap::new(), noon), id(&HeaderMap::new(), noon));
    let placed = super::place(&session, &policy, noon);
    assert_eq!((placed.parent, placed.link), (None, None), "no parent is made up");

    // A caller that has a trace of its own keeps it.
    let mut both = session.clone();
    let context = HeaderValue::try_from(format!("00-{TRACE}-{SPAN}-01")).unwrap();
    both.insert("traceparent", context);
    assert_eq!(id(&both, noon).to_string(), TRACE);
    let off = fixture::policy(Vec::new());
    assert_ne!(place(&session, &off).trace_id, place(&session, &off).trace_id);
}

#[test]
fn a_request_says_whose_spans_tell_usage() {
    let policy = fixture::policy(Vec::new());
    for (value, expected) in
        [("link_only", Some(true)), (" own ", Some(false)), ("both", None), ("", None)]
    {
        let trace = place(&headers("x-tidegauge-usage", &[value]), &policy);
        assert_eq!(trace.caller_counts, expected, "{value}");
    }
    assert_eq!(place(&HeaderMap::new(), &policy).caller_counts, None);
}
