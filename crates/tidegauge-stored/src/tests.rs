//! What goes in comes out, whatever it is; what never was a record is an error and no panic.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, StatusCode, Version};
use proptest::option::of;
use proptest::prelude::*;
use tidegauge_core::{
    Attempt, Batch, BatchCalls, BatchCost, Billed, Bucket, Category, Charge, Cost, CostLine,
    CostStatus, Destination, Dialect, End, ErrorType, Estimate, Estimator, Exchange, ExchangeId,
    Failure, Filter, Head, Labels, Matched, Measurement, Money, Observation, Operation, Origin,
    Outcome, OutputType, Overhead, Prompt, ProviderError, RateLimit, Record, Request, Reset,
    Response, Source, SpanId, Splice, StreamTimes, Times, Trace, TraceId, Unpriced, Usage, Within,
};

use super::*;

mod content;

#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn kind(&self) -> &'static str {
        "plain"
    }
    fn provider(&self) -> &'static str {
        "plain"
    }
    fn claims(&self, _: Head<'_>) -> bool {
        false
    }
    fn matched(&self, _: Head<'_>) -> Matched {
        Matched { operation: Operation::Other, route: "/".into() }
    }
    fn may_splice(&self, _: Operation, _: Head<'_>) -> bool {
        false
    }
    fn splice(&self, _: &[u8]) -> Option<Splice> {
        None
    }
    fn refuses_splice(&self, _: StatusCode, _: &[u8]) -> bool {
        false
    }
    fn filter(&self) -> Box<dyn Filter> {
        unreachable!()
    }
    fn error_body(&self, _: StatusCode, _: &str, _: &str) -> bytes::Bytes {
        bytes::Bytes::new()
    }
}

fn world(kind: &str) -> Option<&'static dyn Dialect> {
    (kind == "plain").then_some(&Plain as _)
}

fn text() -> BoxedStrategy<String> {
    "\\PC{0,8}".boxed()
}

fn time() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn status() -> impl Strategy<Value = StatusCode> {
    (100..1000_u16).prop_map(|code| StatusCode::from_u16(code).unwrap())
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn span() -> impl Strategy<Value = SpanId> {
    any::<[u8; 8]>().prop_map(SpanId)
}

fn real() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("comparable", |value| !value.is_nan())
}

const VERSIONS: [Version; 5] =
    [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
const CHARGES: [Charge; 8] = [
    Charge::Tokens(Bucket::OutputAudio),
    Charge::Routing,
    Charge::Searches,
    Charge::GroundedPrompts,
    Charge::FileSearches,
    Charge::Requests,
    Charge::AudioTime,
    Charge::GpuTime,
];
const WORDS: [&str; 3] = ["requests", "tokens", "input_tokens"];

prop_compose! {
    fn labels()(
        session in of(text()), user in of(text()), prompt in of((text(), of(text()))), agent in of(text()),
        request_id in of(text()), tags in proptest::collection::btree_map(text(), text(), 0..3),
    ) -> Labels {
        let prompt = prompt.map(|(name, version)| Prompt { name, version });
        Labels { session, user, prompt, agent, request_id, tags }
    }
}

prop_compose! {
    fn attempt()(
        span in span(), started in time(), ended in time(), status in of(status()),
        failure in of(one_of(&Failure::ALL)), version in of(one_of(&VERSIONS)),
        peer in of(any::<std::net::SocketAddrV4>()),
    ) -> Attempt {
        Attempt { span, started, ended, status, failure, version, peer: peer.map(Into::into) }
    }
}

prop_compose! {
    fn destination()(texts in proptest::array::uniform3(text()), secure in any::<bool>(), port in any::<u16>())
    -> Destination {
        let [name, host, prefix] = texts;
        let origin = Arc::new(Origin { secure, host, port, prefix });
        Destination { name: name.into(), kind: Plain.kind(), provider: Plain.provider(), origin }
    }
}

prop_compose! {
    fn trace()(
        trace_id in any::<[u8; 16]>(), parent in of(span()), link in of((any::<[u8; 16]>(), span())),
        [sampled, random] in any::<[bool; 2]>(), caller_counts in of(any::<bool>()),
        state in text(), server in span(), inference in span(),
    ) -> Trace {
        let link = link.map(|(trace, span)| (TraceId(trace), span));
        let trace_id = TraceId(trace_id);
        Trace { trace_id, parent, link, sampled, random, caller_counts, state, server, inference }
    }
}

prop_compose! {
    fn overhead()(times in proptest::array::uniform4(time())) -> Overhead {
        let [accept, admission, connect, relay] = times;
        Overhead { accept, admission, connect, relay }
    }
}

prop_compose! {
    fn exchange()(
        (id, started, trace, to) in (any::<u128>(), 0..=u64::MAX / 2, trace().boxed(), destination().boxed()),
        operation in one_of(&Operation::ALL), texts in proptest::array::uniform2(text()),
        told in proptest::array::uniform3(of(text())), version in one_of(&VERSIONS),
        flags in any::<[bool; 2]>(), client in of(any::<std::net::SocketAddrV4>()), labels in labels().boxed(),
        attempts in proptest::collection::vec(attempt().boxed(), 0..3).boxed(), status in of(status()),
        bytes in any::<[u64; 3]>(), times in proptest::array::uniform4(of(time())), ended in time(),
        overhead in overhead().boxed(),
        (end, failure, within) in (one_of(&End::ALL), of(one_of(&Failure::ALL)), of((any::<u128>(), span()))),
    ) -> Exchange {
        let [route, path] = texts;
        let [query, host, user_agent] = told;
        let [sent, head, first_byte, last_byte] = times;
        Exchange {
            id: ExchangeId::from_bits(id),
            started: UNIX_EPOCH + Duration::from_nanos(started),
            trace,
            to,
            operation,
            route: route.into(),
            method: Method::POST,
            path,
            query,
            secure: flags[0],
            client: client.map(Into::into),
            host,
            version,
            user_agent,
            labels,
            attempts,
            status,
            request_bytes: bytes[0],
            upstream_bytes: bytes[1],
            response_bytes: bytes[2],
            times: Times { sent, head, first_byte, last_byte, ended },
            overhead,
            end,
            failure,
            injected: flags[1],
            within: within.map(|(id, span)| Within { exchange: ExchangeId::from_bits(id), span }),
        }
    }
}

prop_compose! {
    fn request()(
        told in proptest::array::uniform4(of(text())), api in of(one_of(&WORDS)), stream in any::<bool>(),
        numbers in proptest::array::uniform6(of(any::<u64>())), reals in proptest::array::uniform4(of(real())),
        seed in of(any::<i64>()), lists in proptest::array::uniform2(proptest::collection::vec(text(), 0..3)),
        output_type in of(one_of(&OutputType::ALL)), tool_errors in any::<u64>(), labels in labels().boxed(),
    ) -> Request {
        let [model, reasoning_level, service_tier, previous_response_id] = told;
        let [max_tokens, top_k, choices, dimensions, messages, tools] = numbers;
        let [temperature, top_p, frequency_penalty, presence_penalty] = reals;
        let [stop_sequences, encoding_formats] = lists;
        Request {
            model, stream, api, max_tokens, temperature, top_p, top_k, frequency_penalty,
            presence_penalty, seed, stop_sequences, choices, output_type, reasoning_level, service_tier,
            previous_response_id, encoding_formats, dimensions, messages, tools, tool_errors, labels,
        }
    }
}

fn reset() -> impl Strategy<Value = Reset> {
    prop_oneof![time().prop_map(Reset::In), time().prop_map(|since| Reset::At(UNIX_EPOCH + since)),]
}

prop_compose! {
    fn rate_limit()(
        resource in one_of(&WORDS), limit in of(any::<u64>()), remaining in of(any::<u64>()), reset in of(reset()),
    ) -> RateLimit {
        RateLimit { resource, limit, remaining, reset }
    }
}

prop_compose! {
    fn response()(
        told in proptest::array::uniform5(of(text())), status in of(status()),
        finish_reasons in proptest::collection::vec(text(), 0..3), counts in any::<[u64; 3]>(),
        flags in any::<[bool; 3]>(), numbers in proptest::array::uniform3(of(any::<u64>())),
        error in of((of(text()), of(text()))), terminated in of(any::<bool>()), processing in of(time()),
        rate_limits in proptest::collection::vec(rate_limit().boxed(), 0..3),
        extra in proptest::collection::btree_map(one_of(&WORDS), text(), 0..3),
    ) -> Response {
        let [id, request_id, model, service_tier, system_fingerprint] = told;
        let [tool_calls, bad_tool_calls, events] = counts;
        let [refusal, content_filter, output] = flags;
        let [dimensions, counted_tokens, retry_after] = numbers;
        Response {
            status, id, request_id, model, finish_reasons, tool_calls, bad_tool_calls, refusal,
            content_filter, output, service_tier, system_fingerprint, dimensions,
            error: error.map(|(kind, code)| ProviderError { kind, code, message: None }),
            counted_tokens, events, terminated, processing, rate_limits, retry_after, extra,
        }
    }
}

prop_compose! {
    fn estimate()(by in one_of(&Estimator::ALL), totals in proptest::array::uniform3(of(any::<u64>()))) -> Estimate {
        let [input, output, output_told] = totals;
        Estimate { by, input, output, output_told }
    }
}

prop_compose! {
    fn billed()(
        model in of(text()), tokens in proptest::collection::btree_map(one_of(&Bucket::ALL), any::<u64>(), 0..3),
    ) -> Billed {
        Billed { model, tokens }
    }
}

prop_compose! {
    fn usage()(
        source in one_of(&Source::ALL), tokens in proptest::array::uniform11(of(any::<u64>())),
        audio_seconds in of(real()), numbers in proptest::array::uniform8(of(any::<u64>())),
        texts in proptest::array::uniform3(of(text())), odd in any::<bool>(), estimate in of(estimate().boxed()),
        billed in proptest::collection::vec(billed().boxed(), 0..3),
    ) -> Usage {
        let [
            searches, input_told, output_told, stated_total, grounded_prompts, file_searches, hosted_tools,
            reasoning_told,
        ] = numbers;
        let [reported_usd, region, search_size] = texts;
        let mut usage = Usage {
            source, audio_seconds, searches, input_told, output_told, stated_total, reported_usd, odd, estimate,
            billed, region, grounded_prompts, file_searches, hosted_tools, reasoning_told, search_size,
            ..Usage::default()
        };
        for (bucket, tokens) in Bucket::ALL.into_iter().zip(tokens) {
            *usage.bucket_mut(bucket) = tokens;
        }
        usage
    }
}

prop_compose! {
    fn batch_calls()(model in of(text()), numbers in any::<[u64; 2]>(), usage in usage().boxed()) -> BatchCalls {
        let [count, prompt] = numbers;
        BatchCalls { model, count, prompt, usage }
    }
}

prop_compose! {
    fn batch()(
        numbers in any::<[u64; 3]>(), calls in proptest::collection::vec(batch_calls().boxed(), 0..3),
    ) -> Batch {
        let [results, failed, left_out] = numbers;
        Batch { results, failed, calls, left_out }
    }
}

prop_compose! {
    fn observation()(
        request in request().boxed(), response in response().boxed(), flags in any::<[bool; 3]>(),
        usage in usage().boxed(), batch in of(batch().boxed()), turns in of(any::<u64>()),
        content in of(content::content().boxed()),
        times in proptest::array::uniform3(of(time())),
        gaps in proptest::collection::vec(time(), 0..4), gaps_dropped in any::<u64>(),
        category in of(one_of(Category::ALL)), error in of("[a-z_]{1,9}"),
    ) -> Observation {
        let [stream, unclassified, partial] = flags;
        let [first_chunk, first_token, last_token] = times;
        let error = error.as_deref().map(ErrorType::of_provider);
        Observation {
            request,
            response,
            stream,
            usage,
            times: StreamTimes { first_chunk, first_token, last_token, gaps, gaps_dropped },
            outcome: Outcome { category, error, unclassified },
            partial,
            turns,
            batch,
            content: content.map(Box::new),
        }
    }
}

prop_compose! {
    fn cost()(
        status in one_of(&CostStatus::ALL),
        amounts in proptest::array::uniform3(of(any::<u64>())), told in proptest::array::uniform2(of(text())),
        unpriced in of(one_of(&Unpriced::ALL)),
        lines in proptest::collection::vec((one_of(&CHARGES), any::<[u64; 2]>(), text()), 0..4),
    ) -> Cost {
        let [amount, list, reported] = amounts.map(|amount| amount.map(Money::from_nanos));
        let [model, catalogue] = told;
        let line = |(charge, [quantity, amount], usd): (Charge, [u64; 2], String)| {
            CostLine { charge, quantity, usd, amount: Money::from_nanos(amount) }
        };
        Cost {
            status, amount, list, reported, unpriced, model,
            catalogue: catalogue.map(Into::into),
            lines: lines.into_iter().map(line).collect(),
        }
    }
}

prop_compose! {
    fn batch_cost()(
        model in of(text()), calls in any::<u64>(), usage in usage().boxed(), cost in cost().boxed(),
    ) -> BatchCost {
        BatchCost { model, calls, usage, cost }
    }
}

prop_compose! {
    fn measurement()(
        times in proptest::array::uniform4(of(time())), whole in proptest::array::uniform2(time()),
        overhead in overhead().boxed(), cost in cost().boxed(),
        batch in proptest::collection::vec(batch_cost().boxed(), 0..3),
    ) -> Measurement {
        let [ttfb, time_to_first_chunk, ttft, tpot] = times;
        let [duration, total] = whole;
        Measurement { duration, total, ttfb, time_to_first_chunk, ttft, tpot, overhead, cost, batch }
    }
}

prop_compose! {
    fn any_record()(
        exchange in exchange().boxed(), observation in observation().boxed(), measurement in measurement().boxed(),
    ) -> Record {
        Record { exchange, observation, measurement }
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(it in any_record().boxed()) {
        let bytes = record(&it);
        let back = read_record(&bytes, &world, &Words::default()).unwrap();
        prop_assert_eq!(format!("{back:?}"), format!("{it:?}"));
    }

    #[test]
    fn damage_is_an_error_or_a_record_but_no_panic(
        it in any_record().boxed(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = record(&it);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = read_record(&bytes, &world, &Words::default());
        let _ = read_entry(&bytes, &world);
    }

    #[test]
    fn a_journal_holds_nothing_that_the_caller_wrote(it in exchange().boxed()) {
        let Entry::Open(back) = read_entry(&opening(&it), &world).unwrap() else { panic!("an opening") };
        prop_assert_eq!((back.id, back.started, back.operation), (it.id, it.started, it.operation));
        prop_assert_eq!(&back.to, &it.to);
        prop_assert_eq!(&back.trace, &Trace { state: String::new(), ..it.trace.clone() });
        prop_assert_eq!((&back.route, back.within), (&it.route, it.within));
        prop_assert!(back.path.is_empty() && back.query.is_none() && back.labels == Labels::default());
        prop_assert!(back.host.is_none() && back.client.is_none() && back.user_agent.is_none());
        let Entry::Close(id) = read_entry(&closing(it.id), &world).unwrap() else { panic!("an end") };
        prop_assert_eq!(id, it.id);
        let Entry::Over(id) = read_entry(&over(it.id), &world).unwrap() else { panic!("an end") };
        prop_assert_eq!(id, it.id);
    }
}

/// A provider's text may hold what the client sent.
#[test]
fn what_a_provider_wrote_about_an_error_is_not_stored() {
    let mut it = sample();
    it.observation.response.error = Some(ProviderError {
        kind: Some("kind".to_owned()),
        code: None,
        message: Some("canary-secret".to_owned()),
    });
    let bytes = record(&it);
    assert!(!bytes.windows(13).any(|part| part == b"canary-secret"));
    let back = read_record(&bytes, &world, &Words::default()).unwrap();
    assert_eq!(back.observation.response.error.unwrap().kind.as_deref(), Some("kind"));
}

#[test]
fn what_this_version_does_not_know_is_said() {
    let it = sample();
    let nobody = |_: &str| None::<&'static dyn Dialect>;
    let unreadable =
        |bytes: &[u8], world: &dyn World| read_record(bytes, world, &Words::default()).unwrap_err();
    assert_eq!(unreadable(&record(&it), &nobody), Unreadable::Unknown("protocol"));
    assert_eq!(unreadable(b"", &world), Unreadable::Missing("exchange"));
    assert_eq!(unreadable(b"\xff", &world), Unreadable::Encoding);
    assert_eq!(read_entry(b"", &world).unwrap_err(), Unreadable::Missing("entry"));
}

/// What was counted here would pass for the provider's figure, and a turn for a request.
#[test]
fn what_changes_the_meaning_of_the_rest_is_not_left_out() {
    let unreadable = |stored: proto::Record| {
        read_record(&stored.encode_to_vec(), &world, &Words::default()).unwrap_err()
    };
    let mut stored = write::record(&sample());
    let by = || Some(proto::Estimate { by: "abacus".to_owned(), ..proto::Estimate::default() });
    let used = proto::Usage { estimate: by(), ..proto::Usage::default() };
    stored.observation.get_or_insert_default().usage = Some(used);
    assert_eq!(unreadable(stored), Unreadable::Unknown("estimator"));
    let mut stored = write::record(&sample());
    stored.exchange.get_or_insert_default().within = Some(proto::Within::default());
    assert_eq!(unreadable(stored), Unreadable::Missing("id"));
}

#[test]
fn words_are_kept_once_and_not_without_end() {
    let words = Words::default();
    let first = words.keep("tokens").unwrap();
    assert!(std::ptr::eq(first, words.keep("tokens").unwrap()));
    assert_eq!(words.keep(&"x".repeat(65)), None);
    let kept = (0..5000).filter(|number: &u32| words.keep(&number.to_string()).is_some()).count();
    assert_eq!(kept, 1023);
}

fn sample() -> Record {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    any_record().new_tree(&mut TestRunner::deterministic()).unwrap().current()
}
