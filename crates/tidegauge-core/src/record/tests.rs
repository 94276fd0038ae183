//! A record is plain: whatever is added to it must be so too, or this does not compile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};

use super::*;
use crate::*;

/// Owned, and holds no behaviour. No trait object has it, and neither has an `Upstream`.
trait Plain: Clone + Send + Sync + PartialEq + 'static {}

impl<T: Plain> Plain for Option<T> {}
impl<T: Plain> Plain for Vec<T> {}
impl<T: Plain> Plain for Box<T> {}
impl Plain for Arc<str> {}
impl Plain for Arc<Origin> {}
impl Plain for Cow<'static, str> {}
impl<K: Plain + Ord, V: Plain> Plain for BTreeMap<K, V> {}
impl<A: Plain, B: Plain> Plain for (A, B) {}

macro_rules! leaves {
    ($($leaf:ty),+ $(,)?) => { $(impl Plain for $leaf {})+ };
}

leaves!(
    bool,
    u16,
    u64,
    i64,
    f64,
    String,
    &'static str,
    Duration,
    SystemTime,
    SocketAddr,
    Method,
    StatusCode,
    Version,
    ExchangeId,
    SpanId,
    TraceId,
    Money,
    ErrorType,
    // Closed lists of words and numbers.
    Part,
    Bucket,
    Category,
    Charge,
    CostStatus,
    End,
    Estimator,
    Failure,
    Modality,
    Operation,
    OutputType,
    RecordKind,
    Reset,
    Source,
    Unpriced,
    Value,
);

/// Names every field, so that one that is added has to be named here.
macro_rules! plain {
    ($($of:ident { $($field:ident),+ $(,)? })+) => { $(
        impl Plain for $of {}
        const _: fn($of) = |it| {
            fn is<T: Plain>(_: T) {}
            let $of { $($field),+ } = it;
            $(is($field);)+
        };
    )+ };
}

plain! {
    Record { kind, who, exchange, observation, measurement, verdicts }
    Verdict { grader, version, score, label, explanation }
    Labels { session, user, prompt, agent, request_id, tags }
    Prompt { name, version }
    Exchange {
        id, started, trace, to, operation, route, method, path, query, secure, client, host, version,
        user_agent, labels, attempts, status, request_bytes, upstream_bytes, response_bytes, times,
        overhead, end, failure, injected,
    }
    Destination { name, kind, provider, origin }
    Origin { secure, host, port, prefix }
    Trace { trace_id, parent, link, sampled, random, caller_counts, state, server, inference }
    Attempt { span, started, ended, status, failure, version, peer }
    Times { sent, head, first_byte, last_byte, ended }
    Overhead { accept, admission, connect, relay }
    Observation {
        request, response, stream, usage, batch, times, outcome, partial, content, turns,
    }
    Usage { source, input, cache_read, cache_read_audio, cache_write_5m, cache_write_1h, input_audio, input_image, output, reasoning, output_audio, output_image, audio_seconds, searches, grounded_prompts, file_searches, search_size, hosted_tools, input_told, output_told, reasoning_told, stated_total, reported_usd, odd, estimate, billed, region }
    Request { model, stream, api, max_tokens, temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, stop_sequences, choices, output_type, reasoning_level, service_tier, previous_response_id, encoding_formats, dimensions, messages, tools, tool_errors, labels }
    Response { status, id, request_id, model, finish_reasons, tool_calls, bad_tool_calls, refusal, content_filter, output, service_tier, system_fingerprint, dimensions, error, counted_tokens, events, terminated, processing, rate_limits, retry_after, extra }
    Measurement {
        duration, total, ttfb, time_to_first_chunk, ttft, tpot, overhead, cost, batch,
    }
    Cost { status, amount, list, reported, unpriced, model, catalogue, lines }
    CostLine { charge, quantity, usd, amount }
    BatchCost { model, calls, usage, cost }
    Batch { results, failed, calls, left_out }
    BatchCalls { model, count, prompt, usage }
    StreamTimes { first_chunk, first_token, last_token, gaps, gaps_dropped }
    Outcome { category, error, unclassified }
    Billed { model, tokens }
    Estimate { by, input, output, output_told }
    RateLimit { resource, limit, remaining, reset }
    ProviderError { kind, code, message }
    Content { system, input, output, tools, truncated }
    Message { role, parts, name, finish_reason }
    ToolDefinition { kind, name, description, parameters }
}

#[test]
fn who_calls_is_told_once_and_headers_come_first() {
    let labels = |session: Option<&str>, user: Option<&str>| Labels {
        session: session.map(str::to_owned),
        user: user.map(str::to_owned),
        ..Labels::default()
    };
    let mut exchange = testing::exchange(&testing::upstream(&testing::Mute("plain")));
    exchange.labels = labels(Some("header"), None);
    let mut seen = Observation::default();
    seen.request.labels = labels(Some("body"), Some("body"));
    let record = Record::new(RecordKind::Request, exchange, seen, Measurement::default());
    assert_eq!(record.who, labels(Some("header"), Some("body")));
    assert_eq!(record.exchange.labels, Labels::default());
    assert_eq!(record.observation.request.labels, Labels::default());
}
