//! What is said: nothing of it comes out unless the configuration permits it, and then what it
//! permits, everywhere it may be.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::answers::{self, HELLO, Said};
use crate::support::client::{call, request};
use crate::support::collector::Collector;
use crate::support::program::{Program, Start};
use crate::support::upstream::{Seen, Upstream};

/// Stands in prompts, in answers, in tools and in their arguments, and nowhere else.
const CANARY: &str = "canary-7f3a91";
/// Personal data beside it.
const EMAIL: &str = "ann@example.com";
/// A word of one's own that is to be taken out.
const CUSTOMER: &str = "CUST-123456";

fn body(stream: bool) -> Value {
    let arguments = json!({"to": EMAIL, "about": CANARY}).to_string();
    json!({"model": "gpt-4o-mini", "stream": stream, "max_tokens": 64, "messages": [
        {"role": "system", "content": format!("system {CANARY}")},
        {"role": "user", "content": [{"type": "text", "text": format!("{CANARY} {EMAIL} {CUSTOMER}")},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAAcanary"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function",
            "function": {"name": "mail", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "c1", "content": format!("sent {CANARY}")}],
        "tools": [{"type": "function", "function": {"name": "mail", "description": CANARY}}]})
}

/// Says the canary back, whole or streamed, as the request wants it.
fn answer(seen: &Seen) -> Vec<crate::support::upstream::Step> {
    let words = [CANARY, " and ", EMAIL];
    let said = Said { words: &words, ..HELLO };
    match seen.json()["stream"] == true {
        true => answers::stream(&said.chat_events(false)),
        false => answers::value(200, &said.chat()),
    }
}

struct Scene {
    program: Program,
    collector: Collector,
    _upstream: Upstream,
}

impl Scene {
    /// With two upstreams, of which the second is captured whole or not at all: see `own`.
    async fn start(config: &str, own: &str, env: &[(&str, &str)]) -> Self {
        let collector = Collector::start().await;
        let upstream = Upstream::start(answer).await;
        let origin = upstream.origin();
        let upstreams = format!(
            "upstreams:\n  openai: {{ base_url: \"{origin}\" }}\n  vllm: {{ base_url: \"{origin}\", capture: {own} }}\n"
        );
        let start = Start::with(upstreams).and(config);
        let start = env.iter().fold(start, |start, (name, value)| start.env(name, *value));
        let program = start.export(&collector.origin(), "http/protobuf").run().await;
        Self { program, collector, _upstream: upstream }
    }

    /// Makes a call and waits for its record.
    async fn call(&self, upstream: &str, stream: bool, headers: &[(&str, &str)]) -> Value {
        let before = self.program.records().len();
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let target = format!("/{upstream}/v1/chat/completions");
        let listen: SocketAddr = self.program.listen;
        let answer =
            call(listen, &request("POST", &target, &all, body(stream).to_string().as_bytes()))
                .await;
        assert!(answer.text().contains(CANARY), "the client gets what was said");
        self.program.first_records(before + 1).await.remove(before)
    }

    /// Ends the program; everything that came out of it, as one text.
    async fn everything(mut self) -> (String, Collector) {
        let mut all = self.program.page("/metrics").await.text();
        all += &self.program.page("/readyz?verbose").await.text();
        assert!(self.program.stop().await.success());
        all += &self.program.said();
        all += &std::fs::read_to_string(self.program.record_file()).unwrap();
        all += &String::from_utf8_lossy(&self.collector.bytes());
        (all, self.collector)
    }
}

/// Also not where events are asked for and something else is captured.
#[tokio::test]
async fn nothing_that_is_said_comes_out_unless_permitted() {
    let everywhere = [
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT"),
        ("TIDEGAUGE_LOG", "trace"),
    ];
    for env in [&[][..], &everywhere[..]] {
        let scene = Scene::start("", "off", env).await;
        for stream in [false, true] {
            for headers in [&[][..], &[("x-tidegauge-capture", "full")][..]] {
                let record = scene.call("openai", stream, headers).await;
                assert_eq!(record["content"], Value::Null);
            }
        }
        let (all, collector) = scene.everything().await;
        assert!(collector.spans().len() >= 12 && all.contains("gpt-4o-mini"));
        for word in [CANARY, EMAIL, CUSTOMER, "AAAAcanary"] {
            assert!(!all.contains(word), "{word}");
        }
    }
}

#[tokio::test]
async fn what_is_permitted_is_in_records_spans_and_events() {
    let config = "capture: { level: redacted, patterns: ['CUST-[0-9]{6}'], tool_schemas: true }\n";
    let env = [("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT")];
    let scene = Scene::start(config, "off", &env).await;
    let mut contents = Vec::new();
    for stream in [false, true] {
        contents.push(scene.call("openai", stream, &[]).await["content"].clone());
    }
    assert_eq!(contents[0], contents[1], "whole or streamed");
    let content = &contents[0];
    let text = |text: &str| json!({"type": "text", "content": text});
    assert_eq!(content["input_messages"][0]["parts"][0], text(&format!("system {CANARY}")));
    let asked = format!("{CANARY} [REDACTED:email] [REDACTED:custom]");
    assert_eq!(content["input_messages"][1]["parts"][0], text(&asked));
    let blob =
        json!({"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""});
    assert_eq!(content["input_messages"][1]["parts"][1], blob);
    let arguments = json!({"to": "[REDACTED:email]", "about": CANARY});
    assert_eq!(content["input_messages"][2]["parts"][0]["arguments"], arguments);
    let said = json!([{"role": "assistant", "finish_reason": "stop",
        "parts": [text(&format!("{CANARY} and [REDACTED:email]"))]}]);
    assert_eq!(content["output_messages"], said);
    let tool = json!([{"type": "function", "name": "mail", "description": CANARY}]);
    assert_eq!(content["tool_definitions"], tool);

    let (all, collector) = scene.everything().await;
    for word in [EMAIL, CUSTOMER, "AAAAcanary"] {
        assert!(!all.contains(word), "{word}");
    }
    let spans = collector.spans();
    let calls: Vec<_> =
        spans.iter().filter(|span| span.text("gen_ai.operation.name").is_some()).collect();
    assert_eq!(calls.len(), 2);
    for span in &spans {
        let told = |name: &str| -> Value {
            span.text(name).map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
        };
        let is_call = span.text("gen_ai.operation.name").is_some();
        let want = |field: &str| if is_call { content[field].clone() } else { Value::Null };
        assert_eq!(told("gen_ai.input.messages"), want("input_messages"));
        assert_eq!(told("gen_ai.output.messages"), want("output_messages"));
        assert_eq!(told("gen_ai.tool.definitions"), want("tool_definitions"));
    }
    let name = "gen_ai.client.inference.operation.details";
    let logs = collector.logs();
    let events: Vec<_> = logs.iter().filter(|log| log.event == name).collect();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.attributes["gen_ai.input.messages"], content["input_messages"]);
        assert_eq!(event.attributes["gen_ai.output.messages"], content["output_messages"]);
        assert_eq!(event.attributes["gen_ai.request.model"], "gpt-4o-mini");
    }
}

#[tokio::test]
async fn an_upstream_may_permit_more_and_a_request_takes_away() {
    let scene = Scene::start("capture: redacted\n", "full", &[]).await;
    let whole = scene.call("vllm", false, &[]).await;
    let asked = format!("{CANARY} {EMAIL} {CUSTOMER}");
    let parts = &whole["content"]["input_messages"][1]["parts"];
    assert_eq!((&parts[0]["content"], &parts[1]["content"]), (&json!(asked), &json!("AAAAcanary")));
    assert_eq!(whole["content"]["tool_definitions"], json!([{"type": "function", "name": "mail"}]));

    let asked = &scene.call("openai", false, &[]).await["content"]["input_messages"][1]["parts"];
    assert_eq!(asked[0]["content"], format!("{CANARY} [REDACTED:email] {CUSTOMER}"));

    let content =
        async |headers: &[(&str, &str)]| scene.call("vllm", true, headers).await["content"].clone();
    assert_eq!(content(&[("x-tidegauge-capture", "off")]).await, Value::Null);
    assert_eq!(content(&[("x-portkey-debug", "false")]).await, Value::Null);
    let redacted = content(&[("x-tidegauge-capture", "redacted")]).await.to_string();
    assert!(redacted.contains(CANARY) && !redacted.contains(EMAIL));
    let half = content(&[("helicone-omit-request", "true")]).await;
    assert!(half["input_messages"].is_null() && half["tool_definitions"].is_null());
    let answered = &half["output_messages"][0]["parts"][0]["content"];
    assert_eq!(*answered, format!("{CANARY} and {EMAIL}"));
    let half = content(&[("helicone-omit-response", "true")]).await;
    assert!(half["output_messages"].is_null() && half["input_messages"].is_array());
}
