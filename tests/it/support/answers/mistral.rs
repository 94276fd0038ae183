//! What Mistral's API answers: made here, shaped as it is documented and as real traffic looks.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{HELLO, Said, data, stream, value, whole};
use crate::support::upstream::{Script, Seen};

/// Plays the API for a model of its own; `None` for any other.
pub(super) fn answer(seen: &Seen) -> Option<Script> {
    let body = seen.json();
    let model = body["model"].as_str().filter(|model| model.contains("mistral"))?;
    let said = Said { model, ..HELLO };
    if let Some((status, body)) = failure(model) {
        return Some(value(status, &body));
    }
    Some(match seen.target.as_str() {
        "/v1/chat/completions" if body["stream"] == json!(true) => stream(&events(&said)),
        "/v1/chat/completions" => {
            let headers = [
                ("content-type", "application/json"),
                ("mistral-correlation-id", "01a01a73-9bb4-7bd3-abbf-3d0c31002272"),
            ];
            whole(200, &headers, chat(&said).to_string().as_bytes())
        }
        "/v1/embeddings" => value(
            200,
            &json!({"id": "embd-rig", "object": "list", "model": model,
                "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 2.0]}],
                "usage": {"prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}}),
        ),
        _ => value(404, &json!({"detail": "Not Found"})),
    })
}

fn usage(said: &Said<'_>) -> Value {
    json!({"prompt_tokens": said.input, "completion_tokens": said.output,
        "total_tokens": said.input + said.output, "prompt_tokens_details": {"cached_tokens": 0}})
}

fn chat(said: &Said<'_>) -> Value {
    json!({"id": "cmpl-rig", "object": "chat.completion", "created": 1_700_000_000,
        "model": said.model, "usage": usage(said),
        "choices": [{"index": 0, "finish_reason": "stop", "message":
            {"role": "assistant", "content": said.text(), "tool_calls": null}}]})
}

/// Usage comes unasked, on the chunk that ends the only choice.
fn events(said: &Said<'_>) -> Vec<Bytes> {
    let piece = |delta: Value| {
        json!({"id": "cmpl-rig", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": said.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    };
    let mut events = vec![data(&piece(json!({"role": "assistant", "content": ""})))];
    events.extend(said.words.iter().map(|word| data(&piece(json!({"content": word})))));
    let mut last = piece(json!({"content": ""}));
    last["choices"][0]["finish_reason"] = json!("stop");
    last["usage"] = usage(said);
    events.push(data(&last));
    events.push("data: [DONE]\n\n".into());
    events
}

/// Models that fail: the name says how.
fn failure(model: &str) -> Option<(u16, Value)> {
    let told = |message: &str, kind: &str, code: &str, status: u16| {
        json!({"object": "error", "message": message, "type": kind, "param": null, "code": code,
            "raw_status_code": status})
    };
    Some(match model {
        "mistral-fails-auth" => (401, json!({"detail": "Invalid API Key"})),
        "mistral-fails-missing" => {
            (400, told("Invalid model: mistral-fails-missing", "invalid_model", "1500", 400))
        }
        "mistral-fails-limited" => (429, told("Rate limit exceeded", "rate_limited", "1300", 429)),
        _ => return None,
    })
}
