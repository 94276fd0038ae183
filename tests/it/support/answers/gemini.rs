//! What Google's Gemini API answers: made here, shaped as it is documented and as real traffic looks.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{HELLO, Said, stream, whole};
use crate::support::upstream::{Script, Seen};

/// How many tokens it thought beside what it said.
const THOUGHTS: u64 = 5;

/// Plays the API for `/VERSION/models/MODEL:method`; `None` for any other path.
pub(super) fn answer(seen: &Seen) -> Option<Script> {
    let path = seen.target.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
    let (model, method) = path.strip_prefix("models/")?.split_once(':')?;
    let said = Said { model, ..HELLO };
    Some(match (failure(model), method) {
        (Some((status, body)), _) => pretty(status, &body),
        (None, "generateContent") if seen.json()["tools"].is_array() => pretty(200, &call(&said)),
        (None, "generateContent") => pretty(200, &generated(&said)),
        (None, "streamGenerateContent") => stream(&events(&said)),
        (None, "countTokens") => pretty(
            200,
            &json!({"totalTokens": 12,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}]}),
        ),
        (None, "batchEmbedContents") => pretty(
            200,
            &json!({"embeddings": [{"values": [1.0, 2.0, 3.0]}, {"values": [3.0, 2.0, 1.0]}],
                "usageMetadata": {"promptTokenCount": 7,
                    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]}}),
        ),
        _ => pretty(404, &error(404, "NOT_FOUND", "no such method", &json!([]))),
    })
}

fn pretty(status: u16, body: &Value) -> Script {
    let text = serde_json::to_vec_pretty(body).expect("JSON");
    let headers = [("content-type", "application/json; charset=UTF-8"), ("vary", "Origin")];
    whole(status, &headers, &text)
}

fn usage(said: &Said<'_>, output: Option<u64>) -> Value {
    let mut usage = json!({
        "promptTokenCount": said.input, "totalTokenCount": said.input + THOUGHTS,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": said.input}],
        "thoughtsTokenCount": THOUGHTS
    });
    if let Some(output) = output {
        usage["candidatesTokenCount"] = json!(output);
        usage["totalTokenCount"] = json!(said.input + THOUGHTS + output);
    }
    usage
}

fn holding(said: &Said<'_>, parts: &Value, finish: Option<&str>, output: Option<u64>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage(said, output),
        "modelVersion": said.model, "responseId": "resp-rig"
    })
}

fn generated(said: &Said<'_>) -> Value {
    holding(said, &json!([{"text": said.text()}]), Some("STOP"), Some(said.output))
}

/// A tool call ends with the same word as text.
fn call(said: &Said<'_>) -> Value {
    let parts = json!([{"functionCall": {"name": "weather", "args": {"city": "Bergen"}}}]);
    holding(said, &parts, Some("STOP"), Some(said.output))
}

/// Lines end with CRLF, usage grows from chunk to chunk, and nothing marks the end.
fn events(said: &Said<'_>) -> Vec<Bytes> {
    let last = said.words.len() - 1;
    let chunks = said.words.iter().enumerate().map(|(at, word)| {
        let (finish, output) = if at == last { (Some("STOP"), said.output) } else { (None, 1) };
        holding(said, &json!([{"text": word}]), finish, Some(output))
    });
    chunks.map(|chunk| format!("data: {chunk}\r\n\r\n").into()).collect()
}

fn error(status: u16, word: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": status, "message": message, "status": word, "details": details}})
}

/// Models that fail: the name says how.
fn failure(model: &str) -> Option<(u16, Value)> {
    let info = |reason: &str| {
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
            "domain": "googleapis.com"}])
    };
    let (status, word, message, details) = match model {
        "fails-auth" => (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            info("API_KEY_INVALID"),
        ),
        "fails-missing" => (
            404,
            "NOT_FOUND",
            "models/fails-missing is not found for API version v1beta",
            json!([]),
        ),
        "fails-limited" => (
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota. Please retry in 48.9s.",
            json!([{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations":
                [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}]),
        ),
        "fails-overloaded" => {
            (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", json!([]))
        }
        _ => return None,
    };
    Some((status, error(status, word, message, &details)))
}
