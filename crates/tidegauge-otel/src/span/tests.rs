//! Golden spans: one snapshot for each way a call can go, and the rules that a snapshot hides.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use tidegauge_core::Record;

use super::{CacheWriteName, CallDetail, SpanOptions, SpanTree, asked};
use crate::attribute::AttributeLimits;
use crate::semconv::scope_name;
use crate::testing::{records, shown, spans};

/// Spans as text: times in milliseconds since the exchange began, attributes by name.
fn drawn(record: &Record, options: &SpanOptions) -> String {
    let mut text = String::new();
    let all: Vec<_> = spans(record, options).into_iter().collect();
    let begin = all[0].1.start_time_unix_nano;
    let parent = |span: &Span| {
        let known = all.iter().find(|(_, other)| other.span_id == span.parent_span_id);
        match (known, span.parent_span_id.is_empty()) {
            (Some((_, parent)), _) => format!("under {:?}", parent.name),
            (None, true) => "root".to_owned(),
            (None, false) => "under the caller".to_owned(),
        }
    };
    for (scope, span) in &all {
        let ms = |time: u64| f64::from(u32::try_from((time - begin) / 1000).unwrap()) / 1000.0;
        let kind = SpanKind::try_from(span.kind).unwrap().as_str_name();
        let kind = kind.trim_start_matches("SPAN_KIND_");
        let status = span.status.as_ref().map_or("", |_| " ERROR");
        let (from, to) = (ms(span.start_time_unix_nano), ms(span.end_time_unix_nano));
        let parent = parent(span);
        writeln!(
            text,
            "{kind} {:?} {parent}, {}, {from}..{to}{status}",
            span.name,
            scope_name(*scope)
        )
        .unwrap();
        if !span.links.is_empty() {
            writeln!(text, "  links: {}", span.links.len()).unwrap();
        }
        let mut keys: Vec<_> = span.attributes.iter().map(|pair| pair.key.as_str()).collect();
        keys.sort_unstable();
        for key in keys {
            writeln!(text, "  {key} = {}", shown(&span.attributes, key).unwrap()).unwrap();
        }
    }
    text
}

#[test]
fn golden() {
    for (name, record) in records::all() {
        insta::assert_snapshot!(name, drawn(&record, &SpanOptions::default()));
    }
}

#[test]
fn ids_flags_and_state_are_the_exchanges() {
    let spans = spans(&records::retried(), &SpanOptions::default());
    let ids: Vec<_> =
        spans.iter().map(|(_, span)| (span.parent_span_id[0], span.span_id[0])).collect();
    assert_eq!(ids, [(2, 3), (3, 4), (4, 5), (4, 6)]);
    for (index, (_, span)) in spans.iter().enumerate() {
        assert_eq!(span.trace_id, [1; 16]);
        assert_eq!(span.trace_state, "vendor=1");
        assert_eq!(span.flags, if index == 0 { 0x301 } else { 0x101 });
    }
}

/// Whether a trace is sampled is the caller's to say, also where the parent is this process.
#[test]
fn a_span_says_sampled_only_if_its_trace_is() {
    let mut record = records::retried();
    record.exchange.trace.sampled = false;
    for (index, (_, span)) in spans(&record, &SpanOptions::default()).iter().enumerate() {
        assert_eq!(span.flags, if index == 0 { 0x300 } else { 0x100 }, "{}", span.name);
        assert!(span.links.iter().all(|link| link.flags & 1 == 0), "{}", span.name);
    }
}

/// The flag of a random trace id goes through, beside the one of a sampled trace.
#[test]
fn a_span_says_that_its_trace_id_is_random() {
    let mut record = records::retried();
    record.exchange.trace.random = true;
    for (index, (_, span)) in spans(&record, &SpanOptions::default()).iter().enumerate() {
        assert_eq!(span.flags, if index == 0 { 0x303 } else { 0x103 }, "{}", span.name);
    }
}

/// Whose spans say tokens and cost is the request's to tell, else it is as set.
#[test]
fn the_request_decides_whose_spans_tell_usage() {
    for (caller_counts, detail, says) in [
        (None, CallDetail::Full, true),
        (None, CallDetail::LinkOnly, false),
        (Some(true), CallDetail::Full, false),
        (Some(true), CallDetail::LinkOnly, false),
        (Some(false), CallDetail::LinkOnly, true),
    ] {
        let mut record = records::unary();
        record.exchange.trace.caller_counts = caller_counts;
        let options = SpanOptions { detail, ..SpanOptions::default() };
        let spans = spans(&record, &options);
        for key in ["gen_ai.usage.input_tokens", "tidegauge.cost.usd"] {
            let told = spans.iter().any(|(_, span)| shown(&span.attributes, key).is_some());
            assert_eq!(told, says, "{caller_counts:?} {detail:?} {key}");
        }
    }
}

#[test]
fn attempts_of_other_operations_hang_below_the_server_span() {
    let spans = spans(&records::count_tokens(), &SpanOptions::default());
    let ids: Vec<_> =
        spans.iter().map(|(_, span)| (span.parent_span_id[0], span.span_id[0])).collect();
    assert_eq!(ids, [(2, 3), (3, 5)]);
}

/// A turn is one span, below its session's; everything else about the request is the session's.
#[test]
fn a_turn_hangs_below_its_session() {
    let session = spans(&records::session(), &SpanOptions::default());
    let names: Vec<_> = session.iter().map(|(_, span)| span.name.as_str()).collect();
    assert_eq!(names, ["GET /v1/realtime", "realtime gpt-realtime", "GET"]);
    assert_eq!(shown(&session[1].1.attributes, "tidegauge.session.turns").unwrap(), "2");
    for record in [records::turn(), records::cut_turn()] {
        let spans = spans(&record, &SpanOptions::default());
        let [(crate::span::Scope::GenAi, turn)] = &spans[..] else { panic!("one span: {spans:?}") };
        assert_eq!(turn.name, "chat gpt-4o-mini");
        assert_eq!(turn.trace_id, session[1].1.trace_id);
        assert_eq!(turn.parent_span_id, session[1].1.span_id);
        assert_eq!(turn.span_id, [9; 8]);
        let audio = shown(&turn.attributes, "gen_ai.usage.audio.output_tokens");
        assert_eq!(audio.unwrap(), "136");
    }
}

/// Alone, the call stands where the server's span would: under the caller's span, or at the root.
#[test]
fn calls_alone_take_the_place_of_the_server_span() {
    let options = SpanOptions { tree: SpanTree::Calls, ..SpanOptions::default() };
    for (name, record) in records::all() {
        let whole = spans(&record, &SpanOptions::default());
        let alone = spans(&record, &options);
        let call = whole.iter().find(|(scope, _)| *scope == crate::span::Scope::GenAi);
        assert_eq!(alone.len(), usize::from(call.is_some()), "{name}");
        let (Some((_, call)), [(_, alone)]) = (call, &alone[..]) else { continue };
        if record.kind.is_turn() {
            assert_eq!(alone, call, "{name}");
            continue;
        }
        let (_, server) = &whole[0];
        let rest =
            |span: &Span| Span { flags: 0, parent_span_id: vec![], links: vec![], ..span.clone() };
        assert_eq!(rest(alone), rest(call), "{name}");
        assert_eq!(alone.parent_span_id, server.parent_span_id, "{name}");
        assert_eq!((alone.flags, &alone.links), (server.flags, &server.links), "{name}");
    }
    let mut root = records::unary();
    root.exchange.trace.parent = None;
    root.exchange.trace.link =
        Some((tidegauge_core::TraceId([7; 16]), tidegauge_core::SpanId([8; 8])));
    let [(_, alone)] = &spans(&root, &options)[..] else { panic!("one span") };
    assert_eq!((alone.parent_span_id.len(), alone.links.len(), alone.flags & 0x200), (0, 1, 0));
}

#[test]
fn options_choose_names() {
    let has = |options: SpanOptions, key: &str| {
        let spans = spans(&records::unary(), &options);
        spans.iter().any(|(_, span)| shown(&span.attributes, key).is_some())
    };
    let base = SpanOptions::default();
    let new = "gen_ai.usage.cache_write.input_tokens";
    let old = "gen_ai.usage.cache_creation.input_tokens";
    for (choice, has_new, has_old) in [
        (CacheWriteName::New, true, false),
        (CacheWriteName::Old, false, true),
        (CacheWriteName::Both, true, true),
    ] {
        let options = SpanOptions { cache_write: choice, ..base };
        assert_eq!((has(options, new), has(options, old)), (has_new, has_old), "{choice:?}");
    }
    assert!(has(base, "gen_ai.usage.cost"));
    assert!(!has(SpanOptions { usage_cost: false, ..base }, "gen_ai.usage.cost"));
}

/// A detail of nothing is not worth an attribute; a total of nothing is a count.
#[test]
fn details_of_nothing_are_left_out() {
    let mut record = records::unary();
    let usage = &mut record.observation.usage;
    usage.output = Some(0);
    usage.cache_read = Some(0);
    for detail in [
        &mut usage.reasoning,
        &mut usage.input_audio,
        &mut usage.cache_read_audio,
        &mut usage.input_image,
        &mut usage.output_audio,
        &mut usage.output_image,
    ] {
        *detail = Some(0);
    }
    let (_, call) = &spans(&record, &SpanOptions::default())[1];
    let usage = call.attributes.iter().filter(|pair| pair.key.starts_with("gen_ai.usage."));
    let mut keys: Vec<_> = usage.map(|pair| &pair.key["gen_ai.usage.".len()..]).collect();
    keys.sort_unstable();
    let expected = [
        "cache_read.input_tokens",
        "cache_write.input_tokens",
        "cost",
        "input_tokens",
        "output_tokens",
    ];
    assert_eq!(keys, expected);
}

/// What failed is an attribute; the body would only say it again.
#[test]
fn an_exception_has_no_body() {
    let events = crate::testing::events(&records::rate_limited(), &SpanOptions::default());
    let [event] = &events[..] else { panic!("one event") };
    assert_eq!(event.body, None);
    assert_eq!(shown(&event.attributes, "exception.type").unwrap(), "rate_limit_exceeded");
}

#[test]
fn lists_and_values_are_bounded() {
    let mut record = records::unary();
    record.exchange.user_agent = Some("é".repeat(4000));
    for tag in 0..200 {
        record.who.tags.insert(format!("t{tag}"), "x".to_owned());
    }
    let limits = AttributeLimits { count: 40, value: 99 };
    let spans = spans(&record, &SpanOptions { limits, ..SpanOptions::default() });
    let server = &spans[0].1;
    assert_eq!(server.attributes.len(), 40);
    assert!(server.dropped_attributes_count > 150);
    let agent = shown(&server.attributes, "user_agent.original").unwrap();
    assert_eq!(agent, "é".repeat(49));
}

#[test]
fn the_host_that_was_asked_for_is_split() {
    for (host, secure, expected) in [
        ("localhost:4310", false, Some(("localhost", 4310))),
        ("gate.example", false, Some(("gate.example", 80))),
        ("gate.example", true, Some(("gate.example", 443))),
        ("[::1]:4310", false, Some(("::1", 4310))),
        ("[::1]", true, Some(("::1", 443))),
        ("::1", true, Some(("::1", 443))),
        ("user:pass@gate:1", true, Some(("gate", 1))),
        ("gate:99999", true, None),
        ("", true, None),
    ] {
        assert_eq!(asked(host, secure), expected, "{host}");
    }
}
