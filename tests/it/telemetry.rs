//! What comes out: spans, metrics and events at an OTLP receiver, and the record file beside them.
//! They must tell the same story, and none may hold a credential.

use serde_json::{Value, json};

use crate::support::answers::{self, HELLO, Said, chunk, stream_head};
use crate::support::client::{call, post, request};
use crate::support::collector::{Collector, Point, Span};
use crate::support::program::{self, Program, Start};
use crate::support::upstream::{Script, Seen, Step, Upstream};
use crate::support::wait::until;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const FAILED: i32 = 2;

/// The caller of the `n`th call.
fn caller(n: u8) -> (String, String) {
    (format!("{:032x}", 0xabc0_u32 + u32::from(n)), format!("{:016x}", 0xdef0_u32 + u32::from(n)))
}

fn answer(seen: &Seen) -> Script {
    let model = seen.json()["model"].as_str().unwrap_or_default().to_owned();
    match model.as_str() {
        "gpt-4o" => answers::value(200, &answers::chat_refusal("gpt-4o-2024-08-06")),
        "claude-sonnet-4-5" => {
            let said = Said { model: "claude-sonnet-4-5-20250929", ..HELLO };
            let mut script = vec![Step::Send(stream_head())];
            let events = said.message_events();
            script.extend(events.iter().take(5).map(|event| Step::Send(chunk(event))));
            script.push(Step::Fin);
            script
        }
        _ => answers::provider(seen),
    }
}

/// The calls of the scene, each by a caller of its own.
fn calls() -> Vec<(&'static str, Value)> {
    let ask = json!([{"role": "user", "content": "Hi"}]);
    vec![
        (
            "/openai/v1/chat/completions",
            json!({"model": "gpt-4o-mini", "stream": true, "messages": ask,
            "max_completion_tokens": 256, "temperature": 0.5, "stop": "END"}),
        ),
        ("/openai/v1/chat/completions", json!({"model": "fails-limited", "messages": ask})),
        ("/openai/v1/chat/completions", json!({"model": "gpt-4o", "messages": ask})),
        ("/openai/v1/embeddings", json!({"model": "text-embedding-3-small", "input": "x"})),
        (
            "/anthropic/v1/messages",
            json!({"model": "claude-sonnet-4-5", "stream": true,
            "max_tokens": 64, "messages": ask}),
        ),
        (
            "/anthropic/v1/messages/count_tokens",
            json!({"model": "claude-sonnet-4-6", "messages": ask}),
        ),
    ]
}

/// Everything that came out of one run of the calls.
struct Scene {
    collector: Collector,
    spans: Vec<Span>,
    records: Vec<Value>,
    upstream: Upstream,
}

impl Scene {
    async fn play(protocol: &str) -> Self {
        let collector = Collector::start().await;
        let upstream = Upstream::start(answer).await;
        let origin = upstream.origin();
        let mut program = Start::upstreams(&[("openai", &origin), ("anthropic", &origin)])
            .export(&collector.origin(), protocol)
            .run()
            .await;
        for (number, (target, body)) in (0..).zip(calls()) {
            let (trace, span) = caller(number);
            let parent = format!("00-{trace}-{span}-01");
            let headers = [
                ("content-type", "application/json"),
                ("traceparent", parent.as_str()),
                ("tracestate", "rig=1"),
                ("x-tidegauge-session", "conversation-1"),
                ("x-tidegauge-user", "someone"),
                ("x-tidegauge-prompt", "greeting@3"),
                ("x-tidegauge-tag-team", "search"),
                ("user-agent", "rig/1"),
            ];
            call(program.listen, &request("POST", target, &headers, body.to_string().as_bytes()))
                .await;
            program.first_records(usize::from(number) + 1).await;
        }
        let records = program.records();
        assert!(program.stop().await.success(), "{}", program.said());
        let spans = collector.spans();
        Self { collector, spans, records, upstream }
    }

    fn of(&self, n: u8) -> Call<'_> {
        let (trace, parent) = caller(n);
        let mut spans: Vec<&Span> = self.spans.iter().filter(|span| span.trace == trace).collect();
        spans.sort_by_key(|span| (span.kind, span.scope != "tidegauge.genai", span.start));
        Call { parent, spans, record: &self.records[usize::from(n)] }
    }
}

/// One call of the scene.
struct Call<'a> {
    parent: String,
    spans: Vec<&'a Span>,
    record: &'a Value,
}

impl Call<'_> {
    fn server(&self) -> &Span {
        self.spans.iter().find(|span| span.kind == SERVER).expect("a server span")
    }

    fn inference(&self) -> &Span {
        let mut found =
            self.spans.iter().filter(|span| span.text("gen_ai.operation.name").is_some());
        found.next().expect("an inference span")
    }

    fn attempts(&self) -> Vec<&Span> {
        let is_attempt =
            |span: &&&Span| span.kind == CLIENT && span.text("http.request.method").is_some();
        self.spans.iter().filter(is_attempt).copied().collect()
    }
}

async fn both() -> [Scene; 2] {
    let (grpc, http) = tokio::join!(Scene::play("grpc"), Scene::play("http/protobuf"));
    [grpc, http]
}

#[tokio::test]
async fn spans_metrics_and_records_tell_one_story_over_both_protocols() {
    for scene in both().await {
        assert_eq!(scene.records.len(), 6);
        for number in 0..6 {
            chain_is_whole(&scene.of(number), number != 5);
            spans_agree_with_record(&scene.of(number), number != 5);
        }
        a_stream_is_told(&scene.of(0));
        a_limit_is_told(&scene.of(1));
        a_refusal_is_told(&scene.of(2));
        vectors_are_told(&scene.of(3));
        a_cut_is_told(&scene.of(4));
        metrics_agree_with_spans(&scene);
        resources_are_told(&scene);
        assert_eq!(scene.upstream.seen().len(), 6);
    }
}

fn chain_is_whole(call: &Call<'_>, inference: bool) {
    let server = call.server();
    assert_eq!(server.parent, call.parent, "the caller's span is the parent");
    assert_eq!((server.state.as_str(), server.scope.as_str()), ("rig=1", "tidegauge.http"));
    assert!(server.links.is_empty());
    let path = server.text("url.path").expect("a path");
    let route = server.text("http.route").expect("a route");
    assert!(path.ends_with(route), "{path} ends with {route}");
    assert_eq!(server.name, format!("POST {route}"));
    assert_eq!(server.text("url.scheme"), Some("http"));
    assert_eq!(server.text("user_agent.original"), Some("rig/1"));
    assert!(
        !server.attributes.keys().any(|name| name.starts_with("gen_ai.")),
        "nothing of GenAI on the server span: {:?}",
        server.attributes
    );
    let attempts = call.attempts();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].name.as_str(), attempts[0].kind), ("POST", CLIENT));
    assert!(attempts[0].text("url.full").is_some_and(|url| url.ends_with(route)));
    let above = if inference {
        let inference = call.inference();
        assert_eq!((inference.kind, inference.scope.as_str()), (CLIENT, "tidegauge.genai"));
        assert_eq!(inference.parent, server.id);
        let model = inference.text("gen_ai.request.model").expect("a model");
        let operation = inference.text("gen_ai.operation.name").expect("an operation");
        assert_eq!(inference.name, format!("{operation} {model}"));
        assert!(inference.start >= server.start && inference.end <= server.end, "it lies inside");
        assert_eq!(inference.text("gen_ai.conversation.id"), Some("conversation-1"));
        assert_eq!(inference.text("gen_ai.prompt.name"), Some("greeting"));
        assert_eq!(inference.text("gen_ai.prompt.version"), Some("3"));
        &inference.id
    } else {
        assert_eq!(call.spans.len(), 2, "no inference span: {:?}", call.spans);
        &server.id
    };
    assert_eq!(&attempts[0].parent, above);
    for span in &call.spans {
        assert!(span.end >= span.start);
        let filler = |value: &Value| value == &json!("") || value.is_null();
        let fillers: Vec<_> = span.attributes.iter().filter(|(_, value)| filler(value)).collect();
        assert!(fillers.is_empty(), "what is unknown is absent: {fillers:?}");
        assert_eq!(span.status == FAILED, span.text("error.type").is_some(), "{span:?}");
    }
}

fn spans_agree_with_record(call: &Call<'_>, inference: bool) {
    let (record, server) = (call.record, call.server());
    assert_eq!(record["trace_id"], json!(server.trace));
    assert_eq!(record["v"], 1);
    assert_eq!(server.text("tidegauge.exchange.id"), record["id"].as_str());
    assert_eq!(server.text("tidegauge.upstream"), record["upstream"].as_str());
    assert_eq!(server.text("http.route"), record["route"].as_str());
    assert_eq!(server.text("tidegauge.operation"), record["operation"].as_str());
    assert_eq!(server.text("tidegauge.end"), record["end"].as_str());
    assert_eq!(server.number("http.response.status_code"), record["response"]["status"].as_i64());
    assert_eq!(server.text("tidegauge.error.category"), record["category"].as_str());
    assert_eq!(server.text("tidegauge.error.domain"), record["domain"].as_str());
    assert_eq!(record["session"], "conversation-1");
    assert_eq!(record["user"], "someone");
    assert_eq!(record["tags"], json!({"team": "search"}));
    if !inference {
        assert_eq!(record["span_id"], json!(server.id));
        return;
    }
    let span = call.inference();
    assert_eq!(record["span_id"], json!(span.id), "the record points to the inference span");
    assert_eq!(span.text("gen_ai.provider.name"), record["provider"].as_str());
    assert_eq!(span.text("gen_ai.operation.name"), record["operation"].as_str());
    assert_eq!(span.text("gen_ai.request.model"), record["request"]["model"].as_str());
    assert_eq!(span.text("gen_ai.response.model"), record["response"]["model"].as_str());
    assert_eq!(span.text("gen_ai.response.id"), record["response"]["id"].as_str());
    assert_eq!(span.text("error.type"), record["error"].as_str());
    for (attribute, field) in [
        ("gen_ai.usage.input_tokens", "input_tokens"),
        ("gen_ai.usage.output_tokens", "output_tokens"),
        ("gen_ai.usage.cache_read.input_tokens", "cache_read_tokens"),
        ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ] {
        let usage = &record["usage"];
        let told = usage["estimated"][field].as_i64().or(usage[field].as_i64());
        // Every call states reasoning: no attribute says that there was none.
        let told = told.filter(|count| *count > 0 || field != "reasoning_tokens");
        assert_eq!(span.number(attribute), told, "{attribute}: {record}");
    }
    assert_eq!(span.text("tidegauge.usage.source"), record["usage"]["source"].as_str());
    assert_eq!(span.text("tidegauge.cost.status"), record["cost"]["status"].as_str());
    let usd = record["cost"]["usd"].as_str().map(|usd| usd.parse::<f64>().expect("a number"));
    let told = span.attributes.get("tidegauge.cost.usd").and_then(Value::as_f64);
    assert!(near(told.unwrap_or(-1.0), usd.unwrap_or(-1.0)), "{told:?} is {usd:?}");
    let lasted = (span.end - span.start) as f64 / 1e6;
    let measured = record["timing"]["duration_ms"].as_f64().expect("a duration");
    assert!((lasted - measured).abs() < 0.01, "{lasted} ms is {measured} ms");
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

fn a_stream_is_told(call: &Call<'_>) {
    let span = call.inference();
    assert_eq!(span.name, "chat gpt-4o-mini");
    assert_eq!(span.attributes["gen_ai.request.stream"], json!(true));
    assert_eq!(span.number("gen_ai.request.max_tokens"), Some(256));
    assert_eq!(span.attributes["gen_ai.request.temperature"], json!(0.5));
    assert_eq!(span.attributes["gen_ai.request.stop_sequences"], json!(["END"]));
    assert_eq!(span.attributes["gen_ai.response.finish_reasons"], json!(["stop"]));
    assert_eq!(span.text("openai.api.type"), Some("chat_completions"));
    assert_eq!(span.text("tidegauge.usage.source"), Some("injected"));
    assert_eq!(span.text("tidegauge.cost.status"), Some("priced"));
    assert_eq!(span.number("gen_ai.usage.input_tokens"), Some(12));
    assert_eq!(span.number("gen_ai.usage.output_tokens"), Some(3));
    let seconds = |name: &str| span.attributes.get(name).and_then(Value::as_f64);
    let first_chunk = seconds("gen_ai.response.time_to_first_chunk").expect("a first chunk");
    let first_token = seconds("tidegauge.response.time_to_first_token").expect("a first token");
    assert!(first_chunk > 0.0 && first_token >= first_chunk);
    assert!(seconds("tidegauge.response.time_per_output_token").is_some());
    let usd: f64 = call.record["cost"]["usd"].as_str().expect("a cost").parse().expect("a number");
    assert!(near(usd, 12.0 * 0.15e-6 + 3.0 * 0.6e-6), "12 in and 3 out of gpt-4o-mini: {usd}");
}

fn a_limit_is_told(call: &Call<'_>) {
    let (server, span) = (call.server(), call.inference());
    assert_eq!((server.status, server.text("error.type")), (0, None), "a 4xx is no server error");
    assert_eq!((span.status, span.text("error.type")), (FAILED, Some("rate_limit_exceeded")));
    assert_eq!(call.attempts()[0].text("error.type"), Some("429"));
    assert_eq!(call.attempts()[0].number("http.response.status_code"), Some(429));
    assert_eq!(call.record["category"], "rate_limit");
    assert_eq!(call.record["domain"], "provider");
    assert_eq!(span.number("gen_ai.usage.input_tokens"), None, "nothing was counted");
}

fn a_refusal_is_told(call: &Call<'_>) {
    let span = call.inference();
    assert_eq!((span.status, span.text("error.type")), (0, None), "a refusal is no error");
    assert_eq!(span.text("tidegauge.error.category"), Some("refusal"));
    assert_eq!(
        (&call.record["category"], &call.record["domain"]),
        (&json!("refusal"), &Value::Null)
    );
    assert_eq!(span.number("gen_ai.usage.output_tokens"), Some(8));
}

fn vectors_are_told(call: &Call<'_>) {
    let span = call.inference();
    assert_eq!(span.name, "embeddings text-embedding-3-small");
    assert_eq!(span.number("gen_ai.embeddings.dimension.count"), Some(3));
    assert_eq!(span.number("gen_ai.usage.input_tokens"), Some(7));
    assert_eq!(span.attributes.get("gen_ai.request.stream"), None);
    assert_eq!(span.attributes.get("gen_ai.response.time_to_first_chunk"), None);
}

fn a_cut_is_told(call: &Call<'_>) {
    let (server, span) = (call.server(), call.inference());
    assert_eq!((span.status, span.text("error.type")), (FAILED, Some("stream_cut")));
    assert_eq!(server.status, FAILED, "a broken answer is a server error");
    assert_eq!(span.text("tidegauge.error.category"), Some("stream_cut"));
    assert_eq!(span.attributes["gen_ai.response.finish_reasons"], json!(["error"]));
    assert_eq!(span.text("tidegauge.usage.source"), Some("estimated"));
    assert_eq!(span.text("tidegauge.usage.estimator"), Some("o200k_approximate"));
    assert_eq!(call.record["end"], "failed");
}

/// The exact sums and counts of the spans, in the metrics.
fn metrics_agree_with_spans(scene: &Scene) {
    let inference: Vec<&Span> =
        scene.spans.iter().filter(|span| span.text("gen_ai.operation.name").is_some()).collect();
    let lasted =
        |spans: &[&Span]| spans.iter().map(|s| (s.end - s.start) as f64 / 1e9).sum::<f64>();
    let durations = scene.collector.points("gen_ai.client.operation.duration");
    assert!(durations.iter().all(|p| (p.instrument, p.unit.as_str()) == ("exponential", "s")));
    assert_eq!(count(&durations), inference.len() as u64);
    assert!((total(&durations) - lasted(&inference)).abs() < 1e-6, "durations agree");
    for span in &inference {
        let same = |point: &&Point| {
            ["gen_ai.request.model", "gen_ai.operation.name", "error.type", "gen_ai.provider.name"]
                .iter()
                .all(|name| point.text(name) == span.text(name))
        };
        let point = durations.iter().find(same).unwrap_or_else(|| panic!("a point for {span:?}"));
        assert!(near(point.value, (span.end - span.start) as f64 / 1e9), "{point:?} {span:?}");
    }
    let tokens = scene.collector.points("gen_ai.client.token.usage");
    // An estimate is no point of the convention's metric.
    for (kind, field) in [("input", "input_tokens"), ("output", "output_tokens")] {
        let points: Vec<Point> =
            tokens.iter().filter(|p| p.text("gen_ai.token.type") == Some(kind)).cloned().collect();
        let told = scene.records.iter().filter_map(|record| record["usage"][field].as_i64());
        let told: i64 = told.sum();
        assert!(near(total(&points), told as f64), "{kind} tokens: {points:?} is {told}");
    }
    let first = scene.collector.points("gen_ai.client.operation.time_to_first_chunk");
    assert_eq!(count(&first), 2, "two streams");
    assert!(first.iter().all(|point| point.instrument == "exponential"));
    let servers: Vec<&Span> = scene.spans.iter().filter(|span| span.kind == SERVER).collect();
    let http = scene.collector.points("http.server.request.duration");
    assert_eq!(count(&http), servers.len() as u64);
    assert!((total(&http) - lasted(&servers)).abs() < 1e-6, "server durations agree");
    let cost: f64 = total(&scene.collector.points("tidegauge.cost"));
    let spent = scene.records.iter().filter_map(|record| record["cost"]["usd"].as_str());
    let spent: f64 = spent.map(|usd| usd.parse::<f64>().expect("a number")).sum();
    assert!((cost - spent).abs() < 1e-9, "{cost} USD is {spent} USD");
    for name in scene.collector.metric_names() {
        let points = scene.collector.points(&name);
        let unbounded = ["gen_ai.response.id", "session.id", "user.id", "gen_ai.conversation.id"];
        for point in &points {
            assert!(!unbounded.iter().any(|name| point.text(name).is_some()), "{point:?}");
        }
    }
}

fn count(points: &[Point]) -> u64 {
    points.iter().map(|point| point.count).sum()
}

fn total(points: &[Point]) -> f64 {
    points.iter().map(|point| point.value).sum()
}

fn resources_are_told(scene: &Scene) {
    for span in &scene.spans {
        assert_eq!(span.resource["service.name"], json!("tidegauge"));
        assert!(span.resource.contains_key("service.version"));
        assert!(span.resource.contains_key("service.instance.id"));
    }
    let failed = scene.collector.logs();
    for error in ["rate_limit_exceeded", "stream_cut"] {
        let told = failed.iter().find(|log| {
            log.event == "gen_ai.client.operation.exception"
                && log.attributes.values().any(|value| value == &json!(error))
        });
        let told = told.unwrap_or_else(|| panic!("an event for {error}: {failed:?}"));
        let span = scene.spans.iter().find(|span| span.id == told.span).expect("its span");
        assert_eq!((span.text("error.type"), &span.trace), (Some(error), &told.trace));
    }
}

#[tokio::test]
async fn an_exemplar_leads_from_each_duration_to_its_trace() {
    let scene = Scene::play("grpc").await;
    let traces = scene.collector.exemplars("gen_ai.client.operation.duration");
    for span in scene.spans.iter().filter(|span| span.text("gen_ai.operation.name").is_some()) {
        assert!(traces.contains(&span.trace), "no exemplar of {}: {traces:?}", span.name);
    }
}

#[tokio::test]
async fn a_retry_is_two_attempts_of_one_call() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(|seen| {
        if !answers::asks_usage(&seen.json()) {
            return answers::stream(&HELLO.chat_events(false));
        }
        let message = "Unrecognized request argument supplied: stream_options";
        answers::value(400, &answers::openai_error("invalid_request_error", "", message))
    })
    .await;
    let origin = upstream.origin();
    let program =
        Start::upstreams(&[("openai", &origin)]).export(&collector.origin(), "grpc").run().await;
    let body = json!({"model": "gpt-4o-mini", "stream": true, "messages": []});
    call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
    let spans = collector.first_spans(4).await;
    let mut attempts: Vec<&Span> = spans
        .iter()
        .filter(|s| s.kind == CLIENT && s.text("http.request.method").is_some())
        .collect();
    attempts.sort_by_key(|span| span.number("http.request.resend_count").unwrap_or(0));
    let told: Vec<_> = attempts
        .iter()
        .map(|s| (s.number("http.response.status_code"), s.number("http.request.resend_count")))
        .collect();
    assert_eq!(told, [(Some(400), None), (Some(200), Some(1))]);
    assert_eq!(attempts[0].parent, attempts[1].parent);
}

#[tokio::test]
async fn a_call_without_a_trace_begins_one_and_says_which() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let program = Start::upstreams(&[("openai", &origin)])
        .export(&collector.origin(), "http/protobuf")
        .run()
        .await;
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    let answer = call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
    let told = answer.header("x-tidegauge-trace-id").expect("a trace id").to_owned();
    let server = collector.span("of the server", |span| span.kind == SERVER).await;
    assert_eq!((server.trace, server.parent), (told, String::new()));
    for bad in ["00-0-1-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "junk"] {
        let headers = [("traceparent", bad), ("tracestate", "a=1")];
        let raw = request("GET", "/openai/v1/models", &headers, b"");
        let answer = call(program.listen, &raw).await;
        let told = answer.header("x-tidegauge-trace-id").expect("a trace id").to_owned();
        let what = format!("of {bad}");
        let server = collector.span(&what, |s| s.kind == SERVER && s.trace == told).await;
        assert_eq!((server.parent, server.state), (String::new(), String::new()), "{bad}");
    }
}

/// One exporter takes calls alone, a request says whose spans tell tokens, and a session is one trace.
#[tokio::test]
async fn calls_of_a_session_are_one_trace_and_say_tokens_unless_the_caller_does() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let telemetry = format!(
        "telemetry:\n  spans: {{sessions: trace}}\n  exporters:\n    - {{name: calls, endpoint: '{}', \
         protocol: http/protobuf, signals: [traces], spans: calls}}\n",
        collector.origin()
    );
    let mut program = Start::upstreams(&[("openai", &origin)]).and(&telemetry).run().await;
    let body = br#"{"model":"gpt-4o-mini","messages":[]}"#;
    for usage in ["own", "link_only"] {
        let headers = [("x-tidegauge-session", "s-1"), ("x-tidegauge-usage", usage)];
        call(program.listen, &request("POST", "/openai/v1/chat/completions", &headers, body)).await;
    }
    program.first_records(2).await;
    assert!(program.stop().await.success());
    let spans = collector.spans();
    let [first, second] = &spans[..] else { panic!("two spans: {spans:?}") };
    for span in [first, second] {
        assert_eq!((span.scope.as_str(), span.parent.as_str()), ("tidegauge.genai", ""));
    }
    assert_eq!(first.trace, second.trace);
    let tells = |span: &&Span| span.attributes.contains_key("gen_ai.usage.input_tokens");
    assert_eq!(spans.iter().filter(tells).count(), 1);
    assert!(upstream.seen().iter().all(|seen| seen.header("x-tidegauge-usage").is_none()));
}

#[tokio::test]
async fn an_unsampled_caller_makes_no_spans_and_all_metrics() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let mut program =
        Start::upstreams(&[("openai", &origin)]).export(&collector.origin(), "grpc").run().await;
    let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")];
    let body = br#"{"model":"gpt-4o-mini","messages":[]}"#;
    call(program.listen, &request("POST", "/openai/v1/chat/completions", &headers, body)).await;
    program.first_records(1).await;
    assert!(program.stop().await.success());
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
    assert_eq!(count(&collector.points("gen_ai.client.operation.duration")), 1);
}

/// A secret of forty characters that says where it was put.
fn canary(place: &str) -> String {
    format!("CANARY{place:x<34}")
}

/// Everything a client, a configuration or an upstream can put a credential into.
fn places() -> Vec<(&'static str, String)> {
    let places = [
        "authorization",
        "xapikey",
        "apikey",
        "xgoogapikey",
        "cookie",
        "setcookie",
        "proxyauth",
        "sigv4",
        "amztoken",
        "azuresas",
        "querykey",
        "queryapikey",
        "querytoken",
        "querysig",
        "queryamz",
        "helicone",
        "portkey",
        "litellm",
        "cfaig",
        "upstreamheader",
        "otlpheader",
        "errormessage",
        "userinfo",
        "prompt",
        "completion",
        "xauthtoken",
        "organization",
    ];
    places.iter().map(|place| (*place, canary(place))).collect()
}

#[tokio::test]
async fn a_credential_is_nowhere() {
    let secrets = places();
    let secret = |place: &str| {
        secrets.iter().find(|(name, _)| *name == place).map(|(_, value)| value.clone()).unwrap()
    };
    let collector = Collector::start().await;
    let upstream = {
        let (cookie, message, said) =
            (secret("setcookie"), secret("errormessage"), secret("completion"));
        Upstream::start(move |seen| {
            let cookie = format!("session={cookie}");
            let headers = [("content-type", "application/json"), ("set-cookie", cookie.as_str())];
            if seen.json()["model"] == "fails-auth" {
                let text = format!("Incorrect API key provided: {message}.");
                let body = answers::openai_error("invalid_request_error", "invalid_api_key", &text);
                return answers::whole(401, &headers, body.to_string().as_bytes());
            }
            let body = Said { words: &[&said], ..HELLO }.chat();
            answers::whole(200, &headers, body.to_string().as_bytes())
        })
        .await
    };
    let origin = upstream.origin();
    let config = format!(
        "upstreams:\n  openai:\n    base_url: \"{origin}\"\n    headers: {{ x-upstream-secret: \"${{UPSTREAM_SECRET}}\" }}\n  \
         gemini: {{ base_url: \"{origin}\" }}\n  down: {{ provider: openai, base_url: \"http://127.0.0.1:9\" }}\n"
    );
    let otlp = format!("authorization=Bearer {}", secret("otlpheader"));
    let env = [
        ("UPSTREAM_SECRET", secret("upstreamheader")),
        ("OTEL_EXPORTER_OTLP_HEADERS", otlp.replace(' ', "%20")),
        ("TIDEGAUGE_LOG", "trace".to_owned()),
    ];
    let mut start = Start::with(&config)
        .export(&collector.origin(), "http/protobuf")
        .and("log: { level: trace }\n");
    for (name, value) in &env {
        start = start.env(name, value.clone());
    }
    let mut program = start.run().await;
    for raw in secret_requests(&program, &secret) {
        call(program.listen, &raw).await;
    }
    until("all records", || Some(()).filter(|()| program.records().len() >= 6)).await;
    let mut shown = Vec::new();
    for page in ["/", "/metrics", "/healthz", "/readyz", "/readyz?verbose"] {
        shown.push((page, program.page(page).await.body));
    }
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let checked = program::run(&config, &["check"], &env).await;
    assert!(checked.status.success(), "{}", program::stdout(&checked));
    assert!(program.stop().await.success());

    // The rig would see them: the upstream was given what it must be given.
    let wire = upstream.seen().iter().flat_map(|seen| seen.raw.to_vec()).collect::<Vec<u8>>();
    for place in ["authorization", "upstreamheader", "querykey", "prompt", "xgoogapikey"] {
        assert!(holds(&wire, &secret(place)), "{place} reaches the upstream");
    }
    let otlp = collector.headers();
    assert!(otlp.iter().any(|(_, value)| value.contains(&secret("otlpheader"))));

    let headers_of_export = format!("Bearer {}", secret("otlpheader"));
    let exported = collector.bytes();
    let exported = String::from_utf8_lossy(&exported).replace(&headers_of_export, "");
    let mut looked_at = vec![
        ("export", exported.into_bytes()),
        ("record file", std::fs::read(program.record_file()).expect("records")),
        ("log", program.said().into_bytes()),
        ("check", [checked.stdout, checked.stderr].concat()),
    ];
    assert!(looked_at.iter().all(|(_, bytes)| bytes.len() > 100), "there is something to look at");
    looked_at.extend(shown);
    let mut found = Vec::new();
    for (place, value) in &secrets {
        for (where_, bytes) in &looked_at {
            if holds(bytes, value) {
                found.push(format!("{place} is in {where_}: {}", around(bytes, value)));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Nothing else was left behind either.
    for entry in std::fs::read_dir(program.folder()).expect("the folder").flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let hit = secrets.iter().find(|(_, value)| holds(&bytes, value));
        assert!(hit.is_none(), "{hit:?} is in {:?}", entry.path());
    }
}

/// Requests with a credential in every position.
fn secret_requests(program: &Program, secret: &dyn Fn(&str) -> String) -> Vec<Vec<u8>> {
    let bearer = format!("Bearer {}", secret("authorization"));
    let cookie = format!("session={}", secret("cookie"));
    let proxy = format!("Basic {}", secret("proxyauth"));
    let (x_api_key, api_key, goog) = (secret("xapikey"), secret("apikey"), secret("xgoogapikey"));
    let helicone = format!("Bearer {}", secret("helicone"));
    let (portkey, litellm) = (secret("portkey"), secret("litellm"));
    let cf = format!("Bearer {}", secret("cfaig"));
    let (token, organization) = (secret("xauthtoken"), secret("organization"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-api-key", &x_api_key),
        ("api-key", &api_key),
        ("x-goog-api-key", &goog),
        ("cookie", &cookie),
        ("proxy-authorization", &proxy),
        ("helicone-auth", &helicone),
        ("x-portkey-api-key", &portkey),
        ("x-litellm-api-key", &litellm),
        ("cf-aig-authorization", &cf),
        ("x-auth-token", &token),
        ("openai-organization", &organization),
        ("content-type", "application/json"),
    ];
    let ask = |model: &str| {
        json!({"model": model, "messages": [{"role": "user", "content": secret("prompt")}]})
            .to_string()
    };
    let chat = "/openai/v1/chat/completions";
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential={0}/20261122/us-east-1/bedrock/aws4_request, Signature={0}",
        secret("sigv4")
    );
    let amz = secret("amztoken");
    let signed = [("authorization", signed.as_str()), ("x-amz-security-token", &amz)];
    let sas = format!("SharedAccessSignature sig={}", secret("azuresas"));
    let query = format!(
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={}&api-key={}&access_token={}&sig={}&X-Amz-Signature={}",
        secret("querykey"),
        secret("queryapikey"),
        secret("querytoken"),
        secret("querysig"),
        secret("queryamz")
    );
    let userinfo =
        format!("http://user:{}@{}/openai/v1/models", secret("userinfo"), program.listen);
    vec![
        request("POST", chat, &headers, ask("gpt-4o-mini").as_bytes()),
        request("POST", chat, &headers, ask("fails-auth").as_bytes()),
        request("POST", chat, &signed, ask("gpt-4o-mini").as_bytes()),
        request("POST", chat, &[("authorization", &sas)], ask("gpt-4o-mini").as_bytes()),
        request("POST", &query, &[], ask("x").as_bytes()),
        request("POST", "/down/v1/chat/completions", &headers, ask("gpt-4o-mini").as_bytes()),
        request("GET", &userinfo, &headers, b""),
        request("GET", &format!("/nowhere?key={}", secret("querykey")), &headers, b""),
        request("BREW", &format!("/openai/v1/models?key={}", secret("querykey")), &headers, b""),
    ]
}

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

fn around(bytes: &[u8], value: &str) -> String {
    let at = bytes.windows(value.len()).position(|w| w == value.as_bytes()).unwrap_or(0);
    let end = (at + value.len() + 40).min(bytes.len());
    String::from_utf8_lossy(&bytes[at.saturating_sub(120)..end]).into_owned()
}
