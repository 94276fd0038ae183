//! Arize Phoenix takes the traces and shows model, tokens, session and cost. It has a price list and
//! arithmetic of its own: where both price a model, both must come to the same amount.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use super::{free_address, get, installed, spawn};
use crate::support::answers;
use crate::support::client::{call, post, request};
use crate::support::program::{Program, Start};
use crate::support::upstream::{Script, Seen, Upstream};
use crate::support::wait::until_async_for;

/// It takes half a minute to start where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(240);

/// Prompt, of it from the cache, answer, of it thinking.
const TOKENS: [u64; 4] = [1200, 512, 210, 64];

/// Models that both lists price, by upstream.
const PRICED: &[(&str, &[&str])] = &[
    (
        "openai",
        &[
            "gpt-3.5-turbo",
            "gpt-4-turbo",
            "gpt-4o",
            "gpt-4o-mini",
            "gpt-4.1",
            "gpt-4.1-mini",
            "gpt-4.1-nano",
            "gpt-5",
            "gpt-5-mini",
            "gpt-5-nano",
            "gpt-5.1",
            "gpt-5.2",
            "gpt-5.4",
            "gpt-5.4-mini",
            "o1",
            "o3",
            "o3-mini",
            "o4-mini",
        ],
    ),
    (
        "anthropic",
        &["claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5", "claude-sonnet-4-6"],
    ),
    ("gemini", &["gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"]),
    ("mistral", &["mistral-large-latest", "mistral-medium-latest", "mistral-small-latest"]),
    ("groq", &["openai/gpt-oss-120b"]),
];

/// The model whose answers also tell of tokens written to the cache, and of how many.
const WRITES: (&str, u64) = ("claude-opus-4-6", 300);

/// Models that are priced differently, and why.
const APART: &[(&str, &str, &str)] = &[
    ("anthropic", WRITES.0, "it takes cache writes under their present name for plain input"),
    ("groq", "llama-3.3-70b-versatile", "theirs is by model only, and is another host's price"),
];

/// Plays every provider, with tokens of every kind that both price.
fn answer(seen: &Seen) -> Script {
    let [input, cached, output, thinking] = TOKENS;
    let asked = seen.json();
    let model = asked["model"].as_str().unwrap_or_default();
    if let Some(path) = seen.target.strip_prefix("/v1beta/models/") {
        let model = path.split(':').next().unwrap_or_default();
        return answers::value(
            200,
            &json!({"modelVersion": model, "responseId": "r",
                "candidates": [{"index": 0, "finishReason": "STOP",
                    "content": {"role": "model", "parts": [{"text": "Hello."}]}}],
                "usageMetadata": {"promptTokenCount": input, "cachedContentTokenCount": cached,
                    "candidatesTokenCount": output - thinking, "thoughtsTokenCount": thinking,
                    "totalTokenCount": input + output}}),
        );
    }
    let said = answers::Said { model, input, output, ..answers::HELLO };
    if seen.target == "/v1/messages" {
        let written = if model == WRITES.0 { WRITES.1 } else { 0 };
        let mut message = said.message();
        message["usage"] = json!({"input_tokens": input - cached - written,
            "output_tokens": output, "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written});
        return answers::value(200, &message);
    }
    let mut chat = said.chat();
    chat["usage"]["prompt_tokens_details"]["cached_tokens"] = json!(cached);
    chat["usage"]["completion_tokens_details"]["reasoning_tokens"] = json!(thinking);
    answers::value(200, &chat)
}

/// Asks one model, in a session.
async fn ask(program: &Program, upstream: &str, model: &str, session: &str) {
    let (target, body) = match upstream {
        "anthropic" => ("/v1/messages".to_owned(), json!({"model": model, "messages": []})),
        "gemini" => (format!("/v1beta/models/{model}:generateContent"), json!({"contents": []})),
        _ => ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": []})),
    };
    let headers = [("content-type", "application/json"), ("x-tidegauge-session", session)];
    let target = format!("/{upstream}{target}");
    let body = body.to_string();
    let answer = call(program.listen, &request("POST", &target, &headers, body.as_bytes())).await;
    assert_eq!(answer.status, 200, "{model}: {}", answer.text());
}

/// What Phoenix knows of the model calls, by span id.
async fn spans(phoenix: SocketAddr) -> BTreeMap<String, Value> {
    const QUERY: &str = r#"{ projects { edges { node { spans(first: 1000, filterCondition: "span_kind == 'LLM'") {
        edges { node { spanId name attributes tokenCountPrompt tokenCountCompletion
            costSummary { total { cost } } trace { traceId session { sessionId } } } } } } } } }"#;
    let answer = call(phoenix, &post("/graphql", &json!({"query": QUERY}))).await.json();
    let edges = |value: &Value| value["edges"].as_array().cloned().unwrap_or_default();
    let projects = edges(&answer["data"]["projects"]);
    let spans = projects.iter().flat_map(|project| edges(&project["node"]["spans"]));
    let spans = spans.map(|mut edge| edge["node"].take());
    spans.map(|span| (span["spanId"].as_str().unwrap_or_default().to_owned(), span)).collect()
}

/// A whole number of billionths of a dollar; nothing for a float further from one than floats are.
fn nanos(usd: f64) -> Option<f64> {
    let nanos = (usd * 1e9).round();
    ((usd * 1e9 - nanos).abs() < 1e-3).then_some(nanos)
}

#[tokio::test]
async fn phoenix_shows_the_calls_and_comes_to_the_same_cost() {
    let Some(program) = installed("TIDEGAUGE_PHOENIX", "phoenix") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (http, grpc) = (free_address(), free_address());
    let mut command = Command::new(program);
    command
        .arg("serve")
        .current_dir(folder.path())
        .env("PHOENIX_WORKING_DIR", folder.path())
        .env("PHOENIX_HOST", http.ip().to_string())
        .env("PHOENIX_PORT", http.port().to_string())
        .env("PHOENIX_GRPC_PORT", grpc.port().to_string())
        // It calls nobody.
        .env("PHOENIX_TELEMETRY_ENABLED", "false")
        .env("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false")
        .env("PHOENIX_DISABLE_AGENT_ASSISTANT", "true")
        .env("PHOENIX_ALLOWED_SANDBOX_PROVIDERS", "NONE");
    let _phoenix = spawn(&mut command, folder.path());
    until_async_for(PATIENCE, "Phoenix to start", || get(http, "/v1/projects")).await;

    let upstream = Upstream::start(answer).await;
    let origin = upstream.origin();
    let upstreams: Vec<_> = PRICED.iter().map(|(name, _)| (*name, origin.as_str())).collect();
    let mut records = Vec::new();
    for (protocol, receiver) in [("http/protobuf", http), ("grpc", grpc)] {
        let mut tidegauge = Start::upstreams(&upstreams)
            .export(&format!("http://{receiver}"), protocol)
            .run()
            .await;
        let apart = APART.iter().map(|(upstream, model, _)| (*upstream, *model));
        let priced = PRICED
            .iter()
            .flat_map(|(upstream, models)| models.iter().map(|model| (*upstream, *model)));
        let models: Vec<_> = priced.chain(apart).collect();
        for (upstream, model) in &models {
            ask(&tidegauge, upstream, model, protocol).await;
        }
        records.extend(tidegauge.first_records(models.len()).await);
        assert!(tidegauge.stop().await.success(), "{}", tidegauge.said());
    }

    let known = until_async_for(PATIENCE, "every call with its cost in Phoenix", || async {
        let spans = spans(http).await;
        let whole = |record: &Value| {
            let span = spans.get(record["span_id"].as_str().unwrap_or_default());
            span.is_some_and(|span| span["costSummary"]["total"]["cost"].is_number())
        };
        records.iter().all(whole).then_some(spans)
    })
    .await;
    let mut wrong = Vec::new();
    for record in &records {
        let span = &known[record["span_id"].as_str().unwrap_or_default()];
        shows(record, span);
        wrong.extend(judge(record, span));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Model, tokens, trace and session are those of the record.
fn shows(record: &Value, span: &Value) {
    let model = &record["request"]["model"];
    let attributes = span["attributes"].as_str().unwrap_or_default();
    let attributes: Value = serde_json::from_str(attributes).expect("attributes are JSON");
    let tokens = &attributes["llm"]["token_count"];
    let [input, cached, output, _] = TOKENS;
    assert_eq!(&attributes["llm"]["model_name"], model, "{span}");
    assert_eq!(span["trace"]["traceId"], record["trace_id"], "{model}");
    assert_eq!(span["trace"]["session"]["sessionId"], record["session"], "{model}");
    assert_eq!(span["tokenCountPrompt"], input, "{model}");
    assert_eq!(span["tokenCountCompletion"], output, "{model}");
    assert_eq!(tokens["prompt_details"]["cache_read"], cached, "{model}");
}

/// What is wrong with the cost, if anything is.
fn judge(record: &Value, span: &Value) -> Option<String> {
    let model = record["request"]["model"].as_str().unwrap_or_default();
    let ours = record["cost"]["usd"].as_str().and_then(|usd| usd.parse().ok()).and_then(nanos);
    let theirs = span["costSummary"]["total"]["cost"].as_f64().and_then(nanos);
    let same = ours.is_some() && ours == theirs;
    let apart = APART.iter().find(|(_, known, _)| *known == model);
    match apart {
        None if !same => Some(format!("{model}: {ours:?} is not their {theirs:?}")),
        Some((_, _, why)) if same => Some(format!("{model} is the same now, in spite of: {why}")),
        _ => None,
    }
}
