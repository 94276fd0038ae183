//! What the program counts and checks itself: tokens that nobody told, arguments of tool calls.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::answers::{self, HELLO};
use crate::support::client::{call, post};
use crate::support::program::{Program, Start};
use crate::support::upstream::{Script, Upstream};

const CHAT: &str = "/openai/v1/chat/completions";

async fn before(upstream: &Upstream, more: &str) -> Program {
    let origin = upstream.origin();
    let config =
        format!("upstreams:\n  openai: {{ base_url: \"{origin}\", usage: passthrough }}\n{more}");
    Start::with(config).run().await
}

/// Server-sent events of these values.
fn events(values: &[Value]) -> Script {
    let mut events: Vec<Bytes> =
        values.iter().map(|value| format!("data: {value}\n\n").into()).collect();
    events.push("data: [DONE]\n\n".into());
    answers::stream(&events)
}

#[tokio::test]
async fn tokens_that_nobody_told_are_counted_unless_that_is_off() {
    let body = json!({"model": "gpt-4o-mini", "stream": true,
        "messages": [{"role": "user", "content": "tiktoken is great!"}]});
    let upstream = Upstream::always(answers::stream(&HELLO.chat_events(false))).await;
    let program = before(&upstream, "").await;
    call(program.listen, &post(CHAT, &body)).await;
    let record = program.record().await;
    let usage = &record["usage"];
    // Six tokens, three for the message and three for the prompt; what was told is nothing.
    assert_eq!(usage["estimated"]["input_tokens"], 12, "{record}");
    assert_eq!(
        (&usage["source"], &usage["estimated"]["by"]),
        (&json!("estimated"), &json!("o200k"))
    );
    assert_eq!((usage.get("input_tokens"), usage.get("output_tokens")), (None, None), "{record}");
    assert_eq!(record["cost"]["status"], "priced", "{record}");
    let page = program.metrics().await;
    let counted =
        |name: &str| page.sum(name, |s| s.labels.values().any(|word| word == "estimated"));
    assert!(counted("tidegauge_tokens_total") >= 12.0, "{page:?}");
    assert_eq!(page.total("gen_ai_client_token_usage_count"), 0.0, "it has no place to say so");

    let program = before(&upstream, "telemetry: { estimate_usage: false }\n").await;
    call(program.listen, &post(CHAT, &body)).await;
    let record = program.record().await;
    assert_eq!(record["usage"], json!({"source": "missing"}), "{record}");
    assert_eq!(record["cost"]["status"], "unknown", "{record}");
}

/// In one piece and in a stream: what matches, what does not, and what cannot be judged.
#[tokio::test]
async fn tool_arguments_are_checked_against_their_schema() {
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let unusable = json!({"$ref": "https://example.com/schema.json"});
    let rows = [
        (&schema, r#"{"city":"Oslo"}"#, Value::Null),
        (&schema, r#"{"city":7}"#, json!("tool_failure")),
        (&schema, "{}", json!("tool_failure")),
        (&schema, r#"{"city":"#, json!("tool_failure")),
        (&unusable, r#"{"city":7}"#, Value::Null),
    ];
    let upstream = Upstream::start(|seen| {
        let asked = seen.json();
        let arguments = asked["user"].as_str().expect("told").to_owned();
        let call = |function: Value| json!([{"index": 0, "id": "call_1", "type": "function", "function": function}]);
        if asked["stream"] != true {
            let call = call(json!({"name": "weather", "arguments": arguments}));
            let message = json!({"role": "assistant", "content": null, "tool_calls": call});
            return answers::value(200, &json!({"id": "x", "model": "gpt-4o-mini", "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1}}));
        }
        let (start, rest) = arguments.split_at(arguments.len() / 2);
        let delta = |calls: Value, end: Value| json!({"id": "x", "model": "gpt-4o-mini", "choices": [
            {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": end}]});
        events(&[
            delta(call(json!({"name": "weather", "arguments": start})), Value::Null),
            delta(call(json!({"arguments": rest})), json!("tool_calls")),
        ])
    })
    .await;
    let program = before(&upstream, "").await;
    for (number, (schema, arguments, category)) in rows.iter().enumerate() {
        for (place, stream) in [false, true].into_iter().enumerate() {
            let function = json!({"name": "weather", "parameters": schema});
            let body = json!({"model": "gpt-4o-mini", "messages": [], "stream": stream, "user": arguments,
                "tools": [{"type": "function", "function": function}]});
            call(program.listen, &post(CHAT, &body)).await;
            let count = number * 2 + place + 1;
            let record = program.first_records(count).await.remove(count - 1);
            assert_eq!(&record["category"], category, "{arguments}: {record}");
            assert_eq!((&record["error"], &record["end"]), (&Value::Null, &json!("complete")));
        }
    }
    let books = program.page("/readyz?verbose").await.json();
    assert_eq!(books["schemas_unusable"], 2, "{books}");
}
