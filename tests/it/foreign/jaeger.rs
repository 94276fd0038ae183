//! Jaeger's front end and its interface, over a store of its own: a trace is found by the id that the
//! client was told, with the chain of parents that the pages promise. This store keeps no span kinds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{free_address, get, installed, spawn};
use crate::support::answers;
use crate::support::client::{call, request};
use crate::support::program::{Program, Start};
use crate::support::upstream::Upstream;
use crate::support::wait::until_async;

/// The trace and the span of the caller.
const CALLER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

/// Asks a model; the trace id that the client is told.
async fn ask(program: &Program, model: &str, more: &[(&str, &str)]) -> String {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(more);
    let body = json!({"model": model, "messages": [], "stream": true}).to_string();
    let raw = request("POST", "/openai/v1/chat/completions", &headers, body.as_bytes());
    let answer = call(program.listen, &raw).await;
    answer.header("x-tidegauge-trace-id").expect("a trace").to_owned()
}

/// The spans of a trace, parents first, once all three are there.
async fn trace(jaeger: SocketAddr, id: &str) -> Vec<Value> {
    let spans = until_async("the trace in Jaeger", || async {
        let found = get(jaeger, &format!("/api/traces/{id}")).await?;
        let spans = found["data"][0]["spans"].as_array()?.clone();
        (spans.len() == 3).then_some(spans)
    })
    .await;
    let mut ordered = spans.clone();
    ordered.sort_by_key(|span| depth(span, &spans));
    ordered
}

/// How many ancestors a span has among `known`.
fn depth(span: &Value, known: &[Value]) -> usize {
    let above = parent(span).and_then(|id| known.iter().find(|other| other["spanID"] == id));
    above.map_or(0, |above| 1 + depth(above, known))
}

fn parent(span: &Value) -> Option<&str> {
    let mut references = span["references"].as_array()?.iter();
    references.find(|one| one["refType"] == "CHILD_OF")?["spanID"].as_str()
}

/// Tags by name.
fn tags(span: &Value) -> BTreeMap<&str, &Value> {
    let tags = span["tags"].as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((tag["key"].as_str()?, &tag["value"]))).collect()
}

#[tokio::test]
async fn jaeger_finds_a_trace_with_its_chain_of_parents() {
    let Some(program) = installed("TIDEGAUGE_JAEGER", "jaeger") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (grpc, http) = (free_address(), free_address());
    let mut command = Command::new(program);
    command.arg(grpc.to_string()).arg(http.to_string());
    let _jaeger = spawn(&mut command, folder.path());
    until_async("Jaeger to start", || get(http, "/api/services")).await;
    let upstream = Upstream::start(answers::provider).await;
    let tidegauge = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&format!("http://{grpc}"), "grpc")
        .run()
        .await;

    let from_outside = format!("00-{}-{}-01", CALLER.0, CALLER.1);
    let calls = [
        ("gpt-4o-mini", vec![("traceparent", from_outside.as_str())], Some(CALLER.1)),
        ("fails-limited", vec![], None),
    ];
    for (model, headers, caller) in calls {
        let id = ask(&tidegauge, model, &headers).await;
        let spans = trace(http, &id).await;
        let [server, inference, attempt] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(parent(server), caller, "{server}");
        assert_eq!(parent(inference), server["spanID"].as_str(), "{inference}");
        assert_eq!(parent(attempt), inference["spanID"].as_str(), "{attempt}");
        assert_eq!(server["operationName"], "POST /v1/chat/completions");
        assert_eq!(inference["operationName"], format!("chat {model}"));
        assert_eq!(attempt["operationName"], "POST");
        assert_eq!(*tags(attempt)["http.request.method"], json!("POST"));
        assert_eq!(*tags(inference)["gen_ai.request.model"], json!(model));
        assert_eq!(tags(inference).contains_key("error.type"), caller.is_none(), "{inference}");
        // Children begin and end within their parents.
        for (outer, inner) in [(server, inference), (inference, attempt)] {
            let begin = |span: &Value| span["startTime"].as_u64().expect("microseconds");
            let end = |span: &Value| begin(span) + span["duration"].as_u64().expect("microseconds");
            assert!(begin(outer) <= begin(inner), "{outer} {inner}");
            // Each is cut to whole microseconds.
            assert!(end(inner) <= end(outer) + 1, "{outer} {inner}");
        }
    }
    let services = get(http, "/api/services").await.expect("services");
    assert_eq!(services["data"], json!(["tidegauge"]));
}
