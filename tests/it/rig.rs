//! The rig itself: a test that can not fail proves nothing, so the tools are tried without the
//! program first.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::json;

use crate::support::answers::{self, HELLO, LAST_CHUNK, chunk, stream_head};
use crate::support::client::{Client, Ended, call, post, request};
use crate::support::collector::{Collector, Mood};
use crate::support::metrics::Page;
use crate::support::upstream::{Gate, Step, Take, Upstream};

#[tokio::test]
async fn upstream_follows_its_script() {
    let events = HELLO.chat_events(true);
    let script = answers::stream(&events);
    let upstream = Upstream::always(script).await;
    let answer = call(upstream.addr, &post("/v1/x?y=1", &json!({"a": 1}))).await;
    assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
    assert_eq!(answer.body, answers::joined(&events));
    let seen = upstream.only().await;
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/x?y=1"));
    assert_eq!(&seen.body[..], br#"{"a":1}"#);
    assert_eq!(seen.header("Content-Type"), Some("application/json"));
}

#[tokio::test]
async fn upstream_can_cut_reset_and_hang() {
    for end in [Step::Fin, Step::Rst] {
        let script = vec![Step::Send(stream_head()), Step::Split(chunk(b"data: 1\n\n"), 3), end];
        let upstream = Upstream::always(script).await;
        let answer = call(upstream.addr, &request("GET", "/", &[], b"")).await;
        assert_eq!(answer.ended, Ended::Cut);
    }
    let gate = Gate::new();
    let script = vec![Step::Wait(gate.clone()), Step::Send(stream_head()), Step::Hang];
    let upstream = Upstream::always(script).await;
    let mut client = Client::connect(upstream.addr).await;
    client.write(&request("GET", "/", &[], b"")).await;
    gate.open();
    assert_eq!(client.head().await.map(|head| head.0), Some(200));
    let left = Instant::now();
    drop(client);
    assert!(upstream.only().await.closed().await >= left);
}

#[tokio::test]
async fn upstream_can_answer_before_the_body() {
    let answer = answers::whole(413, &[("connection", "close")], b"too large");
    let upstream = Upstream::taking(move |_| Take::Head(answer.clone()), |_| vec![]).await;
    let mut client = Client::connect(upstream.addr).await;
    client.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nonly this").await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn upstream_reads_chunked_bodies_and_keeps_connections() {
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let mut client = Client::connect(upstream.addr).await;
    for _ in 0..2 {
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        client.write(&[&head[..], &chunk(b"one"), &chunk(b"two"), &LAST_CHUNK].concat()).await;
        assert_eq!(client.answer().await.text(), "ok");
    }
    let seen = upstream.seen();
    assert_eq!(&seen[1].body[..], b"onetwo");
    assert!(seen[1].raw.ends_with(b"3\r\ntwo\r\n0\r\n\r\n"));
    assert_eq!((seen[1].connection, upstream.connections()), (0, 1));
}

#[tokio::test]
async fn collector_takes_both_protocols_and_refuses_when_told() {
    let collector = Collector::start().await;
    let sent = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![Span {
                    trace_id: vec![1; 16],
                    span_id: vec![2; 8],
                    name: "chat".into(),
                    ..Span::default()
                }],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let mut client = TraceServiceClient::connect(collector.origin()).await.expect("a channel");
    client.export(sent.clone()).await.expect("taken");
    let body = sent.encode_to_vec();
    let raw = request("POST", "/v1/traces", &[], &body);
    assert_eq!(call(collector.addr, &raw).await.status, 200);
    collector.set(Mood::Refuse(503));
    assert_eq!(call(collector.addr, &raw).await.status, 503);
    assert!(client.export(sent.clone()).await.is_err());
    collector.set(Mood::RejectSpans(1));
    let partial = client.export(sent).await.expect("taken").into_inner().partial_success;
    assert_eq!(partial.map(|partial| partial.rejected_spans), Some(1));
    let spans = collector.spans();
    assert_eq!(spans.len(), 3);
    assert_eq!(
        (spans[0].name.as_str(), spans[0].trace.len(), collector.requests()),
        ("chat", 32, 5)
    );
}

#[test]
fn metrics_pages_are_read() {
    let page = Page::parse(concat!(
        "# TYPE a counter\n",
        "a_total{model=\"x}\\\"y\",kind=\"in\"} 3\n",
        "a_total{kind=\"out\"} 4.5 # {trace_id=\"1\"} 4\n",
        "b 2\n# EOF\n",
    ));
    assert!((page.total("a_total") - 7.5).abs() < f64::EPSILON);
    assert!((page.sum("a_total", |s| s.label("model") == "x}\"y") - 3.0).abs() < f64::EPSILON);
    assert!(page.has("b") && !page.has("c"));
}

#[tokio::test]
async fn time_passes_only_where_a_script_says_so() {
    let pause = Duration::from_millis(30);
    let script = vec![Step::Sleep(pause), Step::Send(answers::head(204, &[]))];
    let upstream = Upstream::always(script).await;
    let begun = Instant::now();
    assert_eq!(call(upstream.addr, &request("GET", "/", &[], b"")).await.status, 204);
    assert!(begun.elapsed() >= pause);
}
