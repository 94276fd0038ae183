//! What is answered and recorded when something is broken: the upstream, the way to it, or the
//! collector. The client never pays for the collector.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::answers::{self, HELLO, chunk, stream_head};
use crate::support::client::{Answer, Client, Ended, call, get, post, request};
use crate::support::collector::{Collector, Mood};
use crate::support::program::{Program, Start, run, stderr};
use crate::support::tls::{Authority, Front};
use crate::support::upstream::{Script, Step, Upstream};
use crate::support::wait::{until, until_async};

const CHAT: &str = "/openai/v1/chat/completions";

fn ask() -> Value {
    json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]})
}

/// An address that nothing listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// What an answer of ours must be: this status, readable by the provider's SDK, and honest about who
/// speaks.
fn is_ours(answer: &Answer, status: u16, proxy_status: &str, anthropic: bool) {
    assert_eq!((answer.status, answer.ended), (status, Ended::Clean), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert!(body["error"]["message"].is_string(), "{body}");
    assert!(body["error"]["type"].is_string(), "{body}");
    if anthropic {
        assert_eq!(body["type"], "error", "{body}");
    }
    let told = answer.header("proxy-status").unwrap_or_default();
    assert!(told.starts_with("tidegauge") && told.contains(proxy_status), "{told:?}");
    assert!(!told.contains("127.0.0.1"), "no internal address: {told:?}");
}

fn is_recorded(record: &Value, category: &str, domain: &str, error: &str) {
    assert_eq!(record["category"], category, "{record}");
    assert_eq!(record["domain"], domain, "{record}");
    assert_eq!(record["error"], error, "{record}");
    assert_eq!(record["end"], "failed", "{record}");
    assert_eq!(record["usage"]["source"], "missing", "{record}");
    assert_eq!(record["cost"]["status"], "unknown", "{record}");
}

#[tokio::test]
async fn an_upstream_that_refuses_is_a_502() {
    let down = nobody();
    let program = Start::upstreams(&[("openai", &down), ("anthropic", &down)]).run().await;
    let answer = call(program.listen, &post(CHAT, &ask())).await;
    is_ours(&answer, 502, "connection_refused", false);
    let answer = call(program.listen, &post("/anthropic/v1/messages", &ask())).await;
    is_ours(&answer, 502, "connection_refused", true);
    for record in program.first_records(2).await {
        is_recorded(&record, "connect", "network", "connection_refused");
        assert_eq!(record["response"]["status"], 502, "what the client got: {record}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_502() {
    // A label longer than the 63 characters a name may have: no resolver needs to be asked.
    let origin = format!("http://{}.invalid", "a".repeat(64));
    let program = Start::upstreams(&[("openai", &origin)]).run().await;
    let answer = call(program.listen, &post(CHAT, &ask())).await;
    is_ours(&answer, 502, "dns_error", false);
    is_recorded(&program.record().await, "dns", "network", "dns_error");
}

#[tokio::test]
async fn a_connection_that_is_not_taken_up_is_a_504() {
    // A full accept queue: the kernel drops what else wants in.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().unwrap()).expect("a port");
    let listener = socket.listen(1).expect("listening");
    let addr = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(addr)).await
    {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue fills up");
    }
    let program = Start::with(format!(
        "upstreams:\n  openai: {{ base_url: \"http://{addr}\", timeouts: {{ connect: 300ms }} }}\n"
    ))
    .run()
    .await;
    let answer = call(program.listen, &post(CHAT, &ask())).await;
    is_ours(&answer, 504, "connection_timeout", false);
    let record = program.record().await;
    is_recorded(&record, "timeout", "provider", "timeout");
    let took = record["timing"]["duration_ms"].as_f64().expect("a duration");
    assert!(took >= 300.0, "not before its time: {took} ms");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_504() {
    let upstream = Upstream::always(vec![Step::Hang]).await;
    let program = Start::with(format!(
        "upstreams:\n  openai: {{ base_url: \"{}\", timeouts: {{ head: 200ms }} }}\n",
        upstream.origin()
    ))
    .run()
    .await;
    let answer = call(program.listen, &post(CHAT, &ask())).await;
    is_ours(&answer, 504, "http_response_timeout", false);
    is_recorded(&program.record().await, "timeout", "provider", "timeout");
    upstream.only().await.closed().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_cut() {
    let begun = HELLO.message_events().remove(0);
    let script = vec![Step::Send(stream_head()), Step::Send(chunk(&begun)), Step::Hang];
    let upstream = Upstream::always(script).await;
    let program = Start::with(format!(
        "upstreams:\n  anthropic: {{ base_url: \"{}\", timeouts: {{ idle: 200ms }} }}\n",
        upstream.origin()
    ))
    .run()
    .await;
    let body = json!({"model": "claude-sonnet-4-5", "stream": true, "max_tokens": 5});
    let answer = call(program.listen, &post("/anthropic/v1/messages", &body)).await;
    assert_eq!((answer.status, answer.ended, answer.body), (200, Ended::Cut, begun.to_vec()));
    let record = program.record().await;
    assert_eq!((&record["category"], &record["error"]), (&json!("timeout"), &json!("timeout")));
    assert_eq!(record["usage"]["source"], "partial", "{record}");
    upstream.only().await.closed().await;
}

/// Answers that are no HTTP, with the `error.type` they must be given.
fn nonsense() -> Vec<(&'static str, Script, &'static str)> {
    let send = |text: &str| vec![Step::Send(text.to_owned().into()), Step::Fin];
    let many: String = (0..140).map(|n| format!("x-{n}: a\r\n")).collect();
    vec![
        ("no answer", vec![Step::Fin], "connection_terminated"),
        ("a reset", vec![Step::Rst], "connection_terminated"),
        ("no HTTP", send("hello\r\n\r\n"), "http_protocol_error"),
        ("a status that is none", send("HTTP/1.1 abc Fine\r\n\r\n"), "http_protocol_error"),
        ("half a head", send("HTTP/1.1 200 OK\r\ncontent-"), "connection_terminated"),
        (
            "lengths that differ",
            send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
            "http_protocol_error",
        ),
        (
            "too many headers",
            send(&format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n")),
            "http_protocol_error",
        ),
        (
            "a switch nobody asked for",
            send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            "http_protocol_error",
        ),
        (
            "a folded header",
            send("HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n"),
            "http_protocol_error",
        ),
    ]
}

#[tokio::test]
async fn an_answer_that_is_no_http_is_a_502_and_poisons_nothing() {
    for (name, script, error) in nonsense() {
        let upstream = Upstream::start(move |seen| {
            if seen.target == "/v1/models" {
                return answers::whole(200, &[], b"well");
            }
            script.clone()
        })
        .await;
        let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
        let answer = call(program.listen, &post(CHAT, &ask())).await;
        assert_eq!((answer.status, answer.ended), (502, Ended::Clean), "{name}: {answer:?}");
        assert!(answer.json()["error"]["message"].is_string(), "{name}: {answer:?}");
        assert_eq!(upstream.seen().len(), 1, "{name}: what reached a provider is not repeated");
        let record = program.record().await;
        assert_eq!(record["error"], error, "{name}: {record}");
        let category = match error {
            "connection_terminated" => "connect",
            _ => "malformed_response",
        };
        assert_eq!(record["category"], category, "{name}: {record}");
        assert_eq!(get(program.listen, "/openai/v1/models").await.text(), "well", "{name}");
    }
}

#[tokio::test]
async fn errors_of_the_provider_pass_as_they_are() {
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let program = Start::upstreams(&[("openai", &origin), ("anthropic", &origin)]).run().await;
    let cases = [
        ("fails-auth", 401, "auth", "invalid_api_key", "authentication_error"),
        ("fails-permission", 403, "permission", "forbidden", "permission_error"),
        ("fails-missing", 404, "model_not_found", "model_not_found", "not_found_error"),
        ("fails-invalid", 400, "invalid_request", "invalid_request_error", "invalid_request_error"),
        ("fails-limited", 429, "rate_limit", "rate_limit_exceeded", "rate_limit_error"),
        ("fails-inside", 500, "server_error", "server_error", "api_error"),
        ("fails-overloaded", 529, "overloaded", "overloaded", "overloaded_error"),
    ];
    let mut asked = 0;
    for (model, status, category, openai, anthropic) in cases {
        for (target, error) in [(CHAT, openai), ("/anthropic/v1/messages", anthropic)] {
            let mut body = ask();
            body["model"] = json!(model);
            let through = call(program.listen, &post(target, &body)).await;
            let path = target.trim_start_matches("/openai").trim_start_matches("/anthropic");
            let direct = call(upstream.addr, &post(path, &body)).await;
            assert_eq!((through.status, &through.body), (direct.status, &direct.body));
            assert_eq!((through.status, through.header("retry-after")), (status, Some("7")));
            assert_eq!(through.header("proxy-status"), None, "it is not our answer");
            asked += 1;
            let record = program.first_records(asked).await.remove(asked - 1);
            assert_eq!(record["error"], error, "{record}");
            let model_or_object =
                category == "model_not_found" && record["category"] == "not_found";
            assert!(record["category"] == category || model_or_object, "{category}: {record}");
            assert_eq!(record["end"], "complete", "all of the answer came: {record}");
        }
    }
    assert_eq!(upstream.seen().len(), 2 * asked, "nothing is retried");
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow() {
    let head = [("location", "http://169.254.169.254/latest/meta-data")];
    let upstream = Upstream::always(answers::whole(302, &head, b"")).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let answer = get(program.listen, "/openai/v1/models").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some(head[0].1)));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_a_404_and_reaches_nobody() {
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    // The name of an upstream, misspelt: its key must not go to another provider.
    for target in ["/antropic/v1/messages", "/nowhere", "/opena1/v1/chat/completions"] {
        let answer = call(program.listen, &post(target, &ask())).await;
        assert_eq!((answer.status, answer.ended), (404, Ended::Clean), "{answer:?}");
        assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
    }
    assert!(upstream.seen().is_empty(), "{:?}", upstream.seen());
    let page = program.metrics().await;
    let of_route = |reason: &str| {
        page.sum("tidegauge_requests_rejected_total", |s| s.labels.values().any(|v| v == reason))
    };
    assert_eq!(of_route("route") as u64, 3, "{page:?}");
}

#[tokio::test]
async fn an_endless_line_costs_no_memory() {
    let piece: bytes::Bytes = vec![b'x'; 64 << 10].into();
    let upstream = Upstream::start(move |seen| {
        let mebibytes: usize = seen.target.rsplit('/').next().unwrap().parse().unwrap();
        let head = [("content-type", "text/event-stream"), ("connection", "close")];
        let mut script = vec![Step::Send(answers::head(200, &head)), Step::Send("data: ".into())];
        script.extend(std::iter::repeat_n(Step::Send(piece.clone()), mebibytes * 16));
        script.push(Step::Fin);
        script
    })
    .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let read = async |mebibytes: usize| {
        let target = format!("/openai/v1/responses/{mebibytes}");
        let answer = call(program.listen, &request("GET", &target, &[], b"")).await;
        assert_eq!(answer.body.len(), 6 + (mebibytes << 20));
    };
    read(8).await;
    program.first_records(1).await;
    let before = program.resident();
    read(64).await;
    program.first_records(2).await;
    let grown = program.resident().saturating_sub(before);
    assert!(grown < 2 << 20, "it grew by {grown} bytes");
}

#[tokio::test]
async fn an_upload_nobody_reads_is_held_back() {
    let upstream =
        Upstream::taking(|_| crate::support::upstream::Take::Head(vec![Step::Hang]), |_| vec![])
            .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let mut client = Client::connect(program.listen).await;
    let head = format!(
        "POST /openai/v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        64 << 20
    );
    let piece = vec![b'x'; 1 << 20];
    client.write(&[head.as_bytes(), &piece[..1000]].concat()).await;
    upstream.first(1).await;
    let before = program.resident();
    let mut sent = 0;
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_millis(400), client.try_write(&piece)).await
    {
        sent += 1;
        assert!(sent < 63, "the client is made to wait");
    }
    let grown = program.resident().saturating_sub(before);
    assert!(grown < 1 << 20, "it grew by {grown} bytes");
}

#[tokio::test]
async fn a_response_nobody_reads_is_held_back() {
    let piece: bytes::Bytes = vec![b'x'; 64 << 10].into();
    let upstream = Upstream::start(move |_| {
        let head = [("content-type", "text/event-stream"), ("connection", "close")];
        let mut script = vec![Step::Send(answers::head(200, &head))];
        script.extend(std::iter::repeat_n(Step::Send(piece.clone()), 1024));
        script.push(Step::Fin);
        script
    })
    .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    works_at(&program, "/openai/v1/warm/up").await;
    let before = program.resident();
    let mut client = Client::connect(program.listen).await;
    client.write(&request("GET", "/openai/v1/x", &[], b"")).await;
    client.head().await;
    // Every buffer on the way is full once another exchange has been served in the meantime.
    for _ in 0..20 {
        assert_eq!(program.page("/readyz").await.status, 200);
    }
    let grown = program.resident().saturating_sub(before);
    assert!(grown < 1 << 20, "it grew by {grown} bytes");
}

/// One whole answer.
async fn works_at(program: &Program, target: &str) {
    let answer = call(program.listen, &request("GET", target, &[], b"")).await;
    assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
}

/// One answered call through a program; the client's view must not depend on the collector.
async fn works(program: &Program) {
    let answer = call(program.listen, &post(CHAT, &ask())).await;
    assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
}

/// F-33.
#[tokio::test]
async fn a_collector_that_comes_late_gets_everything() {
    for protocol in ["grpc", "http/protobuf"] {
        let upstream = Upstream::start(answers::provider).await;
        let addr = nobody().trim_start_matches("http://").parse().unwrap();
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .export(&format!("http://{addr}"), protocol)
            .run()
            .await;
        for _ in 0..5 {
            works(&program).await;
        }
        assert_eq!(program.page("/readyz").await.status, 200, "telemetry is not readiness");
        until_async("15 spans to wait", || async {
            let page = program.metrics().await;
            Some(()).filter(|()| page.total("tidegauge_spans_queued") as u64 == 15)
        })
        .await;
        let collector = Collector::start_at(addr).await;
        let spans = collector.first_spans(15).await;
        assert_eq!(spans.len(), 15, "{protocol}: nothing is lost and nothing comes twice");
        until_async("15 spans to be acknowledged", || async {
            let page = program.metrics().await;
            assert_eq!(page.total("tidegauge_spans_dropped_total") as u64, 0);
            Some(()).filter(|()| page.total("tidegauge_spans_acked_total") as u64 == 15)
        })
        .await;
    }
}

/// F-37, F-45: what is on disk outlives the program, however it ends.
#[tokio::test]
async fn with_a_disk_queue_an_outage_and_a_restart_lose_nothing() {
    for signal in ["TERM", "KILL"] {
        let upstream = Upstream::start(answers::provider).await;
        let dir = tempfile::tempdir().expect("a folder");
        let addr = nobody().trim_start_matches("http://").parse().unwrap();
        let start = || {
            Start::upstreams(&[("openai", &upstream.origin())])
                .and(&format!("data_dir: {}\n", dir.path().display()))
                .and("telemetry: { disk_queue: {} }\n")
                .export(&format!("http://{addr}"), "http/protobuf")
        };
        let mut program = start().run().await;
        for _ in 0..5 {
            works(&program).await;
        }
        until_async("15 spans to be on disk", || async {
            let page = program.metrics().await;
            Some(()).filter(|()| page.total("tidegauge_spans_queued_disk") as u64 == 15)
        })
        .await;
        program.signal(signal).await;
        assert_eq!(program.ended().await.success(), signal == "TERM");

        let program = start().run().await;
        let collector = Collector::start_at(addr).await;
        let spans = collector.first_spans(15).await;
        assert_eq!(spans.len(), 15, "{signal}: nothing is lost and nothing comes twice");
        until_async("15 spans to be acknowledged", || async {
            let page = program.metrics().await;
            assert_eq!(page.total("tidegauge_spans_dropped_total") as u64, 0);
            assert_eq!(page.total("tidegauge_spans_recovered_total") as u64, 15);
            Some(()).filter(|()| page.total("tidegauge_spans_acked_total") as u64 == 15)
        })
        .await;
    }
}

#[tokio::test]
async fn a_disk_queue_that_another_process_uses_is_told_at_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = format!("telemetry: {{ disk_queue: {{ path: \"{}\" }} }}\n", dir.path().display());
    let _first = Start::with(config.clone()).export(&nobody(), "http/protobuf").run().await;
    let args = ["serve", "--listen", "127.0.0.1:0", "--console", "off"];
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*nobody())];
    let second = run(&config, &args, &env).await;
    assert!(!second.status.success());
    let told = stderr(&second);
    assert!(told.contains("the queue directory is in use by another process"), "{told}");
}

/// F-34.
#[tokio::test]
async fn a_collector_that_never_answers_delays_nobody_and_not_the_end() {
    let collector = Collector::start().await;
    collector.set(Mood::Hang);
    let upstream = Upstream::start(answers::provider).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "http/protobuf")
        .run()
        .await;
    for _ in 0..20 {
        works(&program).await;
    }
    program.first_records(20).await;
    until("an export to be tried", || Some(()).filter(|()| collector.requests() > 0)).await;
    works(&program).await;
    assert!(program.stop().await.success());
    until("the loss to be told", || {
        Some(()).filter(|()| program.said().contains(r#""records":0,"spans":63}"#))
    })
    .await;
}

/// Until those of one call have been dropped, for the collector will never take them.
async fn three_spans_are_refused(program: &Program) {
    until_async("3 spans to be dropped", || async {
        let page = program.metrics().await;
        let refused = page.sum("tidegauge_spans_dropped_total", |sample| {
            sample.labels.values().any(|reason| reason == "rejected_by_collector")
        });
        Some(()).filter(|()| refused as u64 == 3)
    })
    .await;
}

/// F-35.
#[tokio::test]
async fn what_a_collector_refuses_for_good_is_counted_and_not_sent_again() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::start().await;
        collector.set(Mood::Refuse(400));
        let upstream = Upstream::start(answers::provider).await;
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .export(&collector.origin(), protocol)
            .run()
            .await;
        works(&program).await;
        three_spans_are_refused(&program).await;
        collector.set(Mood::Take);
        works(&program).await;
        assert_eq!(collector.first_spans(3).await.len(), 3, "{protocol}: only the new ones come");
    }
}

/// F-35.
#[tokio::test]
async fn what_a_collector_refuses_for_now_is_sent_again() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::start().await;
        collector.set(Mood::Refuse(503));
        let upstream = Upstream::start(answers::provider).await;
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .export(&collector.origin(), protocol)
            .run()
            .await;
        works(&program).await;
        until("an export to be tried", || Some(()).filter(|()| collector.requests() > 1)).await;
        collector.set(Mood::Take);
        assert_eq!(collector.first_spans(3).await.len(), 3);
        let page = program.metrics().await;
        assert_eq!(page.total("tidegauge_spans_dropped_total") as u64, 0, "{protocol}: {page:?}");
    }
}

/// F-36.
#[tokio::test]
async fn what_a_collector_takes_in_part_is_counted() {
    let collector = Collector::start().await;
    collector.set(Mood::RejectSpans(2));
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "grpc")
        .run()
        .await;
    works(&program).await;
    until_async("the books to balance", || async {
        let page = program.metrics().await;
        let dropped = page.total("tidegauge_spans_dropped_total") as u64;
        let acked = page.total("tidegauge_spans_acked_total") as u64;
        let created = page.total("tidegauge_spans_created_total") as u64;
        Some(()).filter(|()| dropped == 2 && acked == 1 && created == 3)
    })
    .await;
    assert_eq!(collector.spans().len(), 3, "it is not sent again");
}

/// F-39: whatever a collector answers with, no more of it is read than a bound, and clients do not notice.
#[tokio::test]
async fn an_answer_of_a_collector_without_end_costs_no_memory() {
    let upstream = Upstream::start(answers::provider).await;
    let piece: bytes::Bytes = vec![b'x'; 64 << 10].into();
    let collector = Upstream::start(move |_| {
        let length = (1_u64 << 40).to_string();
        let mut script = vec![Step::Send(answers::head(200, &[("content-length", &length)]))];
        script.extend(std::iter::repeat_n(Step::Send(piece.clone()), 2048));
        script.push(Step::Hang);
        script
    })
    .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "http/protobuf")
        .run()
        .await;
    works(&program).await;
    until("an export to be tried", || Some(()).filter(|()| !collector.seen().is_empty())).await;
    let before = program.resident();
    let exports = collector.seen().len();
    for _ in 0..20 {
        works(&program).await;
    }
    until("more exports", || Some(()).filter(|()| collector.seen().len() > exports + 2)).await;
    let grown = program.resident().saturating_sub(before);
    // Three signals may each have one answer in hand, of 4 MiB at most.
    assert!(grown < 16 << 20, "it grew by {grown} bytes");
    until_async("21 exchanges to be acknowledged", || async {
        let page = program.metrics().await;
        Some(()).filter(|()| page.total("tidegauge_spans_acked_total") as u64 == 63)
    })
    .await;
}

/// F-39: headers may hold a key, so they go nowhere but where they are configured to go.
#[tokio::test]
async fn a_collector_that_redirects_is_not_followed() {
    let (upstream, other) = (Upstream::start(answers::provider).await, Collector::start().await);
    let elsewhere = format!("{}/v1/traces", other.origin());
    let collector = Upstream::always(answers::whole(307, &[("location", &elsewhere)], b"")).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=rig-key")
        .run()
        .await;
    works(&program).await;
    three_spans_are_refused(&program).await;
    assert_eq!(other.requests(), 0);
}

/// F-39: nothing is sent to a collector whose certificate has expired; what is made waits.
#[tokio::test]
async fn a_collector_whose_certificate_has_expired_gets_nothing() {
    let upstream = Upstream::start(answers::provider).await;
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let collector = Collector::start().await;
    let front = Front::start(&authority.vouch(&["localhost"], 2021), collector.addr).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&format!("https://localhost:{}", front.addr.port()), "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.write(folder.path()).to_string_lossy())
        .run()
        .await;
    for _ in 0..5 {
        works(&program).await;
    }
    until("the failure to be said", || program.said().contains("connection").then_some(())).await;
    let page = until_async("all spans to be made", || async {
        let page = program.metrics().await;
        (page.total("tidegauge_records_total") as u64 == 5).then_some(page)
    })
    .await;
    assert_eq!(page.total("tidegauge_spans_queued") as u64, 15, "{page:?}");
    assert_eq!(page.total("tidegauge_spans_dropped_total") as u64, 0, "{page:?}");
    assert_eq!(collector.requests(), 0, "not a byte of a request");
}
