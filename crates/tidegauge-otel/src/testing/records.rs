//! Finished exchanges, made by hand: one for each way a call can go.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, Version};
use tidegauge_core::testing::{self, Mute};
use tidegauge_core::{
    Attempt, Category, Content, Cost, Destination, End, ErrorType, Exchange, ExchangeId, Failure,
    Labels, Measurement, Message, Modality, Observation, Operation, Origin, Outcome, Overhead,
    Part, Prompt, Record, RecordKind, Request, Response, Source, SpanId, StreamTimes, Times,
    ToolDefinition, Trace, TraceId, Usage, Value,
};

static OPENAI: Mute = Mute("openai");
static ANTHROPIC: Mute = Mute("anthropic");

/// A fake key: it must never be found in anything that leaves.
pub const KEY: &str = "sk-test-0123456789";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn to(dialect: &'static Mute, host: &str) -> Destination {
    let origin = Origin { secure: true, host: host.to_owned(), port: 443, prefix: String::new() };
    Destination { origin: Arc::new(origin), ..testing::upstream(dialect).destination() }
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
pub fn unary() -> Record {
    let mut record = testing::record(exchange());
    let request = &mut record.observation.request;
    request.api = Some("chat_completions");
    request.temperature = Some(0.2);
    record.observation.response.request_id = Some("req_1".to_owned());
    record.observation.response.output = true;
    record.measurement = Measurement {
        duration: ms(401),
        total: ms(403),
        ttfb: Some(ms(400)),
        ..record.measurement
    };
    record
}

fn exchange() -> Exchange {
    Exchange {
        trace: Trace {
            parent: Some(SpanId([2; 8])),
            state: "vendor=1".to_owned(),
            server: SpanId([3; 8]),
            inference: SpanId([4; 8]),
            ..testing::trace()
        },
        to: to(&OPENAI, "api.openai.com"),
        path: "/openai/v1/chat/completions".to_owned(),
        client: Some("127.0.0.1:50000".parse().expect("an address")),
        host: Some("localhost:4310".to_owned()),
        user_agent: Some("test/1".to_owned()),
        labels: Labels {
            session: Some("s-1".to_owned()),
            user: Some("u-1".to_owned()),
            prompt: Some(Prompt { name: "greet".to_owned(), version: Some("3".to_owned()) }),
            agent: Some("helper".to_owned()),
            request_id: None,
            tags: [("team", "search"), ("plan", "pro")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        },
        attempts: vec![attempt(5, 1, 400, 200)],
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
        ..testing::exchange(&testing::upstream(&OPENAI))
    }
}

/// A stream that ran to its end, with usage that was asked for by us.
pub fn spoken() -> Record {
    let text = |text: &str| Part::Text { content: text.to_owned() };
    let map = |members: &[(&str, Value)]| {
        let member = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        Value::Map(members.iter().map(member).collect())
    };
    let (id, kind) = (Some("c1".to_owned()), Value::Text("search".to_owned()));
    let found = map(&[("type", kind.clone()), ("pages", Value::List(vec![Value::Null]))]);
    let asked = vec![
        text("What is \"this\"?\n"),
        Part::Blob {
            modality: Modality::Image,
            mime_type: Some("image/png".to_owned()),
            content: String::new(),
        },
        Part::Uri { modality: Modality::Video, mime_type: None, uri: "https://h/v".to_owned() },
        Part::File { modality: Modality::Document, mime_type: None, file_id: "f1".to_owned() },
        Part::Compaction { id: None, content: None },
    ];
    let answered = vec![
        Part::Reasoning { content: "A cat?".to_owned() },
        Part::ToolCall {
            id: id.clone(),
            name: "look".to_owned(),
            arguments: Some(map(&[("at", Value::Real(2.5)), ("twice", Value::Bool(true))])),
        },
        Part::ServerToolCall { id: id.clone(), name: "search".to_owned(), call: found.clone() },
        Part::ServerToolCallResponse { id: id.clone(), response: found },
        Part::Other { kind: "refusal".to_owned(), content: Some("No.".to_owned()) },
    ];
    let result = Part::ToolCallResponse { id, response: Value::Whole(7) };
    let message =
        |role: &str, parts| Message { role: role.to_owned(), parts, ..Message::default() };
    let tool = ToolDefinition {
        kind: "function".to_owned(),
        name: "look".to_owned(),
        description: Some("Looks.".to_owned()),
        parameters: Some(map(&[("type", Value::Text("object".to_owned()))])),
    };
    let output =
        Message { finish_reason: Some("tool_call".to_owned()), ..message("assistant", answered) };
    let mut record = unary();
    record.observation.content = Some(Box::new(Content {
        system: vec![text("Be brief.")],
        input: vec![message("user", asked), message("tool", vec![result])],
        output: vec![output],
        tools: vec![tool],
        truncated: true,
    }));
    record
}

pub fn stream() -> Record {
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
pub fn rate_limited() -> Record {
    let mut record = failed("rate_limit_exceeded", Category::RateLimit);
    record.exchange.status = Some(StatusCode::TOO_MANY_REQUESTS);
    record.exchange.attempts = vec![attempt(5, 1, 400, 429)];
    record.observation.response.status = Some(StatusCode::TOO_MANY_REQUESTS);
    record.observation.response.finish_reasons.clear();
    record
}

/// A 200 whose stream holds an error event.
pub fn error_in_stream() -> Record {
    let mut record = stream();
    fail(&mut record, "overloaded_error", Category::Overloaded);
    record.exchange.to = to(&ANTHROPIC, "api.anthropic.com");
    record.exchange.route = Cow::Borrowed("/v1/messages");
    record.exchange.path = "/anthropic/v1/messages".to_owned();
    record.observation.request.api = None;
    record.observation.request.model = Some("claude-sonnet".to_owned());
    record.observation.response.model = None;
    record.observation.response.finish_reasons.clear();
    record
}

/// A stream that broke off.
pub fn cut_stream() -> Record {
    let mut record = stream();
    fail(&mut record, "stream_cut", Category::StreamCut);
    record.exchange.end = End::Failed;
    record.exchange.failure = Some(Failure::StreamCut);
    record.observation.response.finish_reasons.clear();
    record.observation.usage.source = Source::Partial;
    record
}

/// The client left in the middle of a stream.
pub fn client_cancel() -> Record {
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
pub fn refusal() -> Record {
    let mut record = unary();
    record.observation.response.refusal = true;
    record.observation.response.finish_reasons = vec!["refusal".to_owned()];
    record.observation.outcome.category = Some(Category::Refusal);
    record
}

/// Asked twice, because the upstream did not know the field we added.
pub fn retried() -> Record {
    let mut record = stream();
    record.exchange.attempts = vec![attempt(5, 1, 50, 400), attempt(6, 51, 402, 200)];
    record
}

/// Vectors.
pub fn embeddings() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::Embeddings;
    record.exchange.route = Cow::Borrowed("/v1/embeddings");
    record.exchange.path = "/v1/embeddings".to_owned();
    record.who.tags.remove("plan");
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
pub fn count_tokens() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::CountTokens;
    record.exchange.to = to(&ANTHROPIC, "api.anthropic.com");
    record.exchange.route = Cow::Borrowed("/v1/messages/count_tokens");
    record.exchange.path = "/anthropic/v1/messages/count_tokens".to_owned();
    record.observation.response.counted_tokens = Some(42);
    record.observation.usage = Usage::default();
    record.measurement.cost = Cost::default();
    record
}

/// No connection to the upstream.
pub fn upstream_refused() -> Record {
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
pub fn over_budget() -> Record {
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
pub fn key_in_query() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::GenerateContent;
    record.exchange.query = Some(format!("alt=sse&key={KEY}"));
    record
}

/// A session over a socket, as it ends.
pub fn session() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::Realtime;
    record.who.tags.remove("plan");
    record.exchange.route = Cow::Borrowed("/v1/realtime");
    record.exchange.method = Method::GET;
    record.exchange.status = Some(StatusCode::SWITCHING_PROTOCOLS);
    record.exchange.attempts = vec![attempt(5, 1, 400, 101)];
    record.observation = Observation {
        request: Request { model: Some("gpt-realtime".to_owned()), ..Request::default() },
        response: Response {
            status: Some(StatusCode::SWITCHING_PROTOCOLS),
            id: Some("sess_1".to_owned()),
            ..Response::default()
        },
        turns: Some(2),
        ..Observation::default()
    };
    record.measurement.cost = Cost::default();
    record
}

/// A turn of that session.
pub fn turn() -> Record {
    let (mut record, session) = (stream(), session());
    record.exchange.id = ExchangeId::new(1_795_000_000_001, 8);
    record.exchange.trace.parent = None;
    record.exchange.trace.inference = SpanId([9; 8]);
    record.kind =
        RecordKind::Turn { of: session.exchange.id, parent: session.exchange.trace.inference };
    record.exchange.attempts.clear();
    record.exchange.status = None;
    record.exchange.overhead = Overhead::default();
    record.measurement.overhead = Overhead::default();
    record.observation.request.api = None;
    record.observation.response.status = None;
    record.observation.response.events = 9;
    record.observation.usage = Usage {
        source: Source::Provider,
        input: Some(14),
        input_audio: Some(27),
        output: Some(28),
        output_audio: Some(136),
        ..Usage::default()
    };
    record
}

/// A turn that broke off with its session.
pub fn cut_turn() -> Record {
    let mut record = turn();
    fail(&mut record, "stream_cut", Category::StreamCut);
    record.exchange.end = End::Failed;
    record.exchange.failure = Some(Failure::StreamCut);
    record.observation.response.finish_reasons.clear();
    record
}

/// A background response that is over when it is fetched: its usage is told here. Whoever asked for
/// it named the model.
pub fn fetched() -> Record {
    let mut record = unary();
    record.exchange.operation = Operation::FetchResponse;
    record.exchange.method = Method::GET;
    record.exchange.route = Cow::Borrowed("/v1/responses/{id}");
    record.exchange.path = "/v1/responses/resp_1".to_owned();
    record.observation.response.id = Some("resp_1".to_owned());
    record.observation.request.api = Some("responses");
    record
}

/// The same once more: it was told before.
pub fn fetched_again() -> Record {
    let mut record = fetched();
    record.observation.request.model = None;
    record.observation.usage = Usage::default();
    record.measurement.cost = Cost::default();
    record
}

/// All of them, by name.
pub fn all() -> Vec<(&'static str, Record)> {
    vec![
        ("unary", unary()),
        ("spoken", spoken()),
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
        ("session", session()),
        ("turn", turn()),
        ("cut_turn", cut_turn()),
        ("fetched", fetched()),
        ("fetched_again", fetched_again()),
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
