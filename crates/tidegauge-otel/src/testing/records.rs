//! Finished exchanges, made by hand: one for each way a call can go.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use tidegauge_core::{
    Attempt, Category, Cost, CostStatus, Dialect, End, ErrorType, Exchange, ExchangeId, Failure,
    Filter, Head, Labels, Matched, Measurement, Money, Observation, Operation, Origin, Outcome,
    Overhead, Prompt, Propagate, Record, Request, Response, Source, SpanId, Splice, StreamTimes,
    Timeouts, Times, Trace, TraceId, Upstream, Usage, UsagePolicy,
};

#[derive(Debug)]
struct Known(&'static str);

impl Dialect for Known {
    fn kind(&self) -> &'static str {
        self.0
    }
    fn provider(&self) -> &'static str {
        self.0
    }
    fn claims(&self, _: Head<'_>) -> bool {
        false
    }
    fn matched(&self, _: Head<'_>) -> Matched {
        Matched { operation: Operation::Other, route: Cow::Borrowed("/{path}") }
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
        panic!("no test filters")
    }
    fn error_body(&self, _: StatusCode, _: &str, _: &str) -> Bytes {
        Bytes::new()
    }
}

static OPENAI: Known = Known("openai");
static ANTHROPIC: Known = Known("anthropic");

/// A fake key: it must never be found in anything that leaves.
pub(crate) const KEY: &str = "sk-test-0123456789";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn upstream(dialect: &'static Known, host: &str) -> Arc<Upstream> {
    Arc::new(Upstream {
        name: dialect.0.into(),
        dialect,
        origin: Origin { secure: true, host: host.to_owned(), port: 443, prefix: String::new() },
        usage: UsagePolicy::Inject,
        timeouts: Timeouts { connect: ms(5000), head: None, idle: None },
        headers: Vec::new(),
        propagate: Propagate::None,
        ca: None,
        client_identity: None,
        capture: tidegauge_core::Capture::Off,
    })
}

fn attempt(id: u8, started: u64, ended: u64, status: u16) -> Attempt {
    Attempt {
        span: SpanId([id; 8]),
        started: ms(started),
        ended: ms(ended),
        status: Some(StatusCode::from_u16(status).expect("a status")),
        failure: None,
        version: Some(Version::HTTP_2),
        peer: Some("192.0.2.7:443".parse().expect("an address")),
    }
}

/// A plain chat call that went well.
pub(crate) fn unary() -> Record {
    Record {
        exchange: Exchange {
            id: ExchangeId::new(1_795_000_000_000, 7),
            started: UNIX_EPOCH + Duration::from_secs(1_795_000_000),
            trace: Trace {
                trace_id: TraceId([1; 16]),
                parent: Some(SpanId([2; 8])),
                link: None,
                sampled: true,
                state: "vendor=1".to_owned(),
                server: SpanId([3; 8]),
                inference: SpanId([4; 8]),
            },
            upstream: upstream(&OPENAI, "api.openai.com"),
            operation: Operation::Chat,
            route: Cow::Borrowed("/v1/chat/completions"),
            method: Method::POST,
            path: "/openai/v1/chat/completions".to_owned(),
            query: None,
            secure: false,
            client: Some("127.0.0.1:50000".parse().expect("an address")),
            host: Some("localhost:4310".to_owned()),
            version: Version::HTTP_11,
            user_agent: Some("test/1".to_owned()),
            labels: Labels {
                session: Some("s-1".to_owned()),
                user: Some("u-1".to_owned()),
                prompt: Some(Prompt { name: "greet".to_owned(), version: Some("3".to_owned()) }),
                agent: Some("helper".to_owned()),
                request_id: None,
                tags: BTreeMap::from([("team".to_owned(), "search".to_owned())]),
            },
            attempts: vec![attempt(5, 1, 400, 200)],
            status: Some(StatusCode::OK),
            request_bytes: 812,
            upstream_bytes: 5120,
            response_bytes: 5120,
            times: Times {
                sent: Some(ms(1)),
                head: Some(ms(400)),
                first_byte: Some(ms(401)),
                last_byte: Some(ms(402)),
                ended: ms(403),
            },
            overhead: Overhead {
                accept: Duration::from_micros(40),
                admission: Duration::from_micros(20),
                connect: ms(30),
                relay: Duration::from_micros(15),
            },
            end: End::Complete,
            failure: None,
            injected: false,
        },
        observation: Observation {
            request: Request {
                model: Some("gpt-4o-mini".to_owned()),
                api: Some("chat_completions"),
                max_tokens: Some(256),
                temperature: Some(0.2),
                messages: Some(5),
                tools: Some(2),
                labels: Labels {
                    user: Some("weaker".to_owned()),
                    tags: BTreeMap::from([("plan".to_owned(), "pro".to_owned())]),
                    ..Labels::default()
                },
                ..Request::default()
            },
            response: Response {
                status: Some(StatusCode::OK),
                id: Some("chatcmpl-1".to_owned()),
                request_id: Some("req_1".to_owned()),
                model: Some("gpt-4o-mini-2024-07-18".to_owned()),
                finish_reasons: vec!["stop".to_owned()],
                output: true,
                ..Response::default()
            },
            usage: Usage {
                source: Source::Provider,
                input: Some(176),
                cache_read: Some(1024),
                cache_write_5m: Some(0),
                output: Some(146),
                reasoning: Some(64),
                ..Usage::default()
            },
            ..Observation::default()
        },
        measurement: Measurement {
            duration: ms(401),
            total: ms(403),
            ttfb: Some(ms(400)),
            overhead: Overhead {
                accept: Duration::from_micros(40),
                admission: Duration::from_micros(20),
                connect: ms(30),
                relay: Duration::from_micros(15),
            },
            cost: Cost {
                status: CostStatus::Priced,
                amount: Some(Money::from_nanos(229_000)),
                model: Some("gpt-4o-mini".to_owned()),
                catalogue: Some("2026-10-30".into()),
                ..Cost::default()
            },
            ..Measurement::default()
        },
    }
}

/// A stream that ran to its end, with usage that was asked for by us.
pub(crate) fn stream() -> Record {
    let mut record = unary();
    record.observation.stream = true;
    record.observation.request.stream = true;
    record.observation.usage.source = Source::Injected;
    record.observation.times = StreamTimes {
        first_chunk: Some(ms(201)),
        first_token: Some(ms(221)),
        last_token: Some(ms(400)),
        gaps: vec![ms(20), ms(90), ms(89)],
        gaps_dropped: 0,
    };
    record.measurement.time_to_first_chunk = Some(ms(200));
    record.measurement.ttft = Some(ms(220));
    record.measurement.tpot = Some(Duration::from_nanos(856_459));
    record.exchange.injected = true;
    record
}

/// Too many requests; the provider says so at once.
pub(crate) fn rate_limited() -> Record {
    let mut record = failed("rate_limit_exceeded", Category::RateLimit);
    record.exchange.status = Some(StatusCode::TOO_MANY_REQUESTS);
    record.exchange.attempts = vec![attempt(5, 1, 400, 429)];
    record.observation.response.status = Some(StatusCode::TOO_MANY_REQUESTS);
    record.observation.response.finish_reasons.clear();
    record
}

/// A 200 whose stream holds an error event.
pub(crate) fn error_in_stream() -> Record {
    let mut record = stream();
    fail(&mut record, "overloaded_error", Category::Overloaded);
    record.exchange.upstream = upstream(&ANTHROPIC, "api.anthropic.com");
    record.exchange.route = Cow::Borrowed("/v1/messages");
    record.exchange.path = "/anthropic/v1/messages".to_owned();
    record.observation.request.api = None;
    record.observation.request.model = Some("claude-sonnet".to_owned());
    record.observation.response.model = None;
    record.observation.response.finish_reasons.clear();
    record
}

/// A stream that broke off.
pub(crate) fn cut_stream() -> Record {
    let mut record = stream();
    fail(&mut record, "stream_cut", Category::StreamCut);
    record.exchange.end = End::Failed;
    record.exchange.failure = Some(Failure::StreamCut);
    record.observation.response.finish_reasons.clear();
    record.observation.usage.source = Source::Partial;
    record
}

/// The client left in the middle of a stream.
pub(crate) fn client_cancel() -> Record {
    let mut record = stream();
    record.exchange.end = End::Cancelled;
    record.observation.outcome.category = Some(Category::ClientCancelled);
    record.observation.response.finish_reasons.clear();
    record.observation.usage = Usage::default();
    record.measurement.cost = Cost::default();
    record.measurement.tpot = None;
    record
}

/// The model declined: not a failure.
pub(crate) fn refusal() -> Record {
    let mut record = unary();
    record.observation.response.refusal = true;
    record.observation.response.finish_reasons = vec!["refusal".to_owned()];
    record.observation.outcome.category = Some(Category::Refusal);
    record
}

/// Asked twice, because the upstream did not know the field we added.
pub(crate) fn retried() -> Record {
    let mut record = stream();
    record.exchange.attempts = vec![attempt(5, 1, 50, 400), attempt(6, 51, 402, 200)];
    record
}

/// Vectors.
pub(crate) fn embeddings() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::Embeddings;
    record.exchange.route = Cow::Borrowed("/v1/embeddings");
    record.exchange.path = "/v1/embeddings".to_owned();
    let request = &mut record.observation.request;
    *request = Request {
        model: Some("text-embedding-3-small".to_owned()),
        encoding_formats: vec!["float".to_owned()],
        dimensions: Some(256),
        ..Request::default()
    };
    record.observation.response.finish_reasons.clear();
    record.observation.response.model = None;
    record.observation.usage =
        Usage { source: Source::Provider, input: Some(8), ..Usage::default() };
    record
}

/// Tokens counted: no model call, so no inference span.
pub(crate) fn count_tokens() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::CountTokens;
    record.exchange.upstream = upstream(&ANTHROPIC, "api.anthropic.com");
    record.exchange.route = Cow::Borrowed("/v1/messages/count_tokens");
    record.exchange.path = "/anthropic/v1/messages/count_tokens".to_owned();
    record.observation.response.counted_tokens = Some(42);
    record.observation.usage = Usage::default();
    record.measurement.cost = Cost::default();
    record
}

/// No connection to the upstream.
pub(crate) fn upstream_refused() -> Record {
    let mut record = failed("connection_refused", Category::Connect);
    record.exchange.status = Some(StatusCode::BAD_GATEWAY);
    record.exchange.end = End::Failed;
    record.exchange.failure = Some(Failure::ConnectRefused);
    let attempt = &mut record.exchange.attempts[0];
    attempt.status = None;
    attempt.failure = Some(Failure::ConnectRefused);
    attempt.version = None;
    attempt.peer = None;
    record.observation.response = Response::default();
    record
}

/// Stopped by a rule of ours before anything was sent, with a key in the query.
pub(crate) fn over_budget() -> Record {
    let mut record = failed("budget_exceeded", Category::Budget);
    record.exchange.status = Some(StatusCode::TOO_MANY_REQUESTS);
    record.exchange.query = Some(format!("alt=sse&key={KEY}"));
    record.exchange.attempts.clear();
    record.exchange.times.sent = None;
    record.exchange.trace.parent = None;
    record.exchange.trace.link = Some((TraceId([8; 16]), SpanId([9; 8])));
    record.observation.response = Response::default();
    record
}

/// A key in the query of a call that went well.
pub(crate) fn key_in_query() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::GenerateContent;
    record.exchange.query = Some(format!("alt=sse&key={KEY}"));
    record
}

/// All of them, by name.
pub(crate) fn all() -> Vec<(&'static str, Record)> {
    vec![
        ("unary", unary()),
        ("stream", stream()),
        ("rate_limited", rate_limited()),
        ("error_in_stream", error_in_stream()),
        ("cut_stream", cut_stream()),
        ("client_cancel", client_cancel()),
        ("refusal", refusal()),
        ("retried", retried()),
        ("embeddings", embeddings()),
        ("count_tokens", count_tokens()),
        ("upstream_refused", upstream_refused()),
        ("over_budget", over_budget()),
        ("key_in_query", key_in_query()),
    ]
}

fn failed(error: &'static str, category: Category) -> Record {
    let mut record = unary();
    fail(&mut record, error, category);
    record.observation.usage = Usage::default();
    record.measurement.cost = Cost::default();
    record
}

fn fail(record: &mut Record, error: &'static str, category: Category) {
    record.observation.outcome = Outcome {
        category: Some(category),
        error: Some(ErrorType::fixed(error)),
        unclassified: false,
    };
}
